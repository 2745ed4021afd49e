// What is wrong with the backups, for a monitoring system: which disks are overdue, failed, or want a person. Pure.
import type { DiskAnswer, UndeliveredAnswer, VisitAnswer } from '../control/protocol.ts'
import { stateInWords } from './statusText.ts'
import { plural, timeInWords } from './words.ts'

/** What is judged of a disk; `state` null: no daemon watches it; `overdue` null: by which time it is due is not known. */
export interface JudgedDisk
  extends Pick<DiskAnswer, 'name' | 'reason' | 'dueBy' | 'lastComplete' | 'lastVisit'> {
  readonly state: DiskAnswer['state'] | null
  readonly overdue: boolean | null
}

export interface Problem {
  /** null: of no disk. */
  readonly disk: string | null
  readonly severity: 'warning' | 'critical'
  /** A few words for a person. */
  readonly text: string
}

/** The critical ones first. */
export function judgeHealth(
  disks: readonly JudgedDisk[],
  undelivered: readonly UndeliveredAnswer[],
  now: Date,
): readonly Problem[] {
  const found = [
    ...disks.flatMap((disk) => [
      ...aboutState(disk),
      ...aboutAge(disk, now),
      ...aboutVisit(disk.name, disk.lastVisit),
    ]),
    ...undelivered.map(aboutChannel),
  ]
  return found.toSorted((a, b) => rank[a.severity] - rank[b.severity])
}

const rank = { critical: 0, warning: 1 } as const

function aboutState({ name: disk, state, reason }: JudgedDisk): readonly Problem[] {
  const is = (severity: Problem['severity'], words: DiskAnswer['state']): readonly Problem[] => [
    { disk, severity, text: `${stateInWords({ state: words })}${reason === null ? '' : `: ${reason}`}` },
  ]
  switch (state) {
    case 'refused':
    case 'pulled':
    case 'stuck':
      return is('critical', state)
    case 'not-removable':
      return is('warning', state)
    case null:
    case 'absent':
    case 'arriving':
    case 'importing':
    case 'backing-up':
    case 'verifying':
    case 'pruning':
    case 'scrubbing':
    case 'exporting':
    case 'removable':
      return []
  }
}

/** From an age of this on, in milliseconds: a warning when it is overdue, critical after twice that time. */
export function ageLimits({ dueBy, lastComplete }: Pick<JudgedDisk, 'dueBy' | 'lastComplete'>): {
  readonly warningMs: number
  readonly criticalMs: number
} | null {
  if (dueBy === null || lastComplete === null) return null
  const overdueMs = Date.parse(dueBy) - Date.parse(lastComplete)
  return { warningMs: overdueMs, criticalMs: 2 * overdueMs }
}

function aboutAge(of: JudgedDisk, now: Date): readonly Problem[] {
  const { name: disk, lastComplete, dueBy, overdue } = of
  if (lastComplete === null) {
    // One that was never brought is not overdue: who configured it knows.
    const severity = overdue === true ? 'critical' : 'warning'
    return [{ disk, severity, text: `no complete backup yet${overdue === true ? ', OVERDUE' : ''}` }]
  }
  if (overdue !== true || dueBy === null) return []
  const ageMs = now.getTime() - Date.parse(lastComplete)
  const severity = ageMs > (ageLimits(of)?.criticalMs ?? Infinity) ? 'critical' : 'warning'
  return [{ disk, severity, text: `OVERDUE, no complete backup for ${timeInWords(ageMs)}` }]
}

function aboutVisit(disk: string, visit: VisitAnswer | null): readonly Problem[] {
  if (visit === null) return []
  const { outcome, reason, datasets, space } = visit
  const why = reason === null ? '' : `: ${reason}`
  const found: Problem[] = []
  switch (outcome) {
    case 'complete':
      break
    case 'failed':
      found.push({ disk, severity: 'critical', text: `its last backup failed${why}` })
      break
    case 'partial': {
      const counted =
        datasets.failed === 0 ? '' : ` (${datasets.failed} of ${plural(datasets.total, 'dataset')} failed)`
      found.push({ disk, severity: 'warning', text: `its last backup is not complete${counted}${why}` })
      break
    }
    case 'interrupted':
      found.push({ disk, severity: 'warning', text: `its last backup was interrupted${why}` })
      break
  }
  const fullIn = space?.fullInVisits ?? null
  if (fullIn !== null)
    found.push({ disk, severity: 'warning', text: `full in about ${plural(fullIn, 'visit')}` })
  return found
}

function aboutChannel({ channel, waiting, givenUp, reason }: UndeliveredAnswer): Problem {
  const text = `${plural(waiting + givenUp, 'message')} not delivered by ${channel}: ${reason}`
  return { disk: null, severity: 'warning', text }
}
