// Two years with two disks in rotation and another program that takes snapshots every hour: each disk always finds its
// base, nothing grows without end, and nothing of the other program is lost.
import { expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import type { KeepPolicy } from '../src/core/retention.ts'
import { utc } from './core/calendars.ts'
import { type Machine, none } from './fakes/machine.ts'
import {
  datasetOf,
  expectBackedUp,
  expectHonest,
  expectTidy,
  homeMachine,
  sources,
  visitOf,
} from './fakes/visits.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const keepDisk: KeepPolicy = { ...none, last: 3, daily: 14, weekly: 8, monthly: 24, yearly: 10 }
const mostOnDisk = 3 + 14 + 8 + 24 + 10

/** Takes a snapshot of everything each hour, and keeps 36 of them and one a day for 30 days: on the source alone. */
function createAutosnap(machine: Machine) {
  const alive = new Map<string, Date>()
  return {
    async takeHour(): Promise<void> {
      const at = machine.now
      const name = `autosnap_${at.toISOString().slice(0, 19).replace('T', '_')}_hourly`
      await machine.zfs.snapshotSet(sources.map(datasetName), name)
      alive.set(name, at)
    },
    cleanUp(): void {
      const isOld = (at: Date): boolean => {
        const ageMs = machine.now.getTime() - at.getTime()
        return ageMs > (at.getUTCHours() === 0 ? 30 * dayMs : 36 * hourMs)
      }
      const old = new Set([...alive].flatMap(([name, at]) => (isOld(at) ? [name] : [])))
      for (const name of old) alive.delete(name)
      for (const source of sources) {
        const dataset = datasetOf(machine, source)
        dataset.snapshots = dataset.snapshots.filter(({ name }) => !old.has(name))
      }
    },
    expectUntouched(): void {
      for (const source of sources) {
        const there = datasetOf(machine, source).snapshots.map(({ name }) => name)
        expect(there.filter((name) => name.startsWith('autosnap'))).toEqual([...alive.keys()])
      }
    },
  }
}

test('two disks in rotation for two years', { timeout: 300_000 }, async () => {
  const machine = homeMachine()
  machine.state.now = () => machine.now
  machine.addDisk('offsite-2')
  machine.unplug('offsite-2')
  machine.keep = { disk: keepDisk, source: { ...none, last: 2 } }
  const autosnap = createAutosnap(machine)
  const beginning = Date.parse('2026-11-22T00:00:00Z')
  let here = 'offsite-1'
  let sent: readonly string[] = []

  async function swapAndVisit(day: number): Promise<void> {
    machine.unplug(here)
    // Offsite-2 is away for three months and more.
    here = here === 'offsite-1' && !(day > 300 && day < 400) ? 'offsite-2' : 'offsite-1'
    machine.plugIn(here)
    machine.told.length = 0
    machine.state.calls.length = 0
    const result = await visitOf(machine, here)
    expect(result, `day ${day}`).toMatchObject({
      kind: 'released',
      report: { outcome: 'complete', failures: [] },
    })
    expectHonest(machine, here, result)
    expectBackedUp(machine, here)
    expectTidy(machine, here)
    autosnap.expectUntouched()
    sent = [...sent, ...machine.told.flatMap((event) => (event.kind === 'dataset-sent' ? [event.how] : []))]
    expect(machine.told.flatMap((event) => (event.kind === 'pruned' ? event.left : []))).toEqual([])
    for (const source of sources) {
      const own = datasetOf(machine, source).snapshots.filter(({ name }) => name.startsWith('walkaway_'))
      expect(own.length, `${source} on day ${day}`).toBeLessThanOrEqual(2)
      // One for each disk, and its twin.
      expect(datasetOf(machine, source).bookmarks.length).toBeLessThanOrEqual(4)
      // The common base may be one that no rule keeps.
      const onDisk = datasetOf(machine, `${here}/nas/${source}`).snapshots.length
      expect(onDisk, `${source} on ${here} on day ${day}`).toBeLessThanOrEqual(mostOnDisk + 1)
    }
  }

  for (let day = 0; day < 730; day++) {
    for (let hour = 0; hour < 24; hour++) {
      machine.now = new Date(beginning + day * dayMs + hour * hourMs)
      await autosnap.takeHour()
    }
    autosnap.cleanUp()
    if (day % 5 === 0) machine.write('tank', 10)
    if (day % 60 === 0) machine.write('tank/home/ann', 10)
    if (day % 7 === 0) await swapAndVisit(day)
  }

  expect(sent.filter((how) => how === 'full')).toHaveLength(2 * sources.length)
  expect(sent.filter((how) => how === 'resumed')).toEqual([])
  for (const disk of ['offsite-1', 'offsite-2']) {
    const months = datasetOf(machine, `${disk}/nas/tank`).snapshots.map(
      ({ creation }) => utc(creation).monthly,
    )
    expect(new Set(months).size, disk).toBeGreaterThanOrEqual(20)
  }
})
