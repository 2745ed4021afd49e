import { describe, expect, test } from 'vitest'
import { expectedSpeed, judgeFreshness } from '../../src/core/freshness.ts'
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
      'only failures: nothing to count from',
      [visit(1, 'failed'), visit(2, 'partial')],
      day,
      date(9),
      null,
      null,
      false,
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
