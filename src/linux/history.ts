// One line per visit in history.jsonl: what was, for reports and reminders only. It never decides what to do with a
// disk; a crash, a torn line or a full /var may lose lines of it and nothing else.

import type { DiskName, PoolName, VisitReport } from '../core/model.ts'

export interface HistoryRecord extends VisitReport {
  readonly disk: DiskName
  readonly pool: PoolName
  /** Boot id and DISKSEQ(s) of the very device that was visited; null in lines of older versions. */
  readonly device: string | null
}

export type AppendResult =
  | { readonly kind: 'written' }
  /** A full or read-only file system: a sentence for a person. */
  | { readonly kind: 'failed'; readonly reason: string }

export interface History {
  /** Durable when it returns `written`. Never throws. Calls are served one after another. */
  append(record: HistoryRecord): Promise<AppendResult>
  /** Oldest first. A file that is not there is an empty history; `brokenLines` were skipped. Throws when it cannot be read. */
  read(): Promise<{ readonly visits: readonly HistoryRecord[]; readonly brokenLines: number }>
}

/** `maxBytes`: above it the oldest half is dropped at the next append. */
export declare function createHistory(directory: string, options?: { readonly maxBytes?: number }): History
