// One round: the source changes, the disk is plugged in, the fault strikes, and then there is nothing to do but what the
// person was told to: wait, plug the disk in again, or take it away. Ends with the disk elsewhere, looked at.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackupDisk, visitDeadlineMs } from '../home.ts'
import type { JournalEntry } from '../journal.ts'
import { faults } from './faults.ts'
import { lookAfter, removeBallast } from './look.ts'
import { meetMoment, struckAfterMs } from './moment.ts'
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
  /** How often nothing but a reboot helped, as the person was told. */
  readonly reboots: number
  /** From the moment until the fault; null where that is not measured. */
  readonly struckAfterMs: number | null
  /** From the fault until the disk was safe to remove with a complete backup. */
  readonly recoveryMs: number
  /** How long the daemon took to answer `status`, half of the times and at worst, in milliseconds. */
  readonly statusMs: { readonly median: number; readonly slowest: number }
}

export async function playRound(world: World, round: Round): Promise<RoundResult> {
  const { nas, disks } = world
  const disk = disks[round.disk]
  const other = disks[round.disk === 0 ? 1 : 0]
  await nas.run(['systemctl', 'reset-failed', 'walkaway'])
  await changeSource(world, round)
  if (round.scrub) await world.scrubDue(true)

  let plugged = 0
  let reboots = 0
  const before = nas.journal.mark()
  const lastPlugged = new Map<BackupDisk, number>()
  const plug = async (which: BackupDisk, controller: 0 | 1, failing = false): Promise<void> => {
    if (which === disk) plugged += 1
    lastPlugged.set(which, nas.journal.mark())
    await nas.plug(which.image, {
      serial: which.serial,
      controller,
      bytesPerSecond: round.bytesPerSecond,
      wait: false,
      ...(failing ? { failing: { after: round.goodWrites, count: round.failedWrites } } : {}),
    })
  }
  let wellSince = before
  const reset = async (): Promise<void> => {
    await nas.reset()
    await world.witness.begin()
    reboots += 1
    wellSince = nas.journal.mark()
  }
  const since = (which: BackupDisk): number => lastPlugged.get(which) ?? before
  const complete = (which: BackupDisk) => untilComplete(world, which, { round, since, plug, reset })

  const asking = askAllTheTime(world)
  await plug(disk, round.controller, round.fault === 'write errors')
  const seconds = await meetMoment(world, round, disk, before)
  const mark = nas.journal.mark()
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
    violations.push(...(await lookAfter(world, each, { before, wellSince })))
  }
  if (round.scrub) await world.scrubDue(false)
  await nas.run(['date', '--set', `@${Date.now() / 1000}`])
  const status = await asking.stop()
  if (status.median === 0) violations.push('G8: status was never answered')
  // One answer may wait for an emulated processor that starts a program or is shared with another machine.
  if (status.median > 1000) violations.push(`G8: status was answered after ${status.median} ms`)
  const resumed = nas.journal.events({ event: 'dataset-sent', after: before, message: /\(resumed\)/ }).length
  return {
    round,
    violations,
    plugged,
    resumed,
    reboots,
    struckAfterMs: struckAfterMs(world, round.fault, { seconds, mark }),
    recoveryMs,
    statusMs: status,
  }
}

async function changeSource({ nas, handmade }: World, { writes, ...round }: Round): Promise<void> {
  const files = writes.map(
    ({ dataset, kilobytes }, at) =>
      `[ -d /tank/${dataset} ] || zfs create tank/${dataset}
       head -c ${kilobytes}K /dev/urandom > /tank/${dataset}/changed-${at}.bin`,
  )
  const names = Array.from(
    { length: round.handmade },
    (_, at) => `tank/docs@by-hand-${handmade.length + at + 1}`,
  )
  const snapshots = names.map((name) => `echo ${name} > /tank/docs/by-hand.txt; zfs snapshot ${name}`)
  // A small machine would otherwise take all of a transfer into memory at once. Forgotten with every boot.
  const small = [
    `echo ${4 * 1024 * 1024} > /sys/module/zfs/parameters/zfs_dirty_data_max`,
    `echo ${2 * 1024 * 1024} > /sys/module/zfs/parameters/zfs_recv_queue_length`,
  ]
  await nas.script([...small, ...files, ...snapshots, 'zpool sync tank'].join('\n'), {
    deadlineMs: 120_000,
  })
  handmade.push(...names)
}

type Trying = {
  readonly round: Round
  /** The journal's mark of when the disk was plugged in last. */
  readonly since: (disk: BackupDisk) => number
  readonly plug: (disk: BackupDisk, controller: 0 | 1) => Promise<void>
  readonly reset: () => Promise<void>
}

/** Until it is said to be safe, with a complete backup; whatever else is said, plugging it in again must help. */
async function untilComplete(
  world: World,
  disk: BackupDisk,
  { round: { mostVisits, mayWedge }, since, plug, reset }: Trying,
): Promise<void> {
  let hasReset = false
  for (let visits = 1; ; ) {
    const told = await untilEnded(world, disk, since(disk))
    if (told['WALKAWAY_OUTCOME'] === 'complete') return
    const isStuck = told['WALKAWAY_EVENT'] === 'disk-stuck'
    const isReset = isStuck && mayWedge && !hasReset
    if (!isReset) {
      assert(visits < mostVisits, `${disk.name} is not complete after ${visits} visits: ${told['MESSAGE']}`)
      visits += 1
    }
    if (isStuck) await world.nas.pull(disk.image)
    else {
      await takeAway(world, disk)
      await removeBallast(world, disk)
    }
    if (isReset) {
      await reset()
      hasReset = true
    }
    await plug(disk, 0)
  }
}

const endings = ['safe-to-remove', 'disk-stuck']

async function untilEnded(world: World, disk: BackupDisk, since: number): Promise<JournalEntry> {
  const deadline = Date.now() + visitDeadlineMs
  for (;;) {
    await world.nas.settleJournal()
    const told = lastToldOf(world, disk, since)
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
