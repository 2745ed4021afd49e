// Hours, days, weeks, months and years by name, for retention.ts. Pure: which local time a moment has is for the machine
// to say (linux/localCalendar.ts).

export const periods = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const
export type Period = (typeof periods)[number]

/** The periods that a moment lies in. Two moments lie in the same period if and only if its names are equal. */
export type Calendar = (at: Date) => Readonly<Record<Period, string>>

/** A moment as the clock on the wall and the calendar beside it show it. */
export interface LocalTime {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  readonly hour: number
  /** East of Greenwich, in minutes. When clocks are put back, it tells the second of two equal hours from the first. */
  readonly offsetMinutes: number
}

/** `2026-11-20 14:00+01:00`, `2026-11-20`, `2026-W47` (ISO 8601: its Thursday decides the year), `2026-11`, `2026`. */
export function periodsOf(local: LocalTime): Readonly<Record<Period, string>> {
  const { year, month, day, hour, offsetMinutes } = local
  const monthly = `${year}-${twoDigits(month)}`
  const daily = `${monthly}-${twoDigits(day)}`
  const offset = Math.abs(offsetMinutes)
  const sign = offsetMinutes < 0 ? '-' : '+'
  const zone = `${sign}${twoDigits(Math.floor(offset / 60))}:${twoDigits(offset % 60)}`
  return {
    hourly: `${daily} ${twoDigits(hour)}:00${zone}`,
    daily,
    weekly: isoWeek(local),
    monthly,
    yearly: `${year}`,
  }
}

const dayMs = 86_400_000

function isoWeek({ year, month, day }: LocalTime): string {
  const noon = Date.UTC(year, month - 1, day, 12)
  const thursday = new Date(noon + (3 - ((new Date(noon).getUTCDay() + 6) % 7)) * dayMs)
  const ofYear = thursday.getUTCFullYear()
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(ofYear, 0, 1)) / (7 * dayMs))
  return `${ofYear}-W${twoDigits(week)}`
}

const twoDigits = (count: number): string => String(count).padStart(2, '0')
