// Sends the datasets of a visit: in which order, how many at once, resumed or anew, and what to do when the disk is not as
// it was when the plan was made. What is planned is core/replication.ts; how a stream runs is zfs/transfer.ts.

import pLimit from 'p-limit'
import type { BackupDeps, BackupRequest } from './backup.ts'
import { explainConflict } from './core/conflict.ts'
import type { Meter } from './core/meter.ts'
import { type Dataset, type DatasetName, datasetName, poolName } from './core/model.ts'
import { ancestorsOf } from './core/placement.ts'
import type { Step } from './core/replication.ts'
import { sourceOf } from './core/selection.ts'
import {
  DeadlineExceeded,
  DiskFull,
  DiskVanished,
  messageOf,
  TransferFailed,
  TransferStalled,
} from './errors.ts'
import { holdAgain } from './hold.ts'
import { isGone, startOver } from './lookAgain.ts'
import { carryOutMove } from './move.ts'
import { lookAtTarget, originNow, planAgain, type Task } from './plan.ts'
import { explainFullDisk, waitForRoom } from './space.ts'
import { watchSource } from './stall.ts'
import { type FailureKind, failureKind } from './zfs/failure.ts'
import { poolOf } from './zfs/names.ts'
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

/** `gone`: there is no such dataset any more, so that there is nothing to back up. */
export type Ending = 'done' | 'failed' | 'gone'

/**
 * Sends what the plans say, some datasets at once, in the order given: a new parent always before its children, an origin
 * before its clones. Says how each ended. Throws `DeadlineExceeded` when one did not end and ZFS does not answer any more:
 * then nothing else is tried.
 */
export async function sendAll(
  tasks: readonly Task[],
  context: Sending & {
    /** Datasets that may not be sent, and why. */
    readonly unfit: ReadonlyMap<DatasetName, string>
    /** Datasets that are not what they were when their plans were made. */
    readonly outdated: ReadonlySet<DatasetName>
    /** Names of all that the disk has. */
    readonly onDisk: ReadonlySet<string>
    /** Where the sources belong that are not sent this time: their places are to stay free. */
    readonly reserved: ReadonlySet<string>
  },
): Promise<ReadonlyMap<Task, Ending>> {
  const { request, deps, unfit, outdated, fail, onDisk, reserved } = context
  const limit = pLimit(request.config.backup.parallel)
  const endings = new Map<Task, Ending>()
  const ended = new Map<string, Promise<Ending>>()
  let hangs: Error | null = null

  /** What must come above it first. */
  const notThere = (name: DatasetName): readonly string[] =>
    onDisk.has(name) ? [] : ancestorsOf(name).filter((above) => !onDisk.has(above))

  const attempt = async (task: Task): Promise<Ending> => {
    const reason = unfit.get(task.source.name)
    if (reason !== undefined) return giveUp(task, reason)
    // What is there from earlier visits is in nobody's way, whether it fails this time or not. What is to be received, or
    // brought to its place, above it, however far above, must come first: a container there would be in its way for ever.
    const missing = notThere(task.targetName)
    const above = [...missing, ...(task.move?.kind === 'follow' ? notThere(task.move.from) : [])]
    // Read before anything is awaited, these are only tasks that come before it in the order: none waits in a circle.
    const waitsFor = above.map((name) => [name, ended.get(name)] as const)
    const originEnded = task.origin?.kind === 'of' ? ended.get(task.origin.of.targetName) : undefined
    let inTheWay = missing.find((name) => reserved.has(name))
    const gone = new Set<string>()
    for (const [name, itsEnd] of waitsFor) {
      const ending = await itsEnd
      if (ending === 'failed') inTheWay ??= name
      if (ending === 'gone') gone.add(name)
    }
    if (inTheWay !== undefined) return giveUp(task, explainMissingParent(inTheWay, request))
    // Sent or not: if the disk does not have the origin then, the clone is sent in full.
    await originEnded
    return limit(async () => {
      try {
        if (hangs !== null) throw hangs
        request.signal.throwIfAborted()
        if (gone.size > 0 && (await isGone(task, deps))) return tellGone(task)
        const parent = missing[0]
        if (parent !== undefined && (!ended.has(parent) || gone.has(parent)))
          await deps.zfs.createContainer(datasetName(parent))
        await carryOutMove(task, deps)
        if (outdated.has(task.source.name) && !(await startOver(task, request, deps))) return tellGone(task)
        return (await sendDataset(task, context)) ? 'done' : tellGone(task)
      } catch (error) {
        request.signal.throwIfAborted()
        if (!(await request.isPresent())) throw new DiskVanished('the disk was removed', { cause: error })
        const late = error instanceof DeadlineExceeded || error instanceof TransferStalled
        if (late && !(await deps.pools.answers().catch(() => true))) hangs = error
        if (hangs !== null) throw hangs
        if (error instanceof DiskFull) context.lacksRoom(error.missingBytes ?? 0)
        return giveUp(task, messageOf(error))
      }
    })
  }
  const giveUp = (task: Task, reason: string): Ending => {
    fail(task.source.name, reason)
    return 'failed'
  }
  const tellGone = ({ source }: Task): Ending => {
    deps.tell({ kind: 'dataset-gone', disk: request.disk.name, pool: request.pool, dataset: source.name })
    return 'gone'
  }

  for (const task of tasks) ended.set(task.targetName, attempt(task))
  const results = await Promise.allSettled(ended.values())
  for (const result of results) if (result.status === 'rejected') throw result.reason
  for (const task of tasks) endings.set(task, (await ended.get(task.targetName)) ?? 'failed')
  return endings
}

function explainMissingParent(place: string, { config, pool }: BackupRequest): string {
  const parent = sourceOf(config, { pool }, datasetName(place)) ?? place
  return `not tried: ${parent}, which is above it, is not on the disk`
}

/** Brings one dataset up to its goal. False: there is no such dataset any more. Throws what is in the way. */
async function sendDataset(task: Task, context: Sending): Promise<boolean> {
  const { request, deps } = context
  let hasStartedOver = false
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
      if (kind === 'no-space') {
        await abortReceive(task, context)
        await waitForRoom(() => false, request, deps)
      }
      const onDisk = task.target?.snapshots.at(-1)
      if (kind === 'diverged' && onDisk !== undefined)
        throw new Error(explainConflict({ kind: 'modified', onDisk }), { cause: error })
      if (kind === null || !outdatedPlan.has(kind)) throw error
      request.signal.throwIfAborted()
      if (isOfSource(error)) {
        if (hasStartedOver) throw error
        hasStartedOver = true
        if (!(await startOver(task, request, deps))) return false
        continue
      }
      await lookAtTarget(task, deps)
      if (receivedSoFar(task.target) === receivedSoFar(before)) {
        if (kind === 'busy' || kind === 'unfinished-receive') await deps.nextSecond()
        else if (plan.steps[0]?.kind === 'resume') {
          // A token can outlive what it stands for: the kernel may remember more than reached a disk that was pulled, and
          // refuse the rest of the stream for ever. Only progress is lost by starting anew.
          await abortReceive(task, context)
          await lookAtTarget(task, deps)
        } else if (!hasLostOrigin(task)) throw error
      }
    }
    task.plan = await planAgain(task, request, deps)
    await holdAgain(task, request, deps)
  }
  throw new Error('the copy on the disk kept changing while it was received')
}

/** A snapshot of the source was not found, or the source itself: it is no fault of the copy. */
const isOfSource = (error: unknown): boolean =>
  error instanceof TransferFailed && error.side === 'send' && failureKind(error) !== 'token-dead'

/** Whether a clone was to be received although the disk does not have what it is a clone of. */
function hasLostOrigin({ plan, source, origin }: Task): boolean {
  const [first] = plan.kind === 'steps' ? plan.steps : []
  const wasClone = first?.kind === 'incremental' && first.from.dataset !== source.name
  return wasClone && originNow(origin)?.kind === 'missing'
}

/**
 * How it ends when the copy is not what it was when the plan was made. A receive that stopped when the disk was pulled
 * lives on in the kernel when the disk is back: until it has ended, it moves the point to resume at, or owns the copy.
 */
const outdatedPlan: ReadonlySet<FailureKind> = new Set([
  'busy',
  'exists',
  'incompatible-stream',
  'no-base',
  'not-found',
  'token-dead',
  'unfinished-receive',
])

const receivedSoFar = (target: Dataset | null): string =>
  target === null
    ? 'nothing'
    : `${target.snapshots.length} snapshots, ${target.resumeToken ?? 'nothing more'}`

/** It destroys: never on a pool whose disk is gone. */
async function abortReceive({ targetName }: Task, { request, deps }: Sending): Promise<void> {
  if (!(await request.isPresent())) throw new DiskVanished('the disk was removed')
  await deps.zfs.abortReceive(targetName)
}

async function execute(step: Step, task: Task, context: Sending): Promise<void> {
  const { request, deps, meter, marksOf } = context
  if (step.kind === 'discard-partial') return abortReceive(task, context)
  const send: SendSource = step.kind === 'resume' ? { kind: 'resume', token: step.token } : step
  const startedAt = deps.now()
  const stream = meter.begin()
  let leftBytes: number | null = null
  const watched = { source: poolName(poolOf(task.source.name)), disk: request.pool, signal: request.signal }
  const transfer = watchSource(watched, deps, ({ signal, moved }) =>
    deps.transfer.transfer({
      send,
      encrypted: task.source.encrypted,
      receive: { target: task.targetName, type: task.source.type, marks: marksOf(task.source) },
      signal,
      mayEndReceiver: async () =>
        (await request.isPresent()) && (await deps.pools.kernelState(request.pool)) !== 'SUSPENDED',
      onProgress: ({ sentBytes, totalBytes }) => {
        leftBytes = totalBytes === null ? null : Math.max(0, totalBytes - sentBytes)
        moved(sentBytes)
        stream.advance(sentBytes)
        deps.onProgress({ phase: 'backing-up', dataset: task.source.name, ...meter.read(deps.now()) })
      },
    }),
  )
  const { receivedBytes } = await transfer.catch((error: unknown) => {
    if (failureKind(error) !== 'no-space') throw error
    throw new DiskFull(explainFullDisk(leftBytes), leftBytes, { cause: error })
  })
  stream.end(receivedBytes)
  const isClone = step.kind === 'incremental' && step.from.dataset !== task.source.name
  deps.tell({
    kind: 'dataset-sent',
    disk: request.disk.name,
    pool: request.pool,
    dataset: task.source.name,
    how: isClone ? 'clone' : step.kind === 'resume' ? 'resumed' : step.kind,
    missingOrigin: step.kind === 'full' ? step.missingOrigin : null,
    sentBytes: receivedBytes,
    durationMs: deps.now().getTime() - startedAt.getTime(),
  })
}
