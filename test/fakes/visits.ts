// Visits on the fake machine, and what must be true after each of them whatever happened.

import { expect } from 'vitest'
import type { Config } from '../../src/config.ts'
import type { VisitResult } from '../../src/core/diskState.ts'
import type { VisitReport } from '../../src/core/model.ts'
import { EndVisit } from '../../src/endVisit.ts'
import { tryRelease } from '../../src/release.ts'
import { visit } from '../../src/visit.ts'
import { createMachine, type Machine } from './machine.ts'
import { addDataset, type FakeDataset } from './zfsState.ts'

interface Options {
  readonly signal?: AbortSignal
  readonly config?: Config
  readonly past?: readonly VisitReport[]
}

const never = new AbortController().signal

export function visitOf(
  machine: Machine,
  name: string,
  { signal = never, config = machine.config(), past = [] }: Options = {},
): Promise<VisitResult> {
  const { disk } = machine.disk(name)
  // No two visits begin in the same second.
  machine.now = new Date(machine.now.getTime() + 60_000)
  const request = {
    disk,
    vdevs: machine.vdevs(name),
    config,
    past,
    signal,
    earlier: Promise.resolve(),
    turn: { isBehind: () => false, come: Promise.resolve() },
  }
  return visit(request, machine.deps)
}

export function releaseOf(
  machine: Machine,
  name: string,
  report: VisitReport,
  signal: AbortSignal = never,
): Promise<VisitResult> {
  const { disk } = machine.disk(name)
  const request = { disk, vdevs: machine.vdevs(name), config: machine.config(), report, signal }
  return tryRelease(request, machine.deps)
}

/** A source of three datasets with data, and a disk that is plugged in. */
export function homeMachine(disk: Parameters<Machine['addDisk']>[1] = {}): Machine {
  const machine = createMachine()
  machine.addPool('tank')
  for (const name of ['tank/home', 'tank/home/ann']) addDataset(machine.state, name)
  for (const name of sources) machine.write(name, 1000)
  machine.addDisk('offsite-1', disk)
  return machine
}
export const sources = ['tank', 'tank/home', 'tank/home/ann'] as const

/** What each source's newest snapshot holds is on the disk, in a snapshot that the source has, too, or a bookmark of. */
export function expectBackedUp(machine: Machine, name: string, datasets: readonly string[] = sources): void {
  for (const source of datasets) {
    const newest = datasetOf(machine, source).snapshots.at(-1)
    const copy = datasetOf(machine, `${name}/nas/${source}`).snapshots.at(-1)
    expect(newest, source).toBeDefined()
    const { snapshots, bookmarks } = datasetOf(machine, source)
    expect(
      [...snapshots, ...bookmarks].map(({ guid }) => guid),
      source,
    ).toContain(copy?.guid)
    expect(copy?.content, source).toEqual(newest?.content)
  }
}

/** One bookmark of this disk on each dataset, its twin aside, of what the disk has newest; nothing held, nothing half received. */
export function expectTidy(machine: Machine, name: string, datasets: readonly string[] = sources): void {
  const { guid } = machine.disk(name).pool
  for (const source of datasets) {
    const dataset = datasetOf(machine, source)
    const copy = datasetOf(machine, `${name}/nas/${source}`)
    const all = dataset.bookmarks.filter((bookmark) => bookmark.name.startsWith(`walkaway_${guid}_`))
    const marks = all.filter(({ name: mark }) => !mark.endsWith('_same'))
    for (const { name: mark } of all)
      expect(marks.map(({ name: own }) => own)).toContain(mark.replace(/_same$/, ''))
    expect(
      marks.map((mark) => mark.guid),
      source,
    ).toEqual([copy.snapshots.at(-1)?.guid])
    expect(
      dataset.snapshots.filter(({ tags }) => tags.has(`walkaway:${guid}`)),
      source,
    ).toEqual([])
    expect(copy.partial, source).toBeNull()
  }
}

/** What holds after every visit (SPEC G1): nothing hangs, and nobody is told to take a disk that is in use. */
export function expectHonest(machine: Machine, name: string, result: VisitResult): void {
  const { pool, seq, released } = machine.disk(name)
  expect(machine.state.wedged).toBe(false)
  if (result.kind === 'released') expect([pool.imported, seq === null, released]).toEqual([null, false, true])
  if (result.kind === 'stopped' || result.kind === 'gone') expect(pool.imported).toBeNull()
  if (result.report.outcome === 'complete') expectBackedUp(machine, name)
}

/** Ends a visit while this dataset is being received. */
export async function interruptAt(machine: Machine, target: string): Promise<void> {
  const controller = new AbortController()
  machine.state.interference = {
    before: ({ verb, about }) => {
      if (verb === 'transfer.transfer' && about === target)
        setImmediate(() => controller.abort(new EndVisit('stopping')))
    },
  }
  const result = await visitOf(machine, 'offsite-1', { signal: controller.signal })
  machine.state.interference = {}
  expect(result).toMatchObject({ kind: 'stopped', report: { outcome: 'interrupted' } })
}

export const datasetOf = (machine: Machine, name: string): FakeDataset => {
  const found = machine.state.pools.get(name.split('/')[0] ?? '')?.datasets.get(name)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}
export const snapshotsOf = (machine: Machine, name: string): readonly string[] =>
  datasetOf(machine, name).snapshots.map((snapshot) => snapshot.name)
