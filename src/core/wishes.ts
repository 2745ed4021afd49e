// What a person asks of a disk, `walkaway run` and `walkaway eject`: when that is granted, and what is then done. What a
// look alone leads to is lifecycle.ts.

import type { DiskState, Effect, Look, Tale, Vdevs, Wish } from './diskState.ts'

export interface Transition {
  readonly state: DiskState
  readonly effects: readonly Effect[]
}

export const tell = (what: Tale): Effect => ({ kind: 'tell', what })

/** The beginning of a visit; why it begins is what is told. */
export const begin = (vdevs: Vdevs, why: 'disk-arrived' | 'visit-asked'): Transition => ({
  state: { kind: 'visiting', phase: 'importing', vdevs, suspendedSince: null },
  effects: [tell({ kind: why }), { kind: 'start-visit', vdevs }],
})

/** `next`: what this look leads to when nobody asks for anything. That is also what a wish that is not granted leads to. */
export function afterWish(state: DiskState, wish: Wish, look: Look, next: Transition): Transition {
  switch (wish) {
    case 'run':
      return run(state, look, next)
    case 'eject':
      return eject(state, look, next)
  }
}

/** A visit now, of a disk whose last one is over. */
function run(state: DiskState, look: Look, next: Transition): Transition {
  const over = state.kind === 'removable' || state.kind === 'not-removable'
  return over && look.sameDevices && look.sighting.kind === 'present'
    ? begin(look.sighting.vdevs, 'visit-asked')
    : next
}

/**
 * Ends a visit, or releases a disk that is not released yet, whoever imported its pool. That it is safe is said by
 * nothing but the release itself. No visit begins.
 */
function eject(state: DiskState, look: Look, next: Transition): Transition {
  const asked = tell({ kind: 'eject-asked' })
  switch (state.kind) {
    case 'visiting':
      if (!look.sameDevices || next.state.kind !== 'visiting') return next
      return {
        state: next.state,
        effects: [...next.effects, asked, { kind: 'end-visit', because: 'ejected' }],
      }
    case 'removable':
      // Somebody has imported its pool meanwhile.
      return next.state.kind === 'not-removable' ? releaseNow(next.state, next.effects) : next
    case 'not-removable':
      return look.sameDevices ? releaseNow({ ...state, imported: look.pool !== 'none' }, []) : next
    case 'absent':
    case 'arriving':
    case 'refused':
    case 'pulled':
    case 'stuck':
      return { state, effects: [] }
  }

  function releaseNow(
    left: Extract<DiskState, { kind: 'not-removable' }>,
    effects: readonly Effect[],
  ): Transition {
    return {
      state: left,
      effects: [...effects, asked, { kind: 'try-release', vdevs: left.vdevs, ejected: true }],
    }
  }
}
