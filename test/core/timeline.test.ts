// Whether a bookmark is still a base, by the history of its pool: examples, and a model that knows every block.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Bookmark,
  type Dataset,
  type DatasetName,
  datasetName,
  type Snapshot,
  snapshotGuid,
} from '../../src/core/model.ts'
import {
  askedSince,
  openJudging,
  openPicking,
  type PoolEvent,
  type Standing,
  type Suspect,
  standingUnpicked,
} from '../../src/core/timeline.ts'

const replica = datasetName('tank/r')
const bookmarkAt = (createtxg: bigint, dataset: DatasetName = replica): Bookmark => ({
  dataset,
  name: `at ${createtxg}`,
  guid: snapshotGuid(`${createtxg}`),
  createtxg,
  creation: new Date(0),
})
const snapshotAt = (createtxg: bigint, dataset: DatasetName): Snapshot => ({
  ...bookmarkAt(createtxg, dataset),
  holds: 0,
  writtenBytes: 0n,
  referencedBytes: 0n,
  clones: [],
})

/** As the visit does it: two readings of what the pool still remembers. */
function standingsOf(
  suspects: readonly Suspect[],
  events: readonly PoolEvent[],
  oldestTxg = 0n,
): readonly Standing[] {
  const since = askedSince(suspects)
  const told = events.filter(({ txg }) => txg >= since && txg >= oldestTxg)
  const picking = openPicking(suspects)
  told.forEach(picking.add)
  const judging = openJudging(picking.finish())
  told.forEach(judging.add)
  const judged = judging.finish(oldestTxg)
  return suspects.map((suspect) => judged.get(suspect) ?? standingUnpicked(suspect, oldestTxg))
}

const standingOf = (suspect: Suspect, events: readonly PoolEvent[], oldestTxg = 0n): Standing =>
  standingsOf([suspect], events, oldestTxg)[0] ?? 'unknown'

const took = (txg: bigint, name: string, dataset: string = replica): PoolEvent => ({
  kind: 'snapshot-taken',
  txg,
  dataset,
  name,
})
const lost = (txg: bigint, name: string, dataset: string = replica): PoolEvent => ({
  kind: 'snapshot-destroyed',
  txg,
  dataset,
  name,
})
const began = (txg: bigint, dataset: string = replica): PoolEvent => ({
  kind: 'receive-begun',
  txg,
  dataset,
  receiving: '7',
})
const ended = (txg: bigint, dataset: string = replica): PoolEvent => ({
  kind: 'received',
  txg,
  dataset,
  receiving: '7',
})
/** @s1 at 10, our @X at 20, and the receive that ends at 40. */
const synced = [took(10n, 's1'), took(20n, 'X'), began(30n), lost(40n, 'X'), ended(40n), took(40n, 's2')]

describe('a bookmark', () => {
  const cases: readonly (readonly [
    name: string,
    expected: Standing,
    given: {
      readonly events: readonly PoolEvent[]
      readonly twin?: bigint
      readonly listed?: readonly bigint[]
      readonly oldest?: bigint
      readonly at?: DatasetName
    },
  ])[] = [
    ['nothing was received', 'kept', { events: [took(20n, 'X'), lost(25n, 'X')] }],
    ['taken back with its snapshot', 'undone', { events: synced, listed: [10n, 40n] }],
    [
      'its snapshot was destroyed right before, as zfs receive does it for a stream of send -R',
      'undone',
      { events: [took(20n, 'X'), lost(29n, 'X'), began(30n), ended(40n)], listed: [10n] },
    ],
    [
      'its snapshot went with the receive, whichever is told first',
      'undone',
      { events: [took(20n, 'X'), began(30n), ended(40n), lost(40n, 'X')], listed: [10n] },
    ],
    [
      'something else was received',
      'kept',
      { events: [took(20n, 'X'), began(30n, 'tank'), ended(40n, 'tank'), ended(41n, 'tank/r/below')] },
    ],
    ['received before it', 'kept', { events: [began(11n), ended(12n), took(12n, 's1'), took(20n, 'X')] }],
    [
      'the base was younger, and went later',
      'kept',
      { events: [took(20n, 'X'), took(25n, 's2'), began(30n), ended(40n), lost(41n, 's2'), lost(42n, 'X')] },
    ],
    [
      'the base was younger, and went with a promote',
      'kept',
      { events: [took(20n, 'X'), took(25n, 's2'), lost(26n, 'X'), began(30n), ended(40n)] },
    ],
    [
      'the second receive was from further back',
      'undone',
      {
        events: [
          took(20n, 'X'),
          began(30n),
          ended(40n),
          took(40n, 's2'),
          began(50n),
          lost(60n, 'X'),
          lost(60n, 's2'),
          ended(60n),
        ],
        listed: [10n],
      },
    ],
    ['what it held is kept: a twin', 'kept', { events: synced, twin: 10n, listed: [10n, 40n] }],
    ['the twin went later', 'kept', { events: [...synced, lost(50n, 's1')], twin: 10n, listed: [40n] }],
    [
      'the twin went, too',
      'undone',
      { events: [...synced.slice(0, 4), lost(40n, 's1'), ended(40n)], twin: 10n, listed: [5n] },
    ],
    [
      'a twin, but the receive had begun before: some of what it brought is older than the bookmark',
      'undone',
      {
        events: [took(10n, 's1'), began(15n), took(20n, 'X'), lost(40n, 'X'), ended(40n)],
        twin: 10n,
        listed: [10n],
      },
    ],
    ['the history does not reach back', 'unknown', { events: [], oldest: 21n }],
    ['... though it tells of a receive', 'unknown', { events: synced, oldest: 25n, listed: [10n, 40n] }],
    [
      '... to its twin, which is still there',
      'kept',
      { events: synced, twin: 10n, oldest: 15n, listed: [10n, 40n] },
    ],
    ['... to its twin, which is gone', 'unknown', { events: synced, twin: 10n, oldest: 15n, listed: [40n] }],
    [
      'the dataset was renamed, and what is above it',
      'undone',
      {
        events: [
          took(20n, 'X', 'pool/old/x'),
          { kind: 'snapshot-renamed', txg: 21n, dataset: 'pool/old/x', from: 'X', to: 'Y' },
          { kind: 'dataset-renamed', txg: 22n, from: 'pool/old', to: 'pool/mid' },
          began(30n, 'pool/mid/x'),
          lost(40n, 'Y', 'pool/mid/x'),
          ended(40n, 'pool/mid/x'),
          { kind: 'dataset-renamed', txg: 50n, from: 'pool/mid/x', to: 'tank/r' },
        ],
        listed: [10n],
      },
    ],
    [
      'a snapshot of another dataset that had its name then proves nothing',
      'undone',
      {
        events: [
          took(20n, 'X', 'tank/old'),
          took(25n, 'stranger', 'tank/r'),
          { kind: 'dataset-renamed', txg: 26n, from: 'tank/r', to: 'tank/away' },
          { kind: 'dataset-renamed', txg: 27n, from: 'tank/old', to: 'tank/r' },
          began(30n),
          lost(40n, 'X'),
          ended(40n),
        ],
        listed: [10n],
      },
    ],
  ]
  test.each(cases)('%s: %s', (_, expected, { events, twin, listed = [], oldest = 0n }) => {
    const suspect: Suspect = {
      bookmark: bookmarkAt(20n),
      twin: twin === undefined ? null : bookmarkAt(twin),
      snapshots: listed.map((txg) => snapshotAt(txg, replica)),
    }
    expect(standingOf(suspect, events, oldest)).toBe(expected)
  })
})

test('one that is asked with an older one of another dataset: renames before it are none of its own', () => {
  const older: Suspect = { bookmark: bookmarkAt(10n, datasetName('tank/other')), twin: null, snapshots: [] }
  const suspect: Suspect = { bookmark: bookmarkAt(70n), twin: null, snapshots: [] }
  const events: readonly PoolEvent[] = [
    { kind: 'dataset-renamed', txg: 40n, from: 'tank/q', to: 'tank/r' },
    { kind: 'dataset-renamed', txg: 50n, from: 'tank/r', to: 'tank/r.old' },
    took(70n, 'X'),
    began(80n),
    lost(90n, 'X'),
    ended(90n),
  ]
  expect(standingsOf([older, suspect], events)).toEqual(['kept', 'undone'])
})

interface Block {
  readonly value: number
  readonly birth: bigint
}
type Blocks = ReadonlyMap<number, Block>
interface Taken {
  readonly txg: bigint
  readonly name: string
  readonly blocks: Blocks
}
interface Marked {
  readonly of: Taken
  readonly twin: Taken | null
  /** What it stands for, or held, is in the past of the dataset. */
  isKept: boolean
}

const sameValues = (a: Blocks, b: Blocks): boolean =>
  a.size === b.size && [...a].every(([at, { value }]) => b.get(at)?.value === value)

/** One replica with every block of it and the time of its birth, and the history that its pool would write of it. */
function createModel() {
  let txg = 100n
  let values = 0
  let name = 'tank/r'
  let head: Blocks = new Map()
  let snapshots: readonly Taken[] = []
  let marks: readonly Marked[] = []
  let stream: {
    readonly base: Taken
    readonly begun: bigint
    readonly blocks: Blocks
    readonly id: string
  } | null = null
  const events: PoolEvent[] = []
  const next = (): bigint => ++txg
  const written = (onto: Blocks, at: number, birth: bigint): Blocks =>
    new Map([...onto, [at, { value: ++values, birth }]])

  const model = {
    write: (at: number): void => {
      head = written(head, at, next())
    },
    take: (short: string): void => {
      if (snapshots.some((one) => one.name === short)) return
      const taken = { txg: next(), name: short, blocks: head }
      snapshots = [...snapshots, taken]
      events.push(took(taken.txg, short, name))
    },
    /** As a visit does it; `withTwin` as if it had not been there yet. */
    mark: (withTwin: boolean): void => {
      const of = snapshots.at(-1)
      if (of === undefined) return
      const isSame = (one: Taken): boolean =>
        snapshots.slice(snapshots.indexOf(one)).every((later) => sameValues(later.blocks, of.blocks))
      const oldest = snapshots.find(isSame)
      const twin = withTwin && oldest !== of ? (oldest ?? null) : null
      marks = [...marks, { of, twin, isKept: true }]
    },
    destroy: (at: number): void => {
      const doomed = snapshots[at % Math.max(1, snapshots.length)]
      if (doomed === undefined || doomed === stream?.base) return
      snapshots = snapshots.filter((one) => one !== doomed)
      events.push(lost(next(), doomed.name, name))
    },
    begin: (at: number, brings: readonly number[]): void => {
      const base = snapshots[at % Math.max(1, snapshots.length)]
      if (stream !== null || base === undefined) return
      const begun = next()
      const id = String(begun % 3n)
      let { blocks } = base
      for (const each of brings) blocks = written(blocks, each, next())
      stream = { base, begun, blocks, id }
      events.push({ kind: 'receive-begun', txg: begun, dataset: name, receiving: id })
    },
    end: (isByUserland: boolean): void => {
      if (stream === null) return
      const { base, begun, blocks, id } = stream
      stream = null
      const doomed = snapshots.filter((one) => one.txg > base.txg)
      for (const one of isByUserland ? doomed : []) events.push(lost(next(), one.name, name))
      const at = next()
      for (const one of isByUserland ? [] : doomed) events.push(lost(at, one.name, name))
      events.push({ kind: 'received', txg: at, dataset: name, receiving: id })
      snapshots = snapshots.filter((one) => one.txg <= base.txg)
      head = blocks
      const brought = { txg: at, name: `s${at}`, blocks }
      snapshots = [...snapshots, brought]
      events.push(took(at, brought.name, name))
      for (const mark of marks) {
        if (mark.of.txg >= at) continue
        const byTwin = mark.twin !== null && base.txg >= mark.twin.txg && begun > mark.of.txg
        mark.isKept &&= base.txg >= mark.of.txg || byTwin
      }
    },
    rename: (to: string, isAbove: boolean): void => {
      const target = isAbove ? `${to}/r` : `tank/${to}`
      const [from, into] = isAbove ? [name.split('/').slice(0, -1).join('/'), to] : [name, target]
      if (from === into || from === '') return
      events.push({ kind: 'dataset-renamed', txg: next(), from, to: into })
      name = into + name.slice(from.length)
    },
    /** Another dataset, perhaps one that has a name of ours by turns. */
    stranger: (kind: number): void => {
      const other = kind % 2 === 0 ? 'tank/other' : `${name}/below`
      const at = next()
      if (kind % 3 === 0) events.push(began(at, other), ended(next(), other))
      else events.push(kind % 3 === 1 ? took(at, 'a', other) : lost(at, 'a', other))
    },
    /** Each bookmark with what is true of it and what the rule says. */
    judge: () =>
      marks
        .filter(({ of }) => !snapshots.includes(of))
        .map(({ of, twin, isKept }) => {
          const dataset = datasetName(name)
          const listed: Dataset['snapshots'] = snapshots.map((one) => snapshotAt(one.txg, dataset))
          const suspect: Suspect = {
            bookmark: bookmarkAt(of.txg, dataset),
            twin: twin === null ? null : bookmarkAt(twin.txg, dataset),
            snapshots: listed,
          }
          // What ZFS sends from it, received onto a copy of what it stands for.
          const sent = [...head].filter(([, { birth }]) => birth > of.txg)
          return {
            isKept,
            standing: standingOf(suspect, events),
            isRight: sameValues(new Map([...of.blocks, ...sent]), head),
          }
        }),
  }
  return model
}

const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), at: fc.nat({ max: 3 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('take' as const), name: fc.constantFrom('a', 'b', 'c', 'd') }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('mark' as const), withTwin: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('destroy' as const), at: fc.nat({ max: 9 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('begin' as const),
      at: fc.nat({ max: 9 }),
      brings: fc.array(fc.nat({ max: 3 }), { maxLength: 2 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end' as const), isByUserland: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('rename' as const),
      to: fc.constantFrom('q', 'p', 'tank/p'),
      isAbove: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stranger' as const), kind: fc.nat({ max: 5 }) }) },
)
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never

function play(acts: readonly Act[]) {
  const model = createModel()
  for (const each of acts)
    switch (each.do) {
      case 'write':
        model.write(each.at)
        break
      case 'take':
        model.take(each.name)
        break
      case 'mark':
        model.mark(each.withTwin)
        break
      case 'destroy':
        model.destroy(each.at)
        break
      case 'begin':
        model.begin(each.at, each.brings)
        break
      case 'end':
        model.end(each.isByUserland)
        break
      case 'rename':
        model.rename(each.to, each.isAbove)
        break
      case 'stranger':
        model.stranger(each.kind)
    }
  return model.judge()
}

describe('whatever happened', () => {
  test('the rule says what is true, and what it lets pass gives the right content', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        for (const { isKept, standing, isRight } of play(acts)) {
          expect(standing).toBe(isKept ? 'kept' : 'undone')
          if (standing === 'kept') expect(isRight).toBe(true)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test('and the model knows of mixtures, of those that a twin does not mend, too', () => {
    const seen = new Set<string>()
    for (const acts of fc.sample(fc.array(act, { minLength: 20, maxLength: 40 }), { numRuns: 3000, seed: 1 }))
      for (const { isKept, isRight } of play(acts)) seen.add(`kept ${isKept}, right ${isRight}`)
    expect([...seen].sort()).toEqual([
      'kept false, right false',
      'kept false, right true',
      'kept true, right true',
    ])
  })
})
