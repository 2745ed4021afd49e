// Which snapshots of a source must stay until its goal is on the disk. Pure; placed and released by hold.ts.

import type { Dataset, Disk, Snapshot } from './model.ts'
import { holdTagFor, type ReplicationPlan, type Step } from './replication.ts'

/**
 * Those that the plan reads, and each that the disk has newest at some moment while it is carried out: when the transfer
 * is interrupted, one of them is the only base that the two sides have in common. Oldest first. The origin of a clone is
 * not among them: it cannot be destroyed before the clone.
 */
export function snapshotsToHold(source: Dataset, goal: Snapshot, plan: ReplicationPlan): readonly Snapshot[] {
  if (plan.kind !== 'steps') return []
  return source.snapshots.filter(
    (snapshot) => snapshot.guid === goal.guid || plan.steps.some((step) => isNeededBy(step, snapshot)),
  )
}

/** A set is a process of its own; of fewer, each waits for its own transaction group as well. */
const SMALLEST_SET = 4

/**
 * Those of one name that a dataset and all below it have, first the one on top: as one set, ZFS takes them in one transaction
 * group. `observed` must be all that there is below these datasets: a set has no other snapshot of its name.
 */
export function intoSets(
  snapshots: readonly Snapshot[],
  observed: readonly Dataset[],
): { readonly sets: readonly (readonly Snapshot[])[]; readonly single: readonly Snapshot[] } {
  const named = new Map<string, { readonly wanted: Snapshot[]; readonly there: Snapshot[] }>()
  for (const snapshot of snapshots) {
    const ofName = named.get(snapshot.name) ?? { wanted: [], there: [] }
    ofName.wanted.push(snapshot)
    named.set(snapshot.name, ofName)
  }
  for (const { snapshots: there } of observed)
    for (const snapshot of there) named.get(snapshot.name)?.there.push(snapshot)
  const sets: (readonly Snapshot[])[] = []
  const single: Snapshot[] = []
  for (const { wanted, there } of named.values()) {
    const guids = new Set(wanted.map(({ guid }) => guid))
    const wantedBelow = countBelow(wanted)
    const thereBelow = countBelow(there.filter(({ guid }) => guids.has(guid)))
    const othersBelow = countBelow(there.filter(({ guid }) => !guids.has(guid)))
    const tops = new Map<string, Snapshot[]>()
    for (const { dataset } of wanted) {
      const count = wantedBelow.get(dataset) ?? 0
      if (count >= SMALLEST_SET && thereBelow.get(dataset) === count && !othersBelow.has(dataset))
        tops.set(dataset, [])
    }
    // Parents first: the one on top is the first of its set.
    for (const snapshot of wanted.toSorted((a, b) => (a.dataset < b.dataset ? -1 : 1))) {
      const top = pathsAbove(snapshot.dataset).find((path) => tops.has(path))
      if (top === undefined) single.push(snapshot)
      else tops.get(top)?.push(snapshot)
    }
    sets.push(...[...tops.values()].filter(({ length }) => length > 0))
  }
  return { sets, single }
}

/** From the pool down to the dataset itself. */
const pathsAbove = (dataset: string): readonly string[] =>
  dataset.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'))

/** How many of these lie at or below each path. */
function countBelow(snapshots: readonly Snapshot[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { dataset } of snapshots)
    for (const path of pathsAbove(dataset)) counts.set(path, (counts.get(path) ?? 0) + 1)
  return counts
}

const mostNames = 5

/**
 * What holds of other disks than this one keep, in sentences for a person: one that never comes back releases nothing.
 * `tags`: by the paths of the snapshots.
 */
export function describeHoldsOfOthers(
  tags: ReadonlyMap<string, readonly string[]>,
  disk: Pick<Disk, 'poolGuid'>,
  disks: readonly Pick<Disk, 'name' | 'poolGuid'>[],
): readonly string[] {
  const paths = new Map<string, string[]>()
  for (const [path, ofPath] of tags)
    for (const tag of ofPath)
      if (/^walkaway:\d+$/.test(tag) && tag !== holdTagFor(disk.poolGuid))
        paths.set(tag, [...(paths.get(tag) ?? []), path])
  return [...paths].map(([tag, held]) => {
    const known = disks.find(({ poolGuid }) => holdTagFor(poolGuid) === tag)?.name
    const more = held.length > mostNames ? ` and ${held.length - mostNames} more` : ''
    const whose = known ?? `a disk that is not configured (${tag.slice('walkaway:'.length)})`
    return (
      `held for ${whose} until its next visit ends: ${held.slice(0, mostNames).join(', ')}${more}; ` +
      `if that disk never comes back, let go of each with: zfs release ${tag} SNAPSHOT`
    )
  })
}

/** Whether the step reads this snapshot of its dataset; the disk has it afterwards. */
export function isNeededBy(step: Step, { guid, createtxg }: Snapshot): boolean {
  switch (step.kind) {
    case 'discard-partial':
      return false
    case 'resume':
    case 'full':
      return step.to.guid === guid
    case 'incremental':
      if (step.to.guid === guid || step.from.guid === guid) return true
      return step.intermediates && createtxg > step.from.createtxg && createtxg < step.to.createtxg
  }
}
