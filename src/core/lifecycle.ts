// The life of one backup disk as a pure state machine: what was seen or happened, and the state it was in, give the
// next state and what to do. daemon.ts looks and acts; nothing here does.

import type { DiskState, Effect, Input, Look, Refusal, Told, Vdevs, VisitResult } from './diskState.ts'
import type { Sighting } from './identity.ts'
import type { Outcome } from './model.ts'
import { afterWish, begin, type Transition, tell } from './wishes.ts'

/** Why a disk is not released whose pool walkaway did not import. */
export const importedByOthers = 'its pool was imported by somebody else and stays imported'

export interface Timing {
  /** How long everything that was seen of a disk must stay the same before it is used. */
  readonly settleMs: number
  /** How long a known disk may show no pool before that is said. */
  readonly noPoolMs: number
  /** How long a pool may stay suspended while its disk is plugged in before that is said. */
  readonly suspendedMs: number
  /** Pause before a disk that could not be released is tried again; doubles up to 20 times of it. */
  readonly retryReleaseMs: number
}

export const defaultTiming: Timing = {
  settleMs: 1500,
  noPoolMs: 60_000,
  suspendedMs: 10_000,
  retryReleaseMs: 15_000,
}

const stay = (state: DiskState): Transition => ({ state, effects: [] })

/** The next state and what to do. Total: every input is answered in every state. */
export function transition(
  state: DiskState,
  input: Input,
  now: Date,
  timing: Timing = defaultTiming,
): Transition {
  switch (input.kind) {
    case 'looked':
      return afterLook(state, input, now, timing)
    case 'asked':
      return afterWish(state, input.wish, input, afterLook(state, input, now, timing))
    case 'imported-by-others':
      return state.kind === 'removable' ? takeBack(state, now, timing) : stay(state)
    case 'phase':
      return stay(state.kind === 'visiting' ? { ...state, phase: input.phase } : state)
    case 'visit-ended':
      return afterVisit(state, input.result, now, timing)
  }
}

const isImported = ({ pool }: Look): boolean => pool !== 'none'

function afterLook(state: DiskState, look: Look, now: Date, timing: Timing): Transition {
  switch (state.kind) {
    case 'absent':
    case 'arriving':
    case 'refused':
      return arrive(state, look.sighting, now, timing)
    case 'visiting':
      return duringVisit(state, look, now, timing)
    case 'removable':
      if (!look.sameDevices)
        return isImported(look) ? pulled(state.vdevs, look, state.outcome) : left(look.sighting, now, timing)
      return isImported(look) ? takeBack(state, now, timing) : stay(state)
    case 'not-removable':
      return whileNotRemovable(state, look, now, timing)
    case 'pulled':
      return whilePulled(state, look, now, timing)
    case 'stuck':
      return whileStuck(state, look)
  }
}

function arrive(
  state: Extract<DiskState, { kind: 'absent' | 'arriving' | 'refused' }>,
  sighting: Sighting,
  now: Date,
  timing: Timing,
): Transition {
  if (sighting.kind === 'absent') return stay({ kind: 'absent' })
  const fingerprint = fingerprintOf(sighting)
  if (state.kind === 'refused' && state.fingerprint === fingerprint) return stay(state)

  const waitingFor = sighting.kind === 'settling' ? sighting.waitingFor : 'its devices to settle'
  const stableSince = state.kind === 'arriving' && state.fingerprint === fingerprint ? state.stableSince : now
  const stable = settled(stableSince, now, sighting.kind === 'settling' ? timing.noPoolMs : timing.settleMs)
  const told = state.kind === 'absent' ? [] : state.told
  const arriving: DiskState = { kind: 'arriving', fingerprint, stableSince: stable.since, waitingFor, told }
  if (stable.inMs > 0) return { state: arriving, effects: [{ kind: 'look-again', inMs: stable.inMs }] }

  switch (sighting.kind) {
    case 'present':
      return begin(sighting.vdevs, 'disk-arrived')
    case 'refused':
      return refuse(fingerprint, sighting.reason, told)
    case 'settling':
      if (sighting.because !== 'no-pool') return stay(arriving)
      return refuse(fingerprint, { kind: 'no-pool', node: sighting.devices[0] ?? 'its device' }, told)
  }
}

/** Changes with everything that must hold still before a disk is used or refused. */
function fingerprintOf(sighting: Exclude<Sighting, { kind: 'absent' }>): string {
  switch (sighting.kind) {
    case 'present':
      return fingerprintOfVdevs(sighting.vdevs)
    case 'refused':
      return sighting.key
    case 'settling':
      return [sighting.because, ...sighting.devices, ...sighting.diskSeqs].join(' ')
  }
}

const fingerprintOfVdevs = (vdevs: Vdevs): string =>
  vdevs.map((v) => [v.luks ?? v.vdevGuid, v.diskSeq, v.node, v.link].join(' ')).join('\n')

/** How long something must still hold still; a clock that was set back starts the wait anew, never lengthens it. */
function settled(since: Date, now: Date, wantedMs: number): { readonly since: Date; readonly inMs: number } {
  const stableMs = now.getTime() - since.getTime()
  return stableMs < 0 ? { since: now, inMs: wantedMs } : { since, inMs: wantedMs - stableMs }
}

const refuse = (fingerprint: string, reason: Refusal, told: Told): Transition => ({
  state: { kind: 'refused', fingerprint, reason, told: [...new Set([...told, fingerprint])] },
  effects: told.includes(fingerprint) ? [] : [tell({ kind: 'disk-refused', reason })],
})

/** Removed while its pool was imported, by whomever. `outcome`: of its visit; null: that was not over. */
function pulled(vdevs: Vdevs, look: Look, outcome: Outcome | null): Transition {
  const reopened = mayReopen(look.sighting)
  return {
    state: { kind: 'pulled', vdevs, reopened, returning: null, told: [] },
    effects: [...(reopened ? [reopenPool] : []), tell({ kind: 'disk-pulled', outcome })],
  }
}

const reopenPool: Effect = { kind: 'reopen-pool' }

/** ZFS opens devices by their links, and a copy, or the disk's pool on another device, may have taken them over. */
const mayReopen = (sighting: Sighting): boolean =>
  sighting.kind !== 'refused' || !['twin', 'foreign-serial'].includes(sighting.reason.kind)

function duringVisit(
  state: Extract<DiskState, { kind: 'visiting' }>,
  look: Look,
  now: Date,
  timing: Timing,
): Transition {
  if (look.sameDevices) return whilePluggedIn(state, look, now, timing)
  if (!isImported(look)) return { state, effects: [{ kind: 'end-visit', because: 'device-gone' }] }
  const next = pulled(state.vdevs, look, null)
  return { state: next.state, effects: [{ kind: 'end-visit', because: 'device-gone' }, ...next.effects] }
}

/** Nothing comes to an end on a suspended pool: unless another look finds it working again, the disk needs a person. */
function whilePluggedIn(
  state: Extract<DiskState, { kind: 'visiting' }>,
  look: Look,
  now: Date,
  { suspendedMs }: Timing,
): Transition {
  const { suspendedSince, phase, vdevs } = state
  // A visit begins with making a pool work again that was left suspended, and judges that itself.
  if (look.pool !== 'suspended' || phase === 'importing')
    return stay(suspendedSince === null ? state : { ...state, suspendedSince: null })
  const suspended = settled(suspendedSince ?? now, now, suspendedMs)
  if (suspended.inMs > 0)
    return {
      state: { ...state, suspendedSince: suspended.since },
      effects: [{ kind: 'look-again', inMs: suspended.inMs }],
    }
  const reason = 'it is plugged in but does not answer, and its pool is suspended'
  return {
    state: { kind: 'stuck', vdevs, reason, wasSuspended: true },
    effects: [
      { kind: 'end-visit', because: 'device-gone' },
      tell({ kind: 'disk-stuck', reason, outcome: null }),
    ],
  }
}

function whileStuck(state: Extract<DiskState, { kind: 'stuck' }>, look: Look): Transition {
  const { sighting, sameDevices, pool } = look
  if (sighting.kind === 'absent' && !isImported(look)) return stay({ kind: 'absent' })
  // Plugged in again it has another DISKSEQ: worth another try, the visit itself asks whether ZFS answers.
  const worksAgain = sameDevices && state.wasSuspended && pool === 'imported'
  if (sighting.kind === 'present' && (worksAgain || !sameDevices))
    return begin(sighting.vdevs, 'disk-arrived')
  // The person did what was asked for. Of a pool that is not suspended, a command would only hang, too.
  if (!sameDevices && pool === 'suspended') {
    const { state: away, effects } = pulled(state.vdevs, look, null)
    return { state: away, effects: effects.filter(({ kind }) => kind === 'reopen-pool') }
  }
  return stay({ ...state, wasSuspended: pool === 'suspended' })
}

/** Taken away after it was released; something else may be in its place already. */
function left(sighting: Sighting, now: Date, timing: Timing): Transition {
  const next = arrive({ kind: 'absent' }, sighting, now, timing)
  return { state: next.state, effects: [tell({ kind: 'disk-removed' }), ...next.effects] }
}

/** It was said to be safe, and then somebody imported its pool (by hand, `walkaway restore`): that word must not stand. */
function takeBack(
  { outcome, vdevs }: Extract<DiskState, { kind: 'removable' }>,
  now: Date,
  timing: Timing,
): Transition {
  // As the next try to release it will say: it is told once.
  const reason = importedByOthers
  const hint = 'export it, or use `walkaway eject`, and it is released again'
  const retryAt = new Date(now.getTime() + timing.retryReleaseMs)
  return {
    state: { kind: 'not-removable', outcome, vdevs, reason, retryAt, retries: 0, imported: true },
    effects: [
      tell({ kind: 'not-safe-to-remove', outcome, reason, hint }),
      { kind: 'look-again', inMs: timing.retryReleaseMs },
    ],
  }
}

function whileNotRemovable(
  state: Extract<DiskState, { kind: 'not-removable' }>,
  look: Look,
  now: Date,
  timing: Timing,
): Transition {
  if (!look.sameDevices)
    return isImported(look) ? pulled(state.vdevs, look, state.outcome) : left(look.sighting, now, timing)
  const waitMs = state.retryAt.getTime() - now.getTime()
  // Longer than any pause: the clock was set back, and must not keep the disk for as long as it was wrong.
  const exported = state.imported && !isImported(look)
  if (!exported && waitMs > 0 && waitMs <= pauseAfter(state.retries, timing))
    return {
      state: { ...state, imported: isImported(look) },
      effects: [{ kind: 'look-again', inMs: waitMs }],
    }
  const retries = state.retries + 1
  const pauseMs = pauseAfter(retries, timing)
  return {
    state: { ...state, retries, retryAt: new Date(now.getTime() + pauseMs), imported: isImported(look) },
    effects: [
      { kind: 'try-release', vdevs: state.vdevs, ejected: false },
      { kind: 'look-again', inMs: pauseMs },
    ],
  }
}

const pauseAfter = (retries: number, { retryReleaseMs }: Timing): number =>
  retryReleaseMs * Math.min(2 ** retries, 20)

function whilePulled(
  state: Extract<DiskState, { kind: 'pulled' }>,
  look: Look,
  now: Date,
  timing: Timing,
): Transition {
  if (state.reopened || !isImported(look) || !mayReopen(look.sighting))
    return whileAway(state, look, now, timing)
  const next = whileAway({ ...state, reopened: true }, look, now, timing)
  return { state: next.state, effects: [reopenPool, ...next.effects] }
}

function whileAway(
  state: Extract<DiskState, { kind: 'pulled' }>,
  look: Look,
  now: Date,
  timing: Timing,
): Transition {
  if (look.sighting.kind === 'absent' && !isImported(look)) return stay({ kind: 'absent' })
  const { sighting } = look
  if (sighting.kind === 'absent' || sighting.kind === 'settling') return stay({ ...state, returning: null })
  const fingerprint = fingerprintOf(sighting)
  const since = state.returning?.fingerprint === fingerprint ? state.returning.stableSince : now
  const stable = settled(since, now, timing.settleMs)
  const returning = { fingerprint, stableSince: stable.since }
  if (stable.inMs > 0)
    return { state: { ...state, returning }, effects: [{ kind: 'look-again', inMs: stable.inMs }] }
  if (sighting.kind === 'present') return begin(sighting.vdevs, 'disk-arrived')
  // It came back, but not as itself (in another dock, beside a copy): said, and waited for as before.
  const { told } = state
  if (told.includes(fingerprint)) return stay({ ...state, returning })
  return {
    state: { ...state, returning, told: [...told, fingerprint] },
    effects: [tell({ kind: 'disk-refused', reason: sighting.reason })],
  }
}

function afterVisit(state: DiskState, result: VisitResult, now: Date, timing: Timing): Transition {
  if (state.kind !== 'visiting' && state.kind !== 'not-removable') return stay(state)
  const { vdevs } = state
  switch (result.kind) {
    case 'released':
      return {
        state: { kind: 'removable', outcome: result.report.outcome, vdevs },
        effects: [
          tell({ kind: 'safe-to-remove', report: result.report, stopped: result.stopped, note: result.note }),
          { kind: 'look-again', inMs: 0 },
        ],
      }
    case 'not-released': {
      const { reason, hint } = result
      const { outcome } = result.report
      const again = state.kind === 'not-removable' && state.reason === reason
      const retries = state.kind === 'not-removable' ? state.retries : 0
      const retryAt =
        state.kind === 'not-removable' ? state.retryAt : new Date(now.getTime() + timing.retryReleaseMs)
      return {
        state: {
          kind: 'not-removable',
          outcome,
          vdevs,
          reason,
          retries,
          retryAt,
          imported: state.kind === 'visiting' || state.imported,
        },
        effects: [
          ...(again ? [] : [tell({ kind: 'not-safe-to-remove', outcome, reason, hint })]),
          { kind: 'look-again', inMs: timing.retryReleaseMs },
        ],
      }
    }
    case 'gone':
      return {
        state: { kind: 'absent' },
        effects: [tell({ kind: 'disk-removed' }), { kind: 'look-again', inMs: 0 }],
      }
    case 'pulled':
      // Reopened by the look that follows: it sees whether another device is in its place.
      return {
        state: { kind: 'pulled', vdevs, reopened: false, returning: null, told: [] },
        effects: [
          tell({ kind: 'disk-pulled', outcome: result.report.outcome }),
          { kind: 'look-again', inMs: 0 },
        ],
      }
    case 'stuck':
      return {
        state: { kind: 'stuck', vdevs, reason: result.reason, wasSuspended: false },
        effects: [tell({ kind: 'disk-stuck', reason: result.reason, outcome: result.report.outcome })],
      }
    case 'refused':
      return refuse(fingerprintOfVdevs(vdevs), { kind: 'import-refused', sentence: result.sentence }, [])
    case 'stopped':
      return stay(state)
  }
}
