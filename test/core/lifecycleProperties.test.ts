// The lifecycle in a small world that is consistent in itself (a device is there or not, a pool is imported or not, a
// visit runs or not) but in which anything may happen next; and once without any world, for totality.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DiskState, Effect, Input, VisitResult, Wish } from '../../src/core/diskState.ts'
import { defaultTiming, transition } from '../../src/core/lifecycle.ts'
import { visitPhases } from '../../src/core/model.ts'
import {
  absent,
  asked,
  foreignSerial,
  inWords,
  looked,
  otherPool,
  present,
  result,
  resultKinds,
  settling,
  start,
  states,
  twin,
} from './sightings.ts'

type Happening =
  | {
      readonly kind:
        | 'plug'
        | 'unplug'
        | 'arrives'
        | 'look'
        | 'visit-imports'
        | 'somebody-imports'
        | 'pool-goes'
        | 'disk-hangs'
    }
  | { readonly kind: 'udev-says'; readonly view: View }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'visit-ends'; readonly result: VisitResult['kind']; readonly reason: string }
  | { readonly kind: 'phase'; readonly phase: (typeof visitPhases)[number] }
  | { readonly kind: 'asked'; readonly wish: Wish }

const views = ['present', 'settling', 'no-pool', 'twin', 'foreign-serial', 'other-pool'] as const
type View = (typeof views)[number]

interface Step {
  readonly before: DiskState
  readonly input: Input
  readonly after: DiskState
  readonly effects: readonly Effect[]
  /** The visit that was running before: the device it began with. */
  readonly running: string | null
}

class World {
  state: DiskState = { kind: 'absent' }
  now = start.getTime()
  seq: number | null = null
  view: View = 'present'
  imported = false
  /** It is plugged in and does not answer; plugged in again it does. */
  hangs = false
  running: string | null = null
  readonly steps: Step[] = []
  private plugs = 0

  happen(what: Happening): void {
    switch (what.kind) {
      case 'plug':
        this.seq ??= ++this.plugs
        break
      case 'disk-hangs':
        this.hangs = this.seq !== null
        break
      case 'unplug':
        this.seq = null
        this.hangs = false
        break
      case 'arrives':
        this.seq ??= ++this.plugs
        this.view = 'present'
        this.looksUntil('start-visit', 3)
        break
      case 'udev-says':
        this.view = what.view
        break
      case 'time':
        this.now += what.ms
        break
      case 'visit-imports':
        this.imported ||= this.running !== null
        break
      case 'somebody-imports':
        this.imported = true
        break
      case 'pool-goes':
        this.imported = false
        break
      case 'look':
        this.look()
        break
      case 'asked':
        this.give(asked(what.wish, ...this.seen()))
        break
      case 'phase':
        this.give({ kind: 'phase', phase: what.phase })
        break
      case 'visit-ends':
        if (this.running === null) break
        if (what.result === 'released' || what.result === 'gone') this.imported = false
        if (what.result === 'pulled') this.imported = true
        this.give({ kind: 'visit-ended', result: result(what.result, what.reason) })
    }
  }

  look(): readonly Effect[] {
    return this.give(looked(...this.seen()))
  }

  private seen(): Parameters<typeof looked> {
    const known = 'vdevs' in this.state ? this.state.vdevs : []
    const sameDevices = known.every((device) => device.diskSeq === String(this.seq))
    const suspended = this.imported && this.hangs
    return [this.sighting(), { sameDevices, imported: this.imported, suspended }]
  }

  private sighting() {
    if (this.seq === null) return absent
    switch (this.view) {
      case 'present':
        return present(this.seq)
      case 'settling':
        return settling('udev', this.seq)
      case 'no-pool':
        return settling('no-pool', this.seq)
      case 'twin':
        return twin(this.seq, 'x')
      case 'foreign-serial':
        return foreignSerial(this.seq)
      case 'other-pool':
        return otherPool(this.seq)
    }
  }

  give(input: Input): readonly Effect[] {
    const next = transition(this.state, input, new Date(this.now))
    const step = {
      before: this.state,
      input,
      after: next.state,
      effects: next.effects,
      running: this.running,
    }
    this.steps.push(step)
    this.state = next.state
    if (input.kind === 'visit-ended') this.running = null
    for (const effect of next.effects)
      if (effect.kind === 'start-visit') this.running = effect.vdevs.map((device) => device.diskSeq).join(' ')
    return next.effects
  }

  /** Looks as often as is asked for, and at least once a minute, until one has that effect; nothing else happens. */
  looksUntil(effect: Effect['kind'], mostLooks: number): boolean {
    for (let i = 0; i < mostLooks; i++) {
      const effects = this.look()
      if (effects.some((found) => found.kind === effect)) return true
      const asked = effects.flatMap((found) => (found.kind === 'look-again' ? [found.inMs] : []))
      this.now += Math.min(60_000, ...asked)
    }
    return false
  }
}

const just = (
  kind:
    | 'plug'
    | 'unplug'
    | 'arrives'
    | 'look'
    | 'visit-imports'
    | 'somebody-imports'
    | 'pool-goes'
    | 'disk-hangs',
) => fc.constant({ kind })
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: just('plug') },
  { weight: 4, arbitrary: just('arrives') },
  { weight: 2, arbitrary: just('unplug') },
  { weight: 8, arbitrary: just('look') },
  { weight: 3, arbitrary: just('visit-imports') },
  { weight: 1, arbitrary: just('somebody-imports') },
  { weight: 1, arbitrary: just('pool-goes') },
  { weight: 1, arbitrary: just('disk-hangs') },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('udev-says'), view: fc.constantFrom(...views) }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('time'), ms: fc.constantFrom(1, 400, 1500, 20_000, 1e7) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('time'), ms: fc.constantFrom(-1, -5000, -1e7, -1e12) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('visit-ends'),
      result: fc.constantFrom(...resultKinds.filter((kind) => kind !== 'stopped')),
      reason: fc.constantFrom('busy', 'held'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('asked'), wish: fc.constantFrom<Wish>('run', 'eject') }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('phase'), phase: fc.constantFrom(...visitPhases) }) },
)
const story = fc.array(happening, { maxLength: 60 })

/** Tells the story and judges each step of it. */
function everyStep(judge: (step: Step, world: World) => void): void {
  fc.assert(
    fc.property(story, (happenings) => {
      const world = new World()
      for (const what of happenings) world.happen(what)
      for (const step of world.steps) judge(step, world)
    }),
    { numRuns: 500 },
  )
}

const told = (effects: readonly Effect[]): readonly string[] =>
  effects.flatMap((effect) => (effect.kind === 'tell' ? [effect.what.kind] : []))
const has = (effects: readonly Effect[], kind: Effect['kind']): boolean =>
  effects.some((effect) => effect.kind === kind)

describe('whatever happens', () => {
  test('safe to remove is told, and a disk removable, only by a visit that released it', () => {
    everyStep(({ before, input, after, effects }) => {
      const released = input.kind === 'visit-ended' && input.result.kind === 'released'
      if (!released) expect(told(effects)).not.toContain('safe-to-remove')
      if (after.kind === 'removable' && before.kind !== 'removable')
        expect(told(effects)).toContain('safe-to-remove')
    })
  })

  test('one visit of one device at a time', () => {
    everyStep(({ effects, running }) => {
      for (const effect of effects)
        if (effect.kind === 'start-visit')
          expect(effect.vdevs.map((device) => device.diskSeq).join(' ')).not.toBe(running)
    })
  })

  test('while its devices stay the same, a disk whose visit is over gets another one only when it is asked for', () => {
    everyStep(({ before, input, effects }) => {
      if (before.kind !== 'removable' && before.kind !== 'not-removable') return
      if (input.kind === 'asked' && input.wish === 'run') return
      if (input.kind === 'looked' && !input.sameDevices) return
      expect(has(effects, 'start-visit')).toBe(false)
    })
  })

  test('what is asked for is done or refused, and never anything else', () => {
    everyStep(({ before, input, after, effects }) => {
      if (input.kind !== 'asked') {
        expect(told(effects)).not.toContain('visit-asked')
        expect(told(effects)).not.toContain('eject-asked')
        for (const effect of effects) {
          if (effect.kind === 'end-visit') expect(effect.because).toBe('device-gone')
          if (effect.kind === 'try-release') expect(effect.ejected).toBe(false)
        }
        return
      }
      const plugged = input.sameDevices && input.sighting.kind === 'present'
      if (input.wish === 'run') {
        const over = before.kind === 'removable' || before.kind === 'not-removable'
        expect(told(effects).includes('visit-asked')).toBe(over && plugged)
        if (over && plugged) expect(after).toMatchObject({ kind: 'visiting', phase: 'importing' })
        return
      }
      expect(has(effects, 'start-visit')).toBe(false)
      if (before.kind === 'visiting' && after.kind === 'visiting' && input.sameDevices)
        expect(effects).toContainEqual({ kind: 'end-visit', because: 'ejected' })
      if (after.kind === 'not-removable' && input.sameDevices)
        expect(effects).toContainEqual({ kind: 'try-release', vdevs: after.vdevs, ejected: true })
      if (after.kind === 'removable') expect({ after, effects }).toEqual({ after: before, effects: [] })
    })
  })

  test('nothing is released while a visit runs', () => {
    everyStep(({ effects, running }) => {
      if (running !== null) expect(has(effects, 'try-release')).toBe(false)
    })
  })

  test('a refusal is told once for each plugging in and reason', () => {
    const arriving: fc.Arbitrary<Happening> = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('udev-says'), view: fc.constantFrom(...views) }),
      },
      { weight: 1, arbitrary: fc.constantFrom<Happening>({ kind: 'plug' }, { kind: 'unplug' }) },
    )
    const settled: readonly Happening[] = [{ kind: 'look' }, { kind: 'time', ms: 20_000 }, { kind: 'look' }]
    fc.assert(
      fc.property(fc.array(arriving, { maxLength: 20 }), (happenings) => {
        const world = new World()
        world.happen({ kind: 'plug' })
        const said: string[] = []
        for (const what of happenings.flatMap((happening) => [happening, ...settled])) {
          const from = world.steps.length
          world.happen(what)
          for (const { effects } of world.steps.slice(from))
            for (const effect of effects)
              if (effect.kind === 'tell' && effect.what.kind === 'disk-refused')
                said.push(`${effect.what.reason.kind} ${world.seq}`)
        }
        expect(said).toEqual([...new Set(said)])
      }),
      { numRuns: 500 },
    )
  })

  test('the pool is reopened once when its devices are gone, and no other device may be taken for them', () => {
    everyStep(({ before, input, after, effects }) => {
      const inUse = ['visiting', 'removable', 'not-removable'].includes(before.kind)
      const look = input.kind === 'looked' || input.kind === 'asked' ? input : null
      const seenGone = inUse && look !== null && look.pool !== 'none' && !look.sameDevices
      const foundGone =
        (before.kind === 'visiting' || before.kind === 'not-removable') &&
        input.kind === 'visit-ended' &&
        input.result.kind === 'pulled'
      expect(told(effects).includes('disk-pulled')).toBe(seenGone || foundGone)

      const letGo =
        before.kind === 'stuck' &&
        look?.pool === 'suspended' &&
        !look.sameDevices &&
        look.sighting.kind !== 'present'
      const owed = seenGone || letGo || (before.kind === 'pulled' && !before.reopened)
      // Nothing is looked for that a person could take.
      if (input.kind === 'asked' && input.wish === 'eject' && ['pulled', 'stuck'].includes(before.kind))
        return
      const copied =
        look?.sighting.kind === 'refused' && ['twin', 'foreign-serial'].includes(look.sighting.reason.kind)
      const imported = look !== null && look.pool !== 'none'
      expect(has(effects, 'reopen-pool')).toBe(owed && imported && !copied)
      if (has(effects, 'reopen-pool') && after.kind === 'pulled') expect(after.reopened).toBe(true)
    })
  })

  test('removable, the same devices, not imported: nothing ever happens', () => {
    everyStep(({ before, input, after, effects }) => {
      if (before.kind !== 'removable') return
      if (input.kind === 'asked' && input.wish === 'run') return
      if ('pool' in input && (!input.sameDevices || input.pool !== 'none')) return
      expect(after).toEqual(before)
      expect(effects).toEqual([])
    })
  })

  test('another look is never asked for in the past, nor later than the longest pause', () => {
    everyStep(({ effects }) => {
      for (const effect of effects)
        if (effect.kind === 'look-again') {
          expect(effect.inMs).toBeGreaterThanOrEqual(0)
          expect(effect.inMs).toBeLessThanOrEqual(20 * defaultTiming.retryReleaseMs)
        }
    })
  })
})

test('a disk that hangs during a visit is told once, and never while the visit makes its pool work again', () => {
  everyStep(({ before, input, after, effects }) => {
    if (input.kind !== 'looked') return
    expect(told(effects).includes('disk-stuck')).toBe(before.kind !== 'stuck' && after.kind === 'stuck')
    if (after.kind === 'stuck' && before.kind !== 'stuck')
      expect(before).toMatchObject({ kind: 'visiting', suspendedSince: expect.any(Date) })
    if (before.kind === 'visiting' && before.phase === 'importing') expect(after.kind).not.toBe('stuck')
  })
})

describe('no dead end', () => {
  const fromAnywhere = (judge: (world: World) => void): void =>
    fc.assert(
      fc.property(story, fc.constantFrom(0, -1000, -1e9, 1e9), (happenings, jumpMs) => {
        const world = new World()
        for (const what of happenings) world.happen(what)
        world.now += jumpMs
        judge(world)
      }),
      { numRuns: 500 },
    )

  test('a disk that is plugged in again and stays gets its visit, wherever the clock jumps to', () => {
    fromAnywhere((world) => {
      world.happen({ kind: 'unplug' })
      world.look()
      world.happen({ kind: 'visit-ends', result: world.imported ? 'pulled' : 'gone', reason: '' })
      world.look()
      world.happen({ kind: 'plug' })
      world.happen({ kind: 'udev-says', view: 'present' })
      expect(world.looksUntil('start-visit', 5), JSON.stringify(world.state)).toBe(true)
    })
  })

  test('plugged in again before anybody looked: so, too', () => {
    fromAnywhere((world) => {
      world.happen({ kind: 'unplug' })
      world.happen({ kind: 'plug' })
      world.happen({ kind: 'udev-says', view: 'present' })
      const effects = world.look()
      if (!has(effects, 'start-visit'))
        world.happen({ kind: 'visit-ends', result: world.imported ? 'pulled' : 'gone', reason: '' })
      expect(
        has(effects, 'start-visit') || world.looksUntil('start-visit', 5),
        JSON.stringify(world.state),
      ).toBe(true)
    })
  })

  test('a disk that arrived, or was refused and is right now, gets its visit without being touched', () => {
    fromAnywhere((world) => {
      const { kind } = world.state
      if (
        kind !== 'absent' &&
        kind !== 'arriving' &&
        !(kind === 'refused' && world.state.reason.kind === 'twin')
      )
        return
      world.happen({ kind: 'plug' })
      world.happen({ kind: 'udev-says', view: 'present' })
      expect(world.looksUntil('start-visit', 5), JSON.stringify(world.state)).toBe(true)
    })
  })

  test('a disk that could not be released is tried again, wherever the clock jumps to', () => {
    fc.assert(
      fc.property(story, fc.constantFrom(0, -1000, -1e9, -1e12), (happenings, jumpMs) => {
        const world = new World()
        for (const what of happenings) world.happen(what)
        world.happen({ kind: 'arrives' })
        world.happen({ kind: 'visit-ends', result: 'not-released', reason: 'busy' })
        world.now += jumpMs
        if (world.state.kind !== 'not-removable' || world.state.vdevs[0]?.diskSeq !== String(world.seq))
          return
        expect(world.looksUntil('try-release', 10), JSON.stringify(world.state)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

test('any input in any state is answered', () => {
  const seq = fc.integer({ min: 1, max: 3 })
  const sighting = fc.oneof(
    fc.constant(absent),
    seq.map(present),
    seq.map((n) => twin(n, n + 1)),
    seq.map(otherPool),
    fc.tuple(fc.constantFrom('udev', 'no-pool', 'missing-disks'), seq).map(([why, n]) => settling(why, n)),
  )
  const input: fc.Arbitrary<Input> = fc.oneof(
    fc
      .tuple(sighting, fc.boolean(), fc.boolean(), fc.boolean())
      .map(([s, sameDevices, imported, suspended]) => looked(s, { sameDevices, imported, suspended })),
    fc
      .tuple(fc.constantFrom<Wish>('run', 'eject'), sighting, fc.boolean(), fc.boolean())
      .map(([wish, s, sameDevices, imported]) => asked(wish, s, { sameDevices, imported })),
    fc.constant<Input>({ kind: 'imported-by-others' }),
    fc.record({ kind: fc.constant('phase'), phase: fc.constantFrom(...visitPhases) }),
    fc.constantFrom(...resultKinds).map((kind): Input => ({ kind: 'visit-ended', result: result(kind) })),
  )
  fc.assert(
    fc.property(
      fc.constantFrom<DiskState>(...Object.values(states)),
      fc.array(fc.tuple(input, fc.date({ noInvalidDate: true })), { maxLength: 30 }),
      (first, inputs) => {
        let state = first
        for (const [given, now] of inputs) {
          const next = transition(state, given, now)
          expect(next.effects.filter((effect) => effect.kind === 'start-visit').length).toBeLessThan(2)
          expect(inWords(next.effects)).not.toContain('undefined')
          state = next.state
        }
      },
    ),
    { numRuns: 500 },
  )
})
