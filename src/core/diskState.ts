// The states of one backup disk, what can happen to it, and what is then done: data only. Which follows from which is
// lifecycle.ts.

import type { Sighting, VdevDevice } from './identity.ts'
import type { Outcome, VisitPhase, VisitReport } from './model.ts'
import type { RefusalReason } from './refusal.ts'

/** The very devices that a disk consists of right now; changes with every plugging in. */
export type Vdevs = readonly VdevDevice[]

/** Why a disk is not touched: not the right one, or ZFS would import its pool only by force. */
export type Refusal = RefusalReason | { readonly kind: 'import-refused'; readonly sentence: string }

/** Fingerprints of what was refused since it was plugged in: each is said once, whatever udev does in between. */
export type Told = readonly string[]

export type DiskState =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'arriving'
      /** What was seen; the disk has settled when it stays the same for a while. */
      readonly fingerprint: string
      readonly stableSince: Date
      readonly waitingFor: string
      readonly told: Told
    }
  | { readonly kind: 'refused'; readonly fingerprint: string; readonly reason: Refusal; readonly told: Told }
  | {
      readonly kind: 'visiting'
      readonly phase: VisitPhase
      readonly vdevs: Vdevs
      /** Its pool waits for a disk that is still plugged in; null: it does not. */
      readonly suspendedSince: Date | null
    }
  | { readonly kind: 'removable'; readonly outcome: Outcome; readonly vdevs: Vdevs }
  | {
      readonly kind: 'not-removable'
      readonly outcome: Outcome
      readonly vdevs: Vdevs
      readonly reason: string
      readonly retryAt: Date
      readonly retries: number
      /** Its pool was in the kernel when last looked: once somebody has exported it by hand, nobody waits for `retryAt`. */
      readonly imported: boolean
    }
  | {
      readonly kind: 'pulled'
      readonly vdevs: Vdevs
      /** ZFS was made to notice it: that waits while another device answers to the disk's names. */
      readonly reopened: boolean
      readonly returning: { readonly fingerprint: string; readonly stableSince: Date } | null
      readonly told: Told
    }
  | {
      readonly kind: 'stuck'
      readonly vdevs: Vdevs
      readonly reason: string
      /** When last looked. A pool that works again after that (late, or by `zpool clear`) is visited without a replug. */
      readonly wasSuspended: boolean
    }

/** What the kernel has of the disk's pool. Suspended: everything that is written to it waits for its disk. */
export type PoolInKernel = 'none' | 'imported' | 'suspended'

export interface Look {
  readonly sighting: Sighting
  /** The devices that the state speaks of are still the same ones (by DISKSEQ). */
  readonly sameDevices: boolean
  readonly pool: PoolInKernel
}

/** What a person can ask for: a visit now, or that the disk is let go of now. */
export type Wish = 'run' | 'eject'

export type Input =
  | ({ readonly kind: 'looked' } & Look)
  /** A person asks; nothing is done without a look at the disk right then, which also counts as a look. */
  | ({ readonly kind: 'asked'; readonly wish: Wish } & Look)
  /** Between two looks, somebody imported the pool of a disk that was released. */
  | { readonly kind: 'imported-by-others' }
  | { readonly kind: 'phase'; readonly phase: VisitPhase }
  | { readonly kind: 'visit-ended'; readonly result: VisitResult }

/** How a visit, or a later try to release the disk, left the disk. The report says how the backup went. */
export type VisitResult =
  | {
      readonly kind: 'released'
      readonly report: VisitReport
      readonly stopped: boolean
      readonly note: string | null
    }
  | {
      readonly kind: 'not-released'
      readonly report: VisitReport
      readonly reason: string
      readonly hint: string
    }
  /** Its device went away after the pool was exported, or before it was imported. */
  | { readonly kind: 'gone'; readonly report: VisitReport }
  /** Its device went away while the pool was imported. */
  | { readonly kind: 'pulled'; readonly report: VisitReport }
  | { readonly kind: 'stuck'; readonly report: VisitReport; readonly reason: string }
  | { readonly kind: 'refused'; readonly report: VisitReport; readonly sentence: string }
  /** The daemon stops: the pool was exported and nothing is said about taking the disk. */
  | { readonly kind: 'stopped'; readonly report: VisitReport }

export type Effect =
  | { readonly kind: 'start-visit'; readonly vdevs: Vdevs }
  /** `ejected`: a person wants the disk; it is released as after any visit. */
  | { readonly kind: 'end-visit'; readonly because: 'device-gone' | 'ejected' }
  /** Makes ZFS notice that the device is gone: the pool becomes suspended and harmless. */
  | { readonly kind: 'reopen-pool' }
  /** `ejected`: a person asked for it, so the pool is exported even if somebody else imported it. */
  | { readonly kind: 'try-release'; readonly vdevs: Vdevs; readonly ejected: boolean }
  | { readonly kind: 'look-again'; readonly inMs: number }
  | { readonly kind: 'tell'; readonly what: Tale }

/** What a person is told; daemon.ts makes the event of it. */
export type Tale =
  | { readonly kind: 'disk-arrived' }
  | { readonly kind: 'visit-asked' }
  | { readonly kind: 'eject-asked' }
  | { readonly kind: 'disk-refused'; readonly reason: Refusal }
  | {
      readonly kind: 'safe-to-remove'
      readonly report: VisitReport
      readonly stopped: boolean
      readonly note: string | null
    }
  | {
      readonly kind: 'not-safe-to-remove'
      readonly outcome: Outcome
      readonly reason: string
      readonly hint: string
    }
  | { readonly kind: 'disk-removed' }
  | { readonly kind: 'disk-pulled'; readonly outcome: Outcome | null }
  | { readonly kind: 'disk-stuck'; readonly reason: string; readonly outcome: Outcome | null }
