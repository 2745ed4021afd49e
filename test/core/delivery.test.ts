// When what waits for a channel is tried again, given up, or not true any more.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  chooseNext,
  type DeliveryFailure,
  isGivenUp,
  isOvertaken,
  isQuiet,
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
const awake = (ms: number) => ({ now: at(ms), quiet: false })

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
    expect(chooseNext([waits(), urgent], { now: t0, quiet: true })).toBe(urgent)
    expect(chooseNext([waits()], { now: t0, quiet: true })).toBeNull()
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
    expect(isGivenUp(waits({ failure: failed({ at: at(3 * day - 1) }) }))).toBe(false)
    expect(isGivenUp(waits({ failure: failed({ at: at(3 * day) }) }))).toBe(true)
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
  const said = (event: string, disk: string | null = 'a') => ({ event, disk })
  test.each(['disk-arrived', 'pool-imported', 'not-safe-to-remove', 'disk-pulled', 'disk-stuck'])(
    'that a disk is safe, after %s',
    (event) => {
      expect(isOvertaken(said('safe-to-remove'), said(event))).toBe(true)
      expect(isOvertaken(said('safe-to-remove'), said(event, 'b'))).toBe(false)
    },
  )
  test('that it was safe stays true when it was taken', () => {
    expect(isOvertaken(said('safe-to-remove'), said('disk-removed'))).toBe(false)
  })
  test.each(['disk-pulled', 'disk-stuck', 'disk-refused', 'backup-finished', 'notify-failed'])(
    '%s is told however late',
    (event) => {
      for (const by of ['disk-arrived', 'safe-to-remove', 'disk-removed'])
        expect(isOvertaken(said(event), said(by))).toBe(false)
    },
  )
  test('nothing that is of no disk', () => {
    expect(isOvertaken(said('safe-to-remove', null), said('disk-arrived', null))).toBe(false)
  })
})
