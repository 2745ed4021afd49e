// What a visit does once everything was sent: reads back from the disk what it holds, and drops what was only there for the
// transfer.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { supersededBookmarks } from './core/bookmarks.ts'
import type { Dataset, Snapshot } from './core/model.ts'
import { rootOnDisk } from './core/selection.ts'
import { DeadlineExceeded } from './errors.ts'
import { releaseHolds } from './hold.ts'
import { stateOf, type Task } from './plan.ts'
import type { Context } from './send.ts'
import type { SnapshotSet } from './snapshotSet.ts'

/**
 * Reads back from the disk what it holds. Only a snapshot with the source's GUID counts; exit codes do not. What was found at
 * the beginning and the visit did not touch (not `changing`) is only asked whether its state is still there. `found` is null
 * where copies came or were moved: all of it is read anew. Returns also what the disk has `now`.
 */
export async function verify(
  tasks: readonly Task[],
  before: { readonly found: readonly Dataset[] | null; readonly changing: ReadonlySet<Task> },
  { request, deps, fail }: Context,
): Promise<{
  readonly verified: readonly Task[]
  readonly now: readonly Dataset[]
  readonly dataErrors: bigint
}> {
  deps.onPhase('verifying')
  await deps.pools.sync(request.pool, request.isPresent)
  const now = await readNow(before, request, deps)
  const byName = new Map(now.map((dataset) => [dataset.name, dataset]))
  const { changing } = before
  for (const task of tasks) if (changing.has(task)) task.target = byName.get(task.targetName) ?? null
  const stateOnDisk = (task: Task): Snapshot | undefined =>
    task.target?.snapshots.find(({ guid }) => guid === stateOf(task)?.guid)
  const untouched = tasks.filter((task) => !changing.has(task))
  const there = await deps.zfs.whichExist(untouched.flatMap((task) => stateOnDisk(task) ?? []))
  const verified = tasks.filter((task) => {
    const found = stateOnDisk(task)
    const isThere = found !== undefined && (changing.has(task) || there.has(found))
    if (!isThere)
      fail(
        task.source.name,
        `@${stateOf(task)?.name} should be on the disk but could not be read back from it`,
      )
    return isThere
  })
  const { errors, dataErrors } = await deps.pools.health(request.pool)
  if (errors.checksum > 0n)
    fail(
      rootOnDisk(request),
      `${errors.checksum} blocks of this disk were not as their checksums say, and had to be repaired from a second copy; the disk may be failing: replace it if that happens again`,
    )
  deps.tell({ kind: 'verified', disk: request.disk.name, pool: request.pool, datasets: verified.length })
  return { verified, now, dataErrors: dataErrors ?? 0n }
}

async function readNow(
  { found, changing }: Parameters<typeof verify>[1],
  request: BackupRequest,
  { zfs }: BackupDeps,
): Promise<readonly Dataset[]> {
  if (found === null) return (await zfs.observeIfPresent(rootOnDisk(request))) ?? []
  const names = new Set([...changing].map(({ targetName }) => targetName))
  const changed = await zfs.observeEach([...names])
  // One that should be there and is not any more is not as it was found.
  return found.flatMap((dataset) => (names.has(dataset.name) ? (changed.get(dataset.name) ?? []) : dataset))
}

/** Drops the bookmarks and holds that the verified states have replaced. Each step may be done twice. */
export async function tidy(
  verified: readonly Task[],
  { observed }: SnapshotSet,
  request: BackupRequest,
  deps: BackupDeps,
): Promise<void> {
  const superseded = verified.flatMap((task) =>
    supersededBookmarks(request.disk.poolGuid, task.source, stateOf(task)),
  )
  try {
    await deps.zfs.destroyBookmarks(superseded)
    await releaseHolds(verified, observed, request, deps)
  } catch (error) {
    // Everything is on the disk and was read back: that counts. What is left over here goes at the next visit. But while
    // ZFS does not answer at all, nothing more is started.
    if (error instanceof DeadlineExceeded && !(await deps.pools.answers().catch(() => true))) throw error
  }
}
