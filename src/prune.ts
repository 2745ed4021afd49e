// Destroys what the keep policies give up, on the disk and on the source, once a backup was read back; on the disk before
// that, where it makes room for it. Which snapshots those are is core/retention.ts. What fails here leaves the backup as complete as it is, and is done at a later visit.

import type { BackupDeps, BackupRequest } from './backup.ts'
import type { Dataset, DatasetName, Snapshot, SnapshotGuid } from './core/model.ts'
import { keepsEverything, planDiskRetention, planSourceRetention, type Verdict } from './core/retention.ts'
import { chooseSource } from './core/selection.ts'
import { DeadlineExceeded, messageOf } from './errors.ts'
import { MAX_DESTROYED_AT_ONCE } from './zfs/destroy.ts'
import type { NamedDataset } from './zfs/listing.ts'
import { byPool } from './zfs/names.ts'
import type { SnapshotEnd } from './zfs/parse.ts'

/** A dataset that is covered by this visit: as it was when the visit began, and its copy as it was read back. */
export interface Covered {
  readonly source: Dataset
  readonly copy: Dataset
  /** What clones were to be sent from in this visit: one that was not is sent at the next. */
  readonly origins: ReadonlySet<SnapshotGuid>
}

/**
 * Prunes the copies of these datasets, then the datasets themselves. Tells `pruned` if there was anything to give up.
 * Never throws: told to stop, or without the disk, it ends early and says nothing of the rest.
 * A disk that still says what it said before (not `explained`) keeps what its restore commands name: nothing goes there.
 */
export async function prune(
  {
    covered,
    explained,
    isFresh,
  }: {
    readonly covered: readonly Covered[]
    readonly explained: boolean
    /** The sources were read a moment ago: nothing was sent since. */
    readonly isFresh: boolean
  },
  request: BackupRequest,
  deps: BackupDeps,
): Promise<void> {
  const { config, isPresent, signal } = request
  if (keepsEverything(config.keep.disk) && keepsEverything(config.keep.source)) return
  deps.onPhase('pruning')
  const onDisk: SnapshotEnd[] = []
  const onSource: SnapshotEnd[] = []
  const failures: string[] = []
  try {
    const goOn = async (): Promise<boolean> => !signal.aborted && (await isPresent())
    const givenUpOnDisk = explained ? chooseOnDisk(covered, request, deps) : []
    await destroy(givenUpOnDisk, { deps, goOn, ends: onDisk })
    const doomed = await chooseOnSource(covered, isFresh, request, deps)
    await destroy(doomed, { deps, goOn: async () => !signal.aborted, ends: onSource })
  } catch (error) {
    // A pool that does not answer may be all of ZFS: nothing else is tried.
    failures.push(messageOf(error))
  }
  tellPruned({ why: 'given-up', onDisk, onSource, failures }, request, deps)
}

/**
 * Destroys these snapshots of the disk before anything is sent, to make room, and tells `pruned`. Returns those that are not
 * there any more. Throws `DeadlineExceeded`; told to stop, or without the disk, it ends early.
 */
export async function pruneBeforehand(
  doomed: readonly Snapshot[],
  request: BackupRequest,
  deps: BackupDeps,
): Promise<ReadonlySet<SnapshotGuid>> {
  const { isPresent, signal } = request
  const ends: SnapshotEnd[] = []
  const failures: string[] = []
  try {
    await destroy(doomed, { deps, goOn: async () => !signal.aborted && (await isPresent()), ends })
  } catch (error) {
    failures.push(messageOf(error))
    if (error instanceof DeadlineExceeded) throw error
  } finally {
    tellPruned({ why: 'to-make-room', onDisk: ends, onSource: [], failures }, request, deps)
  }
  return new Set(
    doomed.flatMap(({ guid }, at) => (ends[at] === 'destroyed' || ends[at] === 'gone' ? [guid] : [])),
  )
}

function tellPruned(
  pruned: {
    readonly why: 'given-up' | 'to-make-room'
    readonly onDisk: readonly SnapshotEnd[]
    readonly onSource: readonly SnapshotEnd[]
    readonly failures: readonly string[]
  },
  request: BackupRequest,
  deps: BackupDeps,
): void {
  const { why, onDisk, onSource, failures } = pruned
  const left = [...describeRest([...onDisk, ...onSource]), ...failures]
  const destroyed = (ends: readonly SnapshotEnd[]): number => ends.filter((end) => end === 'destroyed').length
  const counts = { onDisk: destroyed(onDisk), onSource: destroyed(onSource) }
  if (counts.onDisk + counts.onSource + left.length > 0)
    deps.tell({ kind: 'pruned', disk: request.disk.name, pool: request.pool, why, ...counts, left })
}

function chooseOnDisk(
  covered: readonly Covered[],
  { config }: BackupRequest,
  { calendar }: BackupDeps,
): readonly Snapshot[] {
  const judging = { policy: config.keep.disk, calendar }
  return covered.flatMap((each) => givenUp(planDiskRetention({ ...each, ...judging })))
}

async function chooseOnSource(
  covered: readonly Covered[],
  isFresh: boolean,
  request: BackupRequest,
  deps: BackupDeps,
): Promise<readonly Snapshot[]> {
  const { disk, config, signal } = request
  const judging = { disk, policy: config.keep.source, calendar: deps.calendar }
  const choose = (each: Covered): readonly Snapshot[] => givenUp(planSourceRetention({ ...each, ...judging }))
  // Holds of when the visit began are mostly of this disk's own visit before, which was interrupted, and are released by now.
  const worthALook = covered.filter((each) => choose({ ...each, source: unheld(each.source) }).length > 0)
  if (worthALook.length === 0 || signal.aborted) return []
  const isHeld = worthALook.some(({ source }) => source.snapshots.some(({ holds }) => holds > 0))
  if (isFresh && !isHeld)
    return [...(await stillThere(worthALook, config, deps.zfs.namesBelow)).keys()].flatMap(choose)
  // Much may have happened meanwhile: holds of another disk's visit, bookmarks that came or went.
  const now = await stillThere(worthALook, config, deps.zfs.observeIfPresent)
  return [...now].flatMap(([each, source]) => choose({ ...each, source }))
}

const unheld = (source: Dataset): Dataset => ({
  ...source,
  snapshots: source.snapshots.map((snapshot) => ({ ...snapshot, holds: 0 })),
})

/** Those whose source is the one that it was, with what is read of it now. */
async function stillThere<T extends NamedDataset>(
  covered: readonly Covered[],
  { sources }: BackupRequest['config'],
  read: (root: DatasetName) => Promise<readonly T[] | null>,
): Promise<ReadonlyMap<Covered, T>> {
  const roots = new Set(covered.flatMap(({ source }) => chooseSource(sources, source.name)?.dataset ?? []))
  const now = new Map<string, T>()
  for (const root of roots) for (const found of (await read(root)) ?? []) now.set(found.name, found)
  return new Map(
    covered.flatMap((each) => {
      const found = now.get(each.source.name)
      return found?.guid === each.source.guid ? [[each, found] as const] : []
    }),
  )
}

const givenUp = (verdicts: readonly Verdict[]): readonly Snapshot[] =>
  verdicts.flatMap(({ snapshot, keptBecause }) => (keptBecause.length === 0 ? [snapshot] : []))

/** In batches of one pool each, as long as it may go on. */
async function destroy(
  doomed: readonly Snapshot[],
  {
    deps,
    goOn,
    ends,
  }: {
    readonly deps: BackupDeps
    readonly goOn: () => Promise<boolean>
    /** Grows with each batch, so that it says what was done before one failed. */
    readonly ends: SnapshotEnd[]
  },
): Promise<void> {
  for (const ofPool of byPool(doomed, ({ dataset }) => dataset).values())
    for (let at = 0; at < ofPool.length && (await goOn()); at += MAX_DESTROYED_AT_ONCE)
      ends.push(...(await deps.zfs.destroySnapshots(ofPool.slice(at, at + MAX_DESTROYED_AT_ONCE))))
}

const staying: { readonly [End in Exclude<SnapshotEnd, 'destroyed' | 'gone' | 'replaced'>]: string } = {
  held: 'held',
  'in-use': 'in use',
  'has-clones': 'with clones',
  failed: 'that ZFS did not want to destroy',
}

/** `2 held`, `1 in use`: what stayed although it was to go. */
const describeRest = (ends: readonly SnapshotEnd[]): readonly string[] =>
  Object.entries(staying).flatMap(([end, why]) => {
    const count = ends.filter((each) => each === end).length
    return count === 0 ? [] : [`${count} ${why}`]
  })
