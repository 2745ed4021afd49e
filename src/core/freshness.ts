// What past visits say about now: when the next backup of a disk is due, how fast a disk is, and when it will be full. Pure;
// the clock is a parameter.

import type { DiskSpace, VisitReport } from './model.ts'

export interface Freshness {
  readonly lastComplete: Date | null
  /** Counted from the last complete backup; without one, from the first visit. null: no visit, or it may stay away for ever. */
  readonly dueBy: Date | null
  readonly overdue: boolean
}

/** `visits` of one disk, oldest first; null: none was complete. */
export const lastCompleteIn = (visits: readonly VisitReport[]): Date | null =>
  visits.findLast((visit) => visit.outcome === 'complete')?.finishedAt ?? null

/** `visits` of one disk, oldest first. */
export function judgeFreshness(
  visits: readonly VisitReport[],
  overdueMs: number | null,
  now: Date,
): Freshness {
  const lastComplete = lastCompleteIn(visits)
  const countedFrom = lastComplete ?? visits[0]?.finishedAt ?? null
  const dueBy =
    countedFrom === null || overdueMs === null ? null : new Date(countedFrom.getTime() + overdueMs)
  return { lastComplete, dueBy, overdue: dueBy !== null && dueBy < now }
}

/** Smaller visits are mostly waiting, not sending: they say nothing about a disk's speed. */
const telling = 64 * 1024 * 1024

/** Bytes per second of this disk's last visit that sent enough to tell; null when there was none. */
export function expectedSpeed(visits: readonly VisitReport[]): number | null {
  const visit = visits.findLast((candidate) => candidate.sentBytes >= telling)
  if (visit === undefined) return null
  const seconds = (visit.finishedAt.getTime() - visit.startedAt.getTime()) / 1000
  return seconds > 0 ? visit.sentBytes / seconds : null
}

/** Fewer say nothing, older ones little. */
const growthsToJudgeFrom = { least: 3, most: 8 }
/** What is further away than this is not said. */
const soonVisits = 6

/**
 * About how many more visits until the disk is full, at least 1, if that is soon; null otherwise. `past`: earlier visits of
 * this very disk, oldest first. What a visit adds is the median of what the last ones added, without those that brought
 * the first complete backup: so neither one large visit nor one that pruned much decides.
 */
export function forecastFull(
  past: readonly Pick<VisitReport, 'outcome' | 'space'>[],
  now: Pick<DiskSpace, 'allocatedBytes' | 'sizeBytes'>,
): number | null {
  const first = past.findIndex(({ outcome }) => outcome === 'complete')
  if (first === -1) return null
  const allocated = [...past.slice(first).flatMap(({ space }) => space ?? []), now].map(
    (s) => s.allocatedBytes,
  )
  const growths = allocated.slice(1).map((bytes, at) => bytes - (allocated[at] ?? bytes))
  const judged = growths.slice(-growthsToJudgeFrom.most).sort((a, b) => a - b)
  if (judged.length < growthsToJudgeFrom.least) return null
  const growth =
    ((judged[Math.floor((judged.length - 1) / 2)] ?? 0) + (judged[Math.floor(judged.length / 2)] ?? 0)) / 2
  if (growth <= 0) return null
  const visits = Math.max(1, Math.ceil((writableBytes(now.sizeBytes) - now.allocatedBytes) / growth))
  return visits <= soonVisits ? visits : null
}

/** ZFS keeps a part of each pool for itself (spa_get_slop_space()): 1/32, but 128 MiB to 128 GiB, and at most the half. */
function writableBytes(sizeBytes: number): number {
  const MiB = 1024 * 1024
  const slop = Math.max(sizeBytes / 32, Math.min(sizeBytes / 2, 128 * MiB))
  return sizeBytes - Math.min(slop, 128 * 1024 * MiB)
}
