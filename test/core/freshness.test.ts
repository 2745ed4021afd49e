import { describe, expect, test } from 'vitest'
import { expectedSpeed, forecastFull, judgeFreshness } from '../../src/core/freshness.ts'
import type { Outcome, VisitReport } from '../../src/core/model.ts'
import { report } from './sightings.ts'

const day = 24 * 3_600_000
const date = (dayOfJanuary: number): Date => new Date(Date.UTC(2026, 0, dayOfJanuary))
const visit = (dayOfJanuary: number, outcome: Outcome = 'complete'): VisitReport =>
  report({ outcome, startedAt: date(dayOfJanuary), finishedAt: date(dayOfJanuary) })

describe('when it is due', () => {
  test.each<
    [
      name: string,
      visits: readonly VisitReport[],
      overdueMs: number | null,
      now: Date,
      Date | null,
      Date | null,
      boolean,
    ]
  >([
    ['never backed up: nothing to count from', [], 30 * day, date(5), null, null, false],
    [
      'only failures: from the first of them',
      [visit(1, 'failed'), visit(2, 'partial')],
      10 * day,
      date(12),
      null,
      date(11),
      true,
    ],
    ['fresh', [visit(1)], 10 * day, date(5), date(1), date(11), false],
    ['at the very moment: not yet', [visit(1)], 10 * day, date(11), date(1), date(11), false],
    ['overdue', [visit(1)], 10 * day, date(12), date(1), date(11), true],
    [
      'what failed since does not count',
      [visit(1), visit(9, 'failed'), visit(10, 'interrupted')],
      10 * day,
      date(12),
      date(1),
      date(11),
      true,
    ],
    [
      'the newest complete one counts',
      [visit(1), visit(9), visit(10, 'partial')],
      10 * day,
      date(12),
      date(9),
      date(19),
      false,
    ],
    ['may stay away for ever', [visit(1)], null, date(30), date(1), null, false],
  ])('%s', (_, visits, overdueMs, now, lastComplete, dueBy, overdue) => {
    expect(judgeFreshness(visits, overdueMs, now)).toEqual({ lastComplete, dueBy, overdue })
  })
})

describe('how fast a disk is', () => {
  const MiB = 1024 * 1024
  const sending = (bytes: number, seconds: number): VisitReport =>
    report({ sentBytes: bytes, startedAt: date(1), finishedAt: new Date(date(1).getTime() + seconds * 1000) })

  test.each<[name: string, visits: readonly VisitReport[], number | null]>([
    ['nothing is known', [], null],
    ['its last visit', [sending(100 * MiB, 10), sending(200 * MiB, 10)], 20 * MiB],
    ['a visit that hardly sent anything does not tell', [sending(100 * MiB, 10), sending(MiB, 10)], 10 * MiB],
    ['the clock was set back during it', [sending(100 * MiB, -10)], null],
    ['in no time', [sending(100 * MiB, 0)], null],
  ])('%s', (_, visits, speed) => {
    expect(expectedSpeed(visits)).toBe(speed)
  })
})

describe('when a disk will be full', () => {
  const GiB = 1024 ** 3
  const sizeBytes = 3200 * GiB
  /** Allocated after each visit, in GiB; of these, 3,100 can be written. `?`: it could not be read. */
  const forecast = (series: string): number | null => {
    const words = series.split(' ')
    const past = words.slice(0, -1).map((word) => {
      const [, failed, gib] = /^(!?)(\?|\d+)$/.exec(word) ?? []
      const allocatedBytes = Number(gib) * GiB
      const space = gib === '?' ? null : { allocatedBytes, sizeBytes, missingBytes: 0, fullInVisits: null }
      return report({ outcome: failed === '!' ? 'partial' : 'complete', space })
    })
    return forecastFull(past, { allocatedBytes: Number(words.at(-1)) * GiB, sizeBytes })
  }

  test.each<[name: string, series: string, number | null]>([
    ['four visits at the pace of the last ones', '2600 2620 2640 2660', null],
    ['soon', '2400 2500 2600 2700', 4],
    ['a part of a visit counts as one', '2410 2510 2610 2710', 4],
    ['two visits after the first full one are too few', '2500 2600 2700', null],
    ['without any past', '3000', null],
    ['it does not grow', '2700 2700 2700 2700', null],
    ['it shrinks', '2900 2800 2750 2700', null],
    ['full already', '2800 2900 3000 3100', 1],
    ['the next one fills it', '2700 2800 2900 3000', 1],
    ['one large visit does not decide', '1000 1010 1020 3000 3010 3020 3030', null],
    ['nor one that pruned much', '2400 2500 2600 2100 2500 2600 2700', 4],
    ['of an even number the middle', '2000 2200 2400 2500 2600', 4],
    ['what brought the first complete backup is no growth', '!1000 !2000 2600 2700', null],
    ['visits that could not read it are left out', '2400 ? 2500 ? 2600 2700', 4],
    [
      'only the last eight',
      '0 300 600 900 1200 1500 2291 2292 2293 2294 2295 2296 2297 2298 2299 2300',
      null,
    ],
  ])('%s', (_, series, expected) => {
    expect(forecast(series)).toBe(expected)
  })

  test('ZFS keeps a part of a small pool to itself', () => {
    const MiB = 1024 ** 2
    const at = (mib: number) => ({ allocatedBytes: mib * MiB, sizeBytes: 600 * MiB })
    const visitAt = (mib: number): VisitReport =>
      report({ outcome: 'complete', space: { ...at(mib), missingBytes: 0, fullInVisits: null } })
    // Of 600 MiB, 128 are kept: 52 are left.
    expect(forecastFull([360, 380, 400].map(visitAt), at(420))).toBe(3)
  })
})
