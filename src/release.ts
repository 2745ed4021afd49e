// Lets go of a disk: export, close its container, flush, stop; or says what is in the way, and who. Nothing is run on a pool
// whose device is gone. What comes before is visit.ts; whether it is tried again, core/lifecycle.ts.

import type { BackupDeps } from './backup.ts'
import type { Config } from './config.ts'
import { type ContainerDeps, closeContainer, deviceOf } from './container.ts'
import type { Vdevs, VisitResult } from './core/diskState.ts'
import { importedByOthers } from './core/lifecycle.ts'
import type { Disk, PoolName, VisitReport } from './core/model.ts'
import { isEjected, isStopping } from './endVisit.ts'
import { DeadlineExceeded, DiskVanished, messageOf, PoolBusy } from './errors.ts'
import { keyFileOf } from './unlock.ts'
import { ALTROOT, type ImportedPool, READ_ONLY_ALTROOT } from './zfs/pool.ts'

type ReleaseDeps = ContainerDeps & Pick<BackupDeps, 'pools' | 'onPhase' | 'tell'>

/** What somebody else imported is not ours to export, unless a person asks for it; what a restore reads from is not at all. */
export type Importer = 'us' | 'restore' | 'somebody-else'

export const importerOf = ({ altroot }: ImportedPool): Importer =>
  altroot === ALTROOT ? 'us' : altroot === READ_ONLY_ALTROOT ? 'restore' : 'somebody-else'

interface ReleaseRequest {
  readonly disk: Disk
  readonly vdevs: Vdevs
  readonly config: Config
  readonly pool: PoolName
  readonly importedBy: Importer
  readonly report: VisitReport
  /** Its reason says why: an `EndVisit`. Of one that was ejected, the pool is exported by whomever it was imported. */
  readonly signal: AbortSignal
}

/** Exports, flushes and stops; or says what is in the way. Nothing is run on a pool whose device is gone. */
export async function letGo(request: ReleaseRequest, deps: ReleaseDeps): Promise<VisitResult> {
  const { disk, vdevs, config, pool, importedBy, report, signal } = request
  if (importedBy === 'restore' && isEjected(signal)) {
    const reason = 'its pool is imported read-only: a restore reads from it'
    return { kind: 'not-released', report, reason, hint: `wait for it; when none runs: zpool export ${pool}` }
  }
  if (importedBy !== 'us' && !isEjected(signal)) return leftToOthers(disk, report)
  deps.onPhase('exporting')
  try {
    const unloadKeys = keyFileOf(config, disk) !== null
    await deps.pools.exportPool(pool, () => answers(vdevs, deps), { unloadKeys })
  } catch (error) {
    return explainExport(error, request, deps)
  }
  deps.tell({ kind: 'pool-exported', disk: disk.name, pool })
  if (!isStopping(signal)) return freeDevices(request, deps)
  await closeQuietly(vdevs, deps)
  return { kind: 'stopped', report }
}

/** Where nothing is said of taking the disk: what is in the way is said when that is to be said. */
export const closeQuietly = (vdevs: Vdevs, deps: ReleaseDeps): Promise<unknown> =>
  closeContainer(vdevs, { others: false }, deps).catch(() => undefined)

/** Somebody else imported its pool, and it stays imported. */
export const leftToOthers = ({ name }: Disk, report: VisitReport): VisitResult => ({
  kind: 'not-released',
  report,
  reason: importedByOthers,
  hint: `to release it: walkaway eject ${name}`,
})

async function explainExport(
  error: unknown,
  { disk, vdevs, pool, importedBy, report }: ReleaseRequest,
  deps: ReleaseDeps,
): Promise<VisitResult> {
  // What is mounted outside the service's own view of the file system, no export from in here unmounts.
  const hint =
    importedBy === 'us'
      ? 'it is tried again by itself'
      : `end what uses it (unmount its datasets: zfs unmount -a), then: walkaway eject ${disk.name}`
  if (!(await isPluggedIn(vdevs, deps)))
    return { kind: (await mayBeImported(disk, deps)) ? 'pulled' : 'gone', report }
  if (error instanceof DiskVanished)
    return {
      kind: 'not-released',
      report,
      reason: 'it is plugged in but does not answer',
      hint: `${hint}; if it stays so, unplug it and plug it in again: the backup goes on where it was`,
    }
  if (error instanceof DeadlineExceeded) return { kind: 'stuck', report, reason: messageOf(error) }
  if (error instanceof PoolBusy) {
    const holders = error.holders.length > 0 ? error.holders : await deps.block.holders({ pool })
    const by = holders.length > 0 ? ` by ${holders.join(', ')}` : ''
    return { kind: 'not-released', report, reason: `its pool is in use${by}`, hint }
  }
  return { kind: 'not-released', report, reason: `its pool could not be exported: ${messageOf(error)}`, hint }
}

/** Closes its container, flushes and stops each device of the disk; the last thing before a person is told to take it. */
export async function freeDevices(
  { vdevs, config, report, signal }: Pick<ReleaseRequest, 'vdevs' | 'config' | 'report' | 'signal'>,
  deps: ReleaseDeps,
): Promise<VisitResult> {
  const { spinDown } = config.finish
  try {
    const held = await closeContainer(vdevs, { others: isEjected(signal) }, deps)
    if (held !== null) return { kind: 'not-released', report, reason: held.reason, hint: held.hint }
  } catch (error) {
    if (error instanceof DeadlineExceeded) return { kind: 'stuck', report, reason: messageOf(error) }
    const reason = `its LUKS container could not be closed: ${messageOf(error)}`
    return { kind: 'not-released', report, reason, hint: 'it is tried again by itself' }
  }
  const disks = new Map(vdevs.map(({ diskNode, diskSeq }) => [diskNode, diskSeq]))
  const notes: string[] = []
  let stopped = spinDown
  for (const [node, diskSeq] of disks) {
    const released = await deps.block.release({ node, diskSeq }, { spinDown })
    switch (released.kind) {
      case 'released':
        stopped &&= released.stopped
        if (released.note !== null) notes.push(released.note)
        break
      case 'gone':
        return { kind: 'gone', report }
      case 'held': {
        const reason = `the device is still held by ${released.holders.join(', ') || 'something'}`
        return { kind: 'not-released', report, reason, hint: 'it is tried again by itself' }
      }
      case 'failed':
        return { kind: 'not-released', report, reason: released.reason, hint: 'it is tried again by itself' }
    }
  }
  return { kind: 'released', report, stopped, note: notes[0] ?? null }
}

/** Another try to release a disk whose visit is over. Never throws. */
export async function tryRelease(
  request: Omit<ReleaseRequest, 'pool' | 'importedBy'>,
  deps: ReleaseDeps,
): Promise<VisitResult> {
  const { disk, report } = request
  try {
    const found = (await deps.pools.imported()).find((pool) => pool.guid === disk.poolGuid)
    if (found === undefined) return await freeDevices(request, deps)
    return await letGo({ ...request, pool: found.name, importedBy: importerOf(found) }, deps)
  } catch (error) {
    if (error instanceof DeadlineExceeded) return { kind: 'stuck', report, reason: messageOf(error) }
    return { kind: 'not-released', report, reason: messageOf(error), hint: 'it is tried again by itself' }
  }
}

/** True also when it cannot be told: what is not known to be free is not free. */
export const mayBeImported = ({ poolGuid, pool }: Disk, { pools }: ReleaseDeps): Promise<boolean> =>
  pools.nameOf(poolGuid, pool).then(
    (name) => name !== null,
    () => true,
  )

/** True while every device of the disk is the very one that arrived (by DISKSEQ). */
export async function isPluggedIn(vdevs: Vdevs, deps: ReleaseDeps): Promise<boolean> {
  for (const vdev of vdevs) if (!(await deps.block.isSameDevice(vdev))) return false
  return true
}

/** As `isPluggedIn`, and its container is open on that very device. */
export async function isPresent(vdevs: Vdevs, deps: ReleaseDeps): Promise<boolean> {
  if (!(await isPluggedIn(vdevs, deps))) return false
  for (const vdev of vdevs) if ((await deviceOf(vdev, deps)) === null) return false
  return true
}

/** As `isPresent`, and each device answers a read: what must be so right before an export. */
async function answers(vdevs: Vdevs, deps: ReleaseDeps): Promise<boolean> {
  if (!(await isPluggedIn(vdevs, deps))) return false
  for (const vdev of vdevs) {
    const device = await deviceOf(vdev, deps)
    if (device === null || !(await deps.block.readable(device))) return false
  }
  return true
}
