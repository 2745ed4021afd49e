// Looks once more at a source of which something vanished since the visit looked: a snapshot or the dataset itself was
// destroyed by a person, by another program, or by the pruning of another disk's visit.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { missingBookmarks } from './core/bookmarks.ts'
import { type Dataset, type DatasetName, snapshotPath } from './core/model.ts'
import { chooseSource } from './core/selection.ts'
import { DeadlineExceeded, messageOf } from './errors.ts'
import { holdAgain } from './hold.ts'
import { lookAtTarget, planAgain, type Task } from './plan.ts'
import { type Goal, takeSnapshotAgain } from './snapshotSet.ts'
import { leaveOutUndone } from './undone.ts'
import { poolOf } from './zfs/names.ts'

/**
 * Brings the task and its plan up to date with both sides; a goal that was destroyed is replaced by a new snapshot.
 * False: there is no such dataset any more, and nothing to do. Throws what the new goal cannot be bookmarked for.
 */
export async function startOver(task: Task, request: BackupRequest, deps: BackupDeps): Promise<boolean> {
  const found = await lookAtSource(task, deps)
  if (found === null) return false
  task.goal = found.goal
  const wanted = missingBookmarks(request.disk.poolGuid, found.source, found.goal)
  const reason = (await deps.zfs.bookmarkAll(wanted)).get(snapshotPath(found.goal))
  if (reason !== undefined) throw reason
  await lookAtTarget(task, deps)
  // Perhaps it was a receive into the source that took the goal away.
  const onDisk = task.target === null ? [] : [task.target]
  const { goals } = await leaveOutUndone([found], onDisk, request, deps)
  task.source = goals[0]?.source ?? found.source
  task.plan = await planAgain(task, request, deps)
  await holdAgain(task, request, deps)
  return true
}

/** True for a dataset that was destroyed, or renamed, or made anew under its name, since this visit looked. */
export async function isGone(task: Task, deps: BackupDeps): Promise<boolean> {
  return (await seenNow(task, deps)) === null
}

/**
 * Of datasets that are gone, those of which this visit was to bring something that is still somewhere, and why it is not on
 * the disk: they are backed up under another name by now, the whole source is away, or that cannot be told.
 */
export async function findMissed(
  gone: readonly Task[],
  { config }: Pick<BackupRequest, 'config'>,
  deps: Pick<BackupDeps, 'zfs'>,
): Promise<ReadonlyMap<Task, string>> {
  const pools = new Set(gone.map(({ source }) => poolOf(source.name)))
  const names = new Map<string, DatasetName>()
  const absent = new Set<string>()
  let unread: string | null = null
  for (const source of config.sources.filter(({ dataset }) => pools.has(poolOf(dataset))))
    try {
      const found = await deps.zfs.namesBelow(source.dataset)
      if (found === null) absent.add(source.dataset)
      for (const { name, guid } of found ?? [])
        if (chooseSource(config.sources, name) === source) names.set(guid, name)
    } catch (error) {
      if (error instanceof DeadlineExceeded) throw error
      unread = messageOf(error)
    }
  const reasons = new Map<Task, string>()
  for (const task of gone) {
    const name = names.get(task.source.guid)
    const root = chooseSource(config.sources, task.source.name)?.dataset ?? task.source.name
    if (name !== undefined)
      reasons.set(task, `it was renamed to ${name} during the visit; the next visit follows it`)
    else if (absent.has(root)) reasons.set(task, `there is no dataset ${root} on this machine any more`)
    else if (unread !== null)
      reasons.set(task, `whether it was destroyed or renamed could not be read: ${unread}`)
  }
  return reasons
}

async function lookAtSource(task: Task, deps: BackupDeps): Promise<Goal | null> {
  const { goal } = task
  const found = await seenNow(task, deps)
  if (found === null) return null
  // By GUID: it may have another name by now.
  const there = found.snapshots.find(({ guid }) => guid === goal.guid)
  return there === undefined ? takeSnapshotAgain(found, deps) : { source: found, goal: there }
}

/** The source as it is now; null: there is none of that name, or another one. */
async function seenNow({ source }: Task, deps: BackupDeps): Promise<Dataset | null> {
  const found = (await deps.zfs.observeEach([source.name])).get(source.name)
  return found?.guid === source.guid ? found : null
}
