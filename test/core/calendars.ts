// Calendars for tests: of Greenwich without summer time, and of any time zone, made in another way than the real one.

import { type Calendar, periodsOf } from '../../src/core/calendar.ts'

export const utc: Calendar = (at) =>
  periodsOf({
    year: at.getUTCFullYear(),
    month: at.getUTCMonth() + 1,
    day: at.getUTCDate(),
    hour: at.getUTCHours(),
    offsetMinutes: 0,
  })

/** `Europe/Berlin` */
export function calendarOf(timeZone: string): Calendar {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (at) => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? Number.NaN
    const [year, month, day, hour] = [part('year'), part('month'), part('day'), part('hour')]
    const shown = Date.UTC(year, month - 1, day, hour, part('minute'), part('second'))
    const offsetMinutes = Math.round((shown - Math.floor(at.getTime() / 1000) * 1000) / 60_000)
    return periodsOf({ year, month, day, hour, offsetMinutes })
  }
}
