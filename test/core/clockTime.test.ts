// The clock on the wall, with the day where it could be taken for today's.
import { expect, test } from 'vitest'
import { clockTime } from '../../src/core/clockTime.ts'

const now = new Date(2026, 10, 22, 20, 5)

test.each([
  ['in a moment', new Date(2026, 10, 22, 20, 6), '20:06'],
  ['late on the same day', new Date(2026, 10, 22, 23, 59), '23:59'],
  ['in the night', new Date(2026, 10, 23, 8, 4), '08:04'],
  ['tomorrow', new Date(2026, 10, 23, 8, 5), 'Monday 08:05'],
  ['in 47 hours', new Date(2026, 10, 24, 19, 5), 'Tuesday 19:05'],
  ['in less than six days', new Date(2026, 10, 28, 20, 4), 'Saturday 20:04'],
  ['in six days', new Date(2026, 10, 28, 20, 5), '28 Nov 20:05'],
  ['next year', new Date(2027, 8, 3, 0, 0), '3 Sep 00:00'],
  ['an hour ago', new Date(2026, 10, 22, 19, 5), '19:05'],
])('%s', (_when, at, words) => {
  expect(clockTime(at, now)).toBe(words)
})
