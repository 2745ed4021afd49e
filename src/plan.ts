// From what both sides have to a plan for every dataset of a visit: reads what the decisions need besides the listings
// (tokens, what was written since a bookmark), for all datasets at once. The decisions are core/replication.ts.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { inheritedBy, type Origin, planOrigins } from './core/clones.ts'
import { isNeededBy } from './core/holds.ts'
import {
  type Bookmark,
  type Dataset,
  type DatasetName,
  type Snapshot,
  type SnapshotGuid,
  snapshotPath,
} from './core/model.ts'
import type { Move } from './core/placement.ts'
import {
  baseInQuestion,
  type PartialReceive,
  planReplication,
  type ReplicationInput,
  type ReplicationPlan,
} from './core/replication.ts'
import { keptOnDisk } from './core/retention.ts'
import { DeadlineExceeded, messageOf } from './errors.ts'
import type { WrittenQuestion } from './zfs/bookmarks.ts'

/** One dataset on its way: where it comes from, what it must reach, where it goes and what the disk has of it. */
export interface Unplanned {
  source: Dataset
  goal: Snapshot
  readonly targetName: DatasetName
  target: Dataset | null
  /** Snapshots of the source that this visit holds. */
  readonly held: Set<SnapshotGuid>
  /** What must be done to its copy before anything is sent; null when that is done. */
  move: Move | null
}
export interface Task extends Unplanned, Pick<ReplicationInput, 'origins' | 'inherited'> {
  plan: ReplicationPlan
  /** Of a clone that is still to be received; null for all others. */
  readonly origin: Origin<Task> | null
}

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

/**
 * Plans for all datasets of a visit; one that cannot be planned for is told to `fail` and left out. In an order in which
 * the plans can be carried out: each after what must be above it, and clones after their origins.
 */
export async function planAll(
  unplanned: readonly Unplanned[],
  request: PlanRequest,
  deps: PlanDeps,
  fail: (dataset: DatasetName, reason: string) => void,
): Promise<readonly Task[]> {
  const partials = new Map<Unplanned, PartialReceive | null>()
  for (const task of unplanned) {
    try {
      partials.set(task, await readPartial(task, deps))
    } catch (error) {
      if (error instanceof DeadlineExceeded) throw error
      fail(task.source.name, messageOf(error))
    }
  }
  const { order, origins } = planOrigins([...partials.keys()])
  const sources = new Map<string, Dataset>(unplanned.map(({ source }) => [source.name, source]))
  const neededOf = new Map(order.map((task) => [task, new Set<SnapshotGuid>()]))
  for (const origin of origins.values())
    if (origin.kind === 'of') neededOf.get(origin.of)?.add(origin.snapshot.guid)
  const asked = order.map((task) => {
    const inherited = inheritedBy(task.source, sources)
    const input = { ...task, origins: neededOf.get(task) ?? new Set(), inherited }
    return [task, inputOf(input, partials.get(task) ?? null, request, deps)] as const
  })
  const questions = asked.flatMap(([{ goal }, input]) => {
    const from = baseInQuestion(input)
    return from === null ? [] : [{ from, to: goal }]
  })
  const written = await askWritten(questions, deps)

  const planned = new Map<Unplanned, Task>()
  for (const [task, input] of asked) {
    const origin = originOf(origins.get(task), planned)
    const writtenSinceBase = written.get(task.source.name) ?? null
    const plan = planReplication({ ...input, writtenSinceBase, origin: originByThen(origin) })
    const { origins: needed, inherited } = input
    planned.set(task, {
      ...task,
      plan: await tellStranger(plan, task, deps),
      origin,
      origins: needed,
      inherited,
    })
  }
  return [...planned.values()]
}

/** Where ZFS complains of one dataset, each is asked about alone; what is not answered is sent, and fails then if it must. */
async function askWritten(
  questions: readonly WrittenQuestion[],
  { zfs }: Pick<PlanDeps, 'zfs'>,
): Promise<ReadonlyMap<DatasetName, bigint>> {
  try {
    return await zfs.writtenSince(questions)
  } catch (error) {
    if (error instanceof DeadlineExceeded) throw error
    const [only, ...more] = questions
    if (only === undefined || more.length === 0) return new Map()
    const answers = new Map<DatasetName, bigint>()
    for (const question of questions)
      for (const [dataset, bytes] of await askWritten([question], { zfs })) answers.set(dataset, bytes)
    return answers
  }
}

function originOf(
  found: Origin<Unplanned> | undefined,
  planned: ReadonlyMap<Unplanned, Task>,
): Origin<Task> | null {
  if (found?.kind !== 'of') return found ?? null
  const of = planned.get(found.of)
  if (of === undefined) throw new RangeError('a clone is planned for before its origin')
  return { ...found, of }
}

/** The origin as it will be on the disk when its clone is sent. */
function originByThen(origin: Origin<Task> | null): ReplicationInput['origin'] {
  const now = originNow(origin)
  if (origin?.kind !== 'of' || now?.kind !== 'missing' || now.because !== 'not-on-disk') return now
  const { of, snapshot } = origin
  if (of.plan.kind !== 'steps') return now
  // Planned again after its first step, it brings what clones need, if that is still to come.
  const [first] = of.plan.steps
  const isOpen = first?.kind === 'resume' || first?.kind === 'discard-partial'
  return isOpen || of.plan.steps.some((step) => isNeededBy(step, snapshot))
    ? { kind: 'on-disk', snapshot }
    : now
}

/** The origin, if the disk has it by what was last seen of it. */
export function originNow(origin: Origin<Task> | null): ReplicationInput['origin'] {
  if (origin?.kind !== 'of') return origin
  const { of, snapshot } = origin
  const missing = { kind: 'missing', path: snapshotPath(snapshot) } as const
  if (of.target?.encrypted === false && of.source.encrypted) return { ...missing, because: 'not-encrypted' }
  return of.target?.snapshots.some(({ guid }) => guid === snapshot.guid) === true
    ? { kind: 'on-disk', snapshot }
    : { ...missing, because: 'not-on-disk' }
}

/** A copy without a base may be somebody else's dataset: what walkaway receives says where it is from. */
async function tellStranger(
  plan: ReplicationPlan,
  { targetName }: Unplanned,
  deps: PlanDeps,
): Promise<ReplicationPlan> {
  if (plan.kind !== 'conflict' || plan.conflict.kind !== 'no-common-base') return plan
  const found = await deps.zfs.properties(targetName, ['walkaway:source']).catch((error: unknown) => {
    if (error instanceof DeadlineExceeded) throw error
    return null
  })
  // It comes to its place with the move of what is above it: that is a copy. Or it cannot be read: it fails in any case.
  if (found === null) return plan
  const origin = found.get('walkaway:source')
  // Below a copy it is inherited, and a stream brings the one of its own source.
  if (origin?.source === 'local') return plan
  return { kind: 'conflict', conflict: { ...plan.conflict, kind: 'not-a-backup' } }
}

/** Another plan for a dataset of which something was sent already. */
export async function planAgain(task: Task, request: PlanRequest, deps: PlanDeps): Promise<ReplicationPlan> {
  return planReplication({
    ...inputOf(task, await readPartial(task, deps), request, deps),
    goalMustTravel: true,
    writtenSinceBase: null,
    origin: originNow(task.origin),
  })
}

/** What the disk has of it now; of a clone that is still to be received, also what it has of the origin. */
export async function lookAtTarget(task: Task, deps: PlanDeps): Promise<void> {
  const { origin } = task
  task.target = await copyAt(task.targetName, deps)
  if (origin?.kind === 'of' && (task.target?.snapshots.length ?? 0) === 0)
    origin.of.target = await copyAt(origin.of.targetName, deps)
}

const copyAt = async (name: DatasetName, { zfs }: PlanDeps): Promise<Dataset | null> =>
  (await zfs.observeEach([name])).get(name) ?? null

function inputOf(
  { source, goal, target, origins, inherited }: Unplanned & Pick<Task, 'origins' | 'inherited'>,
  partial: PartialReceive | null,
  { disk, config }: PlanRequest,
  { calendar }: PlanDeps,
): Omit<ReplicationInput, 'writtenSinceBase' | 'origin'> {
  return {
    source,
    goal,
    target,
    partial,
    carry: config.backup.snapshots,
    keptOnDisk: (candidates) =>
      keptOnDisk({ onDisk: target?.snapshots ?? [], candidates, policy: config.keep.disk, calendar }),
    poolGuid: disk.poolGuid,
    goalMustTravel: false,
    origins,
    inherited,
  }
}

async function readPartial({ target }: Unplanned, deps: PlanDeps): Promise<PartialReceive | null> {
  const token = target?.resumeToken ?? null
  if (token === null) return null
  const content = await deps.transfer.readToken(token)
  return content.kind === 'dead' ? content : { ...content, token }
}
