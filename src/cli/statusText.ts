// What `walkaway status` shows, from what the daemon answered: one line a disk, and below it what a person should know.
// Pure; always keeps the two facts apart: may the disk be taken, is its backup complete.
import type { DiskAnswer, StatusAnswer, UndeliveredAnswer, VisitAnswer } from '../control/protocol.ts'
import { oneLine } from '../linux/oneLine.ts'
import {
  alignedCells,
  bytesInWords,
  type Colour,
  clockTime,
  durationInWords,
  indented,
  type Look,
  paint,
  plural,
  timeInWords,
} from './words.ts'

/** A screen, ended by a line feed. */
export function renderStatus(answer: StatusAnswer, options: Look & { readonly now: Date }): string {
  const { now, ...look } = options
  const since = timeInWords(now.getTime() - Date.parse(answer.daemon.startedAt))
  const head = `walkaway ${answer.daemon.version} on ${oneLine(answer.host)}, running for ${since}`
  const rows = alignedCells(
    answer.disks.map((disk) => [oneLine(disk.name), stateInWords(disk), backupInWords(disk, now)]),
  )
  const disks = answer.disks.flatMap((disk, at) => {
    const [name = '', state = '', backup = ''] = rows[at] ?? []
    const line = `  ${paint(name, 'bold', look)}  ${paint(state, colourOf(disk), look)}  ${disk.overdue ? paint(backup, 'yellow', look) : backup}`
    return [line, ...details(disk, now).flatMap((text) => indented(text, { indent: 6, look }))]
  })
  const none = answer.disks.length === 0 ? ['  no disks are configured; see: walkaway disks'] : []
  const untold = answer.undelivered.map((one) => paint(oneLine(undeliveredInWords(one, now)), 'yellow', look))
  const last = untold.length === 0 ? [] : ['', ...untold]
  return `${[head, '', ...disks, ...none, ...last].join('\n')}\n`
}

/** Whom nobody told. */
function undeliveredInWords({ channel, waiting, givenUp, since, reason }: UndeliveredAnswer, now: Date) {
  const age = timeInWords(now.getTime() - Date.parse(since))
  const counted = [
    ...(waiting === 0 ? [] : [`${plural(waiting, 'message')} not delivered yet`]),
    ...(givenUp === 0 ? [] : [`${plural(givenUp, 'message')} given up`]),
  ]
  return `${channel}: ${counted.join(', ')} (the oldest ${age} old): ${reason}`
}

/** May it be taken? */
export function stateInWords({ state }: DiskAnswer): string {
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
function backupInWords({ lastComplete, overdue, dueBy }: DiskAnswer, now: Date): string {
  const lateMs = dueBy === null ? null : now.getTime() - Date.parse(dueBy)
  const last =
    lastComplete === null
      ? 'no complete backup yet'
      : `last complete backup ${timeInWords(now.getTime() - Date.parse(lastComplete))} ago`
  if (overdue) return `${last}, OVERDUE${lateMs === null ? '' : ` for ${timeInWords(lateMs)}`}: bring it`
  return lateMs === null || lateMs > 0 ? last : `${last}, next due in ${timeInWords(-lateMs)}`
}

const mostFailures = 5

function details(disk: DiskAnswer, now: Date): readonly string[] {
  const { progress, reason, lastVisit, state } = disk
  return [
    ...(progress === null ? [] : progressInWords(progress, now)),
    ...(reason === null ? [] : [reason]),
    ...(lastVisit === null ? [] : visitInWords(lastVisit, now)),
    ...(lastVisit === null ? [] : spaceInWords(lastVisit)),
    ...(state === 'removable' && lastVisit?.outcome === 'complete' ? ['take it to its other place'] : []),
  ]
}

function progressInWords(progress: NonNullable<DiskAnswer['progress']>, now: Date): readonly string[] {
  const { dataset, sentBytes, totalBytes, bytesPerSecond, readyAt } = progress
  const parts = [
    ...(sentBytes > 0 || totalBytes > 0
      ? [`${bytesInWords(sentBytes)} of about ${bytesInWords(Math.max(totalBytes, sentBytes))}`]
      : []),
    ...(bytesPerSecond > 0 ? [`${bytesInWords(bytesPerSecond)}/s`] : []),
    ...(readyAt === null
      ? []
      : [
          `ready in about ${timeInWords(Math.max(0, Date.parse(readyAt) - now.getTime()))} (${clockTime(new Date(readyAt))})`,
        ]),
  ]
  if (parts.length === 0 && dataset === null) return []
  return [
    [...(dataset === null ? [] : [dataset]), ...(parts.length === 0 ? [] : [parts.join(', ')])].join(': '),
  ]
}

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
