import { describe, expect, test } from 'vitest'
import type { DiskState } from '../../src/core/diskState.ts'
import { type Disk, diskName, type Outcome, poolGuid, poolName, serial } from '../../src/core/model.ts'
import { type DiskFacts, dayMs, type Notes, planReminders, type Reminder } from '../../src/core/reminders.ts'
import { report, states } from './sightings.ts'

const hourMs = 3_600_000
const overdueMs = 30 * dayMs
const takeAwayMs = 12 * hourMs
const zero = new Date('2026-11-22T21:00:00Z')
const at = (ms: number): Date => new Date(zero.getTime() + ms)

const disk = (number: number): Disk => ({
  name: diskName(`offsite-${number}`),
  serials: [serial(`S${number}`)],
  pool: poolName(`offsite-${number}`),
  poolGuid: poolGuid(String(number)),
  luks: null,
})
/** A visit that ended so many milliseconds after the start. */
const visit = (ms: number, outcome: Outcome = 'complete') =>
  report({ outcome, startedAt: at(ms), finishedAt: at(ms), reason: outcome === 'complete' ? null : 'why' })
const facts = (number: number, of: Partial<DiskFacts> = {}): DiskFacts => ({
  disk: disk(number),
  state: states.absent,
  visits: [visit(0)],
  overdueMs,
  ...of,
})
const released = (outcome: Outcome): DiskState => ({ ...states.removable, outcome })
const finished = released('complete')

const nameOf = (reminder: Reminder): string =>
  'disk' in reminder ? `${reminder.kind} ${reminder.disk}` : reminder.kind

/** A service that looks every hour of the time span, from what was noted; `hour kind disk` for each that was said. */
function follow(
  factsAt: (hour: number) => readonly DiskFacts[],
  {
    from = 0,
    hours,
    notes = new Map(),
  }: { readonly from?: number; readonly hours: number; readonly notes?: Notes },
): { readonly said: readonly string[]; readonly notes: Notes; readonly reminders: readonly Reminder[] } {
  const said: string[] = []
  const reminders: Reminder[] = []
  let known = notes
  for (let hour = from; hour <= from + hours; hour++) {
    const plan = planReminders(factsAt(hour), known, { takeAwayMs, now: at(hour * hourMs) })
    known = plan.notes
    for (const reminder of plan.due) {
      reminders.push(reminder)
      said.push(`${hour} ${nameOf(reminder)}`)
    }
  }
  return { said, notes: known, reminders }
}
/** Days of what was said, of one kind. */
const daysOf = (said: readonly string[], kind: string): readonly number[] =>
  said.filter((line) => line.includes(kind)).map((line) => Math.floor(Number(line.split(' ')[0]) / 24))

describe('a disk that is overdue', () => {
  test('is told when it is due, after a week, and every day from twice the time on', () => {
    const { said } = follow(() => [facts(1)], { hours: 63 * 24 })
    expect(daysOf(said, 'disk-overdue')).toEqual([30, 37, 44, 51, 58, 60, 61, 62, 63])
    expect(said).toHaveLength(9)
  })
  test('of a short time: every day, not more often', () => {
    const { said } = follow(() => [facts(1, { overdueMs: hourMs })], { hours: 72 })
    expect(said.map((line) => line.split(' ')[0])).toEqual(['2', '26', '50'])
  })
  test('is silent until a visit has ended, and then as the visit ended', () => {
    const hours = 31 * 24
    const { notes } = follow(() => [facts(1)], { hours })
    const during = follow(() => [facts(1, { state: states.visiting })], { from: hours, hours: 240, notes })
    expect(during.said).toEqual([])
    const failed = () => [
      facts(1, { state: released('partial'), visits: [visit(0), visit((hours + 240) * hourMs, 'partial')] }),
    ]
    const after = follow(failed, { from: hours + 240, hours: 1, notes: during.notes })
    expect(after.reminders).toMatchObject([{ kind: 'disk-overdue', place: 'removable' }])
    const good = () => [facts(1, { visits: [visit((hours + 240) * hourMs)] })]
    expect(follow(good, { from: hours + 240, hours: 29 * 24, notes: during.notes }).said).toEqual([])
  })
  test('that never had a complete backup counts from its first visit', () => {
    const { reminders } = follow(
      () => [facts(1, { visits: [visit(0, 'failed'), visit(dayMs, 'partial')] })],
      {
        hours: 31 * 24,
      },
    )
    expect(reminders).toMatchObject([
      { kind: 'disk-overdue', lastComplete: null, withoutBackupMs: overdueMs + hourMs },
    ])
  })
  test('may stay away for ever', () => {
    expect(follow(() => [facts(1, { overdueMs: null })], { hours: 400 * 24 }).said).toEqual([])
  })
  test('of several that are away, the one with the oldest backup comes first', () => {
    const old = facts(2, { visits: [visit(-40 * dayMs)] })
    const first = (others: readonly DiskFacts[]) => {
      const { reminders } = follow(() => [facts(1), ...others], { from: 31 * 24, hours: 0 })
      return reminders.flatMap((one) =>
        one.kind === 'disk-overdue' && one.disk === 'offsite-1' ? [one.bringFirst] : [],
      )
    }
    expect(first([])).toEqual([null])
    expect(first([old, facts(3, { visits: [visit(-5 * dayMs)] })])).toEqual(['offsite-2'])
    expect(first([facts(2, { visits: [visit(dayMs)] })])).toEqual([null])
    expect(first([{ ...old, state: states.visiting }])).toEqual([null])
    expect(first([{ ...old, overdueMs: null }])).toEqual([null])
    expect(first([{ ...old, visits: [] }])).toEqual([null])
    // Older, but it is to come once a year.
    expect(first([{ ...old, overdueMs: 365 * dayMs }])).toEqual([null])
  })
  test.each([
    ['absent', 'away'],
    ['pulled', 'away'],
    ['removable', 'removable'],
    ['not-removable', 'in-use'],
    ['refused', 'in-use'],
    ['stuck', 'in-use'],
  ] as const)('and %s: what is to be done is told', (kind, place) => {
    const { reminders } = follow(() => [facts(1, { state: states[kind] })], { from: 31 * 24, hours: 0 })
    expect(reminders).toMatchObject([{ kind: 'disk-overdue', place }])
  })
})

test('a disk that never settles is overdue like any other', () => {
  const half = (hour: number) => [
    facts(1, { state: { ...states.arriving, stableSince: at(Math.min(hour, 800) * hourMs) } }),
  ]
  const { said } = follow(half, { from: 790, hours: 20 })
  expect(said).toEqual(['801 disk-overdue offsite-1'])
})

describe('a finished disk that is still plugged in', () => {
  test('is told after a while, and then every day', () => {
    const { said } = follow(() => [facts(1, { state: finished })], { hours: 61 })
    expect(said).toEqual([
      '12 take-disk-away offsite-1',
      '36 take-disk-away offsite-1',
      '60 take-disk-away offsite-1',
    ])
  })
  test('over restarts of the service and sleep: as if nothing had been', () => {
    const { notes } = follow(() => [facts(1, { state: finished })], { hours: 5 })
    const settling = follow(() => [facts(1, { state: states.arriving })], { from: 20, hours: 0, notes })
    expect(settling.said).toEqual([])
    const again = follow(() => [facts(1, { state: finished })], { from: 21, hours: 5, notes: settling.notes })
    expect(again.said).toEqual(['21 take-disk-away offsite-1'])
  })
  test('counts anew after it was away, but is not told twice within a day', () => {
    const here = [facts(1, { state: finished })]
    const there = [facts(1)]
    const { said } = follow((hour) => (hour === 13 ? there : here), { hours: 40 })
    expect(said).toEqual(['12 take-disk-away offsite-1', '36 take-disk-away offsite-1'])
    const { said: later } = follow((hour) => (hour === 11 ? there : here), { hours: 30 })
    expect(later).toEqual(['24 take-disk-away offsite-1'])
  })
  test('nobody wants to hear of it', () => {
    const plan = (notes: Notes, hour: number) =>
      planReminders([facts(1, { state: finished }), facts(2, { state: finished })], notes, {
        takeAwayMs: null,
        now: at(hour * hourMs),
      })
    expect(plan(plan(new Map(), 0).notes, 100).due).toEqual([])
  })
  test('with a backup that is not complete: that is told, every day', () => {
    const visits = [visit(-dayMs), visit(0, 'partial')]
    const { said, reminders } = follow(() => [facts(1, { state: released('partial'), visits })], {
      hours: 49,
    })
    expect(said).toEqual(['24 backup-incomplete offsite-1', '48 backup-incomplete offsite-1'])
    expect(reminders[0]).toMatchObject({ outcome: 'partial', reason: 'why' })
    expect(follow(() => [facts(1, { visits })], { hours: 49 }).said).toEqual([])
  })
  test('is not to be taken away when it is overdue: it is to be plugged in again', () => {
    const { said } = follow(() => [facts(1, { state: finished })], { from: 31 * 24, hours: 13 })
    expect(said).toEqual([`${31 * 24} disk-overdue offsite-1`])
  })
  test.each(['not-removable', 'visiting', 'refused', 'stuck', 'pulled'] as const)(
    'while it is %s nobody is told to take it',
    (kind) => {
      expect(follow(() => [facts(1, { state: states[kind] })], { hours: 100 }).said).toEqual([])
    },
  )
})

describe('all disks at home', () => {
  const told = (...disks: readonly DiskFacts[]) => {
    const { reminders } = follow(() => disks, { hours: 37 })
    return reminders.flatMap((one) => (one.kind === 'nothing-offsite' ? [one] : []))
  }
  test('is told after a while and every day, with the newest backup as the one to take', () => {
    const newest = facts(2, { state: finished, visits: [visit(1)] })
    expect(told(facts(1, { state: finished }), newest)).toMatchObject([
      { disks: ['offsite-1', 'offsite-2'], take: 'offsite-2', atHomeMs: takeAwayMs },
      { take: 'offsite-2', atHomeMs: takeAwayMs + dayMs },
    ])
  })
  test('the one to take is asked for once, the other one by a word of its own', () => {
    const newest = facts(2, { state: finished, visits: [visit(1)] })
    const { said } = follow(() => [facts(1, { state: finished }), newest], { hours: 13 })
    expect(said).toEqual(['12 take-disk-away offsite-1', '12 nothing-offsite'])
  })
  test('one that is overdue is to be plugged in again, not to be taken', () => {
    const here = [facts(1, { state: finished }), facts(2, { state: finished, overdueMs: null })]
    const { reminders } = follow(() => here, { from: 31 * 24, hours: 13 })
    expect(reminders.filter(({ kind }) => kind === 'nothing-offsite')).toMatchObject([{ take: 'offsite-2' }])
  })
  test('none of them may be taken yet', () => {
    const busy = [states.refused, states['not-removable'], states.visiting].map((state, n) =>
      facts(n, { state }),
    )
    expect(told(...busy)).toMatchObject([{ take: null }, { take: null }])
  })
  test('a disk that is here for the first time is at home', () => {
    expect(told(facts(1, { state: finished }), facts(2, { visits: [], state: states.refused }))).toHaveLength(
      2,
    )
  })
  test('a disk that was never seen is nowhere', () => {
    const [one, two] = [facts(1, { state: finished }), facts(2, { state: finished })]
    expect(told(one, two, facts(3, { visits: [] }))).toHaveLength(2)
    expect(told(one, facts(3, { visits: [] }))).toEqual([])
  })
  test.each<[string, DiskFacts]>([
    ['away', facts(2)],
    ['pulled out', facts(2, { state: states.pulled })],
  ])('not while one is %s', (_, other) => {
    expect(told(facts(1, { state: finished }), other)).toEqual([])
  })
  test('a single disk is no rotation', () => {
    expect(told(facts(1, { state: finished }))).toEqual([])
  })
})

test('a disk that was never used is told once', () => {
  const refusedInBetween = (hour: number) => [
    facts(1, { visits: [], state: hour % 1000 < 300 ? states.refused : states.absent }),
  ]
  const { said } = follow(refusedInBetween, { from: 300, hours: 300 * 24 })
  expect(said).toEqual(['1300 disk-unused offsite-1'])
  expect(follow(() => [facts(1, { visits: [], overdueMs: null })], { hours: 300 * 24 }).said).toEqual([])
})

describe('a clock that jumps', () => {
  test('forward: what is due by then is told, once', () => {
    const { said } = follow(() => [facts(1)], { hours: 1 })
    expect(said).toEqual([])
    expect(follow(() => [facts(1)], { from: 40 * 24, hours: 23 }).said).toEqual([
      `${40 * 24} disk-overdue offsite-1`,
    ])
  })
  test('back after something was said: it comes one pause later, not as late as the clock was wrong', () => {
    const here = () => [facts(1, { state: finished, overdueMs: null })]
    const { notes } = follow(here, { hours: 5 })
    const wrong = follow(here, { from: 1000, hours: 0, notes })
    expect(wrong.said).toEqual(['1000 take-disk-away offsite-1'])
    expect(follow(here, { from: 6, hours: 48, notes: wrong.notes }).said).toEqual([
      '30 take-disk-away offsite-1',
      '54 take-disk-away offsite-1',
    ])
  })
  test('back after a disk was finished: counted from then', () => {
    const here = () => [facts(1, { state: finished, overdueMs: null })]
    const wrong = follow(here, { from: 1000, hours: 0 })
    expect(follow(here, { hours: 12, notes: wrong.notes }).said).toEqual(['12 take-disk-away offsite-1'])
  })
})
