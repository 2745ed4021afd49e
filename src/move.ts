// Renames copies on the disk: those that are followed to a new name and those that are set aside. Which ones those are is
// core/placement.ts. A rename destroys nothing and is done in one transaction; what was done stays done, and the next
// visit arranges what is left.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { type DatasetName, datasetName } from './core/model.ts'
import { ancestorsOf } from './core/placement.ts'
import { isWithin } from './core/selection.ts'
import { DiskVanished, messageOf } from './errors.ts'
import type { Task } from './plan.ts'

interface Places {
  /** Names of all that the disk has. */
  readonly onDisk: ReadonlySet<string>
  /** Where the sources belong that are not sent this time: their places are to stay free. */
  readonly reserved: ReadonlySet<string>
}

/**
 * Does the moves that can be done before anything is sent, parents first; the others wait for what goes above them
 * (`carryOutMove`). Returns what the disk then has, and the datasets that cannot be sent now, and why.
 */
export async function moveCopies(
  tasks: readonly Task[],
  { onDisk, reserved }: Places,
  { signal, isPresent }: BackupRequest,
  deps: BackupDeps,
): Promise<{
  readonly unmoved: ReadonlyMap<DatasetName, string>
  readonly onDisk: ReadonlySet<string>
}> {
  const unmoved = new Map<DatasetName, string>()
  const above = new Map<string, Task>()
  let names = onDisk
  // In the order in which they were decided, whatever order the datasets are sent in.
  for (const task of tasks.toSorted((a, b) => (a.targetName < b.targetName ? -1 : 1))) {
    const ancestors = ancestorsOf(task.targetName)
    const parent = ancestors.map((name) => above.get(name)).find((found) => found !== undefined)
    above.set(task.targetName, task)
    // Its copy is, or was to be, where the parent's move brings it.
    if (parent !== undefined && unmoved.has(parent.source.name)) {
      unmoved.set(task.source.name, `not tried: ${parent.source.name}, which is above it, could not be moved`)
      continue
    }
    const { move } = task
    const isFree = ancestors.every((name) => names.has(name) || !reserved.has(name))
    if (move === null) continue
    const [from, to] = move.kind === 'follow' ? [move.from, task.targetName] : [task.targetName, move.to]
    // It may lie below a copy that is itself still to be moved.
    if (!names.has(from) || (move.kind === 'follow' && !(isFree && isThere(parent)))) continue
    signal.throwIfAborted()
    try {
      const parentOfPlace = ancestors[0]
      if (move.kind === 'follow' && parentOfPlace !== undefined && !names.has(parentOfPlace))
        for (const made of await deps.zfs.createContainer(datasetName(parentOfPlace)))
          names = new Set([...names, made])
      await carryOutMove(task, deps)
      names = new Set([...names].map((name) => (isWithin(name, from) ? to + name.slice(from.length) : name)))
    } catch (error) {
      if (!(await isPresent())) throw new DiskVanished('the disk was removed', { cause: error })
      unmoved.set(task.source.name, messageOf(error))
    }
  }
  return { unmoved, onDisk: names }
}

/** Whole: a copy that is half received may yet be thrown away, and ZFS does not do that to one with others below it. */
const isThere = (parent: Task | undefined): boolean =>
  parent === undefined || (parent.move === null && (parent.target?.snapshots.length ?? 0) > 0)

/** Brings the copy where it belongs, or out of the way. Does nothing if there is no move left to do. */
export async function carryOutMove(task: Task, deps: BackupDeps): Promise<void> {
  const { move, targetName } = task
  if (move === null) return
  const names =
    move.kind === 'follow' ? { from: move.from, to: targetName } : { from: targetName, to: move.to }
  await deps.zfs.rename({ ...names, type: move.type })
  task.move = null
}
