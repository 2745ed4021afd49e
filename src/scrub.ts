// Scrubs a disk at the end of a visit, when it is time, or when ZFS remembers errors, as after a disk was pulled out: begins or
// goes on, waits, pauses when the visit must end. When it is time is core/scrub.ts. The backup is on the disk and was read back before: nothing here takes that back.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { type DatasetFailure, datasetName, type Outcome, type PoolName } from './core/model.ts'
import { planScrub, type ScanProgress } from './core/scrub.ts'
import { messageOf } from './errors.ts'
import type { PoolHealth } from './zfs/pool.ts'

export interface ScrubDeps extends BackupDeps {
  readonly until: (condition: () => Promise<boolean>, deadlineMs: number) => Promise<boolean>
}

export interface ScrubRequest
  extends Pick<BackupRequest, 'disk' | 'pool' | 'config' | 'isPresent' | 'signal'> {
  /** How the backup went. */
  readonly outcome: Outcome
  /** That ZFS remembered when the backup was read back. */
  readonly dataErrors: bigint
  /** The pool was imported for this visit, and so has only errors that were written to the disk or found since. */
  readonly fresh: boolean
  /** It was imported by walkaway: what somebody else has imported is theirs to scrub. */
  readonly ours: boolean
  /** When the visit began. */
  readonly startedAt: Date
}

/** ZFS writes in bursts of seconds: nobody sees more by asking more often. */
const pollMs = 5_000
/**
 * A scrub that moves nothing for so long waits for something that a visit cannot wait for. ZFS tells three to four digits:
 * of more than ten terabytes a step is a hundred gigabytes, and on a slow disk more than an hour.
 */
const stallMs = 3 * 3_600_000
const mostNames = 5

/**
 * What was found wrong with the disk, or why it could not be looked at. Never throws; without the disk, or told to end, it
 * ends early, and the scrub goes on at the next visit: until it has ended, errors that ZFS remembers stand.
 */
export async function scrub(request: ScrubRequest, deps: ScrubDeps): Promise<readonly DatasetFailure[]> {
  const { pool, config, isPresent, signal } = request
  if (request.outcome === 'failed') return []
  const failure = (reason: string): DatasetFailure => ({ dataset: datasetName(pool), reason })
  const stillOpen = (count: bigint): readonly DatasetFailure[] =>
    count > 0n ? [failure(describeDataErrors(count, request))] : []
  let open = stillOpen(request.dataErrors)
  if (!request.ours || signal.aborted) return open
  try {
    const before = await deps.pools.health(pool)
    const { scan } = before
    const remembered = before.dataErrors ?? 0n
    open = stillOpen(remembered)
    const everyMs = config.finish.scrubEveryMs
    const plan = planScrub({ scan, dataErrors: before.dataErrors, everyMs, now: deps.now() })
    if (plan.kind === 'none') {
      if (remembered === 0n || scan.kind !== 'finished') return open
      const endedSince = scan.at.getTime() >= request.startedAt.getTime()
      return asFailures(await judgeEnd({ health: before, hung: false }, request, deps, endedSince))
    }
    deps.onPhase('scrubbing')
    if (plan.because !== 'running') await deps.pools.scrub(pool, isPresent)
    deps.tell({ kind: 'scrub-started', disk: request.disk.name, pool, because: plan.because })
    const end = await waitForEnd(request, deps)
    if (end === 'ended-early') return open
    if (end === 'stalled') {
      await deps.pools.pauseScrub(pool, isPresent)
      return [failure('its scrub does not get on; it is paused, and goes on at the next visit')]
    }
    return asFailures(
      await judgeEnd(remembered > 0n ? await forget(end, remembered, pool, deps) : end, request, deps, true),
    )
  } catch (error) {
    if (signal.aborted || !(await isPresent())) return open
    return [failure(`it could not be scrubbed: ${messageOf(error)}`)]
  }

  function asFailures(reason: string | null): readonly DatasetFailure[] {
    return reason === null ? [] : [failure(reason)]
  }
}

/** Most are of the moment when the disk was pulled out, and of nothing that was not sent again since. */
function describeDataErrors(count: bigint, { pool, ours }: Pick<ScrubRequest, 'pool' | 'ours'>): string {
  const many = count === 1n ? '1 data error' : `${count} data errors`
  const next = ours
    ? 'a scrub tells; it was not finished, and goes on at the next visit'
    : `this tells: zpool scrub -w ${pool} && zpool clear ${pool}`
  return `ZFS remembers ${many} on this disk. After a disk was pulled out in the middle that is common, and mostly nothing is damaged: ${next}`
}

/**
 * Errors of a pull that a whole scrub did not find again are told for good to be none: `zpool clear`. Those that ZFS noted while
 * it scanned, as after a device came back, outlive the scrub after that (spa_errlog_sync), and nothing is wrong with them
 * either: the next visit scrubs again. More than were `remembered` are of this scrub's own time.
 */
async function forget(end: Ended, remembered: bigint, pool: PoolName, deps: ScrubDeps): Promise<Ended> {
  const { scan, errors } = end.health
  if (scan.kind !== 'finished' || scan.errors > 0n) return end
  await deps.pools.clear(pool)
  const { dataErrors: left } = await deps.pools.health(pool)
  const dataErrors = left !== null && left <= remembered ? 0n : left
  return { ...end, health: { ...end.health, dataErrors, errors } }
}

interface Ended {
  readonly health: PoolHealth
  /** The disk did not answer for a while: there may be errors of what was to be written then. */
  readonly hung: boolean
}

/** Once the scrub has ended, by itself or by somebody else's hand. */
async function waitForEnd(
  { pool, isPresent, signal }: ScrubRequest,
  deps: ScrubDeps,
): Promise<Ended | 'ended-early' | 'stalled'> {
  let movedTo = ''
  let hung = false
  let movedAt = deps.now()
  for (;;) {
    await deps.until(async () => signal.aborted, pollMs)
    if (!(await isPresent())) return 'ended-early'
    if (signal.aborted) {
      await deps.pools.pauseScrub(pool, isPresent)
      return 'ended-early'
    }
    // It waits for its disk; whoever watches the disk ends the visit if that does not come back.
    if ((await deps.pools.kernelState(pool)) === 'SUSPENDED') {
      hung = true
      continue
    }
    const health = await deps.pools.health(pool)
    if (health.scan.kind === 'paused') return 'ended-early'
    if (health.scan.kind !== 'running') return { health, hung }
    tellProgress(health.scan, deps)
    const standsAt = `${health.scan.scannedBytes} ${health.scan.checkedBytes}`
    if (standsAt !== movedTo) movedAt = deps.now()
    movedTo = standsAt
    if (deps.now().getTime() - movedAt.getTime() > stallMs) return 'stalled'
  }
}

function tellProgress({ checkedBytes, totalBytes, leftMs }: ScanProgress, deps: ScrubDeps): void {
  deps.onProgress({
    phase: 'scrubbing',
    dataset: null,
    sentBytes: checkedBytes,
    totalBytes: Math.max(totalBytes, checkedBytes),
    bytesPerSecond: leftMs === null || leftMs === 0 ? 0 : ((totalBytes - checkedBytes) / leftMs) * 1000,
    readyAt: leftMs === null ? null : new Date(deps.now().getTime() + leftMs),
  })
}

/** Returns what is wrong with the disk; null: nothing. `isNews`: nobody has been told yet how it ended. */
async function judgeEnd(
  { health: { scan, errors, dataErrors }, hung }: Ended,
  { disk, pool, isPresent, fresh }: ScrubRequest,
  deps: ScrubDeps,
  isNews: boolean,
): Promise<string | null> {
  if (scan.kind === 'resilvering')
    return 'its scrub gave way to a resilver: a device of it was replaced or came back; it begins anew at a visit after that'
  if (scan.kind !== 'finished') return 'its scrub was cancelled by somebody; it begins anew at the next visit'
  const lost = scan.errors > 0n || (dataErrors ?? 1n) > 0n
  // A write that failed is of a disk that was lost for a moment, whoever saw that.
  const mayLookUp = fresh && !hung && errors.write === 0n
  const names = lost && mayLookUp ? await deps.pools.damagedFiles(pool, isPresent) : []
  const found = { repairedBytes: scan.repairedBytes, errors: Number(scan.errors), damaged: names.length }
  if (isNews) deps.tell({ kind: 'scrub-finished', disk: disk.name, pool, ...found })
  if (lost)
    return `the scrub found damage that could not be repaired${inWords(names)}; what is damaged on the disk is not on it any more, and the disk may be failing: replace it`
  return errors.checksum === 0n && scan.repairedBytes === 0
    ? null
    : 'the scrub found damage on the disk and repaired all of it; the disk may be failing: replace it if that happens again'
}

/** Names are written by whoever had the source: nothing in them may be obeyed by a terminal. */
function inWords(names: readonly string[]): string {
  if (names.length === 0) return ''
  const shown = names.slice(0, mostNames).map((name) => name.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?'))
  const more = names.length - shown.length
  return `: ${shown.join(', ')}${more === 0 ? '' : ` and ${more} more`}`
}
