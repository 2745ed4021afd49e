// What has to be sent so that a dataset on a disk catches up with its source: a pure comparison of two histories by
// GUID and createtxg. Names and times decide nothing. Executed by send.ts.

import { bookmarksOf, isBookmarkOf } from './bookmarks.ts'
import type { MissingOrigin } from './clones.ts'
import type { Conflict } from './conflict.ts'
import type { Bookmark, Dataset, ResumeToken, Snapshot, SnapshotGuid } from './model.ts'

/** An unfinished receive on the disk, with what its token stands for. */
export type PartialReceive =
  | {
      readonly kind: 'usable'
      readonly token: ResumeToken
      readonly toGuid: SnapshotGuid
      /** null: a full stream. */
      readonly fromGuid: SnapshotGuid | null
      readonly raw: boolean
    }
  | { readonly kind: 'dead'; readonly reason: string }

export type Step =
  | { readonly kind: 'resume'; readonly token: ResumeToken; readonly to: Snapshot }
  | { readonly kind: 'discard-partial'; readonly reason: string }
  | {
      readonly kind: 'full'
      readonly to: Snapshot
      /** Set for a clone that could be sent as one if the disk had its origin. */
      readonly missingOrigin: MissingOrigin | null
    }
  | {
      readonly kind: 'incremental'
      /** Of another dataset: the origin of a clone, as which it is received. */
      readonly from: Snapshot | Bookmark
      readonly to: Snapshot
      /** Carries the snapshots between `from` and `to` in the same stream. */
      readonly intermediates: boolean
    }

export type ReplicationPlan =
  /** The disk has the goal, or something newer of the same line: `state`. */
  | { readonly kind: 'up-to-date'; readonly state: Snapshot | Bookmark }
  /** Nothing was written since `state`, which the disk has: it holds what the goal holds, and nothing is sent. */
  | { readonly kind: 'unchanged'; readonly state: Snapshot | Bookmark }
  /** Look and plan again after a `resume` or a `discard-partial`: it is then the only step. */
  | ({ readonly kind: 'steps'; readonly steps: readonly Step[] } & Size)
  | { readonly kind: 'conflict'; readonly conflict: Conflict }

interface Size {
  readonly estimatedBytes: number
  /** What it takes on the disk at the very least, as far as the source's own figures tell. */
  readonly leastBytes: number
}

export interface ReplicationInput {
  readonly source: Dataset
  /** The snapshot that the disk must have in the end. */
  readonly goal: Snapshot
  /** null: nothing of that name on the disk. */
  readonly target: Dataset | null
  readonly partial: PartialReceive | null
  /** Which snapshots travel besides the goal: every one, or walkaway's own only. */
  readonly carry: 'all' | 'own'
  /** Which of these, newer than all that the disk has, its retention would keep; the others need not travel. */
  readonly keptOnDisk: (candidates: readonly Snapshot[]) => ReadonlySet<SnapshotGuid>
  /** The disk's pool: whose bookmarks are its own. */
  readonly poolGuid: string
  /** Bytes of the goal that were written since the base, if that is the one in question; null: ZFS could not tell. */
  readonly writtenSinceBase: bigint | null
  /** Set once something was sent in this visit: the goal has its hold and its bookmark, so it goes to its end. */
  readonly goalMustTravel: boolean
  /** Of a clone that is still to be received: its origin, if the disk has it or will have it by then; null: no clone. */
  readonly origin: { readonly kind: 'on-disk'; readonly snapshot: Snapshot } | MissingOrigin | null
  /** Snapshots that travel in any case if they still can: clones are to be sent from them. */
  readonly origins: ReadonlySet<SnapshotGuid>
  /** The snapshots that a clone has before its own, which are another dataset's. */
  readonly inherited: readonly Snapshot[]
}

const ownSnapshot = /^walkaway_\d{8}T\d{6}Z$/

/** True for a name that walkaway gives its own snapshots: `walkaway_20261122T210000Z`. */
export const isOwnSnapshotName = (name: string): boolean => ownSnapshot.test(name)

/** The name of the snapshot set that is taken at this time; whole seconds, UTC. */
export const snapshotNameAt = (at: Date): string =>
  `walkaway_${at.toISOString().replace(/[-:]/g, '').slice(0, 15)}Z`

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
export function baseInQuestion(input: Parameters<typeof compare>[0]): Bookmark | null {
  const standing = compare(input)
  return standing.kind === 'behind' && !('holds' in standing.base) ? standing.base : null
}

/** Why this copy cannot be continued; null: it can, or its first snapshot is still being received. */
export function findConflict(
  input: Pick<ReplicationInput, 'source' | 'goal' | 'poolGuid' | 'inherited'> & { readonly target: Dataset },
): Conflict | null {
  const { target, source } = input
  const isFirst = target.resumeToken !== null && target.snapshots.length === 0
  if (isFirst && target.type === source.type) return null
  const standing = compare({ ...input, partial: null })
  return standing.kind === 'conflict' ? standing.conflict : null
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
  inherited,
}: Pick<ReplicationInput, 'source' | 'goal' | 'target' | 'partial' | 'poolGuid' | 'inherited'>): Standing {
  const conflict = (found: Conflict): Standing => ({ kind: 'conflict', conflict: found })
  if (target !== null && target.type !== source.type)
    return conflict({ kind: 'type-differs', onDisk: target.type })
  if (partial !== null) return { kind: 'partial', partial }
  if (target === null) return { kind: 'nothing-there' }

  const newest = target.snapshots.at(-1)
  if (newest === undefined)
    return conflict(
      target.origin === null
        ? { kind: 'name-taken' }
        : { kind: 'promoted-on-disk', origin: target.origin, copy: target.name },
    )
  // The other way round is how a plain source lies on an encrypted disk.
  if (source.encrypted && !target.encrypted) return conflict({ kind: 'copy-not-encrypted' })
  const base = findBase(source, newest.guid, poolGuid)
  if (base === null) {
    // ZFS takes it for a base only to make a new dataset: DRR_FLAG_CLONE, "destination exists".
    const common = inherited.find(({ guid }) => guid === newest.guid)
    return conflict(
      common === undefined
        ? explainMissingBase(source, target, newest, goal)
        : { kind: 'promoted', common, source: source.name },
    )
  }
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
 * - What a clone is to be sent from has to be on the disk itself.
 * - Properties and the wrapping of encryption keys are no content: a change of theirs travels with the next stream.
 */
function isUnchanged(
  { source, goal, poolGuid, writtenSinceBase, goalMustTravel, origins }: ReplicationInput,
  base: Snapshot | Bookmark,
): boolean {
  if (goalMustTravel) return false
  if (snapshotsBetween(source, base, goal).some(({ guid }) => origins.has(guid))) return false
  if (!('holds' in base)) return isBookmarkOf(poolGuid, base) && writtenSinceBase === 0n
  const nothingWritten = snapshotsBetween(source, base, goal).every((s) => s.writtenBytes === 0n)
  return nothingWritten && base.referencedBytes === goal.referencedBytes
}

/** After the base, up to the goal. */
const snapshotsBetween = (source: Dataset, base: Bookmark | null, goal: Snapshot): readonly Snapshot[] =>
  source.snapshots.filter((s) => s.createtxg > (base?.createtxg ?? -1n) && s.createtxg <= goal.createtxg)

function planPartial({ source, target, origin }: ReplicationInput, partial: PartialReceive): ReplicationPlan {
  const discard = (reason: string): ReplicationPlan => ({
    kind: 'steps',
    steps: [{ kind: 'discard-partial', reason }],
    estimatedBytes: 0,
    leastBytes: 0,
  })
  if (partial.kind === 'dead') return discard(partial.reason)
  // Found by GUID, as `zfs send -t` finds it (guid_to_name()): it may have another name by now.
  const to = source.snapshots.find((snapshot) => snapshot.guid === partial.toGuid)
  if (to === undefined) return discard('the snapshot that it was receiving is not on the source any more')
  if (partial.raw !== source.encrypted)
    return discard('it was begun with another kind of stream (raw or not)')
  const newest = target?.snapshots.at(-1)?.guid ?? null
  const isClone = newest === null && origin?.kind === 'on-disk' && partial.fromGuid === origin.snapshot.guid
  if (partial.fromGuid !== newest && !isClone) return discard('it does not go on from what the disk has')
  const estimatedBytes = Number(partial.fromGuid === null ? to.referencedBytes : to.writtenBytes)
  const step: Step = { kind: 'resume', token: partial.token, to }
  // How much of it is there already is not known here.
  return { kind: 'steps', steps: [step], estimatedBytes, leastBytes: 0 }
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

function explainMissingBase(source: Dataset, target: Dataset, onDisk: Snapshot, goal: Snapshot): Conflict {
  const known = new Set([...source.snapshots, ...source.bookmarks].map(({ guid }) => guid))
  const common = target.snapshots.findLast(({ guid }) => known.has(guid))
  if (common === undefined) return { kind: 'no-common-base', onDisk }
  // What walkaway took was on the source once: then it is the source that went back.
  const wasOnSource = isOwnSnapshotName(onDisk.name) || common.guid === goal.guid
  return { kind: wasOnSource ? 'target-newer' : 'diverged', common, onDisk }
}

function planSends(input: ReplicationInput, found: Snapshot | Bookmark | null): ReplicationPlan {
  const { source, goal, carry, keptOnDisk, origin, origins } = input
  const base = found ?? (origin?.kind === 'on-disk' ? origin.snapshot : null)
  const missingOrigin = origin?.kind === 'missing' ? origin : null
  const between = snapshotsBetween(source, base, goal)
  const candidates = between.filter((s) => carry === 'all' || isOwnSnapshotName(s.name))
  const wanted = keptOnDisk(candidates)
  const runs = runsOf(between, ({ guid }) => guid === goal.guid || origins.has(guid) || wanted.has(guid))
  const steps: Step[] = []
  let from = base
  for (const run of runs) {
    const [first, ...more] = run
    if (first === undefined) continue
    // `-I` carries a whole run. It needs a snapshot to go on from, right before the run: a bookmark serves `-i` only, and
    // with `-i` a clone is one snapshot until it is there.
    const isNext = from !== null && 'holds' in from && from === found && first === between[0]
    if (from === null) steps.push({ kind: 'full', to: first, missingOrigin })
    else if (!isNext) steps.push({ kind: 'incremental', from, to: first, intermediates: false })
    const rest = isNext ? run : more
    const last = rest.at(-1) ?? first
    if (rest.length > 0)
      steps.push({
        kind: 'incremental',
        from: isNext && from !== null ? from : first,
        to: last,
        intermediates: rest.length > 1,
      })
    from = last
  }
  return { kind: 'steps', steps, ...sizeOf(steps, between, input) }
}

/** Those that are wanted, in runs with nothing between them that is not. */
function runsOf(
  snapshots: readonly Snapshot[],
  isWanted: (snapshot: Snapshot) => boolean,
): readonly (readonly Snapshot[])[] {
  const runs: Snapshot[][] = []
  let run: Snapshot[] | null = null
  for (const snapshot of snapshots) {
    if (!isWanted(snapshot)) run = null
    else if (run !== null) run.push(snapshot)
    else {
      run = [snapshot]
      runs.push(run)
    }
  }
  return runs
}

/**
 * `between`: what the source has after the base, up to the goal. The estimate counts what was written in all of it; what
 * was written and freed again before a snapshot that travels does not travel, so at least it is what was written in those.
 */
function sizeOf(steps: readonly Step[], between: readonly Snapshot[], input: ReplicationInput): Size {
  const { writtenSinceBase } = input
  const positions = new Map(between.map((snapshot, at) => [snapshot.guid, at]))
  const written = (first: number, last: number): bigint =>
    between.slice(first, last + 1).reduce((sum, snapshot) => sum + snapshot.writtenBytes, 0n)
  let least = 0n
  let estimated = 0n
  let sentTo = -1
  for (const step of steps) {
    if (step.kind !== 'full' && step.kind !== 'incremental') continue
    const at = positions.get(step.to.guid) ?? 0
    if (step.kind === 'full') {
      least += step.to.referencedBytes
      estimated += step.to.referencedBytes
    } else {
      estimated += written(sentTo + 1, at)
      // From a bookmark, what the next snapshot says it wrote counts from an older one.
      if ('holds' in step.from || at > 0) least += written(step.intermediates ? sentTo + 1 : at, at)
    }
    sentTo = at
  }
  if (writtenSinceBase === null) return { estimatedBytes: Number(estimated), leastBytes: Number(least) }
  return {
    estimatedBytes: Number(writtenSinceBase),
    leastBytes: Number(steps.length === 1 ? writtenSinceBase : least),
  }
}
