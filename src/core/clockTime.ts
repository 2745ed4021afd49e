// What the clock on the wall shows at a time that lies ahead. Without Intl, which takes longer to load than `walkaway status`
// to answer.

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const
const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** `18:40`, in the machine's time zone; `Tuesday 18:40` or `28 Nov 18:40` where that could be taken for today's. */
export function clockTime(at: Date, now: Date): string {
  const time = `${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`
  const aheadMs = at.getTime() - now.getTime()
  if (aheadMs < 12 * hourMs || at.toDateString() === now.toDateString()) return time
  const day = aheadMs < 6 * dayMs ? weekdays[at.getDay()] : `${at.getDate()} ${months[at.getMonth()]}`
  return `${day} ${time}`
}

const twoDigits = (number: number): string => String(number).padStart(2, '0')
