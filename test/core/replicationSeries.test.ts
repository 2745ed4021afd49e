// Every short history against every short copy of it: the plan is carried out on a tiny model of ZFS that refuses what
// ZFS would refuse. No case is chosen by hand.

import { expect, test } from 'vitest'
import type { Dataset, Snapshot, SnapshotGuid } from '../../src/core/model.ts'
import { datasetName } from '../../src/core/model.ts'
import {
  isOwnSnapshotName,
  planReplication,
  type ReplicationPlan,
  type Step,
} from '../../src/core/replication.ts'
import { at, dataset } from './series.ts'

const target = datasetName('disk/nas/tank')

/** What the disk has after a step. Throws where `zfs recv` would fail. */
function receive(source: Dataset, onDisk: Dataset | null, step: Step): Dataset {
  const copy = (of: readonly Snapshot[]): Dataset => ({
    ...(onDisk ?? dataset('', { name: target })),
    snapshots: [...(onDisk?.snapshots ?? []), ...of].map((s, i) => ({
      ...s,
      dataset: target,
      createtxg: BigInt(i),
    })),
  })
  switch (step.kind) {
    case 'full':
      if (onDisk !== null) throw new Error('a full stream onto something that is there')
      return copy([at(source, step.to.name)])
    case 'incremental': {
      const newest = onDisk?.snapshots.at(-1)
      if (newest?.guid !== step.from.guid)
        throw new Error('the stream does not begin at the newest on the disk')
      if (step.from.createtxg >= step.to.createtxg) throw new Error('a stream backwards')
      if (step.intermediates && !source.snapshots.some((s) => s.guid === step.from.guid))
        throw new Error('-I needs a snapshot, not a bookmark')
      const known = [...source.snapshots, ...source.bookmarks].some((point) => point.guid === step.from.guid)
      if (!known) throw new Error('the source does not have the base')
      const between = source.snapshots.filter(
        (s) => s.createtxg > step.from.createtxg && s.createtxg <= step.to.createtxg,
      )
      return copy(step.intermediates ? between : between.slice(-1))
    }
    case 'resume':
    case 'discard-partial':
      throw new Error('there is no unfinished receive in these histories')
  }
}

/** Every way to have each of the points as a snapshot, as a bookmark or not at all; the newest as a snapshot. */
function* sources(length: number): Generator<string> {
  for (let code = 0; code < 3 ** (length - 1); code++) {
    let rest = code
    const words: string[] = []
    for (let i = 0; i < length - 1; i++) {
      const kind = rest % 3
      rest = Math.floor(rest / 3)
      if (kind > 0) words.push(`${kind === 1 ? '@' : '#'}${pointNames[i]}`)
    }
    yield [...words, `@${pointNames[length - 1]}`].join(' ')
  }
}
const pointNames = ['own1', 'b', 'own3', 'd', 'e', 'own6', 'g', 'own8']

/** Every set of the points, and each of them with a stranger at its end. */
function* copies(length: number): Generator<string | null> {
  yield null
  for (let code = 0; code < 2 ** length; code++) {
    const words = pointNames.slice(0, length).filter((_, i) => code & (1 << i))
    const series = words.map((name) => `@${name}`).join(' ')
    yield series
    if (code % 3 === 0) yield `${series} @stranger`
  }
}

/** Only what tells copies apart: the newest, and whether anything before a stranger is known. */
function* foldedCopies(length: number): Generator<string | null> {
  yield* [null, '', '@stranger']
  for (const name of pointNames.slice(0, length)) yield* [`@${name}`, `@${name} @stranger`]
}

/** Every set of the points. */
const subsets = (length: number): readonly (readonly string[])[] =>
  Array.from({ length: 2 ** length }, (_, code) =>
    pointNames.slice(0, length).filter((_name, i) => code & (1 << i)),
  )

function carryOut(source: Dataset, first: Dataset | null, plan: ReplicationPlan): Dataset | null {
  return plan.kind === 'steps'
    ? plan.steps.reduce<Dataset | null>((onDisk, step) => receive(source, onDisk, step), first)
    : first
}

interface Case {
  readonly source: Dataset
  readonly before: Dataset | null
  readonly goal: Snapshot
  readonly carry: 'all' | 'own'
  /** The snapshots that the disk's retention would keep. */
  readonly isKept: (snapshot: Snapshot) => boolean
}

const planOf = ({ source, goal, before, carry, isKept }: Case): ReplicationPlan =>
  planReplication({
    source,
    goal,
    target: before,
    partial: null,
    carry,
    keptOnDisk: (candidates) => new Set(candidates.filter(isKept).map(({ guid }) => guid)),
    poolGuid: '17',
    writtenSinceBase: null,
    goalMustTravel: false,
    origin: null,
    origins: new Set(),
    inherited: [],
  })

const guids = (of: Dataset | null): readonly string[] => of?.snapshots.map((s) => s.guid) ?? []
const pointOf = (source: Dataset, guid: string | undefined) =>
  [...source.snapshots, ...source.bookmarks].find((point) => point.guid === guid)

/** What is wrong with what was planned and what came of it; null when nothing is. */
function findFault(given: Case, plan: ReplicationPlan): string | null {
  const { source, before, goal, carry, isKept } = given
  const after = carryOut(source, before, plan)
  const there = guids(after)
  const base = pointOf(source, guids(before).at(-1))
  const since = base?.createtxg ?? -1n
  const between = source.snapshots.filter((s) => s.createtxg > since && s.createtxg <= goal.createtxg)
  const isProven =
    source.snapshots.some(({ guid }) => guid === base?.guid) &&
    between.length > 0 &&
    between.every((s) => s.writtenBytes === 0n)
  switch (plan.kind) {
    case 'conflict':
      return base === undefined ? null : 'a conflict although the newest on the disk is known'
    case 'unchanged':
      return isProven ? null : 'unchanged without proof'
    case 'up-to-date':
      return since < goal.createtxg ? 'up to date without the goal' : null
    case 'steps': {
      if (isProven) return 'something is sent although nothing was written'
      if (there.at(-1) !== goal.guid) return 'the goal was not reached'
      if (guids(before).some((guid, i) => there[i] !== guid)) return 'something on the disk was lost'
      if (planOf({ ...given, before: after }).kind !== 'up-to-date') return 'not up to date afterwards'
      const mustTravel = between.filter((s) => isKept(s) && (carry === 'all' || isOwnSnapshotName(s.name)))
      const mayTravel = new Set([...guids(before), ...mustTravel.map((s) => s.guid), goal.guid])
      if (mustTravel.some((s) => !there.includes(s.guid))) return 'a snapshot was left out'
      if (plan.leastBytes > plan.estimatedBytes) return 'it takes more at least than it is estimated to'
      return there.some((guid) => !mayTravel.has(guid as SnapshotGuid)) ? 'one too many was carried' : null
    }
  }
}

interface Space {
  readonly sources: Iterable<Dataset>
  readonly copies: Iterable<string | null>
  readonly carry?: 'all' | 'own'
  readonly kept?: readonly string[]
}

/** Plans every case and carries the plan out; returns how they ended. */
function explore({ sources: all, copies: series, carry = 'all', kept }: Space): ReadonlySet<string> {
  const faults: string[] = []
  const ends = new Set<string>()
  const keptGuids = kept === undefined ? null : new Set(kept.map((name) => `guid-${name}`))
  const isKept = ({ guid }: Snapshot): boolean => keptGuids?.has(guid) ?? true
  const befores = [...series].map((copy) => (copy === null ? null : dataset(copy, { name: target })))
  for (const source of all)
    for (const before of befores)
      for (const goal of source.snapshots) {
        const given: Case = { source, before, goal, carry, isKept }
        const plan = planOf(given)
        ends.add(plan.kind)
        const fault = findFault(given, plan)
        const points = [...source.snapshots, ...source.bookmarks].map(({ guid }) => guid)
        if (fault !== null) faults.push(`${points} to @${goal.name}, on the disk ${guids(before)}: ${fault}`)
      }
  expect(faults).toEqual([])
  return ends
}

const everySource = (length: number): readonly Dataset[] =>
  [...sources(length)].map((series) => dataset(series))
const lengths = [1, 2, 3, 4, 5, 6, 7, 8]
const everyEnd = new Set(['up-to-date', 'steps', 'conflict'])

test.each(lengths.flatMap((length) => (['all', 'own'] as const).map((carry) => ({ length, carry }))))(
  'every history of $length points, carrying $carry',
  ({ length, carry }) => {
    // What is before the newest of a copy decides nothing: for the long ones, one copy stands for all that end alike.
    const all = length <= 5 ? copies(length) : foldedCopies(length)
    expect(explore({ sources: everySource(length), copies: all, carry })).toEqual(everyEnd)
  },
)

test.each([1, 2, 3, 4, 5])(
  'every history of %i points, with every set of them kept on the disk',
  (length) => {
    for (const kept of subsets(length))
      expect(explore({ sources: everySource(length), copies: foldedCopies(length), kept })).toEqual(everyEnd)
  },
)

test.each([2, 3, 4, 5])('every history of %i points, with every set of them empty', (length) => {
  const ends = subsets(length).flatMap((empty) => {
    const emptied = everySource(length).map((source) => ({
      ...source,
      snapshots: source.snapshots.map((s) =>
        empty.some((name) => s.guid === `guid-${name}`) ? { ...s, writtenBytes: 0n } : s,
      ),
    }))
    return [...explore({ sources: emptied, copies: foldedCopies(length) })]
  })
  expect(new Set(ends)).toEqual(new Set([...everyEnd, 'unchanged']))
})
