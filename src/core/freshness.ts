// What past visits say about now: when the next backup of a disk is due, and how fast a disk is. Pure; the clock is a
// parameter.

import type { VisitReport } from './model.ts'

export interface Freshness {
  readonly lastComplete: Date | null
  /** null when no complete backup was ever made, there is nothing to count from, or when it may stay away for ever. */
  readonly dueBy: Date | null
  readonly overdue: boolean
}

/** `visits` of one disk, oldest first. */
export function judgeFreshness(
  visits: readonly VisitReport[],
  overdueMs: number | null,
  now: Date,
): Freshness {
  const lastComplete = visits.findLast((visit) => visit.outcome === 'complete')?.finishedAt ?? null
  const dueBy =
    lastComplete === null || overdueMs === null ? null : new Date(lastComplete.getTime() + overdueMs)
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
