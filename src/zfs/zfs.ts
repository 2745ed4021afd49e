// What walkaway does with datasets, snapshots, bookmarks and holds: few deep verbs, one process each where ZFS lets
// us. Every dataset argument is checked before it reaches a command line. Pools are pool.ts, streams transfer.ts.
import type { Bookmark, Dataset, DatasetName, Snapshot } from '../core/model.ts'

export interface Property {
  readonly value: string
  /** `local`, `default`, `received`, `inherited from tank`, `temporary` or `-`, in ZFS's words. */
  readonly source: string
}
export interface Holder {
  /** `pool/dataset@snapshot` */
  readonly path: string
  readonly tag: string
}

/**
 * Every verb may throw `CommandFailed` (a `ZfsFailed` with its `kind`), `DeadlineExceeded`, `UnreadableAnswer` and,
 * for a name that ZFS would not take, `BadInput`. `NotFound` and `AlreadyExists` are named where they can happen.
 */
export interface Zfs {
  /**
   * The dataset and everything below it, in ZFS's order (parents first), with snapshots and bookmarks sorted by
   * createtxg. Two processes, whatever the number of datasets. Never empty: throws `NotFound` if the root is not there.
   */
  observe(root: DatasetName): Promise<readonly Dataset[]>
  /** As `observe`, for a dataset that may well not be there: null then. */
  observeIfPresent(root: DatasetName): Promise<readonly Dataset[] | null>
  /**
   * One atomic set: all of these datasets get the snapshot in one transaction, or none. All must be of one pool.
   * Throws `AlreadyExists` (take another name) or `NotFound` (a dataset went: list again); nothing was made then.
   */
  snapshotSet(datasets: readonly DatasetName[], name: string): Promise<void>
  /** Holds each snapshot with this tag. One that holds it already is fine. Throws `NotFound`. */
  hold(tag: string, paths: readonly string[]): Promise<void>
  /** Releases this tag from each snapshot. One that does not hold it, or does not exist any more, is fine. */
  release(tag: string, paths: readonly string[]): Promise<void>
  /** Who holds these snapshots, by tag. A snapshot that does not exist has no holders. */
  holders(paths: readonly string[]): Promise<readonly Holder[]>
  /**
   * Makes `dataset#name` of a snapshot. Fine if that bookmark has the snapshot's GUID already; `AlreadyExists` if it
   * stands for another one. Throws `NotFound` if the snapshot is gone.
   */
  bookmark(snapshot: Snapshot, name: string): Promise<void>
  /** Destroys a bookmark if what has that name still has that GUID; otherwise, or if it is gone, does nothing. */
  destroyBookmark(bookmark: Bookmark): Promise<void>
  /**
   * Makes a dataset that only contains others (never mounted), and its missing parents likewise; never a pool.
   * Returns what it made, parents first; empty if it was all there.
   */
  createContainer(dataset: DatasetName): Promise<readonly DatasetName[]>
  /** Throws away an unfinished receive into this dataset. Fine if there is none or the dataset is gone. */
  abortReceive(dataset: DatasetName): Promise<void>
  /** Properties as they are, with where they come from. Throws `NotFound`. */
  properties(dataset: DatasetName, names: readonly string[]): Promise<ReadonlyMap<string, Property>>
}
