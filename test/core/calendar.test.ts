import { spawnSync } from 'node:child_process'
import { execPath as node } from 'node:process'
import { describe, expect, test } from 'vitest'
import { periodsOf } from '../../src/core/calendar.ts'
import { calendarOf, utc } from './calendars.ts'

describe('the names of periods', () => {
  test('of an hour and what it lies in', () => {
    expect(periodsOf({ year: 2026, month: 1, day: 9, hour: 4, offsetMinutes: -210 })).toEqual({
      hourly: '2026-01-09 04:00-03:30',
      daily: '2026-01-09',
      weekly: '2026-W02',
      monthly: '2026-01',
      yearly: '2026',
    })
  })

  // From ISO 8601 and the tables of `date +%G-W%V`.
  test.each([
    ['2024-12-29', '2024-W52'],
    ['2024-12-30', '2025-W01'],
    ['2026-01-01', '2026-W01'],
    ['2026-12-31', '2026-W53'],
    ['2027-01-03', '2026-W53'],
    ['2027-01-04', '2027-W01'],
    ['2028-02-29', '2028-W09'],
    ['2021-01-03', '2020-W53'],
  ])('%s lies in week %s', (day, week) => {
    expect(utc(new Date(`${day}T00:00:00Z`)).weekly).toBe(week)
    expect(utc(new Date(`${day}T23:59:59Z`)).weekly).toBe(week)
  })
})

describe("the machine's time zone", () => {
  /** Hours and days that Node's own calendar finds there, each half hour from `start` on. */
  function inZone(timeZone: string, start: string, halfHours: number): readonly string[] {
    const program = `
      import { createLocalCalendar } from ${JSON.stringify(new URL('../../src/linux/localCalendar.ts', import.meta.url).href)}
      const calendar = createLocalCalendar()
      const names = []
      for (let round = 0; round < 2; round++)
        for (let half = 0; half < ${halfHours}; half++)
          names.push(Object.values(calendar(new Date(Date.parse('${start}') + half * 1_800_000))).join(' '))
      console.log(JSON.stringify(names))
    `
    const args = ['--import', 'tsx', '--input-type=module', '-e', program]
    const { stdout, stderr } = spawnSync(node, args, {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, TZ: timeZone },
    })
    if (stderr !== '') throw new Error(stderr)
    return JSON.parse(stdout)
  }

  test.each([
    ['clocks are put forward in Berlin', 'Europe/Berlin', '2026-03-28T22:00:00Z', 25],
    ['clocks are put back in Berlin', 'Europe/Berlin', '2026-10-24T22:00:00Z', 27],
    ['clocks are put forward in New York', 'America/New_York', '2026-03-08T04:00:00Z', 25],
    ['clocks are put back in New York', 'America/New_York', '2026-11-01T03:00:00Z', 27],
    ['a new year in Auckland', 'Pacific/Auckland', '2026-12-31T00:00:00Z', 24],
  ])('%s: every hour that passes has its own name', { timeout: 120_000 }, (_, zone, start, hours) => {
    const found = inZone(zone, start, 2 * hours)
    const expected = Array.from({ length: 2 * hours }, (__, half) =>
      Object.values(calendarOf(zone)(new Date(Date.parse(start) + half * 1_800_000))).join(' '),
    )
    expect(found).toEqual([...expected, ...expected])
    expect(new Set(found).size).toBe(hours)
  })
})
