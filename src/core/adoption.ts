// Which datasets of a disk that is new to us have something of the sources: by the GUIDs of their snapshots, whatever they
// are called and whoever sent them; and what the sources must not lose of it until the disk's first visit. Pure.
import { missingBookmarks } from './bookmarks.ts'
import type { Dataset, DatasetName, PoolGuid, Snapshot } from './model.ts'

export interface Kinship {
  readonly source: DatasetName
  readonly copy: DatasetName
  /** Where a visit looks for the copy of the source. */
  readonly place: DatasetName
  /** Snapshots of the copy that the source still knows, as a snapshot or a bookmark. */
  readonly shared: number
  /** Name, on the disk, of the newest of them. */
  readonly newest: string
}

/** In the order of the sources; of each source, the copy with the newest common snapshot first. */
export function findKin(
  sources: readonly Dataset[],
  onDisk: readonly Dataset[],
  placeOf: (source: DatasetName) => DatasetName,
): readonly Kinship[] {
  const holders = new Map<string, Dataset[]>()
  for (const dataset of onDisk)
    for (const { guid } of dataset.snapshots) holders.set(guid, [...(holders.get(guid) ?? []), dataset])
  return sources.flatMap((source) => {
    const known = new Map(
      [...source.bookmarks, ...source.snapshots].map(({ guid, createtxg }) => [String(guid), createtxg]),
    )
    const copies = new Set([...known.keys()].flatMap((guid) => holders.get(guid) ?? []))
    return [...copies]
      .map((copy) => {
        const shared = copy.snapshots.filter(({ guid }) => known.has(guid))
        const newest = shared.reduce((a, b) =>
          (known.get(a.guid) ?? 0n) > (known.get(b.guid) ?? 0n) ? a : b,
        )
        return {
          kin: {
            source: source.name,
            copy: copy.name,
            place: placeOf(source.name),
            shared: shared.length,
            newest: newest.name,
          },
          txg: known.get(newest.guid) ?? 0n,
        }
      })
      .toSorted((a, b) => (a.txg > b.txg ? -1 : a.txg < b.txg ? 1 : a.kin.copy < b.kin.copy ? -1 : 1))
      .map(({ kin }) => kin)
  })
}

/**
 * The bookmarks of this disk that the sources lack: of each, the newest snapshot that some dataset on the disk has. Its first
 * visit makes its own, but may come after visits of other disks that prune the sources.
 */
export function planFirstBases(
  poolGuid: PoolGuid,
  sources: readonly Dataset[],
  onDisk: readonly Dataset[],
): readonly { readonly snapshot: Snapshot; readonly name: string }[] {
  const held = new Set(onDisk.flatMap(({ snapshots }) => snapshots.map(({ guid }) => guid)))
  return sources.flatMap((source) => {
    const base = source.snapshots.findLast(({ guid }) => held.has(guid))
    return base === undefined ? [] : missingBookmarks(poolGuid, source, base)
  })
}
