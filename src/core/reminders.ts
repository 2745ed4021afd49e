// Which reminders are due now: from what the disks are doing, what past visits say of them, and what was said when. Pure;
// the clock is a parameter. remind.ts looks, says and takes note.
//
// A reminder is about something that goes on. Since when, and when that was last said, is in its note, which outlives the
// service. Of one thing nothing is said twice within a day. A clock that was set back moves what lies in its future to
// now: then a reminder comes late by what it was wrong, at most by one pause, and never twice.

import type { DiskState } from './diskState.ts'
import { judgeFreshness, lastCompleteIn } from './freshness.ts'
import type { Disk, DiskName, Outcome, PoolName, VisitReport } from './model.ts'

export interface DiskFacts {
  readonly disk: Disk
  readonly state: DiskState
  /** Of this very disk, oldest first. */
  readonly visits: readonly VisitReport[]
  /** null: it may stay away for ever. */
  readonly overdueMs: number | null
}

interface OfDisk {
  readonly disk: DiskName
  readonly pool: PoolName
}

export type Reminder =
  | ({
      readonly kind: 'disk-overdue'
      readonly lastComplete: Date | null
      /** Since the last complete backup; without one, since the first visit. */
      readonly withoutBackupMs: number
      /** `in-use`: it is plugged in and may not be taken out. */
      readonly place: 'away' | 'removable' | 'in-use'
      /** Another disk that is away and overdue, and whose last complete backup is older: that one next. */
      readonly bringFirst: DiskName | null
    } & OfDisk)
  | ({ readonly kind: 'take-disk-away'; readonly finishedMs: number } & OfDisk)
  /** It can be taken out, and its last visit was not complete. */
  | ({
      readonly kind: 'backup-incomplete'
      readonly outcome: Outcome
      readonly reason: string | null
    } & OfDisk)
  /** `take`: the one to take, which can be taken out; null: none can, yet. */
  | {
      readonly kind: 'nothing-offsite'
      readonly disks: readonly DiskName[]
      readonly atHomeMs: number
      readonly take: DiskName | null
    }
  | ({ readonly kind: 'disk-unused'; readonly configuredMs: number } & OfDisk)

/** What is remembered of one thing that goes on, or did within the last day. */
export interface Note {
  /** null: it is over. */
  readonly since: Date | null
  /** When a person was last told, of this time or an earlier one. */
  readonly said: Date | null
  /** How often it was said this time. */
  readonly times: number
}
/** By what the note is about. */
export type Notes = ReadonlyMap<string, Note>

export interface RemindersPlan {
  readonly due: readonly Reminder[]
  /** With what is due noted as said. Kept before it is said: what is said twice is worse than what comes a day late. */
  readonly notes: Notes
}

export const dayMs = 24 * 3_600_000
const weekMs = 7 * dayMs

/** A thing to be reminded of that goes on now. */
interface Condition {
  readonly about: string
  /** False: that is not known just now. What went on before still does, but nothing is said of it. */
  readonly certain: boolean
  /** `said`: this time, and null when it was not. Returns null for never again. */
  readonly dueAt: (since: Date, said: Date | null) => Date | null
  readonly reminder: (since: Date) => Reminder
}

/** `takeAwayMs` null: nobody wants to be told to take a disk away. */
export function planReminders(
  disks: readonly DiskFacts[],
  notes: Notes,
  { takeAwayMs, now }: { readonly takeAwayMs: number | null; readonly now: Date },
): RemindersPlan {
  const known = new Map([...notes].map(([about, note]) => [about, correctClock(note, now)]))
  const allAtHome = findAllAtHome(disks)
  const take = allAtHome === null ? null : chooseToTake(allAtHome, now)
  const conditions = [
    ...disks.flatMap((facts) => conditionsOf(facts, disks, { takeAwayMs, offsiteNext: take }, now)),
    ...(allAtHome === null || takeAwayMs === null ? [] : [nothingOffsite(allAtHome, take, takeAwayMs, now)]),
  ]
  const due: Reminder[] = []
  const next = new Map<string, Note>()
  for (const [about, { said }] of known)
    if (said !== null && isWithinADay(said, now)) next.set(about, { since: null, said, times: 0 })
  for (const condition of conditions) {
    const { about } = condition
    const { since, said, times } = known.get(about) ?? { since: null, said: null, times: 0 }
    if (since === null && !condition.certain) continue
    const note = { since: since ?? now, said, times }
    const reminder = dueNow(condition, note, now)
    next.set(about, reminder === null ? note : { ...note, said: now, times: times + 1 })
    if (reminder !== null) due.push(reminder)
  }
  return { due, notes: next }
}

function correctClock({ since, said, times }: Note, now: Date): Note {
  const noLater = (date: Date | null): Date | null => (date === null || date < now ? date : now)
  return { since: noLater(since), said: noLater(said), times }
}

const isWithinADay = (said: Date, now: Date): boolean => now.getTime() - said.getTime() < dayMs

function dueNow(
  { certain, dueAt, reminder }: Condition,
  { since, said, times }: Note & { readonly since: Date },
  now: Date,
): Reminder | null {
  if (!certain || (said !== null && isWithinADay(said, now))) return null
  const at = dueAt(since, times === 0 ? null : said)
  return at === null || at > now ? null : reminder(since)
}

const after = (date: Date, ms: number): Date => new Date(date.getTime() + ms)
const sinceThen = (then: Date, now: Date): number => now.getTime() - then.getTime()
/** First after a while, then every day. */
const daily =
  (firstMs: number) =>
  (since: Date, said: Date | null): Date =>
    said === null ? after(since, firstMs) : after(said, dayMs)

/** A disk that is plugged in for longer than this and does not settle is no news any more: half of a mirror, perhaps. */
const arrivingForMs = 3_600_000
/** Not while it arrives or a visit is under way: that may be the end of what there is to be reminded of. */
const isBusy = (state: DiskState, now: Date): boolean =>
  state.kind === 'visiting' ||
  (state.kind === 'arriving' && now.getTime() - state.stableSince.getTime() < arrivingForMs)
/** A disk that was pulled out is waited for, wherever it is. */
const isAway = ({ kind }: DiskState): boolean => kind === 'absent' || kind === 'pulled'

/** `offsiteNext`: the disk that `nothing-offsite` asks to take away; null: none. */
function conditionsOf(
  facts: DiskFacts,
  disks: readonly DiskFacts[],
  { takeAwayMs, offsiteNext }: { readonly takeAwayMs: number | null; readonly offsiteNext: DiskName | null },
  now: Date,
): readonly Condition[] {
  const { disk, state, visits, overdueMs } = facts
  const ofDisk = { disk: disk.name, pool: disk.pool }
  const about = (kind: Reminder['kind']): string => `${kind} ${disk.poolGuid}`
  const conditions: Condition[] = []
  const { lastComplete, dueBy, overdue } = judgeFreshness(visits, overdueMs, now)

  if (overdue && dueBy !== null && overdueMs !== null)
    conditions.push({
      about: about('disk-overdue'),
      certain: !isBusy(state, now),
      dueAt: (since, said) => (said === null ? since : repeatOverdue(said, after(dueBy, overdueMs))),
      reminder: () => ({
        kind: 'disk-overdue',
        ...ofDisk,
        lastComplete,
        withoutBackupMs: sinceThen(dueBy, now) + overdueMs,
        place: isAway(state) ? 'away' : state.kind === 'removable' ? 'removable' : 'in-use',
        bringFirst: isAway(state) ? chooseFirst(facts, disks, now) : null,
      }),
    })

  if (visits.length === 0 && overdueMs !== null)
    conditions.push({
      about: about('disk-unused'),
      certain: isAway(state),
      dueAt: (since, said) => (said === null ? after(since, overdueMs) : null),
      reminder: (since) => ({ kind: 'disk-unused', ...ofDisk, configuredMs: sinceThen(since, now) }),
    })

  // After a restart of the service, a disk that was finished is so again once it has settled.
  const isFinished = state.kind === 'removable' && state.outcome === 'complete'
  if ((isFinished || state.kind === 'arriving') && takeAwayMs !== null && !overdue)
    conditions.push({
      about: about('take-disk-away'),
      // Two messages with one request are one too many.
      certain: isFinished && disk.name !== offsiteNext,
      dueAt: daily(takeAwayMs),
      reminder: (since) => ({ kind: 'take-disk-away', ...ofDisk, finishedMs: sinceThen(since, now) }),
    })

  // A disk that is overdue is told as that. The visit itself has said how it went: not again on the same day.
  if (state.kind === 'removable' && state.outcome !== 'complete' && !overdue)
    conditions.push({
      about: about('backup-incomplete'),
      certain: true,
      dueAt: daily(dayMs),
      reminder: () => ({
        kind: 'backup-incomplete',
        ...ofDisk,
        outcome: state.outcome,
        reason: visits.at(-1)?.reason ?? null,
      }),
    })
  return conditions
}

/** After a week; every day from twice the time on. */
const repeatOverdue = (said: Date, twiceAt: Date): Date =>
  new Date(Math.max(after(said, dayMs).getTime(), Math.min(after(said, weekMs).getTime(), twiceAt.getTime())))

const lastCompleteOf = ({ visits }: DiskFacts): number =>
  lastCompleteIn(visits)?.getTime() ?? Number.NEGATIVE_INFINITY

/** Of the disks that are away and overdue, the one with the oldest backup; null: there is none older than this one's. */
function chooseFirst(facts: DiskFacts, disks: readonly DiskFacts[], now: Date): DiskName | null {
  const oldest = disks
    .filter(({ state, visits, overdueMs }) => isAway(state) && judgeFreshness(visits, overdueMs, now).overdue)
    .reduce((first, other) => (lastCompleteOf(other) < lastCompleteOf(first) ? other : first), facts)
  return oldest === facts ? null : oldest.disk.name
}

/** Every disk that was ever seen, if they are several and none is away; null: that is not so. */
function findAllAtHome(disks: readonly DiskFacts[]): readonly DiskFacts[] | null {
  const seen = disks.filter(({ visits, state }) => visits.length > 0 || !isAway(state))
  return seen.length < 2 || seen.some(({ state }) => isAway(state)) ? null : seen
}

/** The one with the newest backup, of those that can be taken and need not be plugged in again first. */
function chooseToTake(disks: readonly DiskFacts[], now: Date): DiskName | null {
  const [newest] = disks
    .filter(({ state }) => state.kind === 'removable' && state.outcome === 'complete')
    .filter(({ visits, overdueMs }) => !judgeFreshness(visits, overdueMs, now).overdue)
    .sort((a, b) => lastCompleteOf(b) - lastCompleteOf(a))
  return newest?.disk.name ?? null
}

const nothingOffsite = (
  disks: readonly DiskFacts[],
  take: DiskName | null,
  takeAwayMs: number,
  now: Date,
): Condition => ({
  about: 'nothing-offsite',
  certain: true,
  dueAt: daily(takeAwayMs),
  reminder: (since) => ({
    kind: 'nothing-offsite',
    disks: disks.map(({ disk }) => disk.name),
    atHomeMs: sinceThen(since, now),
    take,
  }),
})
