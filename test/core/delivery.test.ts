// When what waits for a channel is tried again, given up, or not true any more.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  chooseLeast,
  chooseNext,
  type DeliveryFailure,
  isGivenUp,
  isOvertaken,
  isQuiet,
  isStorm,
  type Waiting,
} from '../../src/core/delivery.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const t0 = new Date('2026-11-22T21:00:00Z')
const at = (ms: number): Date => new Date(t0.getTime() + ms)
const failed = (fields: Partial<DeliveryFailure> = {}): DeliveryFailure => ({
  why: 'unreachable',
  reason: 'x',
  tries: 1,
  at: t0,
  ...fields,
})
const waits = (fields: Partial<Waiting> = {}): Waiting => ({
  at: t0,
  urgent: false,
  failure: null,
  ...fields,
})
const awake = (ms: number, reachedAt: Date | null = null) => ({ now: at(ms), quiet: false, reachedAt })

describe('the next one', () => {
  test('is the oldest', () => {
    const [first, second] = [waits(), waits()]
    expect(chooseNext([first, second], awake(0))).toBe(first)
    expect(chooseNext([], awake(0))).toBeNull()
  })

  test('waits longer after each try, and for an hour at most', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 8, 20].map((tries) => {
      const one = waits({ failure: failed({ tries }) })
      for (let ms = 0; ; ms += 10_000) if (chooseNext([one], awake(ms)) !== null) return ms / 1000
    })
    expect(pauses).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600])
  })

  test('is none while the channel is out of reach', () => {
    expect(chooseNext([waits({ failure: failed() }), waits()], awake(20_000))).toBeNull()
  })

  test('that is urgent and was not tried yet waits for nothing', () => {
    const urgent = waits({ urgent: true })
    const behind = [waits({ failure: failed({ tries: 20 }) }), urgent]
    expect(chooseNext(behind, awake(20_000))).toBe(urgent)
    const tried = waits({ urgent: true, failure: failed() })
    expect(chooseNext([tried], awake(20_000))).toBeNull()
  })

  test('that was not tried yet does not wait for an hour, but not at night', () => {
    const fresh = waits()
    const behind = [waits({ failure: failed({ tries: 20 }) }), fresh]
    expect(chooseNext(behind, awake(minute - 1))).toBeNull()
    expect(chooseNext(behind, awake(minute))).toBe(fresh)
    expect(chooseNext(behind, { ...awake(minute), quiet: true })).toBeNull()
  })

  test('is what was out of reach, once something got through', () => {
    const old = waits({ failure: failed({ tries: 20 }) })
    expect(chooseNext([old], awake(2 * minute, at(-minute)))).toBeNull()
    expect(chooseNext([old], awake(2 * minute, at(minute)))).toBe(old)
    const refused = waits({ failure: failed({ tries: 20, why: 'refused' }) })
    expect(chooseNext([refused], awake(2 * minute, at(minute)))).toBeNull()
  })

  test('is none while nobody is there to see it', () => {
    expect(chooseNext([waits({ failure: failed({ why: 'nobody' }) }), waits()], awake(20_000))).toBeNull()
  })

  test('passes one that was refused by itself', () => {
    const behind = waits()
    expect(chooseNext([waits({ failure: failed({ why: 'refused' }) }), behind], awake(20_000))).toBe(behind)
  })

  test('looks every five minutes for somebody who sits down', () => {
    const one = waits({ failure: failed({ why: 'nobody', tries: 30 }) })
    expect(chooseNext([one], awake(5 * minute - 1))).toBeNull()
    expect(chooseNext([one], awake(5 * minute))).toBe(one)
  })

  test('at night is one that is urgent', () => {
    const urgent = waits({ urgent: true })
    expect(chooseNext([waits(), urgent], { now: t0, quiet: true, reachedAt: null })).toBe(urgent)
    expect(chooseNext([waits()], { now: t0, quiet: true, reachedAt: null })).toBeNull()
  })

  test('does not wait for a clock that was set back', () => {
    const one = waits({ failure: failed({ at: at(365 * day) }) })
    expect(chooseNext([one], awake(0))).toBe(one)
  })

  test('comes for everything, whatever failed before', () => {
    const failure = fc.option(
      fc.record({
        why: fc.constantFrom<DeliveryFailure['why']>('unreachable', 'refused', 'nobody'),
        reason: fc.constant('x'),
        tries: fc.integer({ min: 1, max: 50 }),
        at: fc.integer({ min: -day, max: day }).map(at),
      }),
    )
    fc.assert(
      fc.property(fc.array(failure, { minLength: 1 }), fc.integer({ min: 0, max: day }), (failures, ms) => {
        const waiting = failures.map((one) => waits({ failure: one }))
        const inTwoHours = [0, 10, 20, 40, 70, 120].map((minutes) =>
          chooseNext(waiting, awake(ms + day + minutes * minute)),
        )
        return inTwoHours.some((one) => one !== null)
      }),
    )
  })
})

describe('given up', () => {
  test('after a try in vain at three days of age', () => {
    expect(isGivenUp(waits({ failure: failed({ tries: 10, at: at(3 * day - 1) }) }))).toBe(false)
    expect(isGivenUp(waits({ failure: failed({ tries: 10, at: at(3 * day) }) }))).toBe(true)
  })
  test('not after a few tries: the clock was wrong when it happened', () => {
    expect(isGivenUp(waits({ at: new Date(0), failure: failed({ tries: 9 }) }))).toBe(false)
  })
  test('not without a try, however long the machine was off', () => {
    expect(isGivenUp(waits({ at: at(-40 * day) }))).toBe(false)
  })
})

describe('quiet hours', () => {
  const night = { fromMinute: 22 * 60, untilMinute: 7 * 60 }
  test.each([
    [night, 22 * 60, true],
    [night, 0, true],
    [night, 7 * 60 - 1, true],
    [night, 7 * 60, false],
    [night, 22 * 60 - 1, false],
    [{ fromMinute: 60, untilMinute: 120 }, 60, true],
    [{ fromMinute: 60, untilMinute: 120 }, 120, false],
    [null, 0, false],
  ])('%j at minute %i: %s', (span, now, expected) => {
    expect(isQuiet(span, now)).toBe(expected)
  })
})

describe('not true any more', () => {
  const said = (event: string, disk: string | null = 'a', message = event) => ({ event, disk, message })
  const isUntrue = (waiting: string, by: string, disk = 'a') =>
    isOvertaken(said(waiting), said(by, disk), { forPeople: false })
  const isUseless = (waiting: string, by: string, disk = 'a') =>
    isOvertaken(said(waiting), said(by, disk), { forPeople: true })

  test.each([
    'disk-arrived',
    'visit-asked',
    'pool-imported',
    'not-safe-to-remove',
    'disk-pulled',
    'disk-stuck',
  ])('that a disk may be taken, after %s', (event) => {
    for (const word of ['safe-to-remove', 'take-disk-away', 'backup-incomplete', 'nothing-offsite']) {
      expect(isUntrue(word, event)).toBe(true)
      expect(isUseless(word, event)).toBe(true)
      if (word !== 'nothing-offsite') expect(isUntrue(word, event, 'b')).toBe(false)
    }
  })
  test('that it was safe stays true when it was taken', () => {
    expect(isUseless('safe-to-remove', 'disk-removed')).toBe(false)
  })
  test.each([
    ['take-disk-away', 'disk-removed'],
    ['backup-incomplete', 'disk-removed'],
    ['disk-overdue', 'disk-arrived'],
    ['disk-overdue', 'visit-asked'],
    ['disk-unused', 'disk-arrived'],
    ['plan-made', 'backup-finished'],
    ['plan-made', 'disk-stuck'],
    ['not-safe-to-remove', 'safe-to-remove'],
    ['not-safe-to-remove', 'disk-removed'],
    ['not-safe-to-remove', 'disk-pulled'],
  ])('%s, after %s', (waiting, by) => {
    expect(isUntrue(waiting, by)).toBe(true)
    expect(isUntrue(waiting, by, 'b')).toBe(false)
  })
  test.each([
    ['backup-finished', 'safe-to-remove'],
    ['backup-finished', 'disk-arrived'],
    ['disk-pulled', 'disk-arrived'],
    ['disk-stuck', 'disk-arrived'],
  ])('%s is no order to a person after %s, but a program may count it', (waiting, by) => {
    expect(isUseless(waiting, by)).toBe(true)
    expect(isUseless(waiting, by, 'b')).toBe(false)
    expect(isUntrue(waiting, by)).toBe(false)
  })
  test.each(['disk-refused', 'notify-failed'])('%s is told however late', (event) => {
    for (const by of ['disk-arrived', 'safe-to-remove', 'disk-removed'])
      expect(isUseless(event, by)).toBe(false)
  })
  test('of one thing a person needs the newest, a program each', () => {
    for (const event of ['take-disk-away', 'disk-overdue', 'plan-made', 'backup-finished', 'disk-pulled']) {
      expect(isUseless(event, event)).toBe(true)
      expect(isUseless(event, event, 'b')).toBe(false)
      expect(isUntrue(event, event)).toBe(false)
    }
  })
  test('of others, none that is word for word the same', () => {
    const two = (message: string) =>
      isOvertaken(said('disk-refused', 'a', 'one'), said('disk-refused', 'a', message), { forPeople: true })
    expect(two('one')).toBe(true)
    expect(two('another')).toBe(false)
  })
  test('that all disks are at home, when one goes, whichever it is', () => {
    for (const disk of [null, 'a'])
      for (const by of ['disk-removed', 'nothing-offsite'])
        expect(isOvertaken(said('nothing-offsite', disk), said(by, 'b'), { forPeople: true })).toBe(true)
  })
  test('that the configuration has mistakes, when it was read again', () => {
    const by = (event: string) =>
      isOvertaken(said('config-rejected', null), said(event, null), { forPeople: true })
    expect(by('config-reloaded')).toBe(true)
    expect(by('config-rejected')).toBe(true)
    expect(by('daemon-stopping')).toBe(false)
  })
  test('nothing that is of no disk', () => {
    expect(isOvertaken(said('safe-to-remove', null), said('disk-arrived', null), { forPeople: true })).toBe(
      false,
    )
  })
})

describe('a storm', () => {
  const times = (count: number, everyMs = 1000) => Array.from({ length: count }, (_, n) => at(-n * everyMs))
  test('is what comes for the sixth time within an hour; the word that a disk is safe may come oftener', () => {
    expect(isStorm('disk-pulled', times(4), t0)).toBe(false)
    expect(isStorm('disk-pulled', times(5), t0)).toBe(true)
    expect(isStorm('safe-to-remove', times(19), t0)).toBe(false)
    expect(isStorm('safe-to-remove', times(20), t0)).toBe(true)
  })
  test('ends within an hour, whatever the clock does', () => {
    expect(isStorm('disk-pulled', times(5), at(hour - 4000))).toBe(false)
    expect(isStorm('disk-pulled', times(5), at(hour - 4001))).toBe(true)
    expect(isStorm('disk-pulled', times(5), at(-365 * day))).toBe(false)
  })
})

test('of too many, what is urgent goes last', () => {
  const [urgent, old, young] = [waits({ urgent: true }), waits(), waits()]
  expect(chooseLeast([urgent, old, young])).toBe(old)
  expect(chooseLeast([urgent])).toBe(urgent)
  expect(chooseLeast([])).toBeNull()
})
