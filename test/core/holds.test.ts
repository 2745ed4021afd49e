import fc from 'fast-check'
import { expect, test } from 'vitest'
import { intoSets, snapshotsToHold } from '../../src/core/holds.ts'
import { datasetName, resumeToken, snapshotGuid } from '../../src/core/model.ts'
import type { Step } from '../../src/core/replication.ts'
import { isWithin } from '../../src/core/selection.ts'
import { at, dataset } from './series.ts'

const source = dataset('@a @b @c @d @e')
const incremental = (from: string, to: string, intermediates = false): Step => ({
  kind: 'incremental',
  from: at(source, from),
  to: at(source, to),
  intermediates,
})

test.each<readonly [string, readonly Step[], string]>([
  ['a full stream', [{ kind: 'full', to: at(source, 'b'), missingOrigin: null }], 'b e'],
  ['an increment, with what it starts from', [incremental('a', 'd')], 'a d e'],
  ['all that travels in one stream', [incremental('a', 'd', true)], 'a b c d e'],
  ['several streams', [incremental('a', 'b'), incremental('b', 'd')], 'a b d e'],
  ['a resumed one', [{ kind: 'resume', token: resumeToken('1-a'), to: at(source, 'c') }], 'c e'],
  ['nothing yet', [{ kind: 'discard-partial', reason: 'dead' }], 'e'],
])('%s', (_, steps, held) => {
  const plan = { kind: 'steps', steps, estimatedBytes: 0, leastBytes: 0 } as const
  const names = snapshotsToHold(source, at(source), plan).map(({ name }) => name)
  expect(names.join(' ')).toBe(held)
})

test('nothing is held for what needs no stream', () => {
  expect(snapshotsToHold(source, at(source), { kind: 'unchanged', state: at(source, 'a') })).toEqual([])
})

const seen = ['tank', 'tank/a', 'tank/a/1', 'tank/a/2', 'tank/a/3', 'tank/a-b', 'tank/b', 'tank/c'].map(
  (name) => dataset('@s @t', { name: datasetName(name) }),
)
const named = (names: readonly string[], short: string) =>
  seen.filter(({ name }) => names.includes(name)).map((of) => at(of, short))

test('a dataset and all below it are one set, if nothing else has a snapshot of that name there', () => {
  const below = ['tank/a', 'tank/a/1', 'tank/a/2', 'tank/a/3']
  const split = intoSets([...named(below, 's'), ...named(['tank/b'], 's'), ...named(below, 't')], seen)
  expect(split.sets.map((set) => set.map(({ dataset: of, name }) => `${of}@${name}`))).toEqual([
    below.map((name) => `${name}@s`),
    below.map((name) => `${name}@t`),
  ])
  expect(split.single.map(({ dataset: of }) => of)).toEqual(['tank/b'])
})

test('whatever is asked for is in one set or alone, and no set has anything else below its first', () => {
  const subset = fc.subarray(seen.map(({ name }) => name as string))
  const property = fc.property(subset, subset, subset, (having, wanted, other) => {
    const there = seen.map((of) => ({
      ...of,
      snapshots: of.snapshots
        .filter(({ name }) => name === 't' || having.includes(of.name))
        .map((one) => ({ ...one, guid: `${of.name} ${one.guid}` as typeof one.guid })),
    }))
    const all = there.flatMap(({ snapshots }) => snapshots)
    const asked = all.filter(({ dataset: of, name }) => (name === 's' ? wanted : other).includes(of))
    const { sets, single } = intoSets(asked, there)
    const paths = (list: typeof asked) => list.map(({ dataset: of, name }) => `${of}@${name}`).sort()
    expect(paths([...sets.flat(), ...single])).toEqual(paths(asked))
    for (const set of sets) {
      const [top] = set
      expect(set.length).toBeGreaterThan(3)
      expect(paths([...set])).toEqual(
        paths(all.filter(({ dataset: of, name }) => name === top?.name && isWithin(of, top.dataset))),
      )
    }
  })
  fc.assert(property, { numRuns: 500 })
})

test('where one of many is left out, the rest are taken one by one', () => {
  const many = Array.from({ length: 5_000 }, (_, number) => {
    const name = datasetName(number === 0 ? 'tank' : `tank/d${number}`)
    const of = dataset('@s', { name })
    return { ...of, snapshots: of.snapshots.map((one) => ({ ...one, guid: snapshotGuid(String(number)) })) }
  })
  const all = many.flatMap(({ snapshots }) => snapshots)
  const { sets, single } = intoSets(all.slice(0, -1), many)
  expect([sets.length, single.length]).toEqual([0, 4_999])
  expect(intoSets(all, many).sets.map(({ length }) => length)).toEqual([5_000])
})
