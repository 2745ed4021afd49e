// Which snapshots are kept and which are given up, with the reasons: a pure judgement over one dataset's snapshots. Never
// given up: the base of an increment, what is held or in use, and on a source what is not walkaway's own. Executed by
// prune.ts; the planner asks it what a disk would keep anyway.

import { bookmarksOf } from './bookmarks.ts'
import { type Calendar, type Period, periods } from './calendar.ts'
import type { Dataset, DiskName, PoolGuid, Snapshot, SnapshotGuid } from './model.ts'
import { isOwnSnapshotName } from './replication.ts'

/** How many of the newest snapshots, and of how many periods the newest, are kept. All 0 keeps everything. */
export type KeepPolicy = Readonly<Record<'last' | Period, number>>

/** `last`, `daily 2026-11-20`, `common base of offsite-2`, `held`, ...: for a person, in `walkaway plan`. */
type Reason = string

export interface Verdict {
  readonly snapshot: Snapshot
  /** Empty: it is given up. */
  readonly keptBecause: readonly Reason[]
}

/** What must stay whatever the policy says, and why. */
export type Protected = ReadonlyMap<SnapshotGuid, readonly Reason[]>

interface Judging {
  readonly policy: KeepPolicy
  readonly calendar: Calendar
}

export const keepsEverything = (policy: KeepPolicy): boolean =>
  Object.values(policy).every((count) => count === 0)

/**
 * Judges every snapshot of one dataset; the verdicts are in the order of createtxg, whatever the order given.
 *
 * Of each period the newest snapshot is kept, for as many of the newest periods as the policy counts. New and old are a
 * matter of createtxg alone: a clock that was wrong for a while costs a period, and never makes the new look old.
 * Judging again what was kept keeps all of it; a policy with larger numbers keeps more.
 */
export function planRetention({
  snapshots,
  policy,
  calendar,
  judged,
  protects,
}: Judging & {
  readonly snapshots: readonly Snapshot[]
  /** `own`: snapshots that walkaway did not take are kept, and count for nothing. */
  readonly judged: 'all' | 'own'
  readonly protects: Protected
}): readonly Verdict[] {
  const isJudged = ({ name }: Snapshot): boolean => judged === 'all' || isOwnSnapshotName(name)
  const ordered = snapshots.toSorted(byCreatetxg)
  const byPolicy = judge(ordered.filter(isJudged), { policy, calendar })
  return ordered.map((snapshot) => ({
    snapshot,
    keptBecause: [
      ...(isJudged(snapshot) ? (byPolicy.get(snapshot.guid) ?? []) : ["not walkaway's own"]),
      ...(snapshot.holds > 0 ? ['held'] : []),
      ...(snapshot.clones.length > 0 ? [`origin of ${snapshot.clones.join(', ')}`] : []),
      ...(protects.get(snapshot.guid) ?? []),
    ],
  }))
}

/**
 * Which of the source's snapshots the policy would keep on the disk if all of them were sent, given what is there
 * already. `candidates` are newer than everything on the disk, as what follows a base is.
 */
export function keptOnDisk({
  onDisk,
  candidates,
  policy,
  calendar,
}: Judging & {
  readonly onDisk: readonly Snapshot[]
  readonly candidates: readonly Snapshot[]
}): ReadonlySet<SnapshotGuid> {
  // Each pool counts its own transaction groups: the two cannot be sorted together.
  const union = [...onDisk.toSorted(byCreatetxg), ...candidates.toSorted(byCreatetxg)]
  const kept = judge(union, { policy, calendar })
  return new Set(candidates.flatMap(({ guid }) => (kept.has(guid) ? [guid] : [])))
}

/**
 * The verdicts for a copy on a disk. `source` as it is after the copy was brought up to date and read back; `origins` are
 * its snapshots that clones were to be sent from.
 */
export function planDiskRetention({
  copy,
  source,
  origins,
  ...judging
}: Judging & {
  readonly copy: Dataset
  readonly source: Dataset
  readonly origins: ReadonlySet<SnapshotGuid>
}): readonly Verdict[] {
  const { snapshots, resumeToken } = copy
  const ofSource = new Set([...source.snapshots, ...source.bookmarks].map(({ guid }) => guid))
  const protects = protectionOf([
    [snapshots.at(-1), 'newest on the disk'],
    [snapshots.findLast(({ guid }) => ofSource.has(guid)), 'common base with the source'],
    ...snapshots
      .filter(({ guid }) => origins.has(guid))
      .map((each) => [each, 'origin of a clone that is to be sent'] as const),
    ...(resumeToken === null ? [] : snapshots.map((each) => [each, 'a receive is unfinished'] as const)),
  ])
  return planRetention({ ...judging, snapshots, judged: 'all', protects })
}

/**
 * What may go before anything is sent, when the disk has too little room: what the policy gives up of the copy as it is now,
 * and of that only what is older than the newest snapshot that both sides have. Without such a snapshot nothing may go.
 */
export function planThinning(judging: Parameters<typeof planDiskRetention>[0]): readonly Snapshot[] {
  const { copy, source } = judging
  const ofSource = new Set([...source.snapshots, ...source.bookmarks].map(({ guid }) => guid))
  const base = copy.snapshots.findLast(({ guid }) => ofSource.has(guid))
  if (base === undefined) return []
  return planDiskRetention(judging).flatMap(({ snapshot, keptBecause }) =>
    keptBecause.length === 0 && snapshot.createtxg < base.createtxg ? [snapshot] : [],
  )
}

/**
 * The verdicts for a source, seen from a disk that was just brought up to date. What another disk has in common with the
 * source is known by that disk's bookmarks, which were made before anything was sent to it and stand in for their
 * snapshots. What is older than a snapshot that is being sent may be on its way with it.
 */
export function planSourceRetention({
  source,
  disk,
  copy,
  ...judging
}: Judging & {
  readonly source: Dataset
  readonly disk: { readonly name: DiskName; readonly poolGuid: PoolGuid }
  /** What that disk has of it. */
  readonly copy: Dataset
}): readonly Verdict[] {
  const { snapshots } = source
  const onDisk = new Set(copy.snapshots.map(({ guid }) => guid))
  const standIns = new Set(bookmarksOf(disk.poolGuid, source).map(({ guid }) => guid))
  const base = snapshots.findLast(({ guid }) => onDisk.has(guid))
  const sending = snapshots.findLastIndex(({ name, holds }) => holds > 0 && isOwnSnapshotName(name))
  const protects = protectionOf([
    [base === undefined || standIns.has(base.guid) ? undefined : base, `common base of ${disk.name}`],
    ...snapshots
      .slice(0, Math.max(0, sending))
      .map((each) => [each, `a transfer to @${snapshots[sending]?.name} is unfinished`] as const),
  ])
  return planRetention({ ...judging, snapshots, judged: 'own', protects })
}

/** Reasons of the policy, by GUID. `ordered` from old to new. */
function judge(
  ordered: readonly Snapshot[],
  { policy, calendar }: Judging,
): ReadonlyMap<SnapshotGuid, readonly Reason[]> {
  if (keepsEverything(policy)) return new Map(ordered.map(({ guid }) => [guid, ['no policy']]))
  const counted = periods.filter((period) => policy[period] > 0)
  const seen = new Map(counted.map((period) => [period, new Set<string>()]))
  const kept = new Map<SnapshotGuid, readonly Reason[]>()
  for (let left = ordered.length - 1, newer = 0; left >= 0; left--, newer++) {
    const snapshot = ordered[left]
    if (snapshot === undefined) continue
    const reasons: Reason[] = newer < policy.last ? ['last'] : []
    if (Number.isNaN(snapshot.creation.getTime())) reasons.push('no known time')
    else {
      const names = calendar(snapshot.creation)
      for (const [period, known] of seen) {
        const name = names[period]
        if (known.size >= policy[period] || known.has(name)) continue
        known.add(name)
        reasons.push(`${period} ${name}`)
      }
    }
    if (reasons.length > 0) kept.set(snapshot.guid, reasons)
  }
  return kept
}

function protectionOf(
  entries: readonly (readonly [snapshot: Snapshot | undefined, reason: Reason])[],
): Protected {
  const protects = new Map<SnapshotGuid, Reason[]>()
  for (const [snapshot, reason] of entries)
    if (snapshot !== undefined) protects.set(snapshot.guid, [...(protects.get(snapshot.guid) ?? []), reason])
  return protects
}

/** Equal only where the listing is no dataset's; the GUID then makes the order one. */
function byCreatetxg(a: Snapshot, b: Snapshot): number {
  if (a.createtxg !== b.createtxg) return a.createtxg < b.createtxg ? -1 : 1
  return a.guid < b.guid ? -1 : 1
}
