// The holds of a visit on snapshots of the sources: placed before anything travels, released once all of it was read back.
// Which snapshots those are is core/holds.ts.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { intoSets, snapshotsToHold } from './core/holds.ts'
import { type Dataset, type DatasetName, snapshotPath } from './core/model.ts'
import { holdTagFor } from './core/replication.ts'
import { DeadlineExceeded, messageOf, NotFound, Refused } from './errors.ts'
import type { Task } from './plan.ts'

/**
 * Returns why a dataset may not be sent: a snapshot of it could not be held. One that is gone by now is found out when it is
 * sent, and looked for again. `observed`: all that there is below the sources.
 */
export async function holdWhatTravels(
  tasks: readonly Task[],
  observed: readonly Dataset[],
  { disk }: BackupRequest,
  deps: BackupDeps,
): Promise<ReadonlyMap<DatasetName, string>> {
  const snapshots = tasks.flatMap(({ source, goal, plan, held }) => {
    const wanted = snapshotsToHold(source, goal, plan).filter(({ guid }) => !held.has(guid))
    for (const { guid } of wanted) held.add(guid)
    return wanted
  })
  if (snapshots.length === 0) return new Map()
  const tag = holdTagFor(disk.poolGuid)
  const { sets, single } = intoSets(snapshots, observed)
  const left = [...single]
  for (const set of sets) {
    const [top] = set
    if (top !== undefined && !(await isHeldWhole(tag, snapshotPath(top), deps))) left.push(...set)
  }
  const reasons = await deps.zfs.hold(tag, left.map(snapshotPath))
  return new Map(
    snapshots.flatMap((snapshot) => {
      const reason = reasons.get(snapshotPath(snapshot))
      return reason === undefined || reason instanceof NotFound
        ? []
        : [[snapshot.dataset, messageOf(reason)] as const]
    }),
  )
}

/** The same for a dataset of which another plan was made; throws `Refused`. */
export async function holdAgain(task: Task, request: BackupRequest, deps: BackupDeps): Promise<void> {
  for (const reason of (await holdWhatTravels([task], [], request, deps)).values()) throw new Refused(reason)
}

/** False: some are held already, by a visit that was interrupted, or gone by now; what it is, is said of each alone. */
async function isHeldWhole(tag: string, path: string, { zfs }: Pick<BackupDeps, 'zfs'>): Promise<boolean> {
  try {
    await zfs.holdBelow(tag, path)
    return true
  } catch (error) {
    if (error instanceof DeadlineExceeded) throw error
    return false
  }
}

/** Those of this visit, and what earlier ones that did not come to their end have left. */
export async function releaseHolds(
  verified: readonly Task[],
  observed: readonly Dataset[],
  { disk }: BackupRequest,
  deps: BackupDeps,
): Promise<void> {
  const held = verified.flatMap((task) =>
    task.source.snapshots.filter(({ guid, holds }) => task.held.has(guid) || holds > 0),
  )
  const tag = holdTagFor(disk.poolGuid)
  const { sets, single } = intoSets(held, observed)
  for (const [top] of sets) if (top !== undefined) await deps.zfs.releaseBelow(tag, snapshotPath(top))
  await deps.zfs.release(tag, single.map(snapshotPath))
}
