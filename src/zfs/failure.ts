// Why a zfs or zpool command failed, as a word that decisions can use. The words are found in parse.ts.
import { CommandFailed } from '../errors.ts'

export type FailureKind =
  | 'not-found'
  | 'exists'
  | 'busy'
  /** The pool's disk is gone or does not answer. */
  | 'suspended'
  | 'io-error'
  | 'no-space'
  /** A quota or reservation, not the disk, is full. */
  | 'quota'
  | 'permission'
  /** The pool was last used by another machine, or still is. */
  | 'foreign-pool'
  | 'missing-devices'
  | 'unsupported-feature'
  | 'pool-destroyed'
  | 'token-dead'
  /** The target has an unfinished receive that must be resumed or aborted first. */
  | 'unfinished-receive'
  /** The target was changed, or has snapshots, since the base: an incremental does not fit. */
  | 'diverged'
  /** The target has no snapshot with the base's GUID. */
  | 'no-base'
  | 'key-unavailable'
  /** A raw stream does not fit what was received before (#8758). */
  | 'raw-mismatch'
  /** The stream ended early or is damaged. */
  | 'broken-stream'
  /** No kernel module, no /dev/zfs, no program. */
  | 'zfs-missing'
  | 'other'

/** A zfs or zpool command that failed, classified. */
export class ZfsFailed extends CommandFailed {
  readonly kind: FailureKind
  constructor(
    kind: FailureKind,
    fields: ConstructorParameters<typeof CommandFailed>[0],
    options: ConstructorParameters<typeof CommandFailed>[1] = {},
  ) {
    super(fields, options)
    this.kind = kind
  }
}

/** The kind of the ZFS failure that this error is or was caused by; null if it has nothing to do with one. */
export function failureKind(error: unknown): FailureKind | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (at instanceof ZfsFailed) return at.kind
  return null
}
