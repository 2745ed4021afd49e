// One visit of one disk: import, back up, let go of it (release.ts). Every step has a result; how the disk was left and how
// the backup went are told apart. Whether a visit begins, and what its end means, is core/lifecycle.ts.

import { type BackupDeps, type BackupResult, backUp } from './backup.ts'
import type { Config } from './config.ts'
import { type ContainerDeps, openContainer } from './container.ts'
import type { Vdevs, VisitResult } from './core/diskState.ts'
import type { Disk, PoolName, VisitReport } from './core/model.ts'
import { isStopping } from './endVisit.ts'
import { DeadlineExceeded, DiskVanished, ImportRefused, KeyRefused, messageOf } from './errors.ts'
import type { StandingAtTheEnd } from './events.ts'
import {
  closeQuietly,
  freeDevices,
  type Importer,
  importerOf,
  isPluggedIn,
  isPresent,
  letGo,
  mayBeImported,
} from './release.ts'
import { revive } from './revive.ts'
import { scrub } from './scrub.ts'
import { createTally } from './tally.ts'
import type { Turn } from './turns.ts'
import { luksKeyFileOf, unlock } from './unlock.ts'

export interface VisitDeps extends BackupDeps, ContainerDeps {
  /** In words why nothing is done yet; null: it goes on. */
  readonly onWaiting: (why: string | null) => void
}

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
  /** Among the visits to disks whose pools have the same name. Whose own pool is in the kernel already does not wait for it. */
  readonly turn: Pick<Turn, 'isBehind' | 'come'>
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
    const { result } = imported
    const standing = standingAfter(result)
    deps.tell({ kind: 'backup-finished', disk: disk.name, pool: disk.pool, report: result.report, standing })
    return result
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
      deps.tell({ kind: 'backup-finished', disk: disk.name, pool, report: finished, standing: 'stuck' })
      return { kind: 'stuck', report: finished, reason: `ZFS does not answer: ${messageOf(error)}` }
    }
  }
  const standing = await standingNow({ ...request, pool }, deps)
  deps.tell({ kind: 'backup-finished', disk: disk.name, pool, report: finished, standing })
  return letGo({ ...request, pool, importedBy, report: finished }, deps)
}

/** Of a visit that ended before it had a pool to back up to. */
function standingAfter({ kind }: VisitResult): StandingAtTheEnd {
  switch (kind) {
    case 'released':
    case 'not-released':
      return 'in-use'
    case 'stopped':
      return 'stopping'
    case 'gone':
    case 'pulled':
    case 'stuck':
    case 'refused':
      return kind
  }
}

/** Of one whose pool is still imported. */
async function standingNow(
  { vdevs, pool, signal }: Pick<VisitRequest, 'vdevs' | 'signal'> & { readonly pool: PoolName },
  deps: VisitDeps,
): Promise<StandingAtTheEnd> {
  if (!(await isPluggedIn(vdevs, deps))) return 'pulled'
  // A state that cannot be read is no reason to say that.
  if ((await deps.pools.kernelState(pool).catch(() => null)) === 'SUSPENDED') return 'stuck'
  return isStopping(signal) ? 'stopping' : 'in-use'
}

/** What happened and, where that is known, what the person can do. */
function explain(error: unknown): string {
  const helped = error instanceof ImportRefused || error instanceof KeyRefused
  return helped && error.hint !== undefined ? `${error.message}; ${error.hint}` : messageOf(error)
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** False when nothing more should be started on any pool. One that fails otherwise is not one that hangs. */
const answersAtAll = ({ pools }: VisitDeps): Promise<boolean> => pools.answers().catch(() => true)

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

/** The kernel tells when a name is free; which pool has it is asked for again this often. */
const askAgainMs = 60_000

/**
 * Resolves when no visit to a disk whose pool has the same name is before this one, and none of these pools is in the kernel: a
 * visit may leave it there, of a disk that is busy, or was pulled out. Also when the visit is to end.
 */
async function untilItsTurn({ disk, config, signal, turn }: VisitRequest, deps: VisitDeps): Promise<void> {
  const { pools } = deps
  const waitFor = (whom: string): void =>
    deps.onWaiting(`waits for ${whom}: their pools have one name, ${disk.pool}`)
  // The disk's own visit before this one had its turn, too, and has ended by now.
  if (turn.isBehind()) waitFor('another disk')
  await Promise.race([turn.come, aborted(signal)])
  // A look that fails is no answer: the pool in the way may be one that hangs.
  const isFree = (): Promise<boolean> =>
    signal.aborted
      ? Promise.resolve(true)
      : pools.kernelState(disk.pool).then(
          (state) => state === null,
          () => false,
        )
  while (!(await isFree())) {
    const looked = await pools.imported().catch(() => null)
    const holders = new Set(looked?.flatMap(({ guid }) => (guid === disk.poolGuid ? [] : [guid])))
    const other = config.disks.find(({ pool, poolGuid }) => pool === disk.pool && holders.has(poolGuid))
    // Somebody's own: that is for the import to say.
    if (looked !== null && other === undefined) break
    waitFor(other?.name ?? 'another disk')
    await deps.until(isFree, askAgainMs)
  }
  deps.onWaiting(null)
}

/** Of a visit that was ended while it waited: nothing was imported. */
async function leaveAlone(
  { vdevs, config, signal }: VisitRequest,
  report: (fields: Partial<VisitReport>) => VisitReport,
  deps: VisitDeps,
): Promise<VisitResult> {
  const interrupted = report({ outcome: 'interrupted', reason: messageOf(signal.reason) })
  if (!(await isPluggedIn(vdevs, deps))) return { kind: 'gone', report: interrupted }
  if (!isStopping(signal)) return freeDevices({ vdevs, config, report: interrupted, signal }, deps)
  await closeQuietly(vdevs, deps)
  return { kind: 'stopped', report: interrupted }
}

/** ZFS opens devices by their links. How the visit ends if one does not lead to the device that was looked at; null: all do. */
async function findAstray(
  { vdevs }: VisitRequest,
  report: (fields: Partial<VisitReport>) => VisitReport,
  deps: VisitDeps,
): Promise<VisitResult | null> {
  for (const { link, node } of vdevs)
    if (!(await deps.block.leadsTo(link, node))) {
      if (!(await isPluggedIn(vdevs, deps)))
        return { kind: 'gone', report: report({ outcome: 'interrupted', reason: 'it was removed' }) }
      const sentence = `${link} does not lead to ${node}: another disk has the same name`
      return { kind: 'refused', sentence, report: report({ reason: sentence }) }
    }
  return null
}

/**
 * The name under which the kernel has the disk's pool; undefined: it does not. ZFS may not answer about a suspended pool until
 * it works again (#18446); the kernel's own files do, but before OpenZFS 2.3 they show names only, which say nothing where
 * another disk's pool has the same.
 */
async function nameInKernel(
  { disk, config }: Pick<VisitRequest, 'disk' | 'config'>,
  { pools }: VisitDeps,
): Promise<PoolName | undefined> {
  try {
    return (await pools.imported()).find(({ guid }) => guid === disk.poolGuid)?.name
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error
    const isShared = config.disks.some(({ name, pool }) => name !== disk.name && pool === disk.pool)
    const name = await pools.nameOf(disk.poolGuid, isShared ? null : disk.pool)
    if (name === null || (await pools.kernelState(name)) !== 'SUSPENDED') throw error
    return name
  }
}

/** Gets the disk's pool into the kernel, whether it has to be imported, was left imported, or comes back. */
async function bringUp(
  request: VisitRequest,
  deps: VisitDeps,
  report: (fields: Partial<VisitReport>) => VisitReport,
): Promise<Imported> {
  const { disk, vdevs, config, earlier, signal } = request
  const ended = (result: VisitResult): Imported => ({ kind: 'ended', result })
  try {
    const astray = await findAstray(request, report, deps)
    if (astray !== null) return ended(astray)

    const imported = async () => (await deps.pools.imported()).find((pool) => pool.guid === disk.poolGuid)
    const before = await nameInKernel(request, deps)
    const keyFile = luksKeyFileOf(config, disk)
    const reached = await openContainer({ disk, vdevs, keyFile, inKernel: before !== undefined }, deps)
    if (reached.kind === 'refused') {
      const { sentence } = reached
      return ended({ kind: 'refused', sentence, report: report({ reason: sentence }) })
    }
    const { links } = reached
    const revived = before === undefined ? null : await revive(before, deps)
    if (revived?.kind === 'stuck') {
      const { reason } = revived
      return ended({ kind: 'stuck', reason, report: report({ reason }) })
    }
    await Promise.race([earlier, aborted(signal)])
    // The visit before may have exported it in the end.
    const still = before === undefined ? undefined : await imported()
    if (still === undefined) await untilItsTurn(request, deps)
    if (still === undefined && signal.aborted) return ended(await leaveAlone(request, report, deps))
    // That may have taken hours, in which a copy may have been plugged in.
    const astrayNow = still === undefined ? await findAstray(request, report, deps) : null
    if (astrayNow !== null) {
      await closeQuietly(vdevs, deps)
      return ended(astrayNow)
    }
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
