// What zfs send and zfs receive say about a stream: estimate, progress, bytes received, the content of a token. Pure.
// Complaints are complaint.ts.
import { type SnapshotGuid, snapshotGuid } from '../core/model.ts'
import { UnreadableAnswer } from '../errors.ts'

export interface TransferProgress {
  readonly sentBytes: number
  /** ZFS's estimate; null until it has made one. May be exceeded. */
  readonly totalBytes: number | null
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

const progressLine = /^\d\d:\d\d:\d\d\t(\d+)\t(.+)$/
const sizeLine = /^size\t(\d+)$/
const announcement = /^(full|incremental)\t/
const tokenLine = /^(resume token contents:|nvlist version: |\t\w+ = )/

/**
 * Reads the stderr of `zfs send -vP` as it comes, in pieces of any size, and tells how far the stream is.
 *
 * Each snapshot of a stream counts from 0; the sum is told. What some versions print while they only estimate (before
 * the line `size`) does not count.
 */
export function readProgress(onProgress: (progress: TransferProgress) => void): (text: string) => void {
  let rest = ''
  let totalBytes: number | null = null
  let doneBytes = 0
  let current = { snapshot: '', bytes: 0 }

  const readLine = (line: string): void => {
    const size = sizeLine.exec(line)?.[1]
    if (size !== undefined) totalBytes = Number(size)
    const [, bytes, snapshot] = progressLine.exec(line) ?? []
    if (totalBytes === null || (size === undefined && snapshot === undefined)) return
    if (snapshot !== undefined) {
      if (snapshot !== current.snapshot) doneBytes += current.bytes
      current = { snapshot, bytes: Number(bytes) }
    }
    onProgress({ sentBytes: doneBytes + current.bytes, totalBytes })
  }
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) readLine(line)
  }
}

/** The stderr of `zfs send -vP` without what is no complaint. */
export const withoutProgress = (stderr: string): string =>
  stderr
    .split('\n')
    .filter((line) => ![progressLine, sizeLine, announcement, tokenLine].some((told) => told.test(line)))
    .join('\n')

const units = 'BKMGTPE'

/** The bytes that `zfs receive -v` says it received, over all snapshots of the stream; three digits of each are exact. */
export function parseReceivedBytes(stdout: string): number {
  let sum = 0
  for (const [, amount, unit = 'B'] of stdout.matchAll(/^received ([\d.]+)([BKMGTPE]?) stream in /gm)) {
    sum += Math.round(Number(amount) * 1024 ** units.indexOf(unit))
  }
  return sum
}

/** `zfs send -nvP -t TOKEN`. Throws `UnreadableAnswer` if it does not say what the stream leads to. */
export function parseToken(stdout: string): TokenContent {
  const fieldOf = (name: string): string | undefined =>
    new RegExp(`^\\t${name} = (.*)$`, 'm').exec(stdout)?.[1]
  const guidOf = (name: string): SnapshotGuid | null => {
    const text = fieldOf(name)
    return text !== undefined && /^0x[0-9a-f]{1,16}$/.test(text)
      ? snapshotGuid(BigInt(text).toString())
      : null
  }
  const toName = fieldOf('toname')
  const toGuid = guidOf('toguid')
  if (toName === undefined || toGuid === null) {
    throw new UnreadableAnswer(`zfs send -t: no snapshot in ${JSON.stringify(stdout.slice(0, 400))}`)
  }
  const remaining = /^size\t(\d+)$/m.exec(stdout)?.[1]
  return {
    kind: 'usable',
    toName,
    toGuid,
    fromGuid: guidOf('fromguid'),
    receivedBytes: Number(fieldOf('bytes') ?? 0),
    remainingBytes: remaining === undefined ? null : Number(remaining),
    raw: fieldOf('rawok') !== undefined,
  }
}
