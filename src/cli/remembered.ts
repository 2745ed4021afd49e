// What is known of the disks while no daemon watches them: what earlier visits left in the history, judged by the
// configuration where there is one.
import { hostname } from 'node:os'
import type { ConfiguredDisk } from '../config.ts'
import { type VisitAnswer, visitAnswer } from '../control/protocol.ts'
import { judgeFreshness, lastCompleteIn } from '../core/freshness.ts'
import { messageOf } from '../errors.ts'
import { createHistory, type HistoryRecord, isVisitTo } from '../linux/history.ts'

/** The keys of `status --json`, null where only the daemon would know. */
export interface RememberedDisk {
  readonly name: string
  readonly pool: string
  readonly poolGuid: null
  readonly serials: readonly []
  readonly state: null
  readonly since: null
  readonly reason: null
  /** null without a configuration, as is `dueBy`. */
  readonly overdue: boolean | null
  readonly dueBy: string | null
  readonly lastComplete: string | null
  readonly lastVisit: VisitAnswer | null
  readonly progress: null
}

export interface Recollection {
  readonly visits: readonly HistoryRecord[]
  /** Why earlier visits are not known; null: they are. */
  readonly problem: string | null
}

export async function recallVisits(stateFolder: string): Promise<Recollection> {
  try {
    return { visits: (await createHistory(stateFolder).read()).visits, problem: null }
  } catch (error) {
    return { visits: [], problem: `what earlier visits left cannot be read: ${messageOf(error)}` }
  }
}

/** Each configured disk; without a configuration each disk of the history. Visits come oldest first. */
export function rememberedDisks(
  visits: readonly HistoryRecord[],
  configured: readonly ConfiguredDisk[] | null,
  now: Date,
): readonly RememberedDisk[] {
  if (configured === null) return disksOfHistory(visits)
  return configured.map((disk) => {
    const own = visits.filter((visit) => isVisitTo(disk, visit))
    const { lastComplete, dueBy, overdue } = judgeFreshness(own, disk.overdueMs, now)
    return remembered(disk, own, { lastComplete, dueBy, overdue })
  })
}

function disksOfHistory(visits: readonly HistoryRecord[]): readonly RememberedDisk[] {
  const lastVisits = new Map(visits.map((visit) => [visit.disk, visit]))
  return [...lastVisits.values()].map((last) => {
    const own = visits.filter(({ disk, poolGuid }) => disk === last.disk && poolGuid === last.poolGuid)
    const disk = { name: last.disk, pool: last.pool }
    return remembered(disk, own, { lastComplete: lastCompleteIn(own), dueBy: null, overdue: null })
  })
}

function remembered(
  { name, pool }: Pick<ConfiguredDisk, 'name' | 'pool'>,
  visits: readonly HistoryRecord[],
  fresh: {
    readonly lastComplete: Date | null
    readonly dueBy: Date | null
    readonly overdue: boolean | null
  },
): RememberedDisk {
  const last = visits.at(-1)
  return {
    name,
    pool,
    poolGuid: null,
    serials: [],
    state: null,
    since: null,
    reason: null,
    overdue: fresh.overdue,
    dueBy: fresh.dueBy?.toISOString() ?? null,
    lastComplete: fresh.lastComplete?.toISOString() ?? null,
    lastVisit: last === undefined ? null : visitAnswer(last),
    progress: null,
  }
}

/** What `status --json` prints while there is no daemon. */
export const offlineAnswer = (disks: readonly RememberedDisk[]): object => ({
  version: 1,
  host: hostname(),
  daemon: null,
  disks,
})
