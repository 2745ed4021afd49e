// The sources of a visit: what they have, and one snapshot set for each of their pools, atomic in itself. A source that
// cannot be read or snapshotted keeps no other from being backed up.

import type { BackupDeps, BackupRequest } from './backup.ts'
import type { Config } from './config.ts'
import { bookmarkNameFor } from './core/bookmarks.ts'
import {
  type Dataset,
  type DatasetFailure,
  type DatasetName,
  type Snapshot,
  snapshotGuid,
} from './core/model.ts'
import { snapshotNameAt } from './core/replication.ts'
import { chooseSource, isWithin, targetOf } from './core/selection.ts'
import { AlreadyExists, DeadlineExceeded, messageOf, NotFound } from './errors.ts'
import type { NamedDataset } from './zfs/listing.ts'
import { byPool, MAX_NAME_LENGTH } from './zfs/names.ts'

export interface Goal {
  readonly source: Dataset
  readonly goal: Snapshot
}

export interface SnapshotSet {
  readonly name: string
  readonly goals: readonly Goal[]
  /** All that was seen at the sources and below them, selected or not. */
  readonly observed: readonly Dataset[]
  /** Sources that have no goal: they could not be read or snapshotted, or were deprived of it. */
  readonly missed: readonly DatasetName[]
  /** Whether such a dataset is there, backed up or not; true also below a source that cannot be read. */
  readonly exists: (dataset: string) => boolean
}

/**
 * Takes the sets, and looks at what the sources then have. Those that are missed were told to `fail`. Throws
 * `DeadlineExceeded`, and `NotFound` or `AlreadyExists` when the sources kept changing.
 */
export async function takeSnapshotSet(
  request: BackupRequest,
  deps: BackupDeps,
  fail: (dataset: DatasetName, reason: string) => void,
): Promise<SnapshotSet> {
  const { config } = request
  return deps.takingSnapshots(async () => {
    const attempts = 5
    for (let attempt = 1; ; attempt++) {
      const name = snapshotNameAt(deps.now())
      try {
        const before = await readSources(config, (root) => deps.zfs.namesBelow(root))
        const reasons = await snapshotAll(before.datasets, name, request, deps)
        const after = await readSources(config, (root) => deps.zfs.observeIfPresent(root))
        const goals = after.datasets.flatMap((source) => {
          const goal = source.snapshots.find((snapshot) => snapshot.name === name)
          return goal === undefined ? [] : [{ source, goal }]
        })
        // A dataset that was made since has no snapshot in this set; one that had it was deprived of it.
        const had = new Set(before.datasets.map((dataset) => dataset.guid))
        const lost = after.datasets.filter(
          ({ guid, snapshots }) => had.has(guid) && !snapshots.some((snapshot) => snapshot.name === name),
        )
        const unread = new Set(after.missing.map(({ dataset }) => dataset))
        const missing = [
          ...after.missing,
          // One that answers again by now has no snapshot all the same.
          ...before.missing.filter(({ dataset }) => !unread.has(dataset)),
          ...lost.map((dataset) => ({
            dataset: dataset.name,
            reason: reasons.get(dataset.name) ?? `@${name} was destroyed at once`,
          })),
        ]
        for (const { dataset, reason } of missing) fail(dataset, reason)
        const exists = (dataset: string): boolean =>
          after.names.has(dataset) || missing.some((source) => isWithin(dataset, source.dataset))
        const { all: observed } = after
        return { name, goals, observed, missed: missing.map(({ dataset }) => dataset), exists }
      } catch (error) {
        // A dataset was destroyed, or a set of this very second exists: look and try again.
        if (!isOutdated(error) || attempt === attempts) throw error
        await deps.nextSecond()
      }
    }
  })
}

/**
 * The set as it would be taken now; nothing is taken. Its snapshots have GUID 0, which ZFS gives to none, and the sizes that
 * their datasets have now. Those that would be missed are told to `fail`.
 */
export async function foreseeSnapshotSet(
  request: Pick<BackupRequest, 'disk' | 'pool' | 'config'>,
  deps: Pick<BackupDeps, 'zfs' | 'now'>,
  fail: (dataset: DatasetName, reason: string) => void,
): Promise<SnapshotSet> {
  const creation = deps.now()
  const name = snapshotNameAt(creation)
  const { datasets, missing, names, all } = await readSources(request.config, (root) =>
    deps.zfs.observeIfPresent(root),
  )
  const faults = datasets.flatMap((dataset) => {
    const reason = findNameFault(dataset.name, name, request)
    return reason === null ? [] : [{ dataset: dataset.name, reason }]
  })
  const missed = new Map([...missing, ...faults].map(({ dataset, reason }) => [dataset, reason]))
  for (const [dataset, reason] of missed) fail(dataset, reason)
  const sizes = new Map<string, bigint>()
  const readable = request.config.sources.filter(({ dataset }) => names.has(dataset))
  for (const { dataset: root } of readable)
    for (const [dataset, values] of await deps.zfs.propertiesBelow(root, ['written', 'referenced']))
      for (const [property, { value }] of values) sizes.set(`${dataset} ${property}`, BigInt(value))
  // After all that any of them has: a clone is newer than its origin.
  const createtxg = newestTxg(datasets) + 1n
  const goals = datasets
    .filter((source) => !missed.has(source.name))
    .map((source) => ({
      source,
      goal: {
        dataset: source.name,
        name,
        guid: snapshotGuid('0'),
        createtxg,
        creation,
        holds: 0,
        writtenBytes: sizes.get(`${source.name} written`) ?? 0n,
        referencedBytes: sizes.get(`${source.name} referenced`) ?? 0n,
        clones: [],
      },
    }))
    .map(({ source, goal }) => ({ source: { ...source, snapshots: [...source.snapshots, goal] }, goal }))
  return {
    name,
    goals,
    observed: all,
    missed: [...missed.keys()],
    exists: (dataset) => names.has(dataset) || missing.some((source) => isWithin(dataset, source.dataset)),
  }
}

function newestTxg(datasets: readonly Dataset[]): bigint {
  let newest = 0n
  for (const { snapshots, bookmarks } of datasets)
    for (const { createtxg } of [...snapshots, ...bookmarks]) if (createtxg > newest) newest = createtxg
  return newest
}

/** A snapshot for one dataset that was deprived of that of its set. Null: the dataset is gone as well. */
export async function takeSnapshotAgain(dataset: Dataset, deps: BackupDeps): Promise<Goal | null> {
  return deps.takingSnapshots(async () => {
    const attempts = 5
    for (let attempt = 1; ; attempt++) {
      const name = snapshotNameAt(deps.now())
      try {
        await deps.zfs.snapshotSet([dataset.name], name)
        const source = (await deps.zfs.observeEach([dataset.name])).get(dataset.name)
        const goal = source?.snapshots.find((snapshot) => snapshot.name === name)
        return source?.guid !== dataset.guid || goal === undefined ? null : { source, goal }
      } catch (error) {
        if (error instanceof NotFound) return null
        if (!(error instanceof AlreadyExists) || attempt === attempts) throw error
        await deps.nextSecond()
      }
    }
  })
}

const isOutdated = (error: unknown): boolean => error instanceof NotFound || error instanceof AlreadyExists

/** What is no fault of one source: the set has to be taken anew, or ZFS does not answer. */
const concernsAll = (error: unknown): boolean => isOutdated(error) || error instanceof DeadlineExceeded

/** Says why a dataset did not get its snapshot. */
async function snapshotAll(
  datasets: readonly NamedDataset[],
  snapshot: string,
  request: BackupRequest,
  deps: BackupDeps,
): Promise<ReadonlyMap<DatasetName, string>> {
  const reasons = new Map<DatasetName, string>()
  const fit: DatasetName[] = []
  for (const { name } of datasets) {
    const fault = findNameFault(name, snapshot, request)
    if (fault === null) fit.push(name)
    else reasons.set(name, fault)
  }
  for (const ofPool of byPool(fit, (name) => name).values())
    await deps.zfs.snapshotSet(ofPool, snapshot).catch((error: unknown) => {
      if (concernsAll(error)) throw error
      for (const name of ofPool) reasons.set(name, messageOf(error))
    })
  return reasons
}

/** One name that is too long must not keep a whole set from being taken. */
function findNameFault(
  dataset: DatasetName,
  snapshot: string,
  { disk, pool, config }: Pick<BackupRequest, 'disk' | 'pool' | 'config'>,
): string | null {
  const names = [
    `${dataset}#${bookmarkNameFor(disk.poolGuid, { name: snapshot })}`,
    `${targetOf(config, { pool }, dataset)}@${snapshot}`,
  ]
  const over = Math.max(...names.map((name) => name.length)) - MAX_NAME_LENGTH
  return over > 0 ? `its name is ${over} characters too long for a snapshot, bookmark or copy of it` : null
}

/** What `read` finds below each source. */
async function readSources<T extends NamedDataset>(
  config: Config,
  read: (root: DatasetName) => Promise<readonly T[] | null>,
) {
  const datasets: T[] = []
  const all: T[] = []
  const missing: DatasetFailure[] = []
  const names = new Set<string>()
  for (const source of config.sources) {
    let found: readonly T[] | null
    try {
      found = await read(source.dataset)
    } catch (error) {
      // A source pool that is suspended or damaged does not keep the others from being backed up.
      if (concernsAll(error)) throw error
      missing.push({ dataset: source.dataset, reason: messageOf(error) })
      continue
    }
    for (const one of found ?? []) {
      if (!names.has(one.name)) all.push(one)
      names.add(one.name)
    }
    if (found === null)
      missing.push({ dataset: source.dataset, reason: 'there is no such dataset on this machine' })
    // What one source excludes another one may have: each dataset counts once, with the source that it is of.
    else datasets.push(...found.filter((dataset) => chooseSource(config.sources, dataset.name) === source))
  }
  return { datasets, missing, names, all }
}
