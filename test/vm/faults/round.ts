// One round: the source changes, the disk is plugged in, the fault strikes, and then there is nothing to do but what the
// person was told to: wait, plug the disk in again, or take it away. Ends with the disk elsewhere, looked at.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackupDisk, visitDeadlineMs } from '../home.ts'
import type { JournalEntry } from '../journal.ts'
import { faults } from './faults.ts'
import { lookAfter, removeBallast } from './look.ts'
import type { Round } from './plan.ts'
import { statusMs } from './status.ts'
import { lastToldOf, type World } from './world.ts'

export type RoundResult = {
  readonly round: Round
  /** What was found wrong; empty is well. */
  readonly violations: readonly string[]
  /** How often the disk was plugged in, the fault's own plugging included. */
  readonly plugged: number
  readonly resumed: number
  /** From the fault until the disk was safe to remove with a complete backup. */
  readonly recoveryMs: number
  /** How long the daemon took to answer `status`, half of the times and at worst, in milliseconds. */
  readonly statusMs: { readonly median: number; readonly slowest: number }
}

/** A person tries this often before they write an angry letter. */
const mostVisits = 3

export async function playRound(world: World, round: Round): Promise<RoundResult> {
  const { nas, disks } = world
  const disk = disks[round.disk]
  const other = disks[round.disk === 0 ? 1 : 0]
  await nas.run(['systemctl', 'reset-failed', 'walkaway'])
  await changeSource(world, round)

  let plugged = 0
  const before = nas.journal.mark()
  const plug = async (which: BackupDisk, controller: 0 | 1, failing = false): Promise<void> => {
    if (which === disk) plugged += 1
    await nas.plug(which.image, {
      serial: which.serial,
      controller,
      bytesPerSecond: round.bytesPerSecond,
      wait: false,
      ...(failing ? { failing: { after: round.goodWrites, count: round.failedWrites } } : {}),
    })
  }
  const complete = (which: BackupDisk) => untilComplete(world, which, { before, plug })

  const asking = askAllTheTime(world)
  await plug(disk, round.controller, round.fault === 'write errors')
  await momentOf(world, round, disk, before)
  const struckAt = Date.now()
  await faults[round.fault]({
    world,
    round,
    disk,
    plugAgain: (controller) => plug(disk, controller),
    plugOther: () => plug(other, round.controller),
    visitOther: async () => {
      await plug(other, round.controller)
      await complete(other)
      await takeAway(world, other)
    },
  })
  const both = other.image.attachedTo === nas.name
  for (const each of both ? [disk, other] : [disk]) await complete(each)
  const recoveryMs = Date.now() - struckAt
  const violations = [...world.witness.lies(before)]
  for (const each of both ? [disk, other] : [disk]) {
    await takeAway(world, each)
    violations.push(...(await lookAfter(world, each, before)))
  }
  await nas.run(['date', '--set', `@${Date.now() / 1000}`])
  const status = await asking.stop()
  if (status.median === 0) violations.push('G8: status was never answered')
  // One answer may wait for an emulated processor that starts a program or is shared with another machine.
  if (status.median > 1000) violations.push(`G8: status was answered after ${status.median} ms`)
  const resumed = nas.journal.events({ event: 'dataset-sent', after: before, message: /\(resumed\)/ }).length
  return { round, violations, plugged, resumed, recoveryMs, statusMs: status }
}

async function changeSource({ nas, handmade }: World, { writes, ...round }: Round): Promise<void> {
  const files = writes.map(
    ({ dataset, kilobytes }, at) => `head -c ${kilobytes}K /dev/urandom > /tank/${dataset}/changed-${at}.bin`,
  )
  const name = `tank/docs@by-hand-${handmade.length + 1}`
  await nas.script(
    [...files, ...(round.handmade ? [`zfs snapshot ${name}`] : []), 'zpool sync tank'].join('\n'),
    {
      deadlineMs: 120_000,
    },
  )
  if (round.handmade) handmade.push(name)
}

/** A visit that does not come so far has ended, or is stuck: the fault comes all the same. */
async function momentOf(
  { nas }: World,
  { moment, delayMs }: Round,
  disk: BackupDisk,
  after: number,
): Promise<void> {
  if (moment !== 'plugged')
    await nas.journal.waitFor(
      { event: [moment, 'safe-to-remove', 'disk-stuck', 'disk-pulled'], disk: disk.name },
      { deadlineMs: visitDeadlineMs, after },
    )
  await sleep(delayMs)
}

type Trying = {
  readonly before: number
  readonly plug: (disk: BackupDisk, controller: 0 | 1) => Promise<void>
}

/** Until it is said to be safe, with a complete backup; whatever else is said, plugging it in again must help. */
async function untilComplete(world: World, disk: BackupDisk, { before, plug }: Trying): Promise<void> {
  for (let visits = 1; ; visits += 1) {
    const told = await untilEnded(world, disk, before)
    if (told['WALKAWAY_OUTCOME'] === 'complete') return
    assert(visits < mostVisits, `${disk.name} is not complete after ${visits} visits: ${told['MESSAGE']}`)
    if (told['WALKAWAY_EVENT'] === 'disk-stuck') await world.nas.pull(disk.image)
    else {
      await takeAway(world, disk)
      await removeBallast(world, disk)
    }
    await plug(disk, 0)
  }
}

const endings = ['safe-to-remove', 'disk-stuck']

async function untilEnded(world: World, disk: BackupDisk, before: number): Promise<JournalEntry> {
  const deadline = Date.now() + visitDeadlineMs
  for (;;) {
    await world.nas.settleJournal()
    const told = lastToldOf(world, disk, before)
    if (told !== undefined && endings.includes(told['WALKAWAY_EVENT'] ?? '')) return told
    if (Date.now() > deadline)
      throw new Error(
        `${disk.name}: no end of the visit; the last that was said: ${told?.['MESSAGE'] ?? 'nothing'}`,
      )
    await sleep(500)
  }
}

async function takeAway({ nas }: World, disk: BackupDisk): Promise<void> {
  const after = nas.journal.mark()
  await nas.pull(disk.image)
  await nas.journal.waitFor({ event: 'disk-removed', disk: disk.name }, { deadlineMs: 60_000, after })
}

/** Asks for the status every few seconds; when there is no daemon to ask, that does not count. */
function askAllTheTime({ nas }: World): { readonly stop: () => Promise<RoundResult['statusMs']> } {
  let going = true
  const answers: number[] = []
  const asking = (async () => {
    while (going) {
      const ms = nas.isRunning() ? await statusMs(nas).catch(() => 0) : 0
      if (ms > 0) answers.push(ms)
      await sleep(2000)
    }
  })()
  return {
    stop: async () => {
      going = false
      await asking
      answers.sort((a, b) => a - b)
      return { median: answers[Math.floor(answers.length / 2)] ?? 0, slowest: answers.at(-1) ?? 0 }
    },
  }
}
