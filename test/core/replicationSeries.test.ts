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
const pointNames = ['own1', 'b', 'own3', 'd', 'e', 'own6']

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
}

const planOf = ({ source, goal, before, carry }: Case): ReplicationPlan =>
  planReplication({
    source,
    goal,
    target: before,
    partial: null,
    carry,
    keptOnDisk: (candidates) => new Set(candidates.map(({ guid }) => guid)),
    poolGuid: '17',
    writtenSinceBase: null,
    goalMustTravel: false,
  })

const guids = (of: Dataset | null): readonly string[] => of?.snapshots.map((s) => s.guid) ?? []
const pointOf = (source: Dataset, guid: string | undefined) =>
  [...source.snapshots, ...source.bookmarks].find((point) => point.guid === guid)

/** What is wrong with what was planned and what came of it; null when nothing is. */
function findFault(given: Case, plan: ReplicationPlan): string | null {
  const { source, before, goal, carry } = given
  const after = carryOut(source, before, plan)
  const there = guids(after)
  const base = pointOf(source, guids(before).at(-1))
  switch (plan.kind) {
    case 'conflict':
      return base === undefined ? null : 'a conflict although the newest on the disk is known'
    case 'unchanged':
      return 'something was written in each of these snapshots'
    case 'up-to-date':
      return (base?.createtxg ?? -1n) < goal.createtxg ? 'up to date without the goal' : null
    case 'steps': {
      if (there.at(-1) !== goal.guid) return 'the goal was not reached'
      if (guids(before).some((guid, i) => there[i] !== guid)) return 'something on the disk was lost'
      const again = planOf({ source, goal, before: after, carry })
      if (again.kind !== 'up-to-date') return 'not up to date afterwards'
      const since = base?.createtxg ?? -1n
      const wanted = source.snapshots.filter((s) => s.createtxg > since && s.createtxg <= goal.createtxg)
      const mustTravel = carry === 'all' ? wanted : wanted.filter((s) => isOwnSnapshotName(s.name))
      const mayTravel = new Set([...guids(before), ...mustTravel.map((s) => s.guid), goal.guid])
      if (mustTravel.some((s) => !there.includes(s.guid))) return 'a snapshot was left out'
      return there.some((guid) => !mayTravel.has(guid as SnapshotGuid)) ? 'one too many was carried' : null
    }
  }
}

test.each(
  [1, 2, 3, 4, 5, 6].flatMap((length) => (['all', 'own'] as const).map((carry) => ({ length, carry }))),
)('every history of $length points, carrying $carry', ({ length, carry }) => {
  const faults: string[] = []
  const ends = new Set<string>()
  const befores = [...copies(length)].map((copy) => (copy === null ? null : dataset(copy, { name: target })))
  for (const series of sources(length)) {
    const source = dataset(series)
    for (const before of befores)
      for (const goal of source.snapshots) {
        const plan = planOf({ source, goal, before, carry })
        ends.add(plan.kind)
        const fault = findFault({ source, before, goal, carry }, plan)
        if (fault !== null)
          faults.push(`${series} to @${goal.name}, on the disk ${guids(before).join(' ')}: ${fault}`)
      }
  }
  expect(faults).toEqual([])
  expect(ends).toEqual(new Set(['up-to-date', 'steps', 'conflict']))
})
