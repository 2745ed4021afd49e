// One visit of one disk: import, back up, export, flush, stop. Every step has a result; how the disk was left and how
// the backup went are told apart. Whether a visit begins, and what its end means, is core/lifecycle.ts.

import { type BackupDeps, type BackupResult, backUp } from './backup.ts'
import type { Config } from './config.ts'
import { type ContainerDeps, closeContainer, deviceOf, openContainer } from './container.ts'
import type { Vdevs, VisitResult } from './core/diskState.ts'
import { importedByOthers } from './core/lifecycle.ts'
import type { Disk, PoolName, VisitReport } from './core/model.ts'
import { DeadlineExceeded, DiskVanished, ImportRefused, KeyRefused, messageOf, PoolBusy } from './errors.ts'
import { revive } from './revive.ts'
import { scrub } from './scrub.ts'
import { createTally } from './tally.ts'
import { keyFileOf, luksKeyFileOf, unlock } from './unlock.ts'
import { ALTROOT, type ImportedPool, READ_ONLY_ALTROOT } from './zfs/pool.ts'

export interface VisitDeps extends BackupDeps, ContainerDeps {}

export interface VisitRequest {
  readonly disk: Disk
  readonly vdevs: Vdevs
  readonly config: Config
  /** Earlier visits of this disk, oldest first. */
  readonly past: readonly VisitReport[]
  /** Its reason says why: an `EndVisit`. */
  readonly signal: AbortSignal
  /**
   * Resolves when the visit before this one has ended. It may be waiting for the disk that was pulled out: so the pool is made
   * to work first, and nothing else is done until then.
   */
  readonly earlier: Promise<void>
}

const whyEnded = {
  'device-gone': 'the disk was removed',
  stopping: 'walkaway is stopping',
  ejected: 'it was ended early by `walkaway eject`',
} as const
type WhyEnded = keyof typeof whyEnded

/** The reason of a visit's abort signal. */
export class EndVisit extends Error {
  readonly because: WhyEnded
  constructor(because: WhyEnded) {
    super(whyEnded[because])
    this.name = 'EndVisit'
    this.because = because
  }
}

type Imported =
  /** `fresh`: just now, and not left in the kernel from before. */
  | {
      readonly kind: 'imported'
      readonly pool: PoolName
      readonly importedBy: Importer
      readonly fresh: boolean
    }
  | { readonly kind: 'ended'; readonly result: VisitResult }

/** Runs the whole visit. Never throws: whatever happened is in the result and was told. */
export async function visit(request: VisitRequest, deps: VisitDeps): Promise<VisitResult> {
  const startedAt = deps.now()
  const { disk, signal } = request
  const report = (fields: Partial<VisitReport>): VisitReport => ({
    startedAt,
    finishedAt: deps.now(),
    outcome: 'failed',
    sentBytes: 0,
    datasets: { total: 0, sent: 0, unchanged: 0, failed: 0 },
    failures: [],
    reason: null,
    space: null,
    ...fields,
  })

  deps.onPhase('importing')
  const imported = await bringUp(request, deps, report)
  if (imported.kind === 'ended') {
    deps.tell({ kind: 'backup-finished', disk: disk.name, pool: disk.pool, report: imported.result.report })
    return imported.result
  }

  const { pool, importedBy, fresh } = imported
  const backup = { ...request, pool, isPresent: () => isPresent(request.vdevs, deps) }
  const tally = createTally()
  const tell: VisitDeps['tell'] = (event) => {
    tally.hear(event)
    deps.tell(event)
  }
  let finished: VisitReport
  try {
    await unlock({ ...request, pool }, deps)
    deps.onPhase('backing-up')
    const result = await backUp(backup, { ...deps, tell })
    const { outcome } = judge(result)
    const { dataErrors } = result
    const damage = await scrub(
      { ...backup, outcome, dataErrors, fresh, ours: importedBy === 'us', startedAt },
      deps,
    )
    finished = report(judge({ ...result, failures: [...result.failures, ...damage] }))
  } catch (error) {
    const interrupted =
      signal.aborted || error instanceof DiskVanished || !(await isPluggedIn(request.vdevs, deps))
    const outcome = interrupted ? 'interrupted' : 'failed'
    finished = report({ ...tally.soFar(), outcome, reason: explain(error) })
    if (error instanceof DeadlineExceeded && !(await answersAtAll(deps))) {
      deps.tell({ kind: 'backup-finished', disk: disk.name, pool, report: finished })
      return { kind: 'stuck', report: finished, reason: `ZFS does not answer: ${messageOf(error)}` }
    }
  }
  deps.tell({ kind: 'backup-finished', disk: disk.name, pool, report: finished })
  return letGo({ ...request, pool, importedBy, report: finished }, deps)
}

/** What happened and, where that is known, what the person can do. */
function explain(error: unknown): string {
  const helped = error instanceof ImportRefused || error instanceof KeyRefused
  return helped && error.hint !== undefined ? `${error.message}; ${error.hint}` : messageOf(error)
}

/** True also when it cannot be told: what is not known to be free is not free. */
const mayBeImported = ({ poolGuid, pool }: Disk, { pools }: VisitDeps): Promise<boolean> =>
  pools.nameOf(poolGuid, pool).then(
    (name) => name !== null,
    () => true,
  )

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** False when nothing more should be started on any pool. One that fails otherwise is not one that hangs. */
const answersAtAll = ({ pools }: VisitDeps): Promise<boolean> => pools.answers().catch(() => true)

/** True while every device of the disk is the very one that arrived (by DISKSEQ). */
async function isPluggedIn(vdevs: Vdevs, deps: VisitDeps): Promise<boolean> {
  for (const vdev of vdevs) if (!(await deps.block.isSameDevice(vdev))) return false
  return true
}

/** As `isPluggedIn`, and its container is open on that very device. */
async function isPresent(vdevs: Vdevs, deps: VisitDeps): Promise<boolean> {
  if (!(await isPluggedIn(vdevs, deps))) return false
  for (const vdev of vdevs) if ((await deviceOf(vdev, deps)) === null) return false
  return true
}

/** As `isPresent`, and each device answers a read: what must be so right before an export. */
async function answers(vdevs: Vdevs, deps: VisitDeps): Promise<boolean> {
  if (!(await isPluggedIn(vdevs, deps))) return false
  for (const vdev of vdevs) {
    const device = await deviceOf(vdev, deps)
    if (device === null || !(await deps.block.readable(device))) return false
  }
  return true
}

function judge(result: BackupResult): Partial<VisitReport> & Pick<VisitReport, 'outcome'> {
  const { total, sent, unchanged, sentBytes, failures, space } = result
  const none = sent + unchanged === 0 && failures.length > 0
  return {
    outcome: failures.length === 0 ? 'complete' : none ? 'failed' : 'partial',
    sentBytes,
    datasets: { total, sent, unchanged, failed: total - sent - unchanged },
    failures,
    reason: failures[0] === undefined ? null : `${failures[0].dataset}: ${failures[0].reason}`,
    space,
  }
}

/** Gets the disk's pool into the kernel, whether it has to be imported, was left imported, or comes back. */
async function bringUp(
  { disk, vdevs, config, earlier, signal }: VisitRequest,
  deps: VisitDeps,
  report: (fields: Partial<VisitReport>) => VisitReport,
): Promise<Imported> {
  const ended = (result: VisitResult): Imported => ({ kind: 'ended', result })
  try {
    for (const vdev of vdevs)
      if (!(await deps.block.leadsTo(vdev.link, vdev.node))) {
        if (!(await isPluggedIn(vdevs, deps)))
          return ended({ kind: 'gone', report: report({ outcome: 'interrupted', reason: 'it was removed' }) })
        const sentence = `${vdev.link} does not lead to ${vdev.node}: another disk has the same name`
        return ended({ kind: 'refused', sentence, report: report({ reason: sentence }) })
      }

    const imported = async () => (await deps.pools.imported()).find((pool) => pool.guid === disk.poolGuid)
    const before = await imported()
    const keyFile = luksKeyFileOf(config, disk)
    const reached = await openContainer({ disk, vdevs, keyFile, inKernel: before !== undefined }, deps)
    if (reached.kind === 'refused') {
      const { sentence } = reached
      return ended({ kind: 'refused', sentence, report: report({ reason: sentence }) })
    }
    const { links } = reached
    const revived = before === undefined ? null : await revive(before.name, deps)
    if (revived?.kind === 'stuck') {
      const { reason } = revived
      return ended({ kind: 'stuck', reason, report: report({ reason }) })
    }
    await Promise.race([earlier, aborted(signal)])
    // The visit before may have exported it in the end.
    const still = before === undefined ? undefined : await imported()
    const found = still ?? (await deps.pools.importPool({ guid: disk.poolGuid, pool: disk.pool, links }))
    const importedBy = importerOf(found)
    const ours = still === undefined || revived === null ? 'imported' : revived.kind
    const how = importedBy === 'us' ? ours : 'by-somebody-else'
    deps.tell({ kind: 'pool-imported', disk: disk.name, pool: found.name, how })
    return { kind: 'imported', pool: found.name, importedBy, fresh: still === undefined }
  } catch (error) {
    const reason = explain(error)
    const failed = report({ reason })
    if (error instanceof DeadlineExceeded) return ended({ kind: 'stuck', reason, report: failed })
    const imported = await mayBeImported(disk, deps)
    // Asked before anything is made of what ZFS says: without the disk, it says that there is no such pool.
    if (!imported && !(await isPluggedIn(vdevs, deps)))
      return ended({ kind: 'gone', report: { ...failed, outcome: 'interrupted' } })
    if (error instanceof ImportRefused) {
      await closeQuietly(vdevs, deps)
      return ended({ kind: 'refused', sentence: reason, report: failed })
    }
    if (imported) return ended({ kind: 'stuck', reason, report: failed })
    // The pool is not imported, so nothing holds the disk: it may be taken, with a failed backup.
    return ended(await freeDevices({ vdevs, config, report: failed, signal }, deps))
  }
}

/** What somebody else imported is not ours to export, unless a person asks for it; what a restore reads from is not at all. */
type Importer = 'us' | 'restore' | 'somebody-else'

const importerOf = ({ altroot }: ImportedPool): Importer =>
  altroot === ALTROOT ? 'us' : altroot === READ_ONLY_ALTROOT ? 'restore' : 'somebody-else'

export interface ReleaseRequest {
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
async function letGo(request: ReleaseRequest, deps: VisitDeps): Promise<VisitResult> {
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
const closeQuietly = (vdevs: Vdevs, deps: VisitDeps): Promise<unknown> =>
  closeContainer(vdevs, { others: false }, deps).catch(() => undefined)

/** Somebody else imported its pool, and it stays imported. */
export const leftToOthers = ({ name }: Disk, report: VisitReport): VisitResult => ({
  kind: 'not-released',
  report,
  reason: importedByOthers,
  hint: `to release it: walkaway eject ${name}`,
})

const isStopping = ({ aborted, reason }: AbortSignal): boolean =>
  aborted && !(reason instanceof EndVisit && reason.because !== 'stopping')

/** A person asked for the disk. */
export const isEjected = ({ reason }: AbortSignal): boolean =>
  reason instanceof EndVisit && reason.because === 'ejected'

async function explainExport(
  error: unknown,
  { disk, vdevs, pool, importedBy, report }: ReleaseRequest,
  deps: VisitDeps,
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
      hint: `${hint}; if it stays so, plug it out and in again: the backup goes on where it was`,
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
async function freeDevices(
  { vdevs, config, report, signal }: Pick<ReleaseRequest, 'vdevs' | 'config' | 'report' | 'signal'>,
  deps: VisitDeps,
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
  deps: VisitDeps,
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
