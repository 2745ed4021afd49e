// Sends the datasets of a visit: in which order, how many at once, resumed or anew, and what to do when the disk is not as
// it was when the plan was made. What is planned is core/replication.ts; how a stream runs is zfs/transfer.ts.

import pLimit from 'p-limit'
import type { BackupDeps, BackupRequest } from './backup.ts'
import { explainConflict } from './core/conflict.ts'
import type { Meter } from './core/meter.ts'
import { type Dataset, type DatasetName, datasetName } from './core/model.ts'
import { ancestorsOf } from './core/placement.ts'
import type { Step } from './core/replication.ts'
import { DeadlineExceeded, DiskFull, DiskVanished, messageOf } from './errors.ts'
import { holdWhatTravels } from './hold.ts'
import { carryOutMove } from './move.ts'
import { planAgain, type Task } from './plan.ts'
import { explainFullDisk } from './space.ts'
import { type FailureKind, failureKind } from './zfs/failure.ts'
import type { SendSource } from './zfs/transfer.ts'

export interface Context {
  readonly request: BackupRequest
  readonly deps: BackupDeps
  readonly fail: (dataset: DatasetName, reason: string) => void
  /** A dataset failed because the disk lacks about so much room, in bytes. */
  readonly lacksRoom: (missingBytes: number) => void
}

type Sending = Context & {
  readonly meter: Meter
  /** What the copy of this source is told about itself. */
  readonly marksOf: (source: Dataset) => Readonly<Record<string, string>>
}

/**
 * Sends what the plans say, some datasets at once, a new parent always before its children. Names those that failed. Throws
 * `DeadlineExceeded` when one did not end and ZFS does not answer any more: then nothing else is tried.
 */
export async function sendAll(
  tasks: readonly Task[],
  context: Sending & {
    /** Datasets that may not be sent, and why. */
    readonly unfit: ReadonlyMap<DatasetName, string>
    /** Names of all that the disk has. */
    readonly onDisk: ReadonlySet<string>
    /** Where the sources belong that are not sent this time: their places are to stay free. */
    readonly reserved: ReadonlySet<string>
  },
): Promise<ReadonlySet<DatasetName>> {
  const { request, deps, unfit, fail, onDisk, reserved } = context
  const limit = pLimit(request.config.backup.parallel)
  const failed = new Set<DatasetName>()
  const ended = new Map<string, Promise<boolean>>()
  let hangs: DeadlineExceeded | null = null

  /** What must come above it first. */
  const notThere = (name: DatasetName): readonly string[] =>
    onDisk.has(name) ? [] : ancestorsOf(name).filter((above) => !onDisk.has(above))

  const attempt = async (task: Task): Promise<boolean> => {
    const reason = unfit.get(task.source.name)
    if (reason !== undefined) return giveUp(task, reason)
    // What is there from earlier visits is in nobody's way, whether it fails this time or not. What is to be received, or
    // brought to its place, above it, however far above, must come first: a container there would be in its way for ever.
    const missing = notThere(task.targetName)
    const waitsFor = [...missing, ...(task.move?.kind === 'follow' ? notThere(task.move.from) : [])]
    const before = waitsFor.flatMap((name) => ended.get(name) ?? [])
    if (missing.some((name) => reserved.has(name)) || (await Promise.all(before)).includes(false))
      return giveUp(task, 'the dataset above it is not on the disk')
    return limit(async () => {
      try {
        if (hangs !== null) throw hangs
        request.signal.throwIfAborted()
        const parent = missing[0]
        if (parent !== undefined && !ended.has(parent)) await deps.zfs.createContainer(datasetName(parent))
        await carryOutMove(task, deps)
        return await sendDataset(task, context)
      } catch (error) {
        request.signal.throwIfAborted()
        if (!(await request.isPresent())) throw new DiskVanished('the disk was removed', { cause: error })
        if (error instanceof DeadlineExceeded && !(await deps.pools.answers().catch(() => true)))
          hangs = error
        if (hangs !== null) throw hangs
        if (error instanceof DiskFull) context.lacksRoom(error.missingBytes ?? 0)
        return giveUp(task, messageOf(error))
      }
    })
  }
  const giveUp = (task: Task, reason: string): boolean => {
    failed.add(task.source.name)
    fail(task.source.name, reason)
    return false
  }

  for (const task of tasks) ended.set(task.targetName, attempt(task))
  const results = await Promise.allSettled(ended.values())
  for (const result of results) if (result.status === 'rejected') throw result.reason
  return failed
}

/** Brings one dataset up to its goal. Throws what is in the way. */
async function sendDataset(task: Task, context: Sending): Promise<boolean> {
  const { request, deps } = context
  // A resumed stream carries one snapshot, a dead token is dropped: then look and plan again. More rounds than
  // these mean that something else changes the disk at the same time.
  for (let round = 0; round < 10; round++) {
    const { plan } = task
    if (plan.kind === 'conflict') throw new Error(explainConflict(plan.conflict))
    if (plan.kind !== 'steps') return true
    const before = task.target
    try {
      for (const step of plan.steps) await execute(step, task, context)
      const last = plan.steps.at(-1)
      if (last?.kind === 'full' || last?.kind === 'incremental') return true
      await lookAtTarget(task, deps)
    } catch (error) {
      const kind = failureKind(error)
      // What was received of it would keep the disk full, and the others out.
      if (kind === 'no-space') await deps.zfs.abortReceive(task.targetName)
      const onDisk = task.target?.snapshots.at(-1)
      if (kind === 'diverged' && onDisk !== undefined)
        throw new Error(explainConflict({ kind: 'modified', onDisk }), { cause: error })
      if (kind === null || !outdatedPlan.has(kind)) throw error
      request.signal.throwIfAborted()
      await lookAtTarget(task, deps)
      if (receivedSoFar(task.target) === receivedSoFar(before)) {
        if (kind === 'busy' || kind === 'unfinished-receive') await deps.nextSecond()
        else if (plan.steps[0]?.kind === 'resume') await discardPartial(task, deps)
        else throw error
      }
    }
    task.plan = await planAgain(task, request, deps)
    await holdWhatTravels([task], request, deps)
  }
  throw new Error('the copy on the disk kept changing while it was received')
}

/**
 * How it ends when the copy is not what it was when the plan was made. A receive that stopped when the disk was pulled
 * lives on in the kernel when the disk is back: until it has ended, it moves the point to resume at, or owns the copy.
 */
const outdatedPlan: ReadonlySet<FailureKind> = new Set([
  'busy',
  'exists',
  'incompatible-stream',
  'token-dead',
  'unfinished-receive',
])

async function lookAtTarget(task: Task, deps: BackupDeps): Promise<void> {
  const seen = await deps.zfs.observeIfPresent(task.targetName)
  task.target = seen?.find((dataset) => dataset.name === task.targetName) ?? null
}

const receivedSoFar = (target: Dataset | null): string =>
  target === null
    ? 'nothing'
    : `${target.snapshots.length} snapshots, ${target.resumeToken ?? 'nothing more'}`

/**
 * A token can outlive what it stands for: the kernel may remember more than reached a disk that was pulled, and refuse
 * the rest of the stream for ever. Only progress is lost by starting anew.
 */
async function discardPartial(task: Task, deps: BackupDeps): Promise<void> {
  await deps.zfs.abortReceive(task.targetName)
  await lookAtTarget(task, deps)
}

async function execute(step: Step, task: Task, context: Sending): Promise<void> {
  const { request, deps, meter, marksOf } = context
  if (step.kind === 'discard-partial') return deps.zfs.abortReceive(task.targetName)
  const send: SendSource = step.kind === 'resume' ? { kind: 'resume', token: step.token } : step
  const startedAt = deps.now()
  const stream = meter.begin()
  let leftBytes: number | null = null
  const transfer = deps.transfer.transfer({
    send,
    encrypted: task.source.encrypted,
    receive: { target: task.targetName, type: task.source.type, marks: marksOf(task.source) },
    signal: request.signal,
    onProgress: ({ sentBytes, totalBytes }) => {
      leftBytes = totalBytes === null ? null : Math.max(0, totalBytes - sentBytes)
      stream.advance(sentBytes)
      deps.onProgress({ phase: 'backing-up', dataset: task.source.name, ...meter.read(deps.now()) })
    },
  })
  const { receivedBytes } = await transfer.catch((error: unknown) => {
    if (failureKind(error) !== 'no-space') throw error
    throw new DiskFull(explainFullDisk(leftBytes), leftBytes, { cause: error })
  })
  stream.end(receivedBytes)
  deps.tell({
    kind: 'dataset-sent',
    disk: request.disk.name,
    pool: request.pool,
    dataset: task.source.name,
    how: step.kind === 'resume' ? 'resumed' : step.kind,
    sentBytes: receivedBytes,
    durationMs: deps.now().getTime() - startedAt.getTime(),
  })
}
