// The holds of a visit on snapshots of the sources: placed before anything travels, released once all of it was read back.
// Which snapshots those are is core/holds.ts.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { snapshotsToHold } from './core/holds.ts'
import { snapshotPath } from './core/model.ts'
import { holdTagFor } from './core/replication.ts'
import { NotFound } from './errors.ts'
import type { Task } from './plan.ts'

/** A snapshot that is gone by now fails its dataset when it is sent, and stops no other. */
export async function holdWhatTravels(
  tasks: readonly Task[],
  { disk }: BackupRequest,
  deps: BackupDeps,
): Promise<void> {
  const snapshots = tasks.flatMap(({ source, goal, plan, held }) => {
    const wanted = snapshotsToHold(source, goal, plan).filter(({ guid }) => !held.has(guid))
    for (const { guid } of wanted) held.add(guid)
    return wanted
  })
  if (snapshots.length === 0) return
  await deps.zfs.hold(holdTagFor(disk.poolGuid), snapshots.map(snapshotPath)).catch((error: unknown) => {
    if (!(error instanceof NotFound)) throw error
  })
}

/** Those of this visit, and what earlier ones that did not come to their end have left. */
export async function releaseHolds(
  verified: readonly Task[],
  { disk }: BackupRequest,
  deps: BackupDeps,
): Promise<void> {
  const held = verified.flatMap((task) =>
    task.source.snapshots.filter(({ guid, holds }) => task.held.has(guid) || holds > 0),
  )
  await deps.zfs.release(holdTagFor(disk.poolGuid), held.map(snapshotPath))
}
