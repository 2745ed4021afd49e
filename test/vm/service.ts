// The service as systemd, its journal and its socket show it: what it said, how it stands, how fast it answers.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { expect } from 'vitest'
import type { Disk } from './disk.ts'
import type { BackupDisk, Home } from './home.ts'
import { fingerprintOf, lookElsewhere, mountCopy, snapshotsUnder, travelled } from './home.ts'
import type { JournalEntry, Mark } from './journal.ts'
import type { Machine } from './machine.ts'
import type { Scenario } from './scenario.ts'

export const unit = 'walkaway.service'

/** For what takes seconds: the emulated machine may share its host with others. What must be quick is measured. */
export const soonMs = 120_000

/** Properties of the unit, by name. */
export async function showService(
  nas: Machine,
  ...names: readonly string[]
): Promise<Record<string, string>> {
  const { stdout } = await nas.run(['systemctl', 'show', unit, ...names.map((name) => `--property=${name}`)])
  return Object.fromEntries(
    stdout
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}

export const propertyOf = async (nas: Machine, name: string): Promise<string> =>
  (await showService(nas, name))[name] ?? ''

/** What the daemon has in memory. */
export async function residentKb(nas: Machine): Promise<number> {
  const { stdout } = await nas.run([
    'awk',
    '/VmRSS/ { print $2 }',
    `/proc/${await propertyOf(nas, 'MainPID')}/status`,
  ])
  return Number(stdout)
}

/** Sends SIGKILL to the daemon itself, as the kernel does when memory is short, and waits until systemd has another. */
export async function killDaemon(nas: Machine): Promise<JournalEntry> {
  const after = nas.journal.mark()
  await nas.run(['kill', '-KILL', await propertyOf(nas, 'MainPID')])
  // What the one that was killed had said may arrive after the kill.
  const killed = await nas.journal.waitFor(
    { unit, message: /^walkaway\.service: Main process exited, code=killed/ },
    { deadlineMs: soonMs, after },
  )
  return nas.journal.waitFor({ event: 'daemon-started' }, { deadlineMs: soonMs, after: killed })
}

/** What was said of the service by anybody, debug lines left out. `worse`: warnings and errors only. */
export function said(nas: Machine, after: Mark, { worse = false } = {}): readonly JournalEntry[] {
  const least = worse ? 4 : 6
  return nas.journal.entries({ unit, after }).filter((entry) => Number(entry['PRIORITY'] ?? 6) <= least)
}

export const messages = (entries: readonly JournalEntry[]): readonly string[] =>
  entries.map((entry) => entry['MESSAGE'] ?? '')

/** Milliseconds from the question to the whole answer on the control socket, median of five. */
export async function statusLatencyMs(nas: Machine): Promise<number> {
  const ask = `
    const { connect } = require('node:net')
    const once = () => new Promise((resolve, reject) => {
      const begun = performance.now()
      const socket = connect('/run/walkaway/control.sock')
      let answer = ''
      socket.on('error', reject)
      socket.on('data', (part) => { answer += part })
      socket.on('end', () => (JSON.parse(answer).ok ? resolve(performance.now() - begun) : reject(answer)))
      socket.end('{"version":1,"command":"status"}\\n')
    })
    const times = []
    const next = async () => {
      for (let count = 0; count < 5; count++) times.push(await once())
      console.log(times.sort((a, b) => a - b)[2])
    }
    next()`
  return Number((await nas.run(['node', '-e', ask], { deadlineMs: soonMs })).stdout)
}

/** Of everything that is on the disk, used or not: for disks that must not be touched. */
export async function fingerprintOfImage(disk: Disk): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(disk.path), hash)
  return hash.digest('hex')
}

/**
 * Looks at the disk from another computer: its snapshots are the source's with the source's GUIDs, among them the one that
 * the last visit took of every dataset that it sent, and its files are the source's files as they are now.
 */
export async function expectFullCopy(s: Scenario, home: Home, disk: BackupDisk): Promise<void> {
  const { nas } = home
  const set = nas.journal.events({ event: 'snapshot-taken', disk: disk.name }).at(-1)
  if (set === undefined) throw new Error(`no visit of ${disk.name}`)
  const source = await snapshotsUnder(nas, 'tank')
  const newest = travelled(source, nas, set.index).filter((s) => s.includes(`@${set['WALKAWAY_SNAPSHOT']}\t`))
  expect(newest.length).toBeGreaterThan(0)
  const files = await fingerprintOf(nas, '/tank')
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    const copy = await snapshotsUnder(elsewhere, `${root}/tank`)
    expect(copy).toEqual(expect.arrayContaining([...newest]))
    expect(source).toEqual(expect.arrayContaining([...copy]))
    expect(await fingerprintOf(elsewhere, await mountCopy(elsewhere, `${root}/tank`))).toBe(files)
  })
}
