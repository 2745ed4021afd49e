// The room on the disk: old snapshots make some before anything is sent if that helps, what still does not fit fails before a
// byte is sent, and a person is told how much is missing. What is decided is core/room.ts; what may go core/retention.ts.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { bytesInWords } from './core/bytes.ts'
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
import { ancestorsOf } from './core/placement.ts'
import { type KeepPolicy, planThinning } from './core/retention.ts'
import {
  isTight,
  leastOnDisk,
  type Need,
  type OnDisk,
  planRoom,
  type Room,
  type Shortage,
} from './core/room.ts'
import { DeadlineExceeded, DiskVanished } from './errors.ts'
import type { Task } from './plan.ts'
import { pruneBeforehand } from './prune.ts'

/** A slow disk frees large snapshots a little in each transaction group. What is not free by then is counted all the same. */
const FREEING_MS = 10 * 60_000

type Asked = Pick<BackupRequest, 'pool' | 'config'>
type Asking = Pick<BackupDeps, 'zfs' | 'pools' | 'calendar'>

/**
 * Looks whether everything fits; null: as the disk is now, it does. What ZFS makes of a stream on the disk (compression, copies) is not known before; only the
 * source's own figures count. What snapshots take is asked only when the disk is nearly full, how a dataset is stored only
 * when it is too large by those figures.
 */
export async function judgeRoom(tasks: readonly Task[], request: Asked, deps: Asking): Promise<Room | null> {
  const judged = await judge(tasks, request, deps)
  return judged === null ? null : judged.room
}

async function judge(
  tasks: readonly Task[],
  { pool, config }: Asked,
  deps: Asking,
): Promise<{ readonly room: Room; readonly needs: readonly Need[] } | null> {
  const needs = needsOf(tasks)
  if (!isTight(needs, 0)) return null
  const { availableBytes, freeingBytes } = await look(pool, deps)
  if (!isTight(needs, availableBytes)) return null
  const sizes = { needs, availableBytes: availableBytes + freeingBytes }
  const givenUp = isTight(needs, sizes.availableBytes)
    ? tasks.map((task) => givenUpOf(task, config.keep.disk, deps)).filter(({ length }) => length > 0)
    : []
  const isTooLarge = ({ leastBytes }: Need): boolean => leastBytes > sizes.availableBytes
  if (givenUp.length === 0 && !needs.some(isTooLarge)) return { needs, room: planRoom({ ...sizes, old: [] }) }
  const onDisk = await deps.zfs.propertiesBelow(datasetName(pool), asked)
  const old = givenUp.map((snapshots) => ({
    snapshots,
    // A copy that is still to be moved has its snapshots under its old name.
    atMostBytes: numberOf(onDisk.get(snapshots[0]?.dataset ?? datasetName(pool)), 'usedbysnapshots'),
  }))
  const judged: Need[] = []
  for (const need of needs) {
    const task = isTooLarge(need) ? tasks.find(({ source }) => source.name === need.name) : undefined
    judged.push(
      task === undefined ? need : { ...need, ...(await lookCloser(task, need, { onDisk, pool }, deps)) },
    )
  }
  return { needs: judged, room: planRoom({ ...sizes, needs: judged, old }) }
}

type Properties = Awaited<ReturnType<BackupDeps['zfs']['properties']>>

const asked = ['usedbysnapshots', 'available', 'compression', 'dedup'] as const

const numberOf = (properties: Properties | undefined, name: string): number =>
  Number(properties?.get(name)?.value ?? 0)

const isOn = (properties: Properties | undefined, name: string): boolean =>
  properties?.get(name)?.value !== 'off'

/** What one takes at least that is too large as the source counts it, and what only it may use of the disk. */
async function lookCloser(
  { source, targetName }: Task,
  { leastBytes }: Need,
  { onDisk, pool }: { readonly onDisk: ReadonlyMap<DatasetName, Properties>; readonly pool: PoolName },
  { zfs }: Asking,
): Promise<Pick<Need, 'leastBytes' | 'reservedBytes'>> {
  const root = onDisk.get(datasetName(pool))
  const above = [targetName, ...ancestorsOf(targetName)].map((name) => onDisk.get(datasetName(name)))
  const place = above.find((properties) => properties !== undefined) ?? root
  const disk: OnDisk = { compresses: isOn(place, 'compression'), deduplicates: isOn(place, 'dedup') }
  const reservedBytes = Math.max(0, numberOf(place, 'available') - numberOf(root, 'available'))
  try {
    const names = ['referenced', 'logicalreferenced', 'refcompressratio', 'compression']
    const stored = await zfs.properties(source.name, names)
    const onSource = {
      referencedBytes: numberOf(stored, 'referenced'),
      logicalBytes: numberOf(stored, 'logicalreferenced'),
      compressRatio: numberOf(stored, 'refcompressratio'),
      compresses: isOn(stored, 'compression'),
      raw: source.encrypted,
    }
    const least = leastOnDisk(leastBytes, onSource, disk)
    return { leastBytes: Number.isNaN(least) ? 0 : least, reservedBytes }
  } catch (error) {
    // It is gone, or cannot be read: what is in the way is said when it is sent.
    if (error instanceof DeadlineExceeded) throw error
    return { leastBytes: 0, reservedBytes }
  }
}

const needsOf = (tasks: readonly Task[]): readonly Need[] =>
  tasks.flatMap(({ source, plan }) =>
    plan.kind === 'steps'
      ? [
          {
            name: source.name,
            estimatedBytes: plan.estimatedBytes,
            leastBytes: plan.leastBytes,
            reservedBytes: 0,
          },
        ]
      : [],
  )

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
  const judged = await judge(tasks, request, deps)
  if (judged === null) return new Map()
  const { room, needs } = judged
  if (room.thin.length > 0) {
    deps.onPhase('pruning')
    const gone = await pruneBeforehand(room.thin, request, deps)
    for (const task of tasks) if (task.target !== null) task.target = without(task.target, gone)
    deps.onPhase('backing-up')
  }
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
  `it does not fit on the disk: about ${bytesInWords(shortage.neededBytes)} are needed, ${bytesInWords(shortage.availableBytes)} are free; about ${bytesInWords(missingOf(shortage))} are missing`

export const missingOf = ({ neededBytes, availableBytes }: Shortage): number => neededBytes - availableBytes

/** When a stream filled the disk. `missingBytes` is what there was still to send of it, by ZFS's estimate, if it had one. */
export function explainFullDisk(missingBytes: number | null): string {
  if (missingBytes === null) return 'the disk is full'
  return missingBytes === 0
    ? 'the disk is full: it takes more room than ZFS had estimated'
    : `the disk is full: about ${bytesInWords(missingBytes)} of it did not fit`
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
