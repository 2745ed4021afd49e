// What has to be sent so that a dataset on a disk catches up with its source: a pure comparison of two histories by
// GUID and createtxg. Names and times decide nothing. Executed by visit.ts.

import type { Bookmark, Dataset, ResumeToken, Snapshot, SnapshotGuid } from './model.ts'

/** An unfinished receive on the disk, with what its token stands for. */
export type PartialReceive =
  | {
      readonly kind: 'usable'
      readonly token: ResumeToken
      readonly toGuid: SnapshotGuid
      readonly raw: boolean
    }
  | { readonly kind: 'dead'; readonly reason: string }

export type Step =
  | { readonly kind: 'resume'; readonly token: ResumeToken; readonly to: Snapshot }
  | { readonly kind: 'discard-partial'; readonly reason: string }
  | { readonly kind: 'full'; readonly to: Snapshot }
  | {
      readonly kind: 'incremental'
      readonly from: Snapshot | Bookmark
      readonly to: Snapshot
      /** Carries the snapshots between `from` and `to` in the same stream. */
      readonly intermediates: boolean
    }

export type Conflict =
  | { readonly kind: 'diverged'; readonly common: Snapshot; readonly onDisk: Snapshot }
  | { readonly kind: 'no-common-base'; readonly onDisk: Snapshot }
  | { readonly kind: 'name-taken' }
  | { readonly kind: 'type-differs'; readonly onDisk: Dataset['type'] }
  | { readonly kind: 'encryption-differs'; readonly onDisk: boolean }

export type ReplicationPlan =
  | { readonly kind: 'up-to-date' }
  /** Look and plan again after a `resume` or a `discard-partial`: it is then the only step. */
  | { readonly kind: 'steps'; readonly steps: readonly Step[]; readonly estimatedBytes: number }
  | { readonly kind: 'conflict'; readonly conflict: Conflict }

export interface ReplicationInput {
  readonly source: Dataset
  /** The snapshot that the disk must have in the end. */
  readonly goal: Snapshot
  /** null: nothing of that name on the disk. */
  readonly target: Dataset | null
  readonly partial: PartialReceive | null
  /** Which snapshots travel besides the goal: every one, or walkaway's own only. */
  readonly carry: 'all' | 'own'
}

const ownSnapshot = /^walkaway_\d{8}T\d{6}Z$/

/** True for a name that walkaway gives its own snapshots: `walkaway_20261122T210000Z`. */
export const isOwnSnapshotName = (name: string): boolean => ownSnapshot.test(name)

/** The name of the snapshot set that is taken at this time; whole seconds, UTC. */
export const snapshotNameAt = (at: Date): string =>
  `walkaway_${at.toISOString().replace(/[-:]/g, '').slice(0, 15)}Z`

/** The bookmark that stands in for a snapshot as the base of the disk with this pool GUID. */
export const bookmarkNameFor = (poolGuid: string, snapshot: Snapshot): string =>
  `walkaway_${poolGuid}_${snapshot.name.replace(/^walkaway_/, '')}`

/** Bookmarks of this disk on this dataset; of another disk never. */
export const bookmarksOf = (poolGuid: string, dataset: Dataset): readonly Bookmark[] =>
  dataset.bookmarks.filter((bookmark) => bookmark.name.startsWith(`walkaway_${poolGuid}_`))

export const holdTagFor = (poolGuid: string): string => `walkaway:${poolGuid}`

/** Decides what has to be done for one dataset. Never proposes to destroy, to roll back or to force anything. */
export function planReplication(input: ReplicationInput): ReplicationPlan {
  const { source, goal, target, partial } = input
  if (target !== null && target.type !== source.type)
    return { kind: 'conflict', conflict: { kind: 'type-differs', onDisk: target.type } }
  if (partial !== null) return planPartial(input, partial)

  const newest = target?.snapshots.at(-1)
  if (target === null) return planSends(input, null)
  if (newest === undefined) return { kind: 'conflict', conflict: { kind: 'name-taken' } }
  if (target.encrypted !== source.encrypted)
    return { kind: 'conflict', conflict: { kind: 'encryption-differs', onDisk: target.encrypted } }
  if (newest.guid === goal.guid) return { kind: 'up-to-date' }

  const base = findBase(source, newest.guid)
  if (base === null) return { kind: 'conflict', conflict: explainMissingBase(source, target, newest) }
  if (base.createtxg >= goal.createtxg) return { kind: 'up-to-date' }
  return planSends(input, base)
}

function planPartial({ source, target }: ReplicationInput, partial: PartialReceive): ReplicationPlan {
  const alone = (step: Step, estimatedBytes: number): ReplicationPlan => ({
    kind: 'steps',
    steps: [step],
    estimatedBytes,
  })
  if (partial.kind === 'dead') return alone({ kind: 'discard-partial', reason: partial.reason }, 0)
  const to = source.snapshots.find((snapshot) => snapshot.guid === partial.toGuid)
  if (to === undefined)
    return alone(
      { kind: 'discard-partial', reason: 'the snapshot that it was receiving is not on the source any more' },
      0,
    )
  if (partial.raw !== source.encrypted)
    return alone(
      { kind: 'discard-partial', reason: 'it was begun with another kind of stream (raw or not)' },
      0,
    )
  const estimate = (target?.snapshots.length ?? 0) === 0 ? to.referencedBytes : to.writtenBytes
  return alone({ kind: 'resume', token: partial.token, to }, Number(estimate))
}

function findBase(source: Dataset, guid: SnapshotGuid): Snapshot | Bookmark | null {
  return (
    source.snapshots.find((snapshot) => snapshot.guid === guid) ??
    source.bookmarks.find((bookmark) => bookmark.guid === guid) ??
    null
  )
}

function explainMissingBase(source: Dataset, target: Dataset, onDisk: Snapshot): Conflict {
  const common = target.snapshots.findLast((snapshot) => findBase(source, snapshot.guid) !== null)
  return common === undefined ? { kind: 'no-common-base', onDisk } : { kind: 'diverged', common, onDisk }
}

function planSends(
  { source, goal, carry }: ReplicationInput,
  base: Snapshot | Bookmark | null,
): ReplicationPlan {
  const after = base?.createtxg ?? -1n
  const between = source.snapshots.filter((s) => s.createtxg > after && s.createtxg <= goal.createtxg)
  const wanted = between.filter((s) => carry === 'all' || isOwnSnapshotName(s.name) || s.guid === goal.guid)
  const [first, ...rest] = wanted
  if (first === undefined) return { kind: 'up-to-date' }

  const steps: Step[] = []
  let from: Snapshot
  let remaining: readonly Snapshot[]
  if (base === null) {
    steps.push({ kind: 'full', to: first })
    from = first
    remaining = rest
  } else if ('holds' in base) {
    from = base
    remaining = wanted
  } else {
    // A bookmark serves `send -i` but not `-I`: one step to the oldest snapshot, then on from there.
    steps.push({ kind: 'incremental', from: base, to: first, intermediates: false })
    from = first
    remaining = rest
  }
  steps.push(...planIncrementals(from, remaining, wanted.length === between.length, goal))
  return { kind: 'steps', steps, estimatedBytes: estimate(between, base === null ? first : null) }
}

function planIncrementals(
  from: Snapshot,
  remaining: readonly Snapshot[],
  everySnapshotIsWanted: boolean,
  goal: Snapshot,
): readonly Step[] {
  if (remaining.length === 0) return []
  if (everySnapshotIsWanted && remaining.length > 1)
    return [{ kind: 'incremental', from, to: goal, intermediates: true }]
  return remaining.map((to, index) => ({
    kind: 'incremental',
    from: remaining[index - 1] ?? from,
    to,
    intermediates: false,
  }))
}

/** What was written since the base, in bytes; for a full send the whole of its first snapshot. */
function estimate(between: readonly Snapshot[], full: Snapshot | null): number {
  const sum = between.reduce(
    (bytes, s) => bytes + (s.guid === full?.guid ? s.referencedBytes : s.writtenBytes),
    0n,
  )
  return Number(sum)
}

/** A conflict in words for a person: what is in the way and what can be done about it. */
export function explainConflict(conflict: Conflict): string {
  switch (conflict.kind) {
    case 'diverged':
      return `the copy on the disk went its own way after @${conflict.common.name} (its newest snapshot is @${conflict.onDisk.name}, GUID ${conflict.onDisk.guid}, which the source does not have); nothing was changed: roll the copy back to @${conflict.common.name} or rename it, then the next visit goes on`
    case 'no-common-base':
      return `the source no longer has a snapshot or bookmark in common with the copy on the disk (newest there: @${conflict.onDisk.name}, GUID ${conflict.onDisk.guid}); nothing was changed: rename the copy on the disk and the next visit sends it afresh`
    case 'name-taken':
      return 'there is a dataset of this name on the disk that did not come from a backup (it has no snapshots); nothing was changed: rename it on the disk and the next visit sends it afresh'
    case 'type-differs':
      return `the disk has a ${conflict.onDisk} of this name; nothing was changed: rename it on the disk and the next visit sends it afresh`
    case 'encryption-differs':
      return conflict.onDisk
        ? 'the copy on the disk is encrypted and the source is not; the two cannot be continued: rename the copy on the disk and the next visit sends it afresh'
        : 'the source is encrypted and the copy on the disk is not; the two cannot be continued: rename the copy on the disk and the next visit sends it afresh'
  }
}
