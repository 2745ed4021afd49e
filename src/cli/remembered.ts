// What is known of the disks while no daemon watches them: what earlier visits left in the history, judged by the
// configuration where there is one.
import { hostname } from 'node:os'
import type { ConfiguredDisk } from '../config.ts'
import { type VisitAnswer, visitAnswer } from '../control/protocol.ts'
import { judgeFreshness, lastCompleteIn } from '../core/freshness.ts'
import { messageOf } from '../errors.ts'
import { createHistory, type HistoryRecord, isVisitTo } from '../linux/history.ts'
import { configuredDisks } from './configuredDisks.ts'
import { plural } from './words.ts'

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
  readonly disks: readonly RememberedDisk[]
  /** How many are known. */
  readonly visits: number
  /** What of earlier visits is not known, in words; null: all is. */
  readonly problem: string | null
}

/** Never throws. Which disks are configured, and when they are overdue, is for a configuration without mistakes to say. */
export async function recall(
  { stateFolder, configFile }: { readonly stateFolder: string; readonly configFile: string },
  now: Date,
): Promise<Recollection> {
  const [{ visits, problem }, configured] = await Promise.all([
    recallVisits(stateFolder),
    configuredDisks(configFile).catch(() => null),
  ])
  return { disks: rememberedDisks(visits, configured, now), visits: visits.length, problem }
}

async function recallVisits(
  stateFolder: string,
): Promise<Pick<Recollection, 'problem'> & { readonly visits: readonly HistoryRecord[] }> {
  try {
    const { visits, brokenLines } = await createHistory(stateFolder).read()
    return { visits, problem: brokenLines === 0 ? null : skippedInWords(brokenLines) }
  } catch (error) {
    return { visits: [], problem: `what earlier visits left cannot be read: ${messageOf(error)}` }
  }
}

export const skippedInWords = (brokenLines: number): string =>
  `${plural(brokenLines, 'line')} of the history cannot be read, and ${brokenLines === 1 ? 'is' : 'are'} skipped`

/** Each configured disk; without a configuration each disk of the history. Visits come oldest first. */
function rememberedDisks(
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
