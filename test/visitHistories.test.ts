// Random histories of both sides, with visits between that may be broken off: afterwards a visit either brings a dataset up
// to date or names a conflict, nothing on the disk is lost, no base is destroyed, and one more visit has nothing to do.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import { EndVisit } from '../src/endVisit.ts'
import type { Machine } from './fakes/machine.ts'
import { datasetOf, expectHonest, homeMachine, visitOf } from './fakes/visits.ts'
import {
  addClone,
  addDataset,
  addSnapshot,
  type FakeDataset,
  type FakeSnapshot,
  isBelow,
  promote,
} from './fakes/zfsState.ts'

const names = ['tank', 'tank/home', 'tank/home/ann', 'tank/new', 'tank/new/child'] as const
const kinds = [
  'write',
  'snapshot',
  'forget',
  'forget-all',
  'forget-bookmarks',
  'rollback',
  'rename',
  'create',
  'destroy',
  'again',
  'clone',
  'promote',
  'forget-copy',
  'diverge',
  'visit',
  'visit',
  'break-off',
] as const
interface Happening {
  readonly kind: (typeof kinds)[number]
  readonly name: (typeof names)[number]
  readonly at: number
}
const happening: fc.Arbitrary<Happening> = fc.record({
  kind: fc.constantFrom(...kinds),
  name: fc.constantFrom(...names),
  at: fc.nat({ max: 7 }),
})

const poolOf = (machine: Machine) =>
  machine.state.pools.get('tank')?.datasets ?? new Map<string, FakeDataset>()
const copyOf = (machine: Machine, name: string) =>
  machine.disk('offsite-1').pool.datasets.get(`offsite-1/nas/${name}`)
const pick = <T>(from: readonly T[], at: number): T | undefined => from[at % Math.max(1, from.length)]

/** Does it if it can be done; the rest of the history goes on. */
async function happen(
  machine: Machine,
  { kind, name, at }: Happening,
  config = machine.config(),
): Promise<void> {
  const datasets = poolOf(machine)
  const source = datasets.get(name)
  const copy = copyOf(machine, name)
  const everything = [...machine.state.pools.values()].flatMap((pool) => [...pool.datasets.values()])
  /** Besides those that go with it. */
  const hasClones = (snapshot: FakeSnapshot, besides: readonly FakeDataset[] = []): boolean =>
    everything.some((each) => each.origin === snapshot && !besides.includes(each))
  /** What is held or has clones ZFS does not destroy. */
  const mayGo = (snapshot: FakeSnapshot): boolean => snapshot.tags.size === 0 && !hasClones(snapshot)
  const drop = (of: FakeDataset): void => {
    const gone = pick(of.snapshots, at)
    if (gone !== undefined && mayGo(gone)) of.snapshots = of.snapshots.filter((snapshot) => snapshot !== gone)
  }
  switch (kind) {
    case 'write':
      if (source !== undefined) machine.write(name, at + 1)
      return
    case 'snapshot':
      if (source !== undefined) addSnapshot(machine.state, source, `by-hand-${machine.state.nextId()}`)
      return
    case 'forget':
      if (source !== undefined) drop(source)
      return
    case 'forget-all':
      if (source !== undefined) source.snapshots = source.snapshots.filter((one) => !mayGo(one))
      return
    case 'forget-bookmarks':
      if (source !== undefined) source.bookmarks = []
      return
    case 'rollback': {
      const to = source && pick(source.snapshots, at)
      if (source === undefined || to === undefined) return
      if (source.snapshots.some((one) => one.createtxg > to.createtxg && !mayGo(one))) return
      source.snapshots = source.snapshots.filter(({ createtxg }) => createtxg <= to.createtxg)
      source.bookmarks = source.bookmarks.filter(({ createtxg }) => createtxg <= to.createtxg)
      source.content = to.content
      return
    }
    case 'rename': {
      const to = `tank/renamed ${machine.state.nextId()}`
      if (source === undefined || name === 'tank') return
      return machine.zfs.rename({ from: datasetName(name), to: datasetName(to), type: 'filesystem' })
    }
    case 'create':
      if (source === undefined && datasets.has(name.slice(0, name.lastIndexOf('/'))))
        addDataset(machine.state, name)
      return
    case 'destroy':
    case 'again':
      if (source === undefined || name === 'tank') return
      {
        const doomed = [...datasets.values()].filter((each) => isBelow(name, each.name))
        if (doomed.some(({ snapshots }) => snapshots.some((one) => hasClones(one, doomed)))) return
        for (const each of doomed) datasets.delete(each.name)
      }
      if (kind === 'again') addDataset(machine.state, name)
      return
    case 'clone': {
      const of = source && pick(source.snapshots, at)
      if (of !== undefined)
        addClone(machine.state, `${name}@${of.name}`, `tank/clone ${machine.state.nextId()}`)
      return
    }
    case 'promote': {
      const clone = pick(
        [...datasets.values()].filter(({ origin }) => origin !== null),
        at,
      )
      if (clone !== undefined) promote(machine.state, clone.name)
      return
    }
    case 'forget-copy':
      if (copy !== undefined && copy.snapshots.length > 1 && copy.partial === null) drop(copy)
      return
    case 'diverge':
      if (copy === undefined || copy.partial !== null || copy.snapshots.length === 0) return
      machine.disk('offsite-1').pool.imported = { altroot: null }
      addSnapshot(machine.state, copy, `of the disk ${machine.state.nextId()}`)
      machine.disk('offsite-1').pool.imported = null
      return
    case 'visit':
      await visitOf(machine, 'offsite-1', { config })
      return
    case 'break-off': {
      const controller = new AbortController()
      let transfers = 0
      machine.state.interference = {
        before: ({ verb }) => {
          if (verb === 'transfer.transfer' && transfers++ === at)
            setImmediate(() => controller.abort(new EndVisit('stopping')))
        },
      }
      await visitOf(machine, 'offsite-1', { config, signal: controller.signal })
      machine.state.interference = {}
    }
  }
}

/** Every snapshot on the disk, wherever it is now. */
const guidsOnDisk = (machine: Machine): ReadonlySet<bigint> =>
  new Set(
    [...machine.disk('offsite-1').pool.datasets.values()].flatMap(({ snapshots }) =>
      snapshots.map(({ guid }) => guid),
    ),
  )
/** The newest of a copy that its source has as well: what an increment can go on from. */
const baseOf = (machine: Machine, name: string): bigint | undefined => {
  const source = datasetOf(machine, name)
  const known = new Set([...source.snapshots, ...source.bookmarks].map(({ guid }) => guid))
  return copyOf(machine, name)?.snapshots.findLast(({ guid }) => known.has(guid))?.guid
}

test.each(['stop', 'set-aside'] as const)(
  'whatever happened, with onConflict: %s',
  async (onConflict) => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 25 }), async (history) => {
        const machine = homeMachine()
        const config = machine.config({ backup: { ...machine.config().backup, onConflict } })
        for (const each of history) await happen(machine, each, config)

        const before = guidsOnDisk(machine)
        const bases = new Map([...poolOf(machine).keys()].map((name) => [name, baseOf(machine, name)]))
        const result = await visitOf(machine, 'offsite-1', { config })
        const { report } = result
        expect([...before].filter((guid) => !guidsOnDisk(machine).has(guid))).toEqual([])
        for (const { reason } of report.failures) expect(reason).toMatch(/; nothing was changed: /)
        // Only ZFS sees a copy that was changed since its newest snapshot, and only when it receives.
        const modified = report.failures.filter(({ reason }) => reason.includes('was changed after')).length
        if (onConflict === 'set-aside') expect(report.failures).toHaveLength(modified)

        const failed = new Set<string>(report.failures.map(({ dataset }) => dataset))
        seen.add(report.outcome)
        for (const name of poolOf(machine).keys()) {
          const base = baseOf(machine, name)
          // A copy that followed its source had no base in this place before.
          if (failed.has(name)) expect(base).toBe(bases.get(name) ?? base)
          else {
            const [newest, copy] = [datasetOf(machine, name).snapshots.at(-1), copyOf(machine, name)]
            expect(copy?.snapshots.at(-1)?.guid, name).toBe(base)
            expect(copy?.snapshots.at(-1)?.content, name).toEqual(newest?.content)
            expect(copy?.partial, name).toBeNull()
          }
        }
        if (report.outcome === 'complete') expect(result.kind).toBe('released')
        else expectHonest(machine, 'offsite-1', result)

        machine.state.calls.length = 0
        const again = await visitOf(machine, 'offsite-1', { config })
        expect(again.report.failures.map(({ dataset }) => dataset)).toEqual([...failed])
        expect(again.report).toMatchObject({ sentBytes: 0, datasets: { sent: 0 } })
        const tried = machine.state.calls.filter(({ verb }) => verb === 'transfer.transfer')
        expect(tried).toHaveLength(modified)
        expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('zfs.rename')
      }),
      { numRuns: 200 },
    )
    expect(seen.has('complete')).toBe(true)
  },
  600_000,
)
