// When a message that waits for a channel is tried again, when it is given up, when it is not true any more, and when
// nobody is to be woken or pestered. Pure; who delivers is notify/.

export type DeliveryFailure = {
  /**
   * unreachable: nothing else gets through there now. refused: this message was, others may get through. nobody: there is
   * nobody to show it to, which is no fault.
   */
  readonly why: 'unreachable' | 'refused' | 'nobody'
  /** For a person; no secrets. */
  readonly reason: string
  readonly tries: number
  readonly at: Date
}

export interface Waiting {
  readonly at: Date
  readonly urgent: boolean
  /** null: not tried yet. */
  readonly failure: DeliveryFailure | null
}

const firstPauseMs = 30_000
const longestPauseMs = 3_600_000
/** Somebody may sit down at the machine at any time. */
const nobodyPauseMs = 300_000
const giveUpAfterMs = 3 * 24 * 3_600_000

const pauseMs = ({ why, tries }: DeliveryFailure): number =>
  Math.min(why === 'nobody' ? nobodyPauseMs : longestPauseMs, firstPauseMs * 2 ** (tries - 1))

/** Something else got through since, so what was out of reach is not any more. */
const isBack = ({ why, at }: DeliveryFailure, reachedAt: Date | null): boolean =>
  why !== 'refused' && reachedAt !== null && reachedAt > at

/** A clock that was set back ends the pause: better one try too many than none for a year. */
function isInPause({ failure }: Waiting, { now, reachedAt }: Pick<Moment, 'now' | 'reachedAt'>): boolean {
  if (failure === null || isBack(failure, reachedAt)) return false
  const pastMs = now.getTime() - failure.at.getTime()
  return pastMs >= 0 && pastMs < pauseMs(failure)
}

export interface Moment {
  readonly now: Date
  readonly quiet: boolean
  /** When something got through last; null: nothing yet. */
  readonly reachedAt: Date | null
}

/** Somebody waits for what has just happened; a line that is down may be up again. */
const freshPauseMs = 60_000

/**
 * The one of a channel's messages, oldest first, that is tried now; null: none. One that was not tried yet does not wait for
 * as long as what is out of reach: an hour later it may come too late.
 */
export function chooseNext<W extends Waiting>(
  waiting: readonly W[],
  { now, quiet, reachedAt }: Moment,
): W | null {
  const tried = waiting.flatMap(({ failure }) => (failure === null ? [] : [failure.at.getTime()]))
  const isRested = tried.every((at) => Math.abs(now.getTime() - at) >= freshPauseMs)
  const fresh = waiting.find(({ urgent, failure }) => failure === null && (urgent || (isRested && !quiet)))
  if (fresh !== undefined) return fresh
  const paused = waiting.filter((one) => isInPause(one, { now, reachedAt }))
  if (paused.some(({ failure }) => failure?.why !== 'refused')) return null
  return waiting.find((one) => !paused.includes(one) && (one.urgent || !quiet)) ?? null
}

/** So often at least: a clock that was wrong when the machine started makes a message old at once. */
const leastTries = 10

/** It was tried when it was three days old, in vain: a machine that was off for a week still tries. */
export const isGivenUp = ({ at, failure }: Waiting): boolean =>
  failure !== null && failure.tries >= leastTries && failure.at.getTime() - at.getTime() >= giveUpAfterMs

/** Of messages that are too many, the one that is missed least: the oldest that is not urgent, or the oldest. */
export const chooseLeast = <W extends Waiting>(waiting: readonly W[]): W | null =>
  waiting.find(({ urgent }) => !urgent) ?? waiting[0] ?? null

const stormMs = 3_600_000
/** A visit comes before each word that a disk is safe, and somebody waits for it. */
const mostInAnHour = (event: string): number => (event === 'safe-to-remove' ? 20 : 5)

/** Whether a person heard the same of the same disk so often within the last hour that the next one waits. `told`: when. */
export function isStorm(event: string, told: readonly Date[], now: Date): boolean {
  const lately = told.filter((at) => Math.abs(now.getTime() - at.getTime()) < stormMs)
  return lately.length >= mostInAnHour(event)
}

/** Minutes since local midnight. `untilMinute` may lie before `fromMinute`: the night. */
export interface QuietSpan {
  readonly fromMinute: number
  readonly untilMinute: number
}

export function isQuiet(span: QuietSpan | null, minute: number): boolean {
  if (span === null) return false
  const { fromMinute: from, untilMinute: until } = span
  return from < until ? minute >= from && minute < until : minute >= from || minute < until
}

interface Said {
  readonly event: string
  readonly disk: string | null
  readonly message: string
}

const inUseAgain = [
  'disk-arrived',
  'visit-asked',
  'pool-imported',
  'not-safe-to-remove',
  'disk-pulled',
  'disk-stuck',
]

type Overtaken = Readonly<Record<string, readonly string[]>>

/** What makes each untrue: a disk that is in use again must not be called safe by a message that came late. */
const overtakenBy: Overtaken = {
  'safe-to-remove': inUseAgain,
  'take-disk-away': [...inUseAgain, 'disk-removed'],
  'backup-incomplete': [...inUseAgain, 'disk-removed'],
  'nothing-offsite': inUseAgain,
  'disk-overdue': ['disk-arrived', 'visit-asked'],
  'disk-unused': ['disk-arrived'],
  'plan-made': ['backup-finished', 'safe-to-remove', 'disk-pulled', 'disk-stuck'],
  'not-safe-to-remove': ['safe-to-remove', 'disk-removed', 'disk-pulled', 'disk-arrived'],
}

/**
 * What makes each a wrong order to a person, though it did happen and a program may count it: what was to be done is done.
 */
const overtakenForPeople: Overtaken = {
  'backup-finished': ['safe-to-remove', 'not-safe-to-remove', 'disk-pulled', 'disk-stuck', 'disk-arrived'],
  'disk-pulled': ['disk-arrived', 'safe-to-remove'],
  'disk-stuck': ['disk-arrived', 'safe-to-remove'],
}

/** Of each a person needs the newest only. */
const superseding: readonly string[] = [
  ...Object.keys(overtakenBy),
  ...Object.keys(overtakenForPeople),
  'config-rejected',
]

/** These are not of one disk: whichever it is that goes or comes. */
const overtakenByAny: Overtaken = {
  'nothing-offsite': ['nothing-offsite', 'disk-removed', 'disk-pulled'],
  'config-rejected': ['config-reloaded'],
}

/** Whether what still waits to be told is not true any more, or not what a person needs, now that this has happened. */
export function isOvertaken(
  waiting: Said,
  by: Said,
  { forPeople }: { readonly forPeople: boolean },
): boolean {
  const has = (table: Overtaken): boolean => table[waiting.event]?.includes(by.event) ?? false
  if (has(overtakenByAny)) return true
  const isSame = waiting.event === by.event && (waiting.disk === by.disk || waiting.disk === null)
  if (forPeople && isSame && (superseding.includes(waiting.event) || waiting.message === by.message))
    return true
  if (waiting.disk === null || waiting.disk !== by.disk) return false
  return has(overtakenBy) || (forPeople && has(overtakenForPeople))
}
