// What walkaway does with datasets, snapshots and holds: few deep verbs, one process each where ZFS lets us. Every dataset
// argument is checked before it reaches a command line. Bookmarks are bookmarks.ts, what a pool remembers history.ts, keys keys.ts, pools pool.ts, streams transfer.ts.
import { setImmediate } from 'node:timers/promises'
import { type Dataset, type DatasetName, datasetName, type Snapshot } from '../core/model.ts'
import { BadInput, NotFound, Refused, UnreadableAnswer } from '../errors.ts'
import type { Run } from '../linux/run.ts'
import { type Bookmarks, createBookmarks } from './bookmarks.ts'
import { parseNumber } from './columns.ts'
import {
  argvBytes,
  askAboutPresent,
  batches,
  CHANGE_MS,
  createZfsCommand,
  ignoring,
  LOOK_MS,
  MAX_ARGV_BYTES,
  throwNamed,
} from './command.ts'
import { parseComplaints, saysNothingToAbort } from './complaint.ts'
import { destroySnapshots } from './destroy.ts'
import { failureKind, ZfsFailed } from './failure.ts'
import { createHistories, type Histories } from './history.ts'
import { createHolds, type Holds } from './holds.ts'
import { createKeys, type Keys } from './keys.ts'
import { checkAssignments, checkDatasets, checkProperty, checkSnapshots, checkTag, poolOf } from './names.ts'
import {
  listingColumns,
  openListing,
  parseHolds,
  parseProperties,
  parsePropertyTable,
  parseReceived,
  type SnapshotEnd,
} from './parse.ts'

export interface Property {
  readonly value: string
  /** `local`, `default`, `received`, `inherited from tank`, `temporary` or `-`, in ZFS's words. */
  readonly source: string
}
export interface RenamedDataset {
  readonly from: DatasetName
  readonly to: DatasetName
  readonly type: Dataset['type']
}

/**
 * Every verb may throw `CommandFailed` (a `ZfsFailed` with its `kind`), `DeadlineExceeded`, `UnreadableAnswer` and,
 * for a name that ZFS would not take, `BadInput`. `NotFound` and `AlreadyExists` are named where they can happen.
 */
export interface Zfs extends Bookmarks, Histories, Holds, Keys {
  /**
   * The dataset and everything below it, in ZFS's order (parents first), with snapshots and bookmarks sorted by
   * createtxg. One process, whatever the number of datasets. Never empty: throws `NotFound` if the root is not there.
   */
  observe(root: DatasetName): Promise<readonly Dataset[]>
  /** As `observe`, for a dataset that may well not be there: null then. */
  observeIfPresent(root: DatasetName): Promise<readonly Dataset[] | null>
  /**
   * One atomic set: all of these datasets get the snapshot in one transaction, or none. All must be of one pool.
   * Throws `AlreadyExists` (take another name) or `NotFound` (a dataset went: list again); nothing was made then.
   */
  snapshotSet(datasets: readonly DatasetName[], name: string): Promise<void>
  /**
   * Holds each snapshot with this tag. One that holds it already is fine. Returns why others could not be held, by path:
   * `NotFound` or `Refused`; whatever it is, the rest is held.
   */
  hold(tag: string, paths: readonly string[]): Promise<ReadonlyMap<string, Error>>
  /** The tags that hold each of these snapshots, by path; without those that are gone. One process for many. */
  holds(paths: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>
  /** Releases this tag from each snapshot. One that does not hold it, or does not exist any more, is fine. */
  release(tag: string, paths: readonly string[]): Promise<void>
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
  /** Properties as they are, with where they come from. Throws `NotFound`. */
  properties(dataset: DatasetName, names: readonly string[]): Promise<ReadonlyMap<string, Property>>
  /**
   * The same for a dataset and all below it, in one process. A user property with a line break or a tab in its value is
   * cut there or missing: such values are none of ours. Throws `NotFound` if the root is not there.
   */
  propertiesBelow(
    root: DatasetName,
    names: readonly string[],
  ): Promise<ReadonlyMap<DatasetName, ReadonlyMap<string, Property>>>
  /**
   * What streams brought for this very dataset, in force or not, by property: without what has none. A mountpoint is
   * shown below the pool's altroot. Throws `NotFound`.
   */
  receivedProperties(dataset: DatasetName): Promise<ReadonlyMap<string, string>>
  /** Sets these properties on each of these datasets, one process for all. Throws `NotFound`; the others are set. */
  setProperties(datasets: readonly DatasetName[], values: Readonly<Record<string, string>>): Promise<void>
}

/** A listing of many thousands of snapshots on a slow, busy disk; a small one takes a fraction of a second. */
const LIST_MS = 10 * 60_000
/** Frees what was received, which may be a lot. */
const ABORT_RECEIVE_MS = 10 * 60_000

/** Lines read between two chances for everything else that the daemon has to answer. */
const LINES_AT_A_TIME = 5_000

/** Everything goes through `run`; nothing else of the machine is used. */
export function createZfs(run: Run): Zfs {
  const zfs = createZfsCommand(run)

  async function observeIfPresent(root: DatasetName): Promise<readonly Dataset[] | null> {
    checkDatasets(root)
    const types = 'filesystem,volume,snapshot,bookmark'
    const args = ['list', '-Hp', '-r', '-t', types, '-o', listingColumns.join(','), root]
    const stdout = await zfs(args, LIST_MS).catch((error: unknown) => {
      if (isAbsence(error, root)) return null
      throw error
    })
    if (stdout === null) return null
    const listing = openListing(root)
    let lines = 0
    for (let start = 0; start < stdout.length; ) {
      const found = stdout.indexOf('\n', start)
      const end = found === -1 ? stdout.length : found
      listing.add(stdout.slice(start, end))
      start = end + 1
      if (++lines % LINES_AT_A_TIME === 0) await setImmediate()
    }
    return listing.finish()
  }

  async function observe(root: DatasetName): Promise<readonly Dataset[]> {
    const datasets = await observeIfPresent(root)
    if (datasets === null) throw new NotFound(`there is no dataset ${root}`)
    return datasets
  }

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

  async function hold(tag: string, paths: readonly string[]): Promise<ReadonlyMap<string, Error>> {
    checkTag(tag)
    checkSnapshots(paths)
    const reasons = new Map<string, Error>()
    for (const batch of batches(paths, single)) {
      try {
        await zfs(['hold', tag, ...batch], CHANGE_MS)
      } catch (error) {
        for (const [path, reason] of refusals(error, batch)) reasons.set(path, reason)
      }
    }
    return reasons
  }

  async function holds(paths: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    checkSnapshots(paths)
    const tags = new Map<string, string[]>()
    for (const batch of batches(paths, single)) {
      const stdout = await askAboutPresent(
        batch,
        (path) => [path, path.slice(0, path.indexOf('@'))],
        (present) => zfs(['holds', '-H', ...present], LOOK_MS),
      )
      for (const { path, tag } of parseHolds(stdout)) tags.set(path, [...(tags.get(path) ?? []), tag])
    }
    return tags
  }

  async function release(tag: string, paths: readonly string[]): Promise<void> {
    checkTag(tag)
    checkSnapshots(paths)
    for (const batch of batches(paths, single))
      await zfs(['release', tag, ...batch], CHANGE_MS).catch(ignoring('not-found'))
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

  async function properties(
    dataset: DatasetName,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, Property>> {
    checkDatasets(dataset)
    names.forEach(checkProperty)
    if (names.length === 0) return new Map()
    const args = ['get', '-Hp', '-o', 'property,value,source', names.join(','), dataset]
    return parseProperties(await zfs(args, LOOK_MS).catch(throwNamed), names)
  }

  const propertiesBelow: Zfs['propertiesBelow'] = async (root, names) => {
    checkDatasets(root)
    names.forEach(checkProperty)
    const args = ['get', '-Hp', '-r', '-t', 'filesystem,volume', '-o', 'name,property,value,source']
    const stdout = await zfs([...args, names.join(','), root], LIST_MS).catch(throwNamed)
    const table = parsePropertyTable(stdout, names)
    if (!table.has(root)) throw new UnreadableAnswer(`zfs get: no answer about ${root}`)
    return table
  }

  async function receivedProperties(dataset: DatasetName): Promise<ReadonlyMap<string, string>> {
    checkDatasets(dataset)
    const args = ['get', '-Hp', '-o', 'property,received', 'all', dataset]
    return parseReceived(await zfs(args, LOOK_MS).catch(throwNamed))
  }

  const setProperties: Zfs['setProperties'] = async (datasets, values) => {
    checkDatasets(...datasets)
    const assignments = Object.entries(checkAssignments(values)).map(([name, value]) => `${name}=${value}`)
    if (assignments.length === 0) return
    for (const batch of batches(datasets, (dataset) => [dataset]))
      await zfs(['set', ...assignments, ...batch], CHANGE_MS).catch(throwNamed)
  }

  return {
    ...createBookmarks(zfs),
    ...createHistories(run),
    ...createHolds(zfs, holds),
    ...createKeys(zfs),
    observe,
    observeIfPresent,
    snapshotSet,
    hold,
    holds,
    release,
    destroySnapshots: (doomed) => destroySnapshots(zfs, doomed),
    createContainer,
    rename,
    abortReceive,
    properties,
    propertiesBelow,
    receivedProperties,
    setProperties,
  }
}

/** ZFS says that exactly this dataset is not there; that another is missing says nothing about this one. */
function isAbsence(error: unknown, dataset: DatasetName): boolean {
  if (!(error instanceof ZfsFailed) || error.kind !== 'not-found') return false
  return parseComplaints(error.stderr).some(({ about, kind }) => kind === 'not-found' && about === dataset)
}

/**
 * Why `zfs hold`, which goes on after each complaint, did not do it for some of these. What it says of none of them by name
 * may be true of each. Throws what is no complaint.
 */
function refusals(error: unknown, paths: readonly string[]): readonly (readonly [string, Error])[] {
  if (!(error instanceof ZfsFailed) || error.exitCode === null) throw error
  return parseComplaints(error.stderr).flatMap(({ kind, about, text }) => {
    if (kind === 'exists') return []
    const named = paths.filter((path) => path === about || path.startsWith(`${about}@`))
    const reason = kind === 'not-found' ? new NotFound(text) : new Refused(text)
    return (named.length > 0 ? named : paths).map((path) => [path, reason] as const)
  })
}

const single = (path: string): readonly string[] => [path]
