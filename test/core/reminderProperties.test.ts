// Random histories under random clocks. What should have been said is worked out from the history alone, in another way than
// the code does.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DiskState } from '../../src/core/diskState.ts'
import {
  diskName,
  type Outcome,
  outcomes,
  poolGuid,
  poolName,
  serial,
  type VisitReport,
} from '../../src/core/model.ts'
import { type DiskFacts, dayMs, type Notes, planReminders, type Reminder } from '../../src/core/reminders.ts'
import { report, states } from './sightings.ts'

const hourMs = 3_600_000
const weekMs = 7 * dayMs

interface TestDisk {
  readonly name: string
  readonly overdueMs: number | null
  state: DiskState
  visits: readonly VisitReport[]
}

type Command =
  | { readonly kind: 'pass'; readonly ms: number }
  /** The clock is set; nothing else happens. */
  | { readonly kind: 'set-clock'; readonly byMs: number }
  | { readonly kind: 'visit'; readonly disk: number; readonly outcome: Outcome }
  | { readonly kind: 'become'; readonly disk: number; readonly state: keyof typeof states }
  | { readonly kind: 'restart' }

const which = fc.nat({ max: 2 })
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.integer({ min: 60_000, max: 40 * hourMs }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.integer({ min: dayMs, max: 40 * dayMs }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('set-clock' as const),
      byMs: fc.integer({ min: -60 * dayMs, max: 60 * dayMs }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('set-clock' as const),
      byMs: fc.integer({ min: -2 * dayMs, max: 2 * dayMs }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('visit' as const),
      disk: which,
      outcome: fc.constantFrom('complete' as const, ...outcomes),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('become' as const),
      disk: which,
      state: fc.constantFrom(
        'absent' as const,
        'absent' as const,
        'arriving',
        'refused',
        'visiting',
        'not-removable',
        'pulled',
        'stuck',
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
)

const durations = fc.constantFrom(null, 2 * hourMs, 10 * dayMs, 30 * dayMs)
const world = fc.record({
  overdue: fc.tuple(durations, durations, durations),
  takeAwayMs: fc.constantFrom(null, hourMs, 12 * hourMs, 3 * dayMs),
  commands: fc.array(command, { minLength: 20, maxLength: 120 }),
})

const keyOf = (reminder: Reminder): string =>
  'disk' in reminder ? `${reminder.kind} ${reminder.disk}` : reminder.kind

interface Wait {
  /** Longest time that may go by without it being said while it goes on. */
  readonly limitMs: number
}

/** What goes on and may be spoken of, and how long it may go unsaid. */
function expected(
  disks: readonly TestDisk[],
  takeAwayMs: number | null,
  now: number,
): ReadonlyMap<string, Wait> {
  const going = new Map<string, Wait>()
  const lateMsOf = ({ overdueMs, visits }: TestDisk): number => {
    const complete = visits.filter((visit) => visit.outcome === 'complete')
    const counted = (complete.length > 0 ? complete.at(-1) : visits[0])?.finishedAt.getTime()
    return counted === undefined || overdueMs === null ? -1 : now - counted - overdueMs
  }
  for (const disk of disks) {
    const { name, overdueMs, state, visits } = disk
    const lateMs = lateMsOf(disk)
    const isBusy =
      state.kind === 'visiting' || (state.kind === 'arriving' && now - state.stableSince.getTime() < hourMs)
    if (lateMs > 0 && !isBusy)
      going.set(`disk-overdue ${name}`, { limitMs: lateMs >= (overdueMs ?? 0) + dayMs ? dayMs : weekMs })
    if (state.kind === 'removable' && state.outcome === 'complete' && takeAwayMs !== null && lateMs <= 0)
      going.set(`take-disk-away ${name}`, { limitMs: Math.max(takeAwayMs, dayMs) })
    if (state.kind === 'removable' && state.outcome !== 'complete' && lateMs <= 0)
      going.set(`backup-incomplete ${name}`, { limitMs: dayMs })
    if (visits.length === 0 && overdueMs !== null && ['absent', 'pulled'].includes(state.kind))
      going.set(`disk-unused ${name}`, { limitMs: Math.max(overdueMs, dayMs) })
  }
  const isAway = ({ state }: TestDisk) => state.kind === 'absent' || state.kind === 'pulled'
  const seen = disks.filter((disk) => disk.visits.length > 0 || !isAway(disk))
  if (takeAwayMs !== null && seen.length > 1 && !seen.some(isAway)) {
    going.set('nothing-offsite', { limitMs: Math.max(takeAwayMs, dayMs) })
    // It asks for one of them by name, which is not asked for a second time.
    const completeAt = ({ visits }: TestDisk): number =>
      visits.findLast(({ outcome }) => outcome === 'complete')?.finishedAt.getTime() ?? -1
    const [named] = seen
      .filter(({ state }) => state.kind === 'removable' && state.outcome === 'complete')
      .filter((disk) => lateMsOf(disk) <= 0)
      .sort((a, b) => completeAt(b) - completeAt(a))
    if (named !== undefined) going.delete(`take-disk-away ${named.name}`)
  }
  return going
}

test('never two of the same within a day, always one when it is due, none for a disk that is fine', () => {
  let said = 0
  fc.assert(
    fc.property(world, ({ overdue, takeAwayMs, commands }) => {
      const disks: TestDisk[] = overdue.map((overdueMs, n) => ({
        name: `offsite-${n}`,
        overdueMs,
        state: states.absent,
        visits: [],
      }))
      let now = Date.UTC(2026, 10, 22)
      /** How far the clock has gone forward in all; what it was set back does not count. */
      let forwardMs = 0
      let notes: Notes = new Map()
      const saidAt = new Map<string, number>()
      const unused = new Map<string, number>()
      const waitingSince = new Map<string, number>()

      const look = (): void => {
        const facts = disks.map(
          ({ name, overdueMs, state, visits }, n): DiskFacts => ({
            disk: {
              name: diskName(name),
              pool: poolName(name),
              serials: [serial(name)],
              poolGuid: poolGuid(String(n + 1)),
              luks: null,
            },
            overdueMs,
            state,
            visits,
          }),
        )
        const plan = planReminders(facts, notes, { takeAwayMs, now: new Date(now) })
        notes = plan.notes
        const going = expected(disks, takeAwayMs, now)
        for (const key of [...waitingSince.keys()]) if (!going.has(key)) waitingSince.delete(key)
        for (const [key, since] of waitingSince) if (since > now) waitingSince.set(key, now)
        for (const reminder of plan.due) {
          said++
          const key = keyOf(reminder)
          expect(going.has(key), `${key}: nothing to be reminded of`).toBe(true)
          const lastMs = saidAt.get(key)
          expect(lastMs === undefined ? dayMs : forwardMs - lastMs, `${key} again`).toBeGreaterThanOrEqual(
            dayMs,
          )
          saidAt.set(key, forwardMs)
          waitingSince.set(key, now)
          if (reminder.kind === 'disk-unused') unused.set(key, (unused.get(key) ?? 0) + 1)
        }
        for (const [key, { limitMs }] of going) {
          const since = waitingSince.get(key)
          if (since === undefined) waitingSince.set(key, now)
          else if (!unused.has(key)) expect(now - since, `${key} not said`).toBeLessThan(limitMs)
        }
        for (const [key, times] of unused) expect(times, key).toBe(1)
      }

      const advance = (ms: number): void => {
        now += ms
        forwardMs += Math.max(0, ms)
      }

      look()
      for (const one of commands) {
        switch (one.kind) {
          case 'pass':
            advance(one.ms)
            break
          case 'set-clock':
            advance(one.byMs)
            break
          case 'visit': {
            const disk = disks[one.disk]
            if (disk === undefined) throw new Error('no such disk')
            disk.state = states.visiting
            look()
            advance(hourMs)
            disk.visits = [
              ...disk.visits,
              report({ outcome: one.outcome, startedAt: new Date(now - hourMs), finishedAt: new Date(now) }),
            ]
            disk.state = { ...states.removable, outcome: one.outcome }
            break
          }
          case 'become': {
            const disk = disks[one.disk]
            if (disk !== undefined) disk.state = states[one.state]
            break
          }
          case 'restart': {
            const before = disks.map(({ state }) => state)
            for (const disk of disks) if (disk.state.kind !== 'absent') disk.state = states.arriving
            look()
            advance(2000)
            // A disk whose backup is not complete would get a visit.
            for (const [n, disk] of disks.entries()) disk.state = before[n] ?? disk.state
            break
          }
        }
        look()
      }
    }),
    { numRuns: 150 },
  )
  // The histories are such that there is much to be reminded of.
  expect(said).toBeGreaterThan(1000)
})
