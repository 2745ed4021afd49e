// When a message that waits for a channel is tried again, when it is given up, when it is not true any more, and when
// nobody is to be woken. Pure; who delivers is notify/.

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

/** A clock that was set back ends the pause: better one try too many than none for a year. */
function isInPause({ failure }: Waiting, now: Date): boolean {
  if (failure === null) return false
  const pastMs = now.getTime() - failure.at.getTime()
  return pastMs >= 0 && pastMs < pauseMs(failure)
}

/** The one of a channel's messages, oldest first, that is tried now; null: none. */
export function chooseNext<W extends Waiting>(
  waiting: readonly W[],
  { now, quiet }: { readonly now: Date; readonly quiet: boolean },
): W | null {
  const paused = waiting.filter((one) => isInPause(one, now))
  if (paused.some(({ failure }) => failure?.why !== 'refused')) return null
  return waiting.find((one) => !paused.includes(one) && (one.urgent || !quiet)) ?? null
}

/** It was tried when it was three days old, in vain: a machine that was off for a week still tries. */
export const isGivenUp = ({ at, failure }: Waiting): boolean =>
  failure !== null && failure.at.getTime() - at.getTime() >= giveUpAfterMs

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
}

const inUseAgain = [
  'disk-arrived',
  'visit-asked',
  'pool-imported',
  'not-safe-to-remove',
  'disk-pulled',
  'disk-stuck',
]

/** What makes each untrue: a disk that is in use again must not be called safe by a message that came late. */
const overtakenBy: Readonly<Record<string, readonly string[]>> = {
  'safe-to-remove': inUseAgain,
  'take-disk-away': [...inUseAgain, 'disk-removed'],
  'backup-incomplete': [...inUseAgain, 'disk-removed'],
  'nothing-offsite': [...inUseAgain, 'disk-removed'],
  'disk-overdue': ['disk-arrived'],
  'disk-unused': ['disk-arrived'],
  'plan-made': ['backup-finished', 'safe-to-remove', 'disk-pulled'],
  'not-safe-to-remove': ['safe-to-remove'],
}

/** Whether what still waits to be told is not true any more, now that this has happened. */
export const isOvertaken = (waiting: Said, by: Said): boolean =>
  waiting.disk !== null &&
  waiting.disk === by.disk &&
  (overtakenBy[waiting.event]?.includes(by.event) ?? false)
