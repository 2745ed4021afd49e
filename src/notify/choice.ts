// Which events a channel tells. Pure.

import type { Channel } from '../config.ts'
import type { EventKind, StandingAtTheEnd, WalkawayEvent } from '../events.ts'

/** What a person must know: what is coming, what asks for a hand, and that none is needed any more. */
const telling: ReadonlySet<EventKind> = new Set<EventKind>([
  'config-rejected',
  'plan-made',
  'disk-refused',
  'safe-to-remove',
  'not-safe-to-remove',
  'disk-pulled',
  'disk-stuck',
  'disk-overdue',
  'take-disk-away',
  'backup-incomplete',
  'nothing-offsite',
  'disk-unused',
])
/** A check wants the beginning and the end of every visit, the good ones too, or it goes down by itself. */
const checked: ReadonlySet<EventKind> = new Set<EventKind>([
  'disk-arrived',
  'visit-asked',
  'backup-finished',
  'disk-refused',
  'disk-stuck',
])

/** Of these a person hears by an event of its own, which says what to do; a second word of the same could only differ. */
const saidAnyway: ReadonlySet<StandingAtTheEnd> = new Set<StandingAtTheEnd>(['pulled', 'stuck', 'refused'])

export function isWanted({ type, on }: Channel, event: WalkawayEvent): boolean {
  if (on !== null) return on.some((name) => name === event.kind)
  if (type === 'healthchecks')
    return checked.has(event.kind) && !(event.kind === 'disk-refused' && event.isAnotherDevice)
  // That it is complete is said with the word that the disk may be taken.
  if (event.kind === 'backup-finished')
    return event.report.outcome !== 'complete' && !saidAnyway.has(event.standing)
  return telling.has(event.kind)
}
