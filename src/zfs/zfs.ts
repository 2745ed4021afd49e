// What walkaway does with datasets: few deep verbs, one process each where ZFS lets us. Every dataset argument is checked before
// it reaches a command line. What there is, is read by listing.ts; properties are properties.ts, holds holds.ts, bookmarks
// bookmarks.ts, what a pool remembers history.ts, keys keys.ts, pools pool.ts, streams transfer.ts.
import { type Dataset, type DatasetName, datasetName, type Snapshot } from '../core/model.ts'
import { BadInput, NotFound } from '../errors.ts'
import type { Run } from '../linux/run.ts'
import { type Bookmarks, createBookmarks } from './bookmarks.ts'
import { parseNumber } from './columns.ts'
import {
  argvBytes,
  CHANGE_MS,
  createZfsCommand,
  ignoring,
  isAbsence,
  LOOK_MS,
  MAX_ARGV_BYTES,
  throwNamed,
} from './command.ts'
import { saysNothingToAbort } from './complaint.ts'
import { destroySnapshots } from './destroy.ts'
import { failureKind, ZfsFailed } from './failure.ts'
import { createHistories, type Histories } from './history.ts'
import { createHolds, type Holds } from './holds.ts'
import { createKeys, type Keys } from './keys.ts'
import { createListings, type Listings } from './listing.ts'
import { checkDatasets, checkSnapshots, poolOf } from './names.ts'
import type { SnapshotEnd } from './parse.ts'
import { createProperties, type Properties } from './properties.ts'

export interface RenamedDataset {
  readonly from: DatasetName
  readonly to: DatasetName
  readonly type: Dataset['type']
}

/**
 * Every verb may throw `CommandFailed` (a `ZfsFailed` with its `kind`), `DeadlineExceeded`, `UnreadableAnswer` and,
 * for a name that ZFS would not take, `BadInput`. `NotFound` and `AlreadyExists` are named where they can happen.
 */
export interface Zfs extends Bookmarks, Histories, Holds, Keys, Listings, Properties {
  /**
   * One atomic set: all of these datasets get the snapshot in one transaction, or none. All must be of one pool.
   * Throws `AlreadyExists` (take another name) or `NotFound` (a dataset went: list again); nothing was made then.
   */
  snapshotSet(datasets: readonly DatasetName[], name: string): Promise<void>
  /**
   * Destroys snapshots of one pool, at most `MAX_DESTROYED_AT_ONCE`, in one transaction; what became of each is told in
   * the same order. Each goes only if what has its name still has its GUID when it goes. None that stays is an error.
   */
  destroySnapshots(doomed: readonly Snapshot[]): Promise<readonly SnapshotEnd[]>
  /**
   * Makes a dataset that only contains others (never mounted), and its missing parents likewise; never a pool. On a
   * backup disk what lies below it has no mountpoint either; `inheritMountpoint` leaves that as it is above it.
   * Returns what it made, parents first; empty if it was all there.
   */
  createContainer(
    dataset: DatasetName,
    options?: { readonly inheritMountpoint: boolean },
  ): Promise<readonly DatasetName[]>
  /**
   * Gives a dataset, with everything below it, another name in its pool; nothing is mounted. Throws `AlreadyExists` if
   * that name is taken, `NotFound` if it, or what shall be above it, is not there.
   */
  rename(dataset: RenamedDataset): Promise<void>
  /** Throws away an unfinished receive into this dataset. Fine if there is none or the dataset is gone. */
  abortReceive(dataset: DatasetName): Promise<void>
}

/** Frees what was received, which may be a lot. */
const ABORT_RECEIVE_MS = 10 * 60_000

/** Everything goes through `run`; nothing else of the machine is used. */
export function createZfs(run: Run): Zfs {
  const zfs = createZfsCommand(run)

  async function snapshotSet(datasets: readonly DatasetName[], name: string): Promise<void> {
    const paths = datasets.map((dataset) => `${dataset}@${name}`)
    checkSnapshots(paths)
    if (paths.length === 0) throw new BadInput('a snapshot of no dataset')
    if (new Set(datasets.map(poolOf)).size > 1) throw new BadInput('one set of snapshots cannot span pools')
    if (argvBytes(paths) > MAX_ARGV_BYTES) {
      throw new BadInput(
        `${paths.length} snapshots do not fit into one command, and only one command is atomic`,
      )
    }
    await zfs(['snapshot', ...paths], CHANGE_MS).catch(throwNamed)
  }

  const guidOf = async (path: string): Promise<bigint | null> => {
    try {
      return parseNumber(
        await zfs(['get', '-Hp', '-o', 'value', 'guid', path], LOOK_MS),
        `the GUID of ${path}`,
      )
    } catch (error) {
      if (failureKind(error) === 'not-found') return null
      throw error
    }
  }

  const createContainer: Zfs['createContainer'] = async (
    dataset,
    { inheritMountpoint } = { inheritMountpoint: false },
  ) => {
    checkDatasets(dataset)
    const missing: DatasetName[] = []
    for (let at = dataset; (await guidOf(at)) === null; at = datasetName(at.slice(0, at.lastIndexOf('/')))) {
      if (!at.includes('/')) throw new NotFound(`there is no pool ${at}`)
      missing.unshift(at)
    }
    for (const name of missing) {
      const hidden = inheritMountpoint ? [] : ['-o', 'mountpoint=none']
      const args = ['create', '-u', '-o', 'canmount=off', ...hidden, name]
      await zfs(args, CHANGE_MS).catch(ignoring('exists')).catch(throwNamed)
    }
    return missing
  }

  async function rename({ from, to, type }: RenamedDataset): Promise<void> {
    checkDatasets(from, to)
    // `-u` looks for file systems only; a volume has nothing to mount.
    const options = type === 'filesystem' ? ['-u'] : []
    await zfs(['rename', ...options, from, to], CHANGE_MS).catch(throwNamed)
  }

  async function abortReceive(dataset: DatasetName): Promise<void> {
    checkDatasets(dataset)
    try {
      await zfs(['receive', '-A', dataset], ABORT_RECEIVE_MS)
    } catch (error) {
      if (error instanceof ZfsFailed && (saysNothingToAbort(error.stderr) || isAbsence(error, dataset)))
        return
      throw error
    }
  }

  return {
    ...createBookmarks(zfs),
    ...createHistories(run),
    ...createHolds(zfs),
    ...createKeys(zfs),
    ...createListings(zfs),
    ...createProperties(zfs),
    snapshotSet,
    destroySnapshots: (doomed) => destroySnapshots(zfs, doomed),
    createContainer,
    rename,
    abortReceive,
  }
}
