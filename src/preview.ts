// What a visit of a disk would do if it began now: planned by the code that plans a visit, and nothing is changed. Of a disk
// whose pool is imported it is read from there; of one that is away it is what the bookmarks on the sources tell.

import { type BackupDeps, type BackupRequest, planVisit } from './backup.ts'
import { explainConflict } from './core/conflict.ts'
import { describeHoldsOfOthers } from './core/holds.ts'
import {
  type Bookmark,
  type Dataset,
  type DatasetFailure,
  type DatasetName,
  type PoolName,
  type Snapshot,
  snapshotPath,
} from './core/model.ts'
import { describeArrangement } from './core/placement.ts'
import {
  carriedBy,
  explainSteps,
  foreseeCopy,
  foreseeSource,
  mayHaveMore,
  rememberCopy,
} from './core/preview.ts'
import { holdTagFor, type Step } from './core/replication.ts'
import { planDiskRetention, planSourceRetention, type Verdict } from './core/retention.ts'
import type { Shortage } from './core/room.ts'
import { rootOnDisk, targetOf } from './core/selection.ts'
import { planAgain, stateOf, type Task } from './plan.ts'
import { foreseeSnapshotSet } from './snapshotSet.ts'
import { explainShortage, judgeRoom } from './space.ts'

export type PreviewDeps = Pick<BackupDeps, 'zfs' | 'pools' | 'transfer' | 'calendar' | 'now'>
export type PreviewRequest = Pick<BackupRequest, 'disk' | 'config'> & {
  /** The name under which the kernel has the disk's pool; null: it cannot be looked at. */
  readonly pool: PoolName | null
}

export interface Preview {
  readonly disk: BackupRequest['disk']
  /** `bookmarks`: the disk itself could not be looked at. */
  readonly knownFrom: 'pool' | 'bookmarks'
  /** What cannot be known, in sentences for a person. */
  readonly unknown: readonly string[]
  /** Name of the snapshot set that a visit would take first. */
  readonly snapshot: string
  readonly datasets: readonly DatasetPreview[]
  /** Those that could not even be planned for. */
  readonly failures: readonly DatasetFailure[]
  /** What else it does or leaves: renamed, set aside, gone from the source. */
  readonly notes: readonly string[]
  /** Copies of what the source does not have any more: they stay. */
  readonly orphans: readonly DatasetName[]
}

export interface DatasetPreview {
  readonly dataset: DatasetName
  readonly target: DatasetName
  /** `fails`: conflict, or too large for the disk. */
  readonly action: 'send' | 'nothing' | 'fails'
  readonly why: string
  readonly steps: readonly StepPreview[]
  readonly estimatedBytes: number
  /** null: not known. */
  readonly onDisk: readonly SnapshotPreview[] | null
  readonly onSource: readonly SnapshotPreview[]
}
export interface StepPreview {
  readonly kind: Step['kind']
  readonly from: string | null
  readonly to: string | null
  /** Names of the snapshots that it carries, oldest first. */
  readonly snapshots: readonly string[]
}
export interface SnapshotPreview {
  readonly name: string
  /** null: it would be taken by the visit. */
  readonly guid: string | null
  readonly creation: Date
  readonly keep: boolean
  readonly because: readonly string[]
}

const whileAway = [
  'what else the disk has, and so what would be pruned there',
  'whether there is room for it',
  'whether a copy was changed or has gone its own way, and copies of datasets that are gone from the source',
]

const leftHolds =
  'what is pruned of the snapshots that a visit to this disk, which was broken off, still holds: the next one releases them'

/** Throws what the verbs of `Zfs` throw. A dataset that cannot be planned for is in `failures`. */
export async function preview({ disk, config, pool }: PreviewRequest, deps: PreviewDeps): Promise<Preview> {
  const request = { disk, config, pool: pool ?? disk.pool }
  const failures: DatasetFailure[] = []
  const fail = (dataset: DatasetName, reason: string): void => void failures.push({ dataset, reason })
  const set = await foreseeSnapshotSet(request, deps, fail)
  const remembered = set.goals.flatMap(
    ({ source }) => rememberCopy(source, disk.poolGuid, targetOf(config, request, source.name)) ?? [],
  )
  const onDisk = pool === null ? remembered : ((await deps.zfs.observeIfPresent(rootOnDisk(request))) ?? [])
  const planning = { ...deps, zfs: { ...deps.zfs, writtenSince: writtenUntilNow(deps) } }
  const planned = await planVisit(set, onDisk, { request, deps: planning, fail })
  const { arrangement, tasks } = planned
  const room = pool === null ? null : await judgeRoom(tasks, request, deps)
  const held = await deps.zfs.holds(
    tasks.flatMap(({ source }) =>
      source.snapshots.flatMap((snapshot) => (snapshot.holds > 0 ? [snapshotPath(snapshot)] : [])),
    ),
  )
  const thin = new Set(room?.thin.map(({ guid }) => guid))
  const datasets: DatasetPreview[] = []
  for (const task of tasks) {
    const shortage = room?.unfitting.get(task.source.name) ?? null
    const found = await previewDataset(task, { ...request, shortage, thin }, planning)
    datasets.push(pool === null ? { ...found, onDisk: null } : found)
  }
  return {
    disk,
    knownFrom: pool === null ? 'bookmarks' : 'pool',
    unknown: [
      ...(pool === null ? whileAway : []),
      ...(pool === null && tasks.some(({ source }) => mayHaveMore(source, disk.poolGuid))
        ? ['how much a visit that was broken off has sent']
        : []),
      ...([...held.values()].some((tags) => tags.includes(holdTagFor(disk.poolGuid))) ? [leftHolds] : []),
    ],
    snapshot: set.name,
    datasets,
    failures,
    notes: [
      ...planned.notes,
      ...describeArrangement(arrangement),
      ...describeHoldsOfOthers(held, disk, config.disks),
    ],
    orphans: arrangement.orphans,
  }
}

/** The goal of a visit is not there yet: what it would hold is what its dataset holds now. */
const writtenUntilNow =
  ({ zfs }: PreviewDeps): PreviewDeps['zfs']['writtenSince'] =>
  (questions) =>
    zfs.writtenSince(questions.map(({ from }) => ({ from, to: null })))

interface Circumstances extends Pick<BackupRequest, 'disk' | 'config'> {
  readonly shortage: Shortage | null
  /** GUIDs of what goes beforehand, to make room. */
  readonly thin: ReadonlySet<string>
}

async function previewDataset(
  task: Task,
  circumstances: Circumstances,
  deps: PreviewDeps,
): Promise<DatasetPreview> {
  const { shortage } = circumstances
  const { steps, estimatedBytes, copy, conflict } = await followSteps(task, circumstances, deps)
  const failure = conflict ?? (shortage === null ? null : explainShortage(shortage))
  const state = stateOf(task)
  const pruned =
    failure !== null || state === null || copy === null
      ? unpruned(task)
      : prunedAfter({ task, copy, state }, circumstances, deps)
  return {
    dataset: task.source.name,
    target: task.targetName,
    action: failure !== null ? 'fails' : steps.length > 0 ? 'send' : 'nothing',
    why: failure ?? explain(task),
    steps: steps.map((step) => previewStep(step, task.source)),
    estimatedBytes,
    ...pruned,
  }
}

function explain({ plan }: Task): string {
  switch (plan.kind) {
    case 'up-to-date':
      return `the disk has @${plan.state.name}`
    case 'unchanged':
      return `nothing was written since ${'holds' in plan.state ? '@' : '#'}${plan.state.name}, which the disk has`
    case 'steps':
      return explainSteps(plan.steps)
    case 'conflict':
      return explainConflict(plan.conflict)
  }
}

/** To their end: what was broken off is resumed, or dropped, and then a visit looks and plans again. */
async function followSteps(task: Task, circumstances: Circumstances, deps: PreviewDeps) {
  const steps: Step[] = []
  let estimatedBytes = 0
  let { plan, target: copy } = task
  for (let rounds = 0; plan.kind === 'steps' && rounds < 3; rounds++) {
    steps.push(...plan.steps)
    estimatedBytes += plan.estimatedBytes
    copy = foreseeCopy(copy, plan.steps, task)
    const last = plan.steps.at(-1)?.kind
    if (last === 'full' || last === 'incremental') break
    plan = await planAgain({ ...task, target: copy }, circumstances, deps)
  }
  const conflict = plan.kind === 'conflict' ? explainConflict(plan.conflict) : null
  return { steps, estimatedBytes, copy, conflict }
}

function previewStep(step: Step, source: Dataset): StepPreview {
  return {
    kind: step.kind,
    from: step.kind === 'incremental' ? nameOfBase(step.from, source) : null,
    to: step.kind === 'discard-partial' ? null : `@${step.to.name}`,
    snapshots: carriedBy(step, source).map(({ name }) => name),
  }
}

/** `@name` or `#name`; of the origin of a clone the whole path. */
const nameOfBase = (base: Snapshot | Bookmark, { name }: Dataset): string =>
  `${base.dataset === name ? '' : base.dataset}${'holds' in base ? '@' : '#'}${base.name}`

type Pruned = Pick<DatasetPreview, 'onSource'> & { readonly onDisk: readonly SnapshotPreview[] }

function prunedAfter(
  after: { readonly task: Task; readonly copy: Dataset; readonly state: Snapshot | Bookmark },
  { disk, config, thin }: Circumstances,
  { calendar }: PreviewDeps,
): Pruned {
  const { copy } = after
  const source = foreseeSource(after.task.source, after.state, disk.poolGuid)
  const onDisk = planDiskRetention({
    copy,
    source,
    origins: after.task.origins,
    policy: config.keep.disk,
    calendar,
  })
  const onSource = planSourceRetention({ source, disk, copy, policy: config.keep.source, calendar })
  return {
    onDisk: onDisk.map((verdict) =>
      thin.has(verdict.snapshot.guid)
        ? { ...judged(verdict, ''), keep: false, because: ['makes room before anything is sent'] }
        : judged(verdict, 'no rule of keep.disk keeps it'),
    ),
    onSource: onSource.map((verdict) => judged(verdict, 'no rule of keep.source keeps it')),
  }
}

/** Of a dataset that fails nothing is pruned. */
function unpruned({ source, target, goal }: Task): Pruned {
  const because = (snapshots: readonly Snapshot[]) =>
    snapshots
      .filter(({ guid }) => guid !== goal.guid)
      .map((snapshot) => judged({ snapshot, keptBecause: ['it cannot be backed up now'] }, ''))
  return { onDisk: because(target?.snapshots ?? []), onSource: because(source.snapshots) }
}

const judged = ({ snapshot, keptBecause }: Verdict, givenUp: string): SnapshotPreview => ({
  name: snapshot.name,
  guid: snapshot.guid === '0' ? null : snapshot.guid,
  creation: snapshot.creation,
  keep: keptBecause.length > 0,
  because: keptBecause.length > 0 ? keptBecause : [givenUp],
})
