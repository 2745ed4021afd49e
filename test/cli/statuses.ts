// What a daemon answers, for screens and checks: one disk in the middle of a long backup, one away and overdue, one just ready.
import type { DiskAnswer, StatusAnswer, VisitAnswer } from '../../src/control/protocol.ts'

export const now = new Date('2026-11-22T21:50:00Z')
const dayMs = 24 * 3_600_000
/** ISO 8601, so many days before `now`. */
export const daysAgo = (days: number): string => new Date(now.getTime() - days * dayMs).toISOString()

export const visit: VisitAnswer = {
  startedAt: new Date(Date.parse(daysAgo(3)) - 600_000).toISOString(),
  finishedAt: daysAgo(3),
  outcome: 'complete',
  sentBytes: 123_400_000,
  datasets: { total: 12, sent: 3, unchanged: 9, failed: 0 },
  failures: [],
  reason: null,
  space: {
    allocatedBytes: 2_000_000_000_000,
    sizeBytes: 4_000_000_000_000,
    missingBytes: 0,
    fullInVisits: null,
  },
}

/** In time: it can go. */
export const ready: DiskAnswer = {
  name: 'offsite-1',
  pool: 'offsite-1',
  poolGuid: '4425734906477738374',
  serials: ['WD-WX52D91A0001'],
  state: 'removable',
  since: daysAgo(3),
  reason: null,
  overdue: false,
  dueBy: daysAgo(-27),
  lastComplete: daysAgo(3),
  lastVisit: visit,
  ending: false,
  progress: null,
}

export const away: DiskAnswer = {
  ...ready,
  name: 'offsite-2',
  state: 'absent',
  since: null,
  overdue: true,
  dueBy: daysAgo(4),
  lastComplete: daysAgo(34),
  lastVisit: {
    ...visit,
    startedAt: daysAgo(20.5),
    finishedAt: daysAgo(20),
    outcome: 'partial',
    datasets: { total: 12, sent: 3, unchanged: 8, failed: 1 },
    failures: [{ dataset: 'tank/vm/mail', reason: 'it has diverged' }],
  },
}

export const busy: DiskAnswer = {
  ...ready,
  name: 'cellar',
  state: 'backing-up',
  overdue: false,
  dueBy: daysAgo(-10),
  lastComplete: daysAgo(20),
  lastVisit: null,
  progress: {
    phase: 'backing-up',
    dataset: 'tank/home/anna/photos',
    sentBytes: 123_000_000_000,
    totalBytes: 480_000_000_000,
    bytesPerSecond: 112_000_000,
    readyAt: new Date(now.getTime() + 53 * 60_000).toISOString(),
  },
}

export const statusOf = (...disks: readonly DiskAnswer[]): StatusAnswer => ({
  version: 1,
  host: 'nas',
  daemon: { version: '0.1.0', startedAt: daysAgo(3) },
  disks,
  undelivered: [],
})
