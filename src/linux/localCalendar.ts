// The calendar of the machine's time zone, from what Node knows of it.

import { type Calendar, type Period, periodsOf } from '../core/calendar.ts'

/** Snapshots of many datasets were taken in the same seconds; more than these are not remembered. */
const MAX_REMEMBERED = 100_000

/** Answers from memory for a second that was asked for before. */
export function createLocalCalendar(): Calendar {
  const known = new Map<number, Readonly<Record<Period, string>>>()
  return (at) => {
    const second = Math.floor(at.getTime() / 1000)
    const remembered = known.get(second)
    if (remembered !== undefined) return remembered
    const found = periodsOf({
      year: at.getFullYear(),
      month: at.getMonth() + 1,
      day: at.getDate(),
      hour: at.getHours(),
      offsetMinutes: -at.getTimezoneOffset(),
    })
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(second, found)
    return found
  }
}
