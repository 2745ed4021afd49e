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
  /** The disk has the goal, or something newer of the same line: `state`. */
  | { readonly kind: 'up-to-date'; readonly state: Snapshot | Bookmark }
  /** Nothing was written since `state`, which the disk has: it holds what the goal holds, and nothing is sent. */
  | { readonly kind: 'unchanged'; readonly state: Snapshot | Bookmark }
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
  /** The disk's pool: whose bookmarks are its own. */
  readonly poolGuid: string
  /** Bytes of the goal that were written since the base, if that is the one in question; null: ZFS could not tell. */
  readonly writtenSinceBase: bigint | null
  /** Set once something was sent in this visit: the goal has its hold and its bookmark, so it goes to its end. */
  readonly goalMustTravel: boolean
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

/**
 * The name of the bookmark that a snapshot needs as the base of this disk; null when there is such a bookmark. A name that stands for another snapshot is left alone: `_2` is put behind it.
 */
export function missingBookmark(poolGuid: string, source: Dataset, snapshot: Snapshot): string | null {
  const own = bookmarksOf(poolGuid, source)
  if (own.some((bookmark) => bookmark.guid === snapshot.guid)) return null
  const name = bookmarkNameFor(poolGuid, snapshot)
  return own.some((bookmark) => bookmark.name === name) ? `${name}_2` : name
}

const isBookmarkOf = (poolGuid: string, { name }: Bookmark): boolean =>
  name.startsWith(`walkaway_${poolGuid}_`)

/** Bookmarks of this disk on this dataset; of another disk never. */
export const bookmarksOf = (poolGuid: string, dataset: Dataset): readonly Bookmark[] =>
  dataset.bookmarks.filter((bookmark) => isBookmarkOf(poolGuid, bookmark))

export const holdTagFor = (poolGuid: string): string => `walkaway:${poolGuid}`

/** Decides what has to be done for one dataset. Never proposes to destroy, to roll back or to force anything. */
export function planReplication(input: ReplicationInput): ReplicationPlan {
  const standing = compare(input)
  switch (standing.kind) {
    case 'conflict':
      return standing
    case 'partial':
      return planPartial(input, standing.partial)
    case 'nothing-there':
      return planSends(input, null)
    case 'up-to-date':
      return { kind: 'up-to-date', state: standing.base }
    case 'behind':
      return isUnchanged(input, standing.base)
        ? { kind: 'unchanged', state: standing.base }
        : planSends(input, standing.base)
  }
}

/** The bookmark of which ZFS must be asked how much was written since, before a plan is made; null: none. */
export function baseInQuestion(input: Omit<ReplicationInput, 'writtenSinceBase'>): Bookmark | null {
  const standing = compare(input)
  return standing.kind === 'behind' && !('holds' in standing.base) ? standing.base : null
}

/** How the copy on the disk stands to its source. `base`: the newest on the disk, as the source has it. */
type Standing =
  | { readonly kind: 'conflict'; readonly conflict: Conflict }
  | { readonly kind: 'partial'; readonly partial: PartialReceive }
  | { readonly kind: 'nothing-there' }
  | { readonly kind: 'up-to-date'; readonly base: Snapshot | Bookmark }
  | { readonly kind: 'behind'; readonly base: Snapshot | Bookmark }

function compare({
  source,
  goal,
  target,
  partial,
  poolGuid,
}: Omit<ReplicationInput, 'writtenSinceBase'>): Standing {
  const conflict = (found: Conflict): Standing => ({ kind: 'conflict', conflict: found })
  if (target !== null && target.type !== source.type)
    return conflict({ kind: 'type-differs', onDisk: target.type })
  if (partial !== null) return { kind: 'partial', partial }
  if (target === null) return { kind: 'nothing-there' }

  const newest = target.snapshots.at(-1)
  if (newest === undefined) return conflict({ kind: 'name-taken' })
  if (target.encrypted !== source.encrypted)
    return conflict({ kind: 'encryption-differs', onDisk: target.encrypted })
  const base = findBase(source, newest.guid, poolGuid)
  if (base === null) return conflict(explainMissingBase(source, target, newest))
  return { kind: base.createtxg >= goal.createtxg ? 'up-to-date' : 'behind', base }
}

/**
 * Whether the goal holds exactly what the base holds. `written` of a snapshot counts the blocks in it that were born
 * after the snapshot before it, the root block of the dataset among them, which every change of its content writes anew
 * (dsl_dataset_space_written(), dmu_objset_write_done()); so 0 is proof, and of snapshots it is no moving target:
 *
 * - The snapshot set comes first; nothing here asks a live dataset, whose numbers are those of its last transaction group.
 * - From a snapshot the source still has, the snapshots after it are asked. One that another program destroys while they
 *   are listed would count nowhere: what the goal refers to must also be what the base refers to, and what slips through
 *   even so is seen by the next visit, which counts from the same base.
 * - From a bookmark, `written` of the next snapshot counts from an older one: ZFS is asked (`writtenSinceBase`). It must
 *   be the disk's own bookmark: another's may be destroyed by whoever made it.
 * - A dataset that was rolled back to the base holds what the base holds. One that was destroyed and made again under the
 *   same name has other GUIDs, so there is no base.
 * - Properties and the wrapping of encryption keys are no content: a change of theirs travels with the next stream.
 */
function isUnchanged(
  { source, goal, poolGuid, writtenSinceBase, goalMustTravel }: ReplicationInput,
  base: Snapshot | Bookmark,
): boolean {
  if (goalMustTravel) return false
  if (!('holds' in base)) return isBookmarkOf(poolGuid, base) && writtenSinceBase === 0n
  const nothingWritten = snapshotsBetween(source, base, goal).every((s) => s.writtenBytes === 0n)
  return nothingWritten && base.referencedBytes === goal.referencedBytes
}

/** After the base, up to the goal. */
const snapshotsBetween = (source: Dataset, base: Bookmark | null, goal: Snapshot): readonly Snapshot[] =>
  source.snapshots.filter((s) => s.createtxg > (base?.createtxg ?? -1n) && s.createtxg <= goal.createtxg)

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

/** A snapshot serves best; of several bookmarks, the one that nobody else destroys. */
function findBase(source: Dataset, guid: SnapshotGuid, poolGuid: string): Snapshot | Bookmark | null {
  return (
    source.snapshots.find((snapshot) => snapshot.guid === guid) ??
    bookmarksOf(poolGuid, source).find((bookmark) => bookmark.guid === guid) ??
    source.bookmarks.find((bookmark) => bookmark.guid === guid) ??
    null
  )
}

function explainMissingBase(source: Dataset, target: Dataset, onDisk: Snapshot): Conflict {
  const known = new Set([...source.snapshots, ...source.bookmarks].map(({ guid }) => guid))
  const common = target.snapshots.findLast(({ guid }) => known.has(guid))
  return common === undefined ? { kind: 'no-common-base', onDisk } : { kind: 'diverged', common, onDisk }
}

function planSends(
  { source, goal, carry, writtenSinceBase }: ReplicationInput,
  base: Snapshot | Bookmark | null,
): ReplicationPlan {
  const between = snapshotsBetween(source, base, goal)
  const wanted = between.filter((s) => carry === 'all' || isOwnSnapshotName(s.name) || s.guid === goal.guid)
  const [first = goal, ...rest] = wanted

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
  const askedOfZfs = base !== null && !('holds' in base) ? writtenSinceBase : null
  const estimatedBytes = askedOfZfs ?? estimate(between, base === null ? first : null)
  return { kind: 'steps', steps, estimatedBytes: Number(estimatedBytes) }
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
const estimate = (between: readonly Snapshot[], full: Snapshot | null): bigint =>
  between.reduce((bytes, s) => bytes + (s.guid === full?.guid ? s.referencedBytes : s.writtenBytes), 0n)

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
