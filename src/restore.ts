// Brings backups back from a disk: gets its pool into the kernel read-only, looks, sends what a plan says, reads back that
// it has arrived, lets go of the disk. What is sent is core/restore.ts; what a person sees is cli/restore.ts.

import { type ContainerDeps, closeContainer, deviceOf, openContainer } from './container.ts'
import { copiesOf, copyProperties } from './core/marks.ts'
import { type DatasetName, datasetName, type PoolName } from './core/model.ts'
import { assignmentsFrom } from './core/rawRestore.ts'
import { type Backup, backupOf, type PlannedStep, type ReadySend, type ReadyStep } from './core/restore.ts'
import type { Located } from './core/restoreDisk.ts'
import { DiskVanished, ImportRefused, KeyRefused, messageOf, NotFound, PoolBusy } from './errors.ts'
import { checkDatasets, poolOf } from './zfs/names.ts'
import type { Pools } from './zfs/pool.ts'
import type { Transfer, TransferProgress } from './zfs/transfer.ts'
import type { Zfs } from './zfs/zfs.ts'

export interface RestoreDeps extends ContainerDeps {
  readonly zfs: Zfs
  readonly pools: Pools
  readonly transfer: Transfer
}

export type Reachable = Exclude<Located, { readonly kind: 'nowhere' }>

/** A pool that is in the kernel for as long as it is needed. */
export interface OpenDisk {
  readonly pool: PoolName
  readonly altroot: string | null
  /** False as soon as its device is not the one that was imported. */
  readonly isPresent: () => Promise<boolean>
  /** Exports it and closes its container, if that was done for this. Throws what `Pools.exportPool` throws. */
  readonly close: () => Promise<void>
}

/**
 * Throws `ImportRefused`, also for a device that is not what its link says, `KeyRefused`, and what `Pools.importPool` throws.
 * `luksKeyFile`: of the LUKS container that the pool lies in; null: none is known.
 */
export async function openDisk(
  disk: Reachable,
  { luksKeyFile }: { readonly luksKeyFile: string | null },
  deps: RestoreDeps,
): Promise<OpenDisk> {
  const { pools, block } = deps
  if (disk.kind === 'imported') {
    const altroot = (await pools.imported()).find(({ guid }) => guid === disk.guid)?.altroot ?? null
    // Whose devices they are is for whoever has imported it; while they do not answer, its pool is suspended or gone.
    const isPresent = async (): Promise<boolean> =>
      ![null, 'SUSPENDED'].includes(await pools.kernelState(disk.pool))
    return { pool: disk.pool, altroot, isPresent, close: async () => undefined }
  }
  const { vdevs } = disk
  const isPresent = async (): Promise<boolean> => {
    for (const vdev of vdevs)
      if (!(await block.isSameDevice(vdev)) || (await deviceOf(vdev, deps)) === null) return false
    return true
  }
  const closeAgain = () => closeContainer(vdevs, { others: false }, deps)
  for (const { link, node } of vdevs)
    if (!(await block.leadsTo(link, node)))
      throw new ImportRefused(`${link} does not lead to ${node}: another disk has the same name`)
  const reached = await openContainer({ disk: disk.disk, vdevs, keyFile: luksKeyFile, inKernel: false }, deps)
  if (reached.kind === 'refused') throw new ImportRefused(reached.sentence)
  const { links } = reached
  const { name, altroot } = await pools
    .importPool({ guid: disk.guid, pool: disk.pool, links }, { readonly: true })
    .catch(async (error: unknown) => {
      // The first failure is the one to tell.
      await closeAgain().catch(() => undefined)
      throw error
    })
  const answers = async (): Promise<boolean> => {
    for (const vdev of vdevs) {
      const device = await deviceOf(vdev, deps)
      if (!(await isPresent()) || device === null || !(await block.readable(device))) return false
    }
    return true
  }
  const close = async (): Promise<void> => {
    await pools.exportPool(name, answers)
    const held = await closeAgain()
    if (held !== null && held.by === 'something')
      throw new PoolBusy(`it was exported, but ${held.reason}`, [], { hint: held.hint })
  }
  return { pool: name, altroot, isPresent, close }
}

/** Everything on the disk, with what it says of itself; parents first. */
export async function lookAtBackups(pool: PoolName, { zfs }: RestoreDeps): Promise<readonly Backup[]> {
  const root = datasetName(pool)
  const copies = new Map(
    copiesOf(await zfs.propertiesBelow(root, copyProperties)).map((copy) => [copy.name, copy]),
  )
  return (await zfs.observe(root)).flatMap((dataset) => {
    const copy = copies.get(dataset.name)
    return copy === undefined ? [] : [backupOf(dataset, copy)]
  })
}

/** Reads what encrypted copies received: no stream of them brings it back. One process for each of them. */
export async function readyToRestore(
  steps: readonly PlannedStep[],
  { altroot }: OpenDisk,
  { zfs }: RestoreDeps,
): Promise<readonly ReadyStep[]> {
  const ready: ReadyStep[] = []
  for (const step of steps) {
    if (step.kind !== 'send') ready.push(step)
    else if (!step.raw && step.keyOf === null) ready.push({ ...step, properties: 'in-force' })
    else {
      const received = await zfs.receivedProperties(step.from.dataset)
      ready.push({ ...step, properties: { set: assignmentsFrom(received, altroot), raw: step.raw } })
    }
  }
  return ready
}

/** Loads the keys that are needed and not loaded yet. Throws `KeyRefused`. `keyFile` null: there is none. */
export async function unlockCopies(
  roots: readonly DatasetName[],
  keyFile: string | null,
  { zfs }: RestoreDeps,
): Promise<void> {
  for (const root of roots) {
    if ((await zfs.properties(root, ['keystatus'])).get('keystatus')?.value === 'available') continue
    if (keyFile === null)
      throw new KeyRefused(`${root} is encrypted, and its key is needed`, {
        hint: 'name the file with its key: --key-file FILE',
      })
    await zfs.loadKey(root, keyFile)
  }
}

/** Names of all datasets in the pool of `to`; none if there is no such pool. Throws `BadInput` for a name that is none. */
export async function lookAtPlace(to: DatasetName, { zfs }: RestoreDeps): Promise<ReadonlySet<string>> {
  checkDatasets(to)
  try {
    return new Set((await zfs.propertiesBelow(datasetName(poolOf(to)), ['type'])).keys())
  } catch (error) {
    if (error instanceof NotFound) return new Set()
    throw error
  }
}

export interface Restoring {
  readonly disk: OpenDisk
  /** Where everything goes: each step's target is this or lies below it. */
  readonly to: DatasetName
  readonly signal: AbortSignal
  readonly onBegin: (step: ReadySend) => void
  readonly onProgress: (step: ReadySend, progress: TransferProgress) => void
  readonly onRestored: (step: ReadySend, receivedBytes: number) => void
}

export interface RestoreResult {
  readonly restored: readonly DatasetName[]
  readonly receivedBytes: number
  readonly failed: readonly Failed[]
  /** These are restored, but what limited them could not be set. */
  readonly withoutLimits: readonly Failed[]
}
interface Failed {
  readonly target: DatasetName
  readonly reason: string
}

/**
 * Does what the plan says. A dataset that fails takes what lies below it along and stops no other. What counts as restored
 * was read back: its snapshot is there with the GUID that the disk has. Throws the signal's reason, and `DiskVanished`.
 */
export async function restore(
  steps: readonly ReadyStep[],
  restoring: Restoring,
  deps: RestoreDeps,
): Promise<RestoreResult> {
  const { disk, signal } = restoring
  const failed = new Map<DatasetName, string>()
  const withoutLimits: Failed[] = []
  const sent: ReadySend[] = []
  let receivedBytes = 0
  for (const step of steps) {
    signal.throwIfAborted()
    if ([...failed.keys()].some((above) => step.target.startsWith(`${above}/`))) {
      if (step.kind === 'send') failed.set(step.target, 'the dataset above it could not be restored')
      continue
    }
    if (step.kind === 'limits' && failed.has(step.target)) continue
    try {
      receivedBytes += await execute(step, restoring, deps)
      if (step.kind === 'send') sent.push(step)
    } catch (error) {
      signal.throwIfAborted()
      if (!(await disk.isPresent())) throw new DiskVanished('the disk was removed', { cause: error })
      if (step.kind === 'limits') withoutLimits.push({ target: step.target, reason: messageOf(error) })
      else failed.set(step.target, messageOf(error))
    }
  }
  const arrived = new Set(
    ((await deps.zfs.observeIfPresent(restoring.to)) ?? []).flatMap(({ name, snapshots }) =>
      snapshots.map(({ guid }) => `${name} ${guid}`),
    ),
  )
  for (const { target, from } of sent)
    if (!failed.has(target) && !arrived.has(`${target} ${from.guid}`))
      failed.set(target, `@${from.name} was sent but is not there`)
  return {
    restored: sent.map(({ target }) => target).filter((target) => !failed.has(target)),
    receivedBytes,
    failed: [...failed].map(([target, reason]) => ({ target, reason })),
    withoutLimits,
  }
}

async function execute(
  step: ReadyStep,
  { signal, onBegin, onProgress, onRestored }: Restoring,
  { zfs, transfer }: RestoreDeps,
): Promise<number> {
  switch (step.kind) {
    case 'container':
      await zfs.createContainer(step.target, { inheritMountpoint: true })
      return 0
    case 'limits':
      await zfs.setProperties([step.target], step.limits)
      return 0
    case 'send': {
      onBegin(step)
      const { receivedBytes } = await transfer.transfer({
        send: { kind: 'full', to: step.from },
        encrypted: step.raw,
        receive: { target: step.target, type: step.type },
        properties: step.properties,
        signal,
        onProgress: (progress) => onProgress(step, progress),
      })
      onRestored(step, receivedBytes)
      return receivedBytes
    }
  }
}
