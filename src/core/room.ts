// Whether what a visit sends fits on the disk, and whether old snapshots are to make room for it first. Pure: sizes in bytes
// in, a decision out. Which snapshots may go is retention.ts; carried out by space.ts.

import type { DatasetName, Snapshot } from './model.ts'

/** What is to be sent of one dataset. */
export interface Need {
  readonly name: DatasetName
  readonly estimatedBytes: number
  /** It certainly takes this much: as the source counts it, or as `leastOnDisk` makes of that. */
  readonly leastBytes: number
  /** What is kept free for it on the disk beyond what is free for all. */
  readonly reservedBytes: number
}

/** Snapshots of one copy that may go. Destroying them frees at most so much (`usedbysnapshots`). */
export interface Old {
  readonly snapshots: readonly Snapshot[]
  readonly atMostBytes: number
}

export interface Room {
  /** Destroyed before anything is sent; empty where all fits, or where it would not help. */
  readonly thin: readonly Snapshot[]
  /** Those that certainly do not fit, each by itself, and why. */
  readonly unfitting: ReadonlyMap<DatasetName, Shortage>
}
export interface Shortage {
  /** About. That it does not fit is certain all the same. */
  readonly neededBytes: number
  readonly availableBytes: number
}

/** On the disk a stream takes about what the source says, and for its metadata and larger sectors a little more. */
const withMargin = (bytes: number): number => bytes + bytes / 8

const wantedBytes = (needs: readonly Need[]): number =>
  withMargin(
    needs.reduce((sum, { estimatedBytes, leastBytes }) => sum + Math.max(estimatedBytes, leastBytes), 0),
  )

export const isTight = (needs: readonly Need[], availableBytes: number): boolean =>
  wantedBytes(needs) > availableBytes

/** Old snapshots go only for datasets that may fit then; one that is too large for the disk costs none. */
export function planRoom({
  needs,
  availableBytes,
  old,
}: {
  readonly needs: readonly Need[]
  readonly availableBytes: number
  readonly old: readonly Old[]
}): Room {
  const most = availableBytes + old.reduce((sum, { atMostBytes }) => sum + atMostBytes, 0)
  const fits = ({ leastBytes, reservedBytes }: Need, bytes: number) => leastBytes <= bytes + reservedBytes
  const mayFit = needs.filter((need) => fits(need, most))
  const thin = isTight(mayFit, availableBytes) ? old.flatMap(({ snapshots }) => snapshots) : []
  const limit = thin.length > 0 ? most : availableBytes
  return {
    thin,
    unfitting: new Map(
      needs
        .filter((need) => !fits(need, limit))
        .map(({ name, estimatedBytes, leastBytes, reservedBytes }) => [
          name,
          {
            neededBytes: Math.max(estimatedBytes, leastBytes),
            availableBytes: limit + reservedBytes,
          },
        ]),
    ),
  }
}

/** How a dataset lies on the source, by its own properties. */
export interface OnSource {
  readonly referencedBytes: number
  /** `logicalreferenced`: before compression, each block once. */
  readonly logicalBytes: number
  /** `refcompressratio`, cut off after two digits. */
  readonly compressRatio: number
  readonly compresses: boolean
  /** Sent raw: the disk cannot compress it anew. */
  readonly raw: boolean
}

/** What the disk may make less of. */
export interface OnDisk {
  readonly compresses: boolean
  readonly deduplicates: boolean
}

/**
 * What the disk takes at the very least of `countedBytes` (`written`, `referenced`) of the source. Those have in them what
 * the disk may do without: each copy (`copies`), sectors filled up (`ashift`), and on raidz parity and padding, taken off as
 * for blocks of 128 KiB (`vdev_deflate_ratio`), so that small blocks count up to several times their size. What is in the
 * blocks themselves is `logicalreferenced` / `refcompressratio` (`ds_uncompressed_bytes`, `ds_compressed_bytes`: the sum of
 * their PSIZE), and that is what `send -c` and `-w` carry.
 *
 * Of that at least a half is left: metadata may take less room in smaller sectors, and large blocks on a raidz count less
 * than their size. A quarter where the disk compresses what the source left as it was. Nothing is certain when the source
 * does not compress and the disk does (zeros take no room), or when the disk deduplicates.
 */
export function leastOnDisk(countedBytes: number, source: OnSource, disk: OnDisk): number {
  const mayShrink = disk.compresses && !source.raw
  if (disk.deduplicates || (mayShrink && !source.compresses)) return 0
  const storedBytes = source.logicalBytes / (source.compressRatio + 0.01)
  const share = source.referencedBytes > 0 ? Math.min(1, storedBytes / source.referencedBytes) : 1
  return countedBytes * share * (mayShrink ? 1 / 4 : 1 / 2)
}
