// Why a zfs or zpool command failed, as a word that decisions can use. The words are found in complaint.ts.
import { CommandFailed } from '../errors.ts'

export type FailureKind =
  | 'not-found'
  | 'exists'
  | 'busy'
  /** The pool's disk is gone or does not answer. */
  | 'suspended'
  | 'io-error'
  /** The pool is full. */
  | 'no-space'
  /** A quota, not the pool, is full. */
  | 'quota'
  | 'permission'
  | 'read-only'
  /** The pool was last used by another machine, or still is. */
  | 'foreign-pool'
  | 'missing-devices'
  | 'unsupported-feature'
  /** This resume token will never work again: abort the receive, then start anew. */
  | 'token-dead'
  /** The target has an unfinished receive, which must be resumed or aborted first. */
  | 'unfinished-receive'
  /** The target was changed, or has snapshots of its own, since the base: the stream does not fit. */
  | 'diverged'
  /** One side does not have the base any more. */
  | 'no-base'
  | 'key-unavailable'
  /** A key that is not the one of this dataset. */
  | 'wrong-key'
  /** What the file holds cannot be a key of this dataset's format. */
  | 'malformed-key'
  /** The file with the key is not there or cannot be read. */
  | 'no-key-file'
  /** The stream does not fit how earlier ones were received: raw or not, large blocks, version (#8758). */
  | 'incompatible-stream'
  /** The stream ended early or is damaged. */
  | 'broken-stream'
  /** No kernel module, no /dev/zfs, no program. */
  | 'zfs-missing'
  | 'other'

type Fields = ConstructorParameters<typeof CommandFailed>[0]
type Options = NonNullable<ConstructorParameters<typeof CommandFailed>[1]>

/** A zfs or zpool command that failed, classified. */
export class ZfsFailed extends CommandFailed {
  readonly kind: FailureKind
  constructor(kind: FailureKind, fields: Fields, options: Options = {}) {
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
