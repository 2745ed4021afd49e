// The bookmarks that walkaway makes: which one stands in for a snapshot as the base of which disk, and when it has served. By name
// it is known whose they are, by GUID what they stand for. Pure; made and destroyed by zfs/bookmarks.ts.

import type { Bookmark, Dataset, Snapshot, SnapshotGuid } from './model.ts'

/** The bookmark that stands in for a snapshot as the base of the disk with this pool GUID. */
export function bookmarkNameFor(poolGuid: string, snapshot: Pick<Snapshot, 'name'>): string {
  const name = `walkaway_${poolGuid}_${snapshot.name.replace(/^walkaway_/, '')}`
  return isTwin({ name }) ? `${name}_2` : name
}

/**
 * The bookmarks that a snapshot needs as the base of this disk and does not have: its own, and the twin of that. A name that
 * stands for another snapshot is left alone: `_2` is put behind it.
 *
 * The twin is of an older snapshot that holds exactly the same, if there is one. In a dataset that is a replica itself, every
 * receive takes the snapshots back that walkaway has taken: what a bookmark of one stands for is gone then, and the twin
 * proves that what it held is not (timeline.ts).
 */
export function missingBookmarks(
  poolGuid: string,
  source: Dataset,
  snapshot: Snapshot,
): readonly { readonly snapshot: Snapshot; readonly name: string }[] {
  const names = new Set(source.bookmarks.map((bookmark) => bookmark.name))
  const own = bookmarksOf(poolGuid, source).find(({ guid }) => guid === snapshot.guid)
  const wanted = bookmarkNameFor(poolGuid, snapshot)
  const isTaken = names.has(wanted) || names.has(twinNameOf(wanted))
  const name = own?.name ?? (isTaken ? `${wanted}_2` : wanted)
  const same = oldestWithTheSame(source, snapshot)
  return [
    ...(own === undefined ? [{ snapshot, name }] : []),
    ...(same === null || names.has(twinNameOf(name)) ? [] : [{ snapshot: same, name: twinNameOf(name) }]),
  ]
}

/** From it to the given one nothing was written (see `isUnchanged`); null: there was, or it is the first. */
function oldestWithTheSame({ snapshots }: Dataset, snapshot: Snapshot): Snapshot | null {
  let at = snapshots.findIndex(({ guid }) => guid === snapshot.guid)
  let oldest: Snapshot | null = null
  for (; snapshots[at]?.writtenBytes === 0n; at--) {
    const before = snapshots[at - 1]
    if (before?.referencedBytes !== snapshot.referencedBytes) break
    oldest = before
  }
  return oldest
}

const twinNameOf = (name: string): string => `${name}_same`
const isTwin = ({ name }: { readonly name: string }): boolean => name.endsWith('_same')

/** The bookmark of an older snapshot that holds exactly what this one's does; null: there is none. */
export const twinOf = ({ bookmarks }: Dataset, { name }: Bookmark): Bookmark | null =>
  bookmarks.find((bookmark) => bookmark.name === twinNameOf(name)) ?? null

const isMadeFor = (poolGuid: string, { name }: Bookmark): boolean => name.startsWith(`walkaway_${poolGuid}_`)
/** True for a bookmark that stands for a state of the dataset on the disk with this pool GUID: no twin, none of another disk. */
export const isBookmarkOf = (poolGuid: string, bookmark: Bookmark): boolean =>
  isMadeFor(poolGuid, bookmark) && !isTwin(bookmark)

/** Bookmarks of this disk on this dataset, each of a state of it; of another disk never. */
export const bookmarksOf = (poolGuid: string, dataset: Dataset): readonly Bookmark[] =>
  dataset.bookmarks.filter((bookmark) => isBookmarkOf(poolGuid, bookmark))

/** Bookmarks of this disk that are of no use once it has this state: all but its own and the twin of that. */
export function supersededBookmarks(
  poolGuid: string,
  source: Dataset,
  state: { readonly guid: SnapshotGuid } | null,
): readonly Bookmark[] {
  const own = bookmarksOf(poolGuid, source).filter(({ guid }) => guid === state?.guid)
  const kept = new Set(own.flatMap(({ name }) => [name, twinNameOf(name)]))
  return source.bookmarks.filter((bookmark) => isMadeFor(poolGuid, bookmark) && !kept.has(bookmark.name))
}
