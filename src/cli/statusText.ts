// What `walkaway status` shows, from what the daemon answered: one line a disk, and below it what a person should know.
// Pure; always keeps the two facts apart: may the disk be taken, is its backup complete.

import type { DiskAnswer, StatusAnswer, UndeliveredAnswer, VisitAnswer } from '../control/protocol.ts'
import { bytesInWords } from '../core/bytes.ts'
import { clockTime } from '../core/clockTime.ts'
import { oneLine } from '../linux/oneLine.ts'
import { progressLine } from './progressText.ts'
import type { RememberedDisk } from './remembered.ts'
import {
  alignedCells,
  type Colour,
  durationInWords,
  indented,
  type Look,
  paint,
  plural,
  timeInWords,
  timeLeftInWords,
} from './words.ts'

export interface ScreenOptions extends Look {
  readonly now: Date
  /** It is drawn again and again: how far a visit is has a bar. */
  readonly live?: boolean
}

/** What a disk's details are indented by. */
const indent = 6

/** A screen, ended by a line feed. */
export function renderStatus(answer: StatusAnswer, options: ScreenOptions): string {
  const { now, live = false, ...look } = options
  const since = timeInWords(now.getTime() - Date.parse(answer.daemon.startedAt))
  const head = `walkaway ${answer.daemon.version} on ${oneLine(answer.host)}, running for ${since}`
  const rows = alignedCells(
    answer.disks.map((disk) => [oneLine(disk.name), stateInWords(disk), backupInWords(disk, now)]),
  )
  // Where the terminal is too narrow for one of them, all backups get a line of their own.
  const width = look.columns ?? Infinity
  const fits = rows.every((cells) => 2 + cells.join('  ').length <= width)
  // Beside a long name the state would be cut off, and whether a disk may be taken is what people look for.
  const beside =
    fits || rows.every(([name = '', state = '']) => 4 + name.length + state.trimEnd().length <= width)
  const barWidth = live ? (look.columns ?? 80) - indent : null
  const disks = answer.disks.flatMap((disk, at) => {
    const [name = '', state = '', backup = ''] = rows[at] ?? []
    const age = (text: string): string => (disk.overdue ? paint(text, 'yellow', look) : text)
    const inColour = (text: string): string => paint(text, colourOf(disk), look)
    const bold = (text: string): string => paint(text, 'bold', look)
    const top = beside
      ? [`  ${bold(name)}  ${inColour(fits ? state : state.trimEnd())}`]
      : [
          ...indented(name.trimEnd(), { indent: 2, look }).map(bold),
          ...indented(state.trimEnd(), { indent, look }).map(inColour),
        ]
    return [
      ...(fits
        ? [`${top.join()}  ${age(backup)}`]
        : [...top, ...indented(backup, { indent, look }).map(age)]),
      ...details(disk, now, barWidth).flatMap((text) => indented(text, { indent, look })),
    ]
  })
  const none = answer.disks.length === 0 ? ['  no disks are configured; see: walkaway disks'] : []
  const untold = answer.undelivered
    .flatMap((one) => indented(undeliveredInWords(one, now), { indent: 0, look }))
    .map((line) => paint(line, 'yellow', look))
  const last = untold.length === 0 ? [] : ['', ...untold]
  return `${[...indented(head, { indent: 0, look }), '', ...disks, ...none, ...last].join('\n')}\n`
}

/** What there is to say first when there is no daemon. */
export const daemonAway = [
  'the daemon is not running: nothing is watched and nothing is backed up',
  'start it with: systemctl start walkaway; why it is not: journalctl -u walkaway',
] as const

/** Lines with what is remembered of each disk; nothing at all when nothing is. */
export function renderRemembered(
  disks: readonly RememberedDisk[],
  { now, ...look }: Look & { readonly now: Date },
): string {
  const rows = alignedCells(
    disks.map((disk) => [oneLine(disk.name), backupInWords(disk, now), outcomeInWords(disk, now)]),
  )
  const fits = rows.every((cells) => cells.join('  ').trimEnd().length + 2 <= (look.columns ?? Infinity))
  const lines = disks.flatMap((disk, at) => {
    const [name = '', backup = '', outcome = ''] = rows[at] ?? []
    const age = (text: string): string => (disk.overdue === true ? paint(text, 'yellow', look) : text)
    if (fits) return [`  ${name}  ${age(outcome === '' ? backup.trimEnd() : backup)}  ${outcome}`.trimEnd()]
    return [
      ...indented(name.trimEnd(), { indent: 2, look }),
      ...indented(backup.trimEnd(), { indent, look }).map(age),
      ...(outcome === '' ? [] : indented(outcome, { indent, look })),
    ]
  })
  return lines.length === 0 ? '' : `from the history of visits:\n${lines.join('\n')}\n`
}

const outcomeInWords = ({ lastVisit }: RememberedDisk, now: Date): string =>
  lastVisit === null
    ? ''
    : `last visit ${timeInWords(now.getTime() - Date.parse(lastVisit.finishedAt))} ago was ${lastVisit.outcome}`

/** Whom nobody told. */
export function undeliveredInWords(
  { channel, waiting, givenUp, since, reason }: UndeliveredAnswer,
  now: Date,
) {
  const age = timeInWords(now.getTime() - Date.parse(since))
  const counted = [
    ...(waiting === 0 ? [] : [`${plural(waiting, 'message')} not delivered yet`]),
    ...(givenUp === 0 ? [] : [`${plural(givenUp, 'message')} given up`]),
  ]
  return `${channel}: ${counted.join(', ')} (the oldest ${age} old): ${reason}`
}

/** May it be taken? */
export function stateInWords({ state }: Pick<DiskAnswer, 'state'>): string {
  switch (state) {
    case 'absent':
      return 'not connected'
    case 'arriving':
      return 'arriving'
    case 'refused':
      return 'refused, not touched'
    case 'importing':
      return 'in use: importing'
    case 'backing-up':
      return 'in use: backing up'
    case 'verifying':
      return 'in use: reading back'
    case 'pruning':
      return 'in use: pruning'
    case 'scrubbing':
      return 'in use: scrubbing'
    case 'exporting':
      return 'in use: exporting'
    case 'removable':
      return 'SAFE TO REMOVE'
    case 'not-removable':
      return 'DO NOT REMOVE'
    case 'pulled':
      return 'PULLED OUT'
    case 'stuck':
      return 'STUCK'
  }
}

function colourOf({ state, lastVisit }: DiskAnswer): Colour {
  switch (state) {
    case 'absent':
      return 'dim'
    case 'arriving':
    case 'importing':
    case 'backing-up':
    case 'verifying':
    case 'pruning':
    case 'scrubbing':
    case 'exporting':
      return 'cyan'
    case 'removable':
      return lastVisit?.outcome === 'complete' ? 'green' : 'yellow'
    case 'refused':
    case 'not-removable':
    case 'pulled':
    case 'stuck':
      return 'red'
  }
}

/** Is its backup complete, and how old? */
function backupInWords(
  { lastComplete, overdue, dueBy }: Pick<DiskAnswer | RememberedDisk, 'lastComplete' | 'overdue' | 'dueBy'>,
  now: Date,
): string {
  const lateMs = dueBy === null ? null : now.getTime() - Date.parse(dueBy)
  const last =
    lastComplete === null
      ? 'no complete backup yet'
      : `last complete backup ${timeInWords(now.getTime() - Date.parse(lastComplete))} ago`
  if (overdue === true)
    return `${last}, OVERDUE${lateMs === null ? '' : ` for ${timeInWords(lateMs)}`}: bring it`
  return lateMs === null || lateMs > 0 ? last : `${last}, next due in ${timeInWords(-lateMs)}`
}

const mostFailures = 5

/** `barWidth` null: no bar. */
function details(disk: DiskAnswer, now: Date, barWidth: number | null): readonly string[] {
  const { progress, reason, lastVisit, state } = disk
  return [
    ...(progress === null ? [] : aboutProgress(progress, now, barWidth)),
    ...(reason === null ? [] : [reason]),
    ...(lastVisit === null ? [] : visitInWords(lastVisit, now)),
    ...(lastVisit === null ? [] : spaceInWords(lastVisit)),
    ...(state === 'removable' && lastVisit?.outcome === 'complete' ? ['take it to its other place'] : []),
  ]
}

type Progress = NonNullable<DiskAnswer['progress']>

function aboutProgress(progress: Progress, now: Date, barWidth: number | null): readonly string[] {
  const { dataset, sentBytes, totalBytes, bytesPerSecond } = progress
  const bar = barWidth === null ? null : progressLine(progress, { width: barWidth, now })
  const counted =
    bar !== null || (sentBytes === 0 && totalBytes === 0)
      ? []
      : [`${bytesInWords(sentBytes)} of about ${bytesInWords(Math.max(totalBytes, sentBytes))}`]
  const speed = bar === null && bytesPerSecond > 0 ? [`${bytesInWords(bytesPerSecond)}/s`] : []
  const parts = [...counted, ...speed, ...readyInWords(progress, now)].join(', ')
  const line = [dataset ?? '', parts].filter((text) => text !== '').join(': ')
  return [...(line === '' ? [] : [line]), ...(bar === null ? [] : [bar])]
}

const readyInWords = ({ readyAt }: Progress, now: Date): readonly string[] =>
  readyAt === null
    ? []
    : [
        `ready in about ${timeLeftInWords(Math.max(0, Date.parse(readyAt) - now.getTime()))} (${clockTime(new Date(readyAt), now)})`,
      ]

export function visitInWords(visit: VisitAnswer, now: Date): readonly string[] {
  const { outcome, datasets, failures, reason, sentBytes } = visit
  const when = `last visit ${timeInWords(now.getTime() - Date.parse(visit.finishedAt))} ago`
  switch (outcome) {
    case 'complete': {
      const took = durationInWords(Date.parse(visit.finishedAt) - Date.parse(visit.startedAt))
      return [
        `${when}: ${plural(datasets.sent, 'dataset')} sent, ${datasets.unchanged} unchanged, ${bytesInWords(sentBytes)} in ${took}`,
      ]
    }
    case 'partial':
    case 'failed':
    case 'interrupted': {
      const counted =
        datasets.failed === 0 ? '' : `, ${datasets.failed} of ${plural(datasets.total, 'dataset')} failed`
      const why = reason === null ? '' : `: ${reason}`
      const hidden = failures.length - mostFailures
      return [
        `${when} was NOT complete (${outcome})${counted}${why}`,
        ...failures.slice(0, mostFailures).map((failure) => `- ${failure.dataset}: ${failure.reason}`),
        ...(hidden > 0 ? [`- and ${hidden} more; see: walkaway status --json`] : []),
      ]
    }
  }
}

function spaceInWords({ space }: VisitAnswer): readonly string[] {
  if (space === null) return []
  const advice = 'shorten keep.disk, or take a larger disk'
  if (space.missingBytes > 0)
    return [`the disk is full, about ${bytesInWords(space.missingBytes)} are missing: ${advice}`]
  if (space.fullInVisits === null) return []
  return [`the disk will be full in about ${plural(space.fullInVisits, 'visit')}: ${advice}`]
}
