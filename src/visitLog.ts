// What the runner of a disk remembers of its visits, over restarts of the daemon: how each ended, and whether the word that
// the disk is safe to take was said. Kept in linux/history.ts; what is made of it is runner.ts.

import type { Vdevs, VisitResult } from './core/diskState.ts'
import type { Disk, VisitReport } from './core/model.ts'
import { type History, type HistoryRecord, mergeVisits } from './linux/history.ts'
import { within } from './linux/within.ts'

export interface VisitLogDeps {
  readonly history: History
  readonly warn: (message: string) => void
  /** Resolves when what was told is out: in the journal, and for the channels on disk. */
  readonly spoken: () => Promise<void>
  /** Identifies this boot: a DISKSEQ means something only within one. */
  readonly bootId: string
}

export interface VisitLog {
  /** Oldest first. */
  visits(): readonly HistoryRecord[]
  /**
   * These devices are used again: that an earlier visit left them released means nothing from here on, whatever becomes of
   * this one. Durable, as far as that can be, when it resolves.
   */
  begun(vdevs: Vdevs): Promise<void>
  /** Durable, as far as that can be, when it resolves. Of one visit what is noted last counts. */
  note(result: VisitResult, visit: { readonly vdevs: Vdevs; readonly ejected: boolean }): Promise<void>
  /**
   * `safe-to-remove` was told of the last visit. That is noted once the word is out: who dies before says it once more, who
   * noted it before and died would never say it.
   */
  said(): void
  /** Resolves when nothing is being noted any more. */
  settled(): Promise<void>
  /**
   * The last visit, if it left these very devices released and no other is due: it is complete, or was ended by a person,
   * who may be taking the disk right now.
   */
  lastReleased(vdevs: Vdevs): HistoryRecord | null
}

/** A journal that does not answer keeps nothing else waiting. */
const spokenLimitMs = 10_000

/** `past`: this disk's earlier visits, oldest first. */
export function createVisitLog(
  disk: Disk,
  past: readonly HistoryRecord[],
  { history, warn, spoken, bootId }: VisitLogDeps,
): VisitLog {
  let visits = past
  let noting: Promise<void> = Promise.resolve()

  const deviceKey = (vdevs: Vdevs): string =>
    [bootId, ...new Set(vdevs.map(({ diskSeq }) => diskSeq))].join(' ')

  const keep = async (record: HistoryRecord): Promise<void> => {
    visits = mergeVisits([...visits, record])
    const result = await history.append(record)
    if (result.kind === 'failed') warn(`${disk.name}: this visit could not be recorded: ${result.reason}`)
  }

  /** Asked for during the visit, and released at a later try. */
  const wasEjected = ({ startedAt }: VisitReport): boolean => {
    const last = visits.at(-1)
    return last?.ejected === true && last.startedAt.getTime() === startedAt.getTime()
  }

  const noteWord = async (record: HistoryRecord): Promise<void> => {
    if ((await within(spokenLimitMs, spoken())) === 'late') return
    const { unsaid: _, ...said } = record
    // Another visit has begun and ended meanwhile: this word is of no interest any more.
    if (visits.at(-1) === record) await keep(said)
  }

  return {
    visits: () => visits,
    async begun(vdevs) {
      const last = visits.at(-1)
      if (last?.device === deviceKey(vdevs)) await keep({ ...last, device: null })
    },
    note: ({ kind, report }, { vdevs, ejected }) =>
      keep({
        ...report,
        disk: disk.name,
        pool: disk.pool,
        poolGuid: disk.poolGuid,
        ...(kind === 'released' ? { device: deviceKey(vdevs), unsaid: true } : { device: null }),
        ...(ejected || wasEjected(report) ? { ejected: true } : {}),
      }),
    said() {
      const last = visits.at(-1)
      if (last?.unsaid === true) noting = noting.then(() => noteWord(last))
    },
    settled: () => noting,
    lastReleased(vdevs) {
      const last = visits.at(-1)
      if (last === undefined || last.device !== deviceKey(vdevs)) return null
      return last.outcome === 'complete' || last.ejected === true ? last : null
    },
  }
}
