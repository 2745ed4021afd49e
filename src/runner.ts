// One backup disk in the running daemon: keeps its state, carries out what the lifecycle decides, one visit at a time.
// Where looks come from, and what the other disks do, is daemon.ts.

import type { Config } from './config.ts'
import { type DiskAnswer, type Refusal, refusal } from './control/protocol.ts'
import type {
  DiskState,
  Effect,
  Input,
  Look,
  PoolInKernel,
  Tale,
  Vdevs,
  VisitResult,
  Wish,
} from './core/diskState.ts'
import type { Sighting } from './core/identity.ts'
import { defaultTiming, transition } from './core/lifecycle.ts'
import type { Disk, PoolName, Progress } from './core/model.ts'
import { type Alarm, describeAlarm, describeRefusal } from './core/refusal.ts'
import { describe, refusalOf } from './diskAnswer.ts'
import { EndVisit, isEjected } from './endVisit.ts'
import { messageOf } from './errors.ts'
import type { WalkawayEvent } from './events.ts'
import type { HistoryRecord } from './linux/history.ts'
import type { Inhibitor } from './linux/systemd.ts'
import { within } from './linux/within.ts'
import { leftToOthers, tryRelease } from './release.ts'
import type { TakeTurn } from './turns.ts'
import { type VisitDeps, visit } from './visit.ts'
import { createVisitLog, type VisitLogDeps } from './visitLog.ts'
import { failureKind } from './zfs/failure.ts'

export interface RunnerDeps extends Omit<VisitDeps, 'onPhase' | 'onProgress' | 'onWaiting'>, VisitLogDeps {
  readonly takeTurn: TakeTurn
  readonly inhibit: (why: string) => Promise<Inhibitor>
  /** Asks for another look at the machine. */
  readonly lookAgain: (inMs: number) => void
  readonly onChange: () => void
}

export interface Runner {
  readonly disk: Disk
  looked(sighting: Sighting): Promise<void>
  /** Grants a person's wish, or says why not; null: it is under way, was so already, or was so from the start. */
  ask(wish: Wish, sighting: Sighting): Promise<Refusal | null>
  /** Before it is said again that a disk is safe to take: somebody may have imported its pool since the last look. */
  confirmReleased(): Promise<void>
  state(): DiskState
  /** Oldest first. */
  visits(): readonly HistoryRecord[]
  progress(): Progress | null
  /** `overdueMs` null: this disk is never overdue. */
  describe(overdueMs: number | null): DiskAnswer
  /** Ends a running visit in the way that can be resumed, and resolves when it has ended; exports what still is ours. */
  stop(): Promise<void>
  idle(): boolean
}

const progressEveryMs = 10_000
/** How long a stop waits for what waits for a disk that was pulled out. The receive of its visit is let go before that. */
const goneLimitMs = 40_000

/** `past`: this disk's earlier visits, oldest first. `config` is read when a visit begins. */
export function createRunner(
  disk: Disk,
  past: readonly HistoryRecord[],
  config: () => Config,
  deps: RunnerDeps,
): Runner {
  const log = createVisitLog(disk, past, deps)
  let state: DiskState = { kind: 'absent' }
  let since: Date | null = null
  let progress: Progress | null = null
  /** Why its visit does nothing yet, in words; null: it does. */
  let waiting: string | null = null
  /** Whoever imports it by hand may give it another name. */
  let nameInKernel = disk.pool
  let firstLook = true
  let shownAt = 0
  let stopping = false
  let running: { readonly controller: AbortController; readonly ended: Promise<void> } | null = null
  let allEnded: Promise<void> = Promise.resolve()
  /** ZFS is being made to notice that the disk is gone: until that is over, no other command is run on its pool. */
  let reopening: Promise<void> = Promise.resolve()
  const alarmsTold = new Set<string>()

  const apply = (input: Input): void => {
    const next = transition(state, input, deps.now(), defaultTiming)
    const changed = next.state.kind !== state.kind
    state = next.state
    if (changed) since = deps.now()
    if (state.kind !== 'visiting') progress = waiting = null
    for (const effect of next.effects) perform(effect)
    if (changed || input.kind === 'phase') deps.onChange()
  }

  const perform = (effect: Effect): void => {
    switch (effect.kind) {
      case 'tell':
        deps.tell(eventOf(effect.what, disk))
        if (effect.what.kind === 'safe-to-remove') log.said()
        if (effect.what.kind === 'not-safe-to-remove' && 'vdevs' in state)
          void inBackground('noting that it is in use', log.begun(state.vdevs))
        break
      case 'look-again':
        deps.lookAgain(effect.inMs)
        break
      case 'end-visit':
        running?.controller.abort(new EndVisit(effect.because))
        break
      case 'reopen-pool':
        reopening = inBackground('zpool reopen', makeNotice(nameInKernel))
        break
      case 'start-visit':
        start((signal, earlier) => runVisit(effect.vdevs, signal, earlier))
        break
      case 'try-release':
        if (effect.ejected || running === null)
          start((signal, earlier) => earlier.then(() => runRelease(effect.vdevs, signal)))
        // The signal is how its work knows; it ends nothing but a visit.
        if (effect.ejected) running?.controller.abort(new EndVisit('ejected'))
        break
    }
  }

  const inBackground = (what: string, work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => deps.warn(`${disk.name}: ${what}: ${messageOf(error)}`))

  /** ZFS may have been faster: what it has suspended by itself it does not reopen, and need not. */
  const makeNotice = (pool: PoolName): Promise<void> =>
    deps.pools.reopen(pool).catch((error: unknown) => {
      if (failureKind(error) !== 'suspended') throw error
    })

  /** `earlier`: what was at work before may still wait for its disk, which was pulled out and may be back by now. */
  const start = (work: (signal: AbortSignal, earlier: Promise<void>) => Promise<VisitResult>): void => {
    const controller = new AbortController()
    const earlier = allEnded
    const ended = reopening
      .then(() => work(controller.signal, earlier))
      .then((result) => {
        if (running?.controller !== controller) return
        running = null
        apply({ kind: 'visit-ended', result })
      })
    running = { controller, ended }
    allEnded = Promise.all([earlier, ended]).then(ignore)
  }

  /** A transfer reports every second; the line in `systemctl status` costs a process each time, beside the transfer. */
  const showProgress = (): void => {
    if (Math.abs(deps.now().getTime() - shownAt) < progressEveryMs) return
    shownAt = deps.now().getTime()
    deps.onChange()
  }

  const runVisit = async (
    vdevs: Vdevs,
    signal: AbortSignal,
    earlier: Promise<void>,
  ): Promise<VisitResult> => {
    const inhibitor = await deps.inhibit(`backup to ${disk.name} is running`)
    const turn = deps.takeTurn(disk.pool)
    try {
      await log.begun(vdevs)
      const result = await visit(
        { disk, vdevs, config: config(), past: log.visits(), signal, earlier, turn },
        {
          ...deps,
          onPhase: (phase) => {
            if (!isCurrent(signal)) return
            shownAt = deps.now().getTime()
            progress = { phase, dataset: null, sentBytes: 0, totalBytes: 0, bytesPerSecond: 0, readyAt: null }
            apply({ kind: 'phase', phase })
          },
          onWaiting: (why) => {
            if (!isCurrent(signal) || why === waiting) return
            if (why !== null) deps.warn(`${disk.name}: ${why}`)
            waiting = why
            deps.onChange()
          },
          onProgress: (now) => {
            if (!isCurrent(signal)) return
            progress = now
            showProgress()
          },
        },
      )
      return await noted(result, vdevs, signal)
    } finally {
      turn.end()
      await inhibitor.release()
    }
  }

  /** A visit to a disk that was pulled may still be ending when the disk is back and its next visit waits. */
  const isCurrent = (signal: AbortSignal): boolean =>
    state.kind === 'visiting' && running?.controller.signal === signal

  const runRelease = async (vdevs: Vdevs, signal: AbortSignal): Promise<VisitResult> => {
    const report = log.visits().at(-1)
    // Only a visit leaves a disk in the state that is tried again, and every visit is remembered.
    if (report === undefined) throw new Error('no visit to release the disk of')
    const result = await tryRelease(
      { disk, vdevs, config: config(), report, signal },
      { ...deps, onPhase: ignore },
    )
    // Said again of the same visit, which counts once: now its disk is released.
    return result.kind === 'released' ? noted(result, vdevs, signal) : result
  }

  /** A note on a busy disk takes its time, in which somebody may import the pool of a disk that is free. */
  const noted = async (result: VisitResult, vdevs: Vdevs, signal: AbortSignal): Promise<VisitResult> => {
    await log.note(result, { vdevs, ejected: isEjected(signal) })
    const isTaken = result.kind === 'released' && (await deps.pools.nameOf(disk.poolGuid, disk.pool)) !== null
    return isTaken ? leftToOthers(disk, result.report) : result
  }

  const poolInKernel = async (name: PoolName): Promise<PoolInKernel> => {
    const found = await deps.pools.kernelState(name)
    if (found === null) return 'none'
    return found === 'SUSPENDED' ? 'suspended' : 'imported'
  }

  /**
   * A disk that was told to be safe stays so over a restart of the daemon. Of one that was released, but of which nobody may
   * have been told, everything that the word needs is done and looked at once more, and then it is said.
   */
  const recallReleased = (sighting: Sighting, pool: PoolInKernel): void => {
    if (sighting.kind !== 'present' || pool !== 'none') return
    const { vdevs } = sighting
    const last = log.lastReleased(vdevs)
    if (last === null) return
    const { outcome, finishedAt } = last
    const reason = 'walkaway ended before it had said that it may be taken'
    const retry = { retryAt: deps.now(), retries: 0, imported: false }
    state =
      last.unsaid === true
        ? { kind: 'not-removable', outcome, vdevs, reason, ...retry }
        : { kind: 'removable', outcome, vdevs }
    since = finishedAt
    deps.onChange()
  }

  /** Null: its state changed meanwhile. */
  const lookAt = async (sighting: Sighting): Promise<Look | null> => {
    const before = state
    const name = await deps.pools.nameOf(disk.poolGuid, disk.pool)
    const pool = name === null ? 'none' : await poolInKernel(name)
    let sameDevices = true
    for (const vdev of 'vdevs' in before ? before.vdevs : [])
      sameDevices &&= await deps.block.isSameDevice(vdev)
    if (state !== before) return null
    nameInKernel = name ?? disk.pool
    return { sighting, sameDevices, pool }
  }

  const tellAlarms = (alarms: readonly Alarm[]): void => {
    for (const alarm of alarms) {
      const key = `${alarm.diskSeq} ${alarm.found.poolGuid}`
      if (alarmsTold.has(key)) continue
      alarmsTold.add(key)
      deps.tell({
        kind: 'disk-refused',
        disk: disk.name,
        pool: disk.pool,
        reason: describeAlarm(disk, alarm),
        isAnotherDevice: true,
      })
    }
  }

  return {
    disk,
    async looked(sighting) {
      const look = await lookAt(sighting)
      if (stopping) return
      // A visit went on while this was looked up: it is old by now.
      if (look === null) return deps.lookAgain(0)
      if (firstLook) recallReleased(sighting, look.pool)
      // One that only settles yet may be the disk that was released.
      firstLook &&= sighting.kind === 'settling'
      if (sighting.kind === 'present') tellAlarms(sighting.alarms)
      apply({ kind: 'looked', ...look })
    },
    async ask(wish, sighting) {
      const look = await lookAt(sighting)
      if (stopping) return refusal('walkaway is stopping', 1)
      if (look === null) return refusal(`${disk.name}: its state is just changing; ask again`, 1)
      apply({ kind: 'asked', wish, ...look })
      return refusalOf(wish, state, disk)
    },
    async confirmReleased() {
      const before = state
      if (before.kind !== 'removable') return
      const name = await deps.pools.nameOf(disk.poolGuid, disk.pool)
      if (name === null || state !== before) return
      nameInKernel = name
      apply({ kind: 'imported-by-others' })
    },
    state: () => state,
    visits: log.visits,
    progress: () => progress,
    describe: (overdueMs) => {
      const ending = running !== null && isEjected(running.controller.signal)
      return describe({
        disk,
        state,
        since,
        ending,
        progress,
        waiting,
        visits: log.visits(),
        overdueMs,
        now: deps.now(),
      })
    },
    idle: () => running === null && idleStates.has(state.kind),
    async stop() {
      stopping = true
      if (running !== null) {
        running.controller.abort(new EndVisit('stopping'))
        // What waits for a disk that is gone ends when it is back, and nothing of ours depends on it.
        const waitsForDisk = state.kind === 'pulled' || state.kind === 'stuck'
        await (waitsForDisk ? within(goneLimitMs, running.ended) : running.ended)
        return log.settled()
      }
      // Between two tries to release it: what is ours is not left imported without a last one.
      if (state.kind === 'not-removable' && state.imported)
        await runRelease(state.vdevs, AbortSignal.abort(new EndVisit('stopping')))
      await log.settled()
    },
  }
}

/** Nothing of ours is going on with the disk. */
const idleStates: ReadonlySet<DiskState['kind']> = new Set(['absent', 'arriving', 'refused', 'removable'])

const ignore = (): void => undefined

function eventOf(tale: Tale, { name: disk, pool, ...identity }: Disk): WalkawayEvent {
  if (tale.kind !== 'disk-refused') return { ...tale, disk, pool }
  const { reason } = tale
  const sentence =
    reason.kind === 'import-refused'
      ? reason.sentence
      : describeRefusal({ name: disk, pool, ...identity }, reason)
  return { kind: 'disk-refused', disk, pool, reason: sentence, isAnotherDevice: false }
}
