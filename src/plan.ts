// From what both sides have to a plan for every dataset of a visit: reads what the decisions need besides the listings
// (tokens, what was written since a bookmark), for all datasets at once. The decisions are core/replication.ts.

import type { BackupDeps, BackupRequest } from './backup.ts'
import type { Bookmark, Dataset, DatasetName, Snapshot, SnapshotGuid } from './core/model.ts'
import type { Move } from './core/placement.ts'
import {
  baseInQuestion,
  type PartialReceive,
  planReplication,
  type ReplicationInput,
  type ReplicationPlan,
} from './core/replication.ts'
import { keptOnDisk } from './core/retention.ts'
import { DeadlineExceeded, messageOf, NotFound } from './errors.ts'

/** One dataset on its way: where it comes from, what it must reach, where it goes and what the disk has of it. */
export interface Task {
  readonly source: Dataset
  readonly goal: Snapshot
  readonly targetName: DatasetName
  target: Dataset | null
  plan: ReplicationPlan
  /** Snapshots of the source that this visit holds. */
  readonly held: Set<SnapshotGuid>
  /** What must be done to its copy before anything is sent; null when that is done. */
  move: Move | null
}
export type Unplanned = Omit<Task, 'plan'>

/** What planning needs of a visit: it changes nothing. */
export type PlanRequest = Pick<BackupRequest, 'disk' | 'config'>
export type PlanDeps = Pick<BackupDeps, 'zfs' | 'transfer' | 'calendar'>

/** The point of the source that the disk has when this plan was carried out; null: none. */
export function stateOf({ plan, goal }: Pick<Task, 'plan' | 'goal'>): Snapshot | Bookmark | null {
  switch (plan.kind) {
    case 'up-to-date':
    case 'unchanged':
      return plan.state
    case 'steps':
      return goal
    case 'conflict':
      return null
  }
}

/** Plans for all datasets of a visit; one that cannot be planned for is told to `fail` and left out. */
export async function planAll(
  unplanned: readonly Unplanned[],
  request: PlanRequest,
  deps: PlanDeps,
  fail: (dataset: DatasetName, reason: string) => void,
): Promise<readonly Task[]> {
  const readable: (readonly [Unplanned, AskedInput])[] = []
  for (const task of unplanned) {
    try {
      readable.push([task, await read(task, request, deps)])
    } catch (error) {
      if (error instanceof DeadlineExceeded) throw error
      fail(task.source.name, messageOf(error))
    }
  }
  const questions = readable.flatMap(([{ goal }, input]) => {
    const from = baseInQuestion(input)
    return from === null ? [] : [{ from, to: goal }]
  })
  const written = await deps.zfs.writtenSince(questions)
  const tasks: Task[] = []
  for (const [task, input] of readable) {
    const writtenSinceBase = written.get(task.source.name) ?? null
    const plan = planReplication({ ...input, writtenSinceBase })
    tasks.push({ ...task, plan: await tellStranger(plan, task, deps) })
  }
  return tasks
}

/** A copy without a base may be somebody else's dataset: what walkaway receives says where it is from. */
async function tellStranger(
  plan: ReplicationPlan,
  { targetName }: Unplanned,
  deps: PlanDeps,
): Promise<ReplicationPlan> {
  if (plan.kind !== 'conflict' || plan.conflict.kind !== 'no-common-base') return plan
  const found = await deps.zfs.properties(targetName, ['walkaway:source']).catch((error: unknown) => {
    if (error instanceof NotFound) return null
    throw error
  })
  // It comes to its place with the move of what is above it: that is a copy.
  if (found === null) return plan
  const origin = found.get('walkaway:source')
  // Below a copy it is inherited, and a stream brings the one of its own source.
  if (origin?.source === 'local') return plan
  return { kind: 'conflict', conflict: { ...plan.conflict, kind: 'not-a-backup' } }
}

/** Another plan for a dataset of which something was sent already. */
export async function planAgain(
  task: Unplanned,
  request: PlanRequest,
  deps: PlanDeps,
): Promise<ReplicationPlan> {
  const input = { ...(await read(task, request, deps)), goalMustTravel: true, writtenSinceBase: null }
  return planReplication(input)
}

type AskedInput = Omit<ReplicationInput, 'writtenSinceBase'>

async function read(
  { source, goal, target }: Unplanned,
  { disk, config }: PlanRequest,
  deps: PlanDeps,
): Promise<AskedInput> {
  const partial = target?.resumeToken == null ? null : await readPartial(target.resumeToken, deps)
  const { poolGuid } = disk
  return {
    source,
    goal,
    target,
    partial,
    carry: config.backup.snapshots,
    keptOnDisk: (candidates) =>
      keptOnDisk({
        onDisk: target?.snapshots ?? [],
        candidates,
        policy: config.keep.disk,
        calendar: deps.calendar,
      }),
    poolGuid,
    goalMustTravel: false,
  }
}

async function readPartial(
  token: NonNullable<Dataset['resumeToken']>,
  deps: PlanDeps,
): Promise<PartialReceive> {
  const content = await deps.transfer.readToken(token)
  return content.kind === 'dead' ? content : { ...content, token }
}
