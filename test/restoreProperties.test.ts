// Whatever was backed up in a random history comes back, at each time at which it was backed up: same data, same GUIDs.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import { createMachine, type Machine } from './fakes/machine.ts'
import { restoreOn } from './fakes/restores.ts'
import { datasetOf, visitOf } from './fakes/visits.ts'
import { addDataset, type Content, isBelow } from './fakes/zfsState.ts'

const names = ['tank', 'tank/a', 'tank/a/b c', 'tank/secret', 'tank/vm'] as const
type Name = (typeof names)[number]

type Event =
  | { readonly kind: 'write' | 'snapshot' | 'create' | 'destroy'; readonly dataset: Name }
  | { readonly kind: 'visit' }

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('visit' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('write' as const, 'snapshot' as const),
      dataset: fc.constantFrom(...names),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('create' as const, 'destroy' as const),
      dataset: fc.constantFrom(...names.slice(1)),
    }),
  },
)

const exists = (machine: Machine, name: string): boolean =>
  machine.state.pools.get('tank')?.datasets.has(name) === true

function create(machine: Machine, name: Name): void {
  const parent = name.slice(0, name.lastIndexOf('/'))
  if (exists(machine, name) || !exists(machine, parent)) return
  addDataset(machine.state, name, {
    encrypted: name === 'tank/secret',
    type: name === 'tank/vm' ? 'volume' : 'filesystem',
  })
}

/** The data of each source as it was backed up when a visit was over. */
interface Memory {
  readonly at: Date
  readonly copies: ReadonlyMap<string, Content>
}

async function live(machine: Machine, events: readonly Event[]): Promise<readonly Memory[]> {
  const memories: Memory[] = []
  let last = new Map<string, Content>()
  let bytes = 0
  for (const happens of events) {
    if (happens.kind === 'visit') {
      const { report } = await visitOf(machine, 'offsite-1')
      const failed = new Set(report.failures.map(({ dataset }): string => dataset))
      last = new Map(last)
      let at = new Date(0)
      for (const { name, snapshots } of machine.state.pools.get('tank')?.datasets.values() ?? []) {
        const newest = snapshots.at(-1)
        if (newest === undefined) continue
        if (newest.creation > at) at = newest.creation
        if (!failed.has(name)) last.set(name, newest.content)
      }
      memories.push({ at, copies: last })
    } else if (happens.kind === 'create') create(machine, happens.dataset)
    else if (!exists(machine, happens.dataset)) continue
    else if (happens.kind === 'write') machine.write(happens.dataset, ++bytes)
    else if (happens.kind === 'snapshot')
      await machine.zfs.snapshotSet([datasetName(happens.dataset)], `by-hand-${++bytes}`)
    else
      for (const name of [...(machine.state.pools.get('tank')?.datasets.keys() ?? [])])
        if (isBelow(happens.dataset, name)) machine.state.pools.get('tank')?.datasets.delete(name)
  }
  return memories
}
test('at the time of each visit, and now', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 25 }), async (events) => {
      const machine = createMachine()
      machine.addPool('tank')
      for (const name of names.slice(1)) create(machine, name)
      machine.addDisk('offsite-1')
      machine.addPool('new')
      const memories = await live(machine, [...events, { kind: 'visit' }])
      for (const [number, { at, copies }] of memories.entries()) {
        const to = `new/at-${number}`
        const time = new Date(at.getTime()).toISOString().slice(0, 19)
        const answer = await restoreOn(machine, { dataset: 'tank', to, at: `${time}Z` })
        expect(answer).toMatchObject({ code: 0 })
        for (const [name, content] of copies) {
          const { snapshots } = datasetOf(machine, `${to}${name.slice('tank'.length)}`)
          expect(
            snapshots.map((snapshot) => snapshot.content),
            `${name} at ${number}`,
          ).toEqual([content])
          const copy = datasetOf(machine, `offsite-1/nas/${name}`)
          expect(copy.snapshots.map(({ guid }) => guid)).toContain(snapshots[0]?.guid)
        }
        const restored = [...(machine.state.pools.get('new')?.datasets.keys() ?? [])].filter((name) =>
          isBelow(to, name),
        )
        expect(restored).toHaveLength(copies.size)
      }
      expect(machine.disk('offsite-1').pool.imported).toBeNull()
    }),
    { numRuns: 60 },
  )
}, 120_000)
