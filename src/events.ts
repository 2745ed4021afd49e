// Everything that happens, as data. How it is told is sentences.ts; what the catalog says of each kind is eventKinds.ts.

import type { HowSent } from './core/clones.ts'
import type { DatasetName, DiskName, Outcome, PoolName, VisitReport } from './core/model.ts'
import type { Reminder } from './core/reminders.ts'
import type { ScrubReason } from './core/scrub.ts'

interface OfDisk {
  readonly disk: DiskName
  readonly pool: PoolName
}

/**
 * How a disk stands when its backup has ended, and with that what comes next. `in-use`: it is let go of now, and what came of
 * that is said. `pulled`, `stuck` and `refused` are said as events of their own. `gone`: unplugged before its pool was imported.
 * `stopping`: walkaway ends, and says nothing more of it.
 */
export type StandingAtTheEnd = 'in-use' | 'pulled' | 'stuck' | 'refused' | 'gone' | 'stopping'

export type WalkawayEvent =
  | {
      readonly kind: 'daemon-started'
      readonly version: string
      readonly disks: number
      readonly sources: number
    }
  | { readonly kind: 'daemon-stopping'; readonly because: string }
  | { readonly kind: 'config-reloaded'; readonly disks: number; readonly sources: number }
  | { readonly kind: 'config-rejected'; readonly mistakes: readonly string[] }
  | ({ readonly kind: 'disk-arrived' } & OfDisk)
  | ({ readonly kind: 'visit-asked' } & OfDisk)
  | ({ readonly kind: 'eject-asked' } & OfDisk)
  | ({
      readonly kind: 'disk-refused'
      readonly reason: string
      /** Another device claims to be this disk, which itself is there and is served. */
      readonly isAnotherDevice: boolean
    } & OfDisk)
  | ({
      readonly kind: 'pool-imported'
      readonly how: 'imported' | 'left-by-us' | 'by-somebody-else' | 'came-back'
    } & OfDisk)
  | ({ readonly kind: 'key-not-needed' } & OfDisk)
  | ({ readonly kind: 'snapshot-taken'; readonly snapshot: string; readonly datasets: number } & OfDisk)
  | ({
      readonly kind: 'plan-made'
      readonly toSend: number
      /** Of these, how many from the beginning. */
      readonly full: number
      readonly upToDate: number
      /** Datasets that are not sent, because their copies do not go with them; each is told as `dataset-failed`, too. */
      readonly conflicts: number
      readonly resumed: number
      /** What else it does or leaves, in a few words each: renamed, set aside, gone from the source. */
      readonly notes: readonly string[]
      readonly estimatedBytes: number
      /** From the speed of earlier visits; null when there was none. */
      readonly readyAt: Date | null
      readonly plannedAt: Date
    } & OfDisk)
  | ({
      readonly kind: 'dataset-sent'
      readonly dataset: DatasetName
      readonly sentBytes: number
      readonly durationMs: number
    } & HowSent &
      OfDisk)
  | ({ readonly kind: 'dataset-gone'; readonly dataset: DatasetName } & OfDisk)
  | ({ readonly kind: 'dataset-failed'; readonly dataset: DatasetName; readonly reason: string } & OfDisk)
  | ({ readonly kind: 'verified'; readonly datasets: number } & OfDisk)
  | ({
      readonly kind: 'pruned'
      /** `to-make-room`: before anything was sent, because it would not have fitted. */
      readonly why: 'given-up' | 'to-make-room'
      /** Snapshots that were destroyed. */
      readonly onDisk: number
      readonly onSource: number
      /** What stayed although it was to go, and why, in words for a person. */
      readonly left: readonly string[]
    } & OfDisk)
  | ({ readonly kind: 'scrub-started'; readonly because: ScrubReason } & OfDisk)
  | ({
      readonly kind: 'scrub-finished'
      readonly repairedBytes: number
      /** That could not be repaired. */
      readonly errors: number
      /** Files that are damaged and whose names are known. */
      readonly damaged: number
    } & OfDisk)
  | ({ readonly kind: 'explain-failed'; readonly reason: string } & OfDisk)
  | ({
      readonly kind: 'backup-finished'
      readonly report: VisitReport
      readonly standing: StandingAtTheEnd
    } & OfDisk)
  | ({ readonly kind: 'pool-exported' } & OfDisk)
  | ({
      readonly kind: 'safe-to-remove'
      readonly report: VisitReport
      readonly stopped: boolean
      readonly note: string | null
    } & OfDisk)
  | ({
      readonly kind: 'not-safe-to-remove'
      /** Of the visit that is over. */
      readonly outcome: Outcome
      readonly reason: string
      readonly hint: string
    } & OfDisk)
  | ({ readonly kind: 'disk-removed' } & OfDisk)
  | ({
      readonly kind: 'disk-pulled'
      /** null: its visit was not over. */
      readonly outcome: Outcome | null
    } & OfDisk)
  | ({ readonly kind: 'disk-stuck'; readonly reason: string; readonly outcome: Outcome | null } & OfDisk)
  | Reminder
  | {
      readonly kind: 'notify-failed'
      /** In a few words, without secrets. */
      readonly channel: string
      readonly reason: string
      /** Messages that wait for it. */
      readonly waiting: number
      /** Messages that are not tried again: too old, or too many. */
      readonly givenUp: number
    }

export type EventKind = WalkawayEvent['kind']

/** syslog(3) priorities: 3 a person must act, 4 look at it, 5 what the person waits for, 6 the story. */
export type Priority = 3 | 4 | 5 | 6

export interface JournalEntry {
  readonly priority: Priority | 7
  readonly message: string
  /** 128 bits in hexadecimal, see systemd's catalog documentation. */
  readonly messageId: string
  readonly fields: Readonly<Record<string, string>>
}
