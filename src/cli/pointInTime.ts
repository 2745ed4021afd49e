// What a person writes for a point in time: a day, a time of day in the machine's time zone, or a snapshot's name. Pure.
import type { PointInTime } from '../core/restore.ts'

const iso =
  /^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})(?:[T ](?<hour>\d{2}):(?<minute>\d{2})(?::(?<second>\d{2}))?(?<zone>Z|[+-]\d{2}:\d{2})?)?$/

/** A day counts whole: what was there at its end. What is no time can still be the name of a snapshot. */
export function parsePointInTime(text: string): PointInTime {
  return { text, time: parseTime(text) }
}

function parseTime(text: string): Date | null {
  const { year, month, day, hour, minute, second, zone } = iso.exec(text)?.groups ?? {}
  if (year === undefined || month === undefined || day === undefined) return null
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1) return null
  // Day 0 of the next month is the last of this one.
  if (Number(day) > new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()) return null
  const clock = hour === undefined ? '23:59:59.999' : `${hour}:${minute}:${second ?? '59'}.999`
  const time = new Date(`${year}-${month}-${day}T${clock}${zone ?? ''}`)
  return Number.isNaN(time.getTime()) ? null : time
}
