// One stream from `zfs send` to `zfs recv` through a pipe of the kernel: what is sent, how it is received safely, how
// far it is, and whose fault it was. No byte of it passes through JavaScript. What to send is decided elsewhere.
import type { Bookmark, DatasetName, ResumeToken, Snapshot, SnapshotGuid } from '../core/model.ts'

export type SendSource =
  | { readonly kind: 'full'; readonly to: Snapshot }
  /** `intermediates` also carries the snapshots between; only from a snapshot (a bookmark: `BadInput`). */
  | {
      readonly kind: 'incremental'
      readonly from: Snapshot | Bookmark
      readonly to: Snapshot
      readonly intermediates: boolean
    }
  /** Goes on where the target's token says: exactly one snapshot. Check the token with `readToken` first. */
  | { readonly kind: 'resume'; readonly token: ResumeToken }

export interface TransferProgress {
  readonly sentBytes: number
  /** ZFS's estimate; null until it has made one. May be exceeded. */
  readonly totalBytes: number | null
}

export interface TransferRequest {
  readonly send: SendSource
  /** The source is encrypted: sent raw, for ever. */
  readonly encrypted: boolean
  readonly receive: { readonly target: DatasetName; readonly type: 'filesystem' | 'volume' }
  /** Ends the transfer: the sender first, so that the receiver keeps a token. Stalls are for the caller to see. */
  readonly signal: AbortSignal
  readonly onProgress: (progress: TransferProgress) => void
}

export interface TransferResult {
  /** What `zfs recv -v` reports for this stream (three digits of precision); a resumed one counts only its rest. */
  readonly receivedBytes: number
}

/** What a resume token stands for. `dead`: ZFS cannot use it any more; abort the receive and start again. */
export type TokenContent =
  | {
      readonly kind: 'usable'
      /** `pool/dataset@snapshot` on the source, as it was called when the stream began. */
      readonly toName: string
      readonly toGuid: SnapshotGuid
      /** null: a full stream. */
      readonly fromGuid: SnapshotGuid | null
      readonly receivedBytes: number
      /** Estimate of what is left; null if ZFS did not say. */
      readonly remainingBytes: number | null
      readonly raw: boolean
    }
  | { readonly kind: 'dead'; readonly reason: string }

export interface Transfer {
  /**
   * Resolves when both sides ended with exit code 0. That is not proof: read the target's GUIDs back.
   * Throws `TransferFailed` with the side whose fault it was (`failureKind` of it tells why), the signal's reason
   * when aborted, `DeadlineExceeded` if a side did not end after the other had; `BadInput`.
   */
  transfer(request: TransferRequest): Promise<TransferResult>
  /** What this token stands for. Throws what `Zfs` verbs throw, but a dead token is a value. */
  readToken(token: ResumeToken): Promise<TokenContent>
}
