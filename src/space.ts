// The room on the disk: old snapshots make some before anything is sent if that helps, what still does not fit fails before a
// byte is sent, and a person is told how much is missing. What is decided is core/room.ts; what may go core/retention.ts.

import prettyBytes from 'pretty-bytes'
import type { BackupDeps, BackupRequest } from './backup.ts'
import { forecastFull } from './core/freshness.ts'
import {
  type Dataset,
  type DatasetName,
  type DiskSpace,
  datasetName,
  type PoolName,
  type Snapshot,
  type SnapshotGuid,
} from './core/model.ts'
import { type KeepPolicy, planThinning } from './core/retention.ts'
import { isTight, planRoom, type Room, type Shortage } from './core/room.ts'
import { DiskVanished } from './errors.ts'
import type { Task } from './plan.ts'
import { pruneBeforehand } from './prune.ts'

/** A slow disk frees large snapshots a little in each transaction group. What is not free by then is counted all the same. */
const FREEING_MS = 10 * 60_000

type Asked = Pick<BackupRequest, 'pool' | 'config'>
type Asking = Pick<BackupDeps, 'zfs' | 'pools' | 'calendar'>

/**
 * Looks whether everything fits; null: as the disk is now, it does. What ZFS makes of a stream on the disk (compression, copies) is not known before; only the
 * source's own figures count. What snapshots take is asked only when the disk is nearly full.
 */
export async function judgeRoom(
  tasks: readonly Task[],
  { pool, config }: Asked,
  deps: Asking,
): Promise<Room | null> {
  const needs = needsOf(tasks)
  if (!isTight(needs, 0)) return null
  const { availableBytes, freeingBytes } = await look(pool, deps)
  if (!isTight(needs, availableBytes)) return null
  const sizes = { needs, availableBytes: availableBytes + freeingBytes }
  const givenUp = isTight(needs, sizes.availableBytes)
    ? tasks.map((task) => givenUpOf(task, config.keep.disk, deps)).filter(({ length }) => length > 0)
    : []
  if (givenUp.length === 0) return planRoom({ ...sizes, old: [] })
  const used = await deps.zfs.propertiesBelow(datasetName(pool), ['usedbysnapshots'])
  const old = givenUp.map((snapshots) => ({
    snapshots,
    // A copy that is still to be moved has its snapshots under its old name.
    atMostBytes: Number(used.get(snapshots[0]?.dataset ?? datasetName(pool))?.get('usedbysnapshots')?.value),
  }))
  return planRoom({ ...sizes, old })
}

const needsOf = (tasks: readonly Task[]) =>
  tasks.flatMap(({ source, plan }) => (plan.kind === 'steps' ? [{ name: source.name, ...plan }] : []))

const givenUpOf = (
  { source, target, plan, origins }: Task,
  policy: KeepPolicy,
  { calendar }: Asking,
): readonly Snapshot[] =>
  target === null || plan.kind === 'conflict'
    ? []
    : planThinning({ source, copy: target, origins, policy, calendar })

/** What can be written now, and what more once all that was destroyed is free. */
async function look(
  pool: PoolName,
  { pools }: Pick<BackupDeps, 'pools'>,
): Promise<{ readonly availableBytes: number; readonly freeingBytes: number }> {
  const { freeingBytes } = await pools.usage(pool)
  return { availableBytes: Number(await pools.availableBytes(pool)), freeingBytes: Number(freeingBytes) }
}

/**
 * Destroys what makes room, where something has to, and waits until ZFS has freed enough of it; the tasks' copies are then
 * without it. Returns why datasets do not fit: they fail before a byte is sent, and the others go on.
 */
export async function makeRoom(
  tasks: readonly Task[],
  request: BackupRequest,
  deps: BackupDeps,
): Promise<ReadonlyMap<DatasetName, Shortage>> {
  const { pool } = request
  const room = await judgeRoom(tasks, request, deps)
  if (room === null) return new Map()
  if (room.thin.length > 0) {
    deps.onPhase('pruning')
    const gone = await pruneBeforehand(room.thin, request, deps)
    for (const task of tasks) if (task.target !== null) task.target = without(task.target, gone)
    deps.onPhase('backing-up')
  }
  const needs = needsOf(tasks)
  await waitForRoom((availableBytes) => !isTight(needs, availableBytes), request, deps)
  const { availableBytes, freeingBytes } = await look(pool, deps)
  return planRoom({ needs, availableBytes: availableBytes + freeingBytes, old: [] }).unfitting
}

/**
 * Waits until `isEnough`, or all that was destroyed is free, or for long enough. What was received of a dataset is freed in
 * the background, too, once it is given up: without that the next one would find the disk full, however small it is. ZFS
 * writes to what was freed only two transaction groups later (TXG_DEFER_SIZE), although it is shown as available at once;
 * `zpool sync` waits for as many (txg_wait_synced()).
 */
export async function waitForRoom(
  isEnough: (availableBytes: number) => boolean,
  { pool, signal, isPresent }: Pick<BackupRequest, 'pool' | 'signal' | 'isPresent'>,
  deps: Pick<BackupDeps, 'pools' | 'until'>,
): Promise<void> {
  await deps.until(async () => {
    signal.throwIfAborted()
    if (!(await isPresent())) throw new DiskVanished('the disk was removed')
    const { availableBytes, freeingBytes } = await look(pool, deps)
    return freeingBytes === 0 || isEnough(availableBytes)
  }, FREEING_MS)
  await deps.pools.sync(pool, isPresent)
}

const without = (copy: Dataset, gone: ReadonlySet<SnapshotGuid>): Dataset => ({
  ...copy,
  snapshots: copy.snapshots.filter(({ guid }) => !gone.has(guid)),
})

/** Why a dataset is not even begun with. */
export const explainShortage = (shortage: Shortage): string =>
  `it does not fit on the disk: ${inWords(shortage.neededBytes)} are needed at least, ${inWords(shortage.availableBytes)} are free; ${inWords(missingOf(shortage))} are missing`

export const missingOf = ({ neededBytes, availableBytes }: Shortage): number => neededBytes - availableBytes

/** When a stream filled the disk. `missingBytes` is what there was still to send of it, by ZFS's estimate, if it had one. */
export function explainFullDisk(missingBytes: number | null): string {
  if (missingBytes === null) return 'the disk is full'
  return missingBytes === 0
    ? 'the disk is full: it takes more room than ZFS had estimated'
    : `the disk is full: about ${inWords(missingBytes)} of it did not fit`
}

/** How full the disk is at the end of a visit; null if that cannot be read, which fails no backup. */
export async function measureSpace(
  missingBytes: number,
  { pool, past }: BackupRequest,
  deps: BackupDeps,
): Promise<DiskSpace | null> {
  try {
    const usage = await deps.pools.usage(pool)
    const sizes = {
      allocatedBytes: Number(usage.allocatedBytes - usage.freeingBytes),
      sizeBytes: Number(usage.sizeBytes),
    }
    return { ...sizes, missingBytes, fullInVisits: forecastFull(past, sizes) }
  } catch {
    // For reports only. A pool that does not answer any more is noticed by its export.
    return null
  }
}

const inWords = (bytes: number): string => prettyBytes(bytes, { maximumFractionDigits: 1 })
