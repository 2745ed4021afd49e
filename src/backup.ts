// What happens while a disk's pool is imported: snapshot (snapshotSet.ts), observe, plan (plan.ts), send (send.ts), read
// back and tidy (verify.ts), prune (prune.ts). Which disk, and how it is imported and released, is visit.ts; every decision about what to send is
// core/replication.ts.

import type { Config } from './config.ts'
import { missingBookmarks } from './core/bookmarks.ts'
import type { Calendar } from './core/calendar.ts'
import { describeMissingOrigin, inheritedBy } from './core/clones.ts'
import { expectedSpeed } from './core/freshness.ts'
import { createMeter } from './core/meter.ts'
import type {
  Dataset,
  DatasetFailure,
  DatasetName,
  Disk,
  DiskSpace,
  PoolName,
  Progress,
  SnapshotGuid,
  VisitPhase,
  VisitReport,
} from './core/model.ts'
import { snapshotPath } from './core/model.ts'
import { type Arrangement, arrange, describeArrangement, type Placed } from './core/placement.ts'
import { findConflict } from './core/replication.ts'
import { isWithin, rootOnDisk, sourceOf, targetOf } from './core/selection.ts'
import { together } from './core/together.ts'
import { messageOf, NotFound } from './errors.ts'
import type { WalkawayEvent } from './events.ts'
import { explainDisk, prepareMarks, readExplanation } from './explain.ts'
import { holdWhatTravels } from './hold.ts'
import { findMissed } from './lookAgain.ts'
import { moveCopies } from './move.ts'
import { type PlanDeps, type PlanRequest, planAll, stateOf, type Task } from './plan.ts'
import { prune } from './prune.ts'
import { type Context, sendAll } from './send.ts'
import { type Goal, type SnapshotSet, takeSnapshotSet } from './snapshotSet.ts'
import { explainShortage, makeRoom, measureSpace, missingOf } from './space.ts'
import { leaveOutUndone } from './undone.ts'
import { tidy, verify } from './verify.ts'
import type { Pools } from './zfs/pool.ts'
import type { Transfer } from './zfs/transfer.ts'
import type { Zfs } from './zfs/zfs.ts'

export interface BackupDeps {
  readonly zfs: Zfs
  readonly pools: Pools
  readonly transfer: Transfer
  readonly now: () => Date
  /** This machine's name, as the disk tells it. */
  readonly host: string
  /** Of the machine's time zone. */
  readonly calendar: Calendar
  /** Resolves at the next full second: snapshot names have no finer resolution. */
  readonly nextSecond: () => Promise<void>
  /** One snapshot set at a time, so that two disks that arrive together do not take each other's name. */
  readonly takingSnapshots: <T>(work: () => Promise<T>) => Promise<T>
  /** Reads `condition` again and again until it is true; false when the deadline came first. */
  readonly until: (condition: () => Promise<boolean>, deadlineMs: number) => Promise<boolean>
  readonly tell: (event: WalkawayEvent) => void
  readonly onPhase: (phase: VisitPhase) => void
  readonly onProgress: (progress: Progress) => void
}

export interface BackupRequest {
  readonly disk: Disk
  /** The name under which the kernel has the disk's pool. */
  readonly pool: PoolName
  readonly config: Config
  /** True while the disk's device is the one that was imported. */
  readonly isPresent: () => Promise<boolean>
  /** Earlier visits of this disk, oldest first: what is expected of this one. Nothing is decided by them. */
  readonly past: readonly VisitReport[]
  readonly signal: AbortSignal
}

export interface BackupResult {
  readonly total: number
  readonly sent: number
  readonly unchanged: number
  readonly sentBytes: number
  readonly failures: readonly DatasetFailure[]
  readonly space: DiskSpace | null
  /** That ZFS remembered of the disk when it was read back. */
  readonly dataErrors: bigint
}

/**
 * Backs up everything that the configuration selects to a disk whose pool is imported.
 *
 * A dataset that fails is in `failures` and stops no other. Throws the signal's reason when ended early and
 * `DiskVanished` when the device went; what was received until then is resumed by the next visit.
 */
export async function backUp(request: BackupRequest, deps: BackupDeps): Promise<BackupResult> {
  const { disk, pool, config, signal } = request
  const ofDisk = { disk: disk.name, pool }
  const failures: DatasetFailure[] = []
  const fail = (dataset: DatasetName, reason: string): void => {
    failures.push({ dataset, reason })
    deps.tell({ kind: 'dataset-failed', ...ofDisk, dataset, reason })
  }
  let missingBytes = 0
  const lacksRoom = (bytes: number): void => {
    missingBytes += bytes
  }

  signal.throwIfAborted()
  const [set, found] = await together([
    snapshotSources(request, deps, fail),
    deps.zfs.observeIfPresent(rootOnDisk(request)).then((datasets) => datasets ?? []),
  ])
  signal.throwIfAborted()
  const { arrangement, tasks, notes } = await planVisit(set, found, { request, deps, fail })
  tellPlan(
    tasks,
    [...notes, ...describeArrangement(arrangement), ...describeWholeClones(tasks)],
    request,
    deps,
  )
  const toSend = new Set(tasks.filter((task) => task.plan.kind === 'steps'))
  if (toSend.size > 0) deps.transfer.prepare()
  const readMarks = () =>
    prepareMarks(
      [...toSend].map(({ source }) => source),
      deps,
    )
  const [{ unheld, unmarked, outdated }, marks] = await together([
    protectStates(tasks, { set, toSend }, request, deps),
    readMarks(),
  ])
  for (const task of tasks) if (outdated.has(task.source.name)) toSend.add(task)
  const marksOf = outdated.size === 0 ? marks : await readMarks()
  const moves = tasks.some(({ move }) => move !== null)
  // A move takes along what is below it.
  const changing = moves ? tasks : tasks.filter((task) => toSend.has(task))
  const isSameTree = !moves && changing.every(({ target }) => target?.snapshots.length)
  const unfitting = await makeRoom(tasks, request, deps)
  for (const shortage of unfitting.values()) lacksRoom(missingOf(shortage))
  const reserved = new Set(set.missed.map((name) => targetOf(config, { pool }, name)))
  const names = new Set<string>(found.map(({ name }) => name))
  const { unmoved, onDisk } = await moveCopies(tasks, { onDisk: names, reserved }, request, deps)
  const tooLarge = [...unfitting].map(([name, shortage]) => [name, explainShortage(shortage)] as const)
  const unfit = new Map([...unheld, ...unmarked, ...tooLarge, ...unmoved])

  const meter = createMeter(
    [...toSend].reduce((sum, task) => sum + (task.plan.kind === 'steps' ? task.plan.estimatedBytes : 0), 0),
    deps.now(),
  )
  const sending = { request, deps, meter, unfit, outdated, fail, lacksRoom, marksOf, onDisk, reserved }
  // It has time while streams wait for their disks. What cannot be read now is read when it is needed. A visit that ends ends
  // the reader first: it would keep the pool from being exported.
  const sendingFailed = new AbortController()
  const ended = AbortSignal.any([signal, sendingFailed.signal])
  const reading =
    isSameTree && changing.length > 0
      ? readExplanation(pool, deps, ended).catch(() => null)
      : Promise.resolve(null)
  const endings = await sendAll(tasks, sending).catch(async (error: unknown) => {
    sendingFailed.abort()
    await reading
    throw error
  })
  signal.throwIfAborted()
  const gone = tasks.filter((task) => endings.get(task) === 'gone')
  const missed = gone.length === 0 ? new Map<Task, string>() : await findMissed(gone, request, deps)
  for (const [{ source }, reason] of missed) fail(source.name, reason)

  const { verified, dataErrors, now } = await verify(
    tasks.filter((task) => endings.get(task) === 'done'),
    { found: isSameTree ? found : null, changing: new Set(changing) },
    { request, deps, fail, lacksRoom },
  )
  await tidy(verified, set, request, deps)
  const known = {
    table: await reading,
    changed: changing.map(({ targetName }) => targetName),
    onDisk: now,
  }
  // Before anything is pruned: what the disk said until now may name snapshots that go.
  const explained = await explainDisk({ request, known, verified, complete: failures.length === 0 }, deps)
  const covered = verified.flatMap(({ source, target, origins }) =>
    target === null ? [] : [{ source, copy: target, origins }],
  )
  await prune({ covered, explained, isFresh: changing.length === 0 }, request, deps)
  const sent = verified.filter((task) => toSend.has(task)).length
  return {
    total: set.goals.length + set.missed.length - (gone.length - missed.size),
    sent,
    unchanged: verified.length - sent,
    sentBytes: meter.sentBytes(),
    failures,
    space: await measureSpace(missingBytes, request, deps),
    dataErrors,
  }
}

/** The sets, and what the sources have then. */
async function snapshotSources(
  request: BackupRequest,
  deps: BackupDeps,
  fail: Context['fail'],
): Promise<SnapshotSet> {
  const set = await takeSnapshotSet(request, deps, fail)
  const { disk, pool } = request
  deps.tell({
    kind: 'snapshot-taken',
    disk: disk.name,
    pool,
    snapshot: set.name,
    datasets: set.goals.length,
  })
  return set
}

const byName = (datasets: readonly Dataset[]): ReadonlyMap<string, Dataset> =>
  new Map(datasets.map((dataset) => [dataset.name, dataset]))

/** What is to be done with each dataset, from what both sides have: a visit does it, `walkaway plan` prints it. */
export async function planVisit(
  set: SnapshotSet,
  onDisk: readonly Dataset[],
  context: {
    readonly request: PlanRequest & Pick<BackupRequest, 'pool'> & Partial<Pick<BackupRequest, 'signal'>>
    readonly deps: PlanDeps
    readonly fail: Context['fail']
  },
): Promise<{
  readonly arrangement: Arrangement<Goal & Placed>
  readonly tasks: readonly Task[]
  /** What the plan leaves out or could not judge, for a person. */
  readonly notes: readonly string[]
}> {
  const { request, deps, fail } = context
  const { goals, notes } = await leaveOutUndone(set.goals, onDisk, request, deps)
  const arrangement = arrangeCopies({ ...set, goals }, onDisk, request)
  const arranged = arrangement.tasks.map((task) => ({ ...task, held: new Set<SnapshotGuid>() }))
  return { arrangement, tasks: await planAll(arranged, request, deps, fail), notes }
}

/** Which copy on the disk is whose, and what has to be moved for that. */
function arrangeCopies(
  { name, goals, exists }: SnapshotSet,
  onDisk: readonly Dataset[],
  { disk, pool, config }: PlanRequest & Pick<BackupRequest, 'pool'>,
): Arrangement<Goal & Placed> {
  const sources = byName(goals.map(({ source }) => source))
  return arrange({
    tasks: goals.map((goal) => ({ ...goal, targetName: targetOf(config, { pool }, goal.source.name) })),
    // A copy of another machine has its snapshots if the one is a replica of the other, and is none that could be followed.
    onDisk: onDisk.filter(({ name: copy }) => isWithin(copy, `${pool}/${config.backup.into}`)),
    exists,
    sourceOf: (place) => sourceOf(config, { pool }, place),
    inTheWay: ({ source, goal }, target) =>
      config.backup.onConflict === 'stop'
        ? null
        : findConflict({
            source,
            goal,
            target,
            poolGuid: disk.poolGuid,
            inherited: inheritedBy(source, sources),
          }),
    stamp: name.replace(/^walkaway_/, ''),
  })
}

/** Before anything is sent: what travels is held, and each state gets its bookmark. */
async function protectStates(
  tasks: readonly Task[],
  { set, toSend }: { readonly set: SnapshotSet; readonly toSend: ReadonlySet<Task> },
  request: BackupRequest,
  deps: BackupDeps,
) {
  const unheld = await holdWhatTravels([...toSend], set.observed, request, deps)
  return { unheld, ...(await bookmarkStates(tasks, request, deps)) }
}

/**
 * Every state that the disk has or will have gets a bookmark of this disk, before anything is sent: it is the base of the
 * next visit, whatever becomes of the snapshot. Returns why a dataset did not get its own, which is not sent then; one
 * whose state is not there any more is `outdated`. Without a twin it is sent all the same.
 */
async function bookmarkStates(
  tasks: readonly Task[],
  { disk }: BackupRequest,
  deps: BackupDeps,
): Promise<{
  readonly unmarked: ReadonlyMap<DatasetName, string>
  readonly outdated: ReadonlySet<DatasetName>
}> {
  const wanted = tasks.flatMap((task) => {
    const state = stateOf(task)
    if (state === null || !('holds' in state)) return []
    return missingBookmarks(disk.poolGuid, task.source, state).map((one) => ({ ...one, state }))
  })
  const reasons = await deps.zfs.bookmarkAll(wanted)
  const unmarked = new Map<DatasetName, string>()
  const outdated = new Set<DatasetName>()
  for (const { snapshot, state } of wanted) {
    if (snapshot !== state) continue
    const reason = reasons.get(snapshotPath(snapshot))
    if (reason instanceof NotFound) outdated.add(snapshot.dataset)
    else if (reason !== undefined) unmarked.set(snapshot.dataset, messageOf(reason))
  }
  return { unmarked, outdated }
}

/** The clones that take the room of a whole dataset on the disk, and why. */
const describeWholeClones = (tasks: readonly Task[]): readonly string[] =>
  tasks.flatMap(({ source, plan }) => {
    const [first] = plan.kind === 'steps' ? plan.steps : []
    return first?.kind === 'full' && first.missingOrigin !== null
      ? [`the clone ${source.name} is sent in full: ${describeMissingOrigin(first.missingOrigin)}`]
      : []
  })

function tellPlan(
  tasks: readonly Task[],
  notes: readonly string[],
  request: BackupRequest,
  deps: BackupDeps,
): void {
  const plans = tasks.flatMap((task) => (task.plan.kind === 'steps' ? [task.plan] : []))
  const conflicts = tasks.filter((task) => task.plan.kind === 'conflict').length
  const estimatedBytes = plans.reduce((sum, plan) => sum + plan.estimatedBytes, 0)
  const speed = expectedSpeed(request.past)
  const plannedAt = deps.now()
  deps.tell({
    kind: 'plan-made',
    disk: request.disk.name,
    pool: request.pool,
    toSend: plans.length,
    full: tasks.filter(({ plan, target }) => plan.kind === 'steps' && !target?.snapshots.length).length,
    upToDate: tasks.length - plans.length - conflicts,
    conflicts,
    resumed: plans.filter((plan) => plan.steps[0]?.kind === 'resume').length,
    notes,
    estimatedBytes,
    readyAt: speed === null ? null : new Date(plannedAt.getTime() + (estimatedBytes / speed) * 1000),
    plannedAt,
  })
}
