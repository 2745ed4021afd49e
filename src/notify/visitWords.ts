// What is said to a person of a visit: what is coming, how it ended, whether the backup is complete, what to do with the disk
// then. Pure.

import { bytesInWords } from '../core/bytes.ts'
import { clockTime } from '../core/clockTime.ts'
import type { Outcome, VisitReport } from '../core/model.ts'
import type { WalkawayEvent } from '../events.ts'
import { aboutVisit, plural } from '../sentences.ts'
import { lines, listed, type Message, sentence, waitForWord } from './message.ts'

type PlanMade = Extract<WalkawayEvent, { kind: 'plan-made' }>

/** What is coming, as short as it can be said. */
export function comingInTitle({ toSend, conflicts, estimatedBytes, readyAt, plannedAt }: PlanMade): string {
  if (toSend === 0)
    return conflicts === 0 ? 'nothing new to send' : `${plural(conflicts, 'dataset')} in conflict`
  const ready = readyAt === null ? '' : `, ready about ${clockTime(readyAt, plannedAt)}`
  return `${bytesInWords(estimatedBytes)}${ready}`
}

/** Never another order than the event that comes before or after it gives: of one disk, two are one too many. */
export function atTheEnd({
  disk,
  report,
  standing,
}: Extract<WalkawayEvent, { kind: 'backup-finished' }>): Pick<Message, 'title' | 'body' | 'mayUnplug'> {
  const outcome = outcomeInTitle(report)
  const backup = backupInBody(report)
  switch (standing) {
    case 'in-use':
      return {
        title: `${disk}: ${outcome}, do NOT unplug it yet`,
        body: lines('Do not unplug it now: the disk is still to be released.', backup, waitForWord),
        mayUnplug: false,
      }
    case 'stopping':
      return {
        title: `${disk}: ${outcome}, do NOT unplug it yet`,
        body: lines(
          'Do not unplug it now: walkaway was told to stop, and lets go of it.',
          backup,
          'The backup goes on when walkaway runs again: systemctl start walkaway',
        ),
        mayUnplug: false,
      }
    case 'pulled':
    case 'gone':
      return {
        title: `${disk}: PLUG IT IN AGAIN, ${outcome}`,
        body: lines('It is not plugged in any more.', backup, 'Plug it in again, in any port.'),
        mayUnplug: standing === 'pulled' ? false : null,
      }
    case 'stuck':
      return {
        title: `${disk}: ${outcome}, it HANGS, NOT released`,
        body: lines('It does not answer. What to do is said in a message of its own.', backup),
        mayUnplug: false,
      }
    case 'refused':
      return {
        title: `${disk}: ${outcome}, refused, NOT backed up`,
        body: lines('It was not imported: nothing was written to it.', backup),
        mayUnplug: null,
      }
  }
}

export function pulled({
  disk,
  outcome,
}: Extract<WalkawayEvent, { kind: 'disk-pulled' }>): Pick<Message, 'title' | 'body'> {
  const what = 'It was pulled out while it was in use. Nothing on this machine is affected.'
  return outcome === 'complete'
    ? {
        title: `${disk}: PLUG IT IN AGAIN, it was NOT released yet`,
        body: lines(
          what,
          'Its backup is complete.',
          'Plug it in again, in any port, and wait for the word that you can take it.',
        ),
      }
    : {
        title: `${disk}: PLUG IT IN AGAIN, backup NOT finished`,
        body: lines(
          what,
          'Plug it in again, in any port: the backup goes on where it was.',
          whetherComplete(outcome),
        ),
      }
}

/** `null`: the visit is not over. */
export const whetherComplete = (outcome: Outcome | null): string =>
  outcome === 'complete' ? 'Its backup is complete.' : 'Its backup is not complete.'

/** Without the word NOT, which is for disks that are in use. */
export function outcomeInTitle({ outcome }: VisitReport): string {
  switch (outcome) {
    case 'complete':
      return 'backup complete'
    case 'partial':
      return 'backup INCOMPLETE'
    case 'failed':
      return 'backup FAILED'
    case 'interrupted':
      return 'backup unfinished'
  }
}

export function backupInBody(report: VisitReport): string {
  const { datasets, failures } = report
  return lines(
    sentence(aboutVisit(report)),
    ...listed(
      failures.map(({ dataset, reason }) => `${dataset}: ${reason.trim()}`),
      '- ',
    ),
    datasets.total === 0
      ? null
      : `${plural(datasets.total, 'dataset')}: ${datasets.sent} sent, ${datasets.unchanged} already there, ${bytesInWords(report.sentBytes)}.`,
  )
}

export function whatNext({ outcome }: VisitReport): string {
  switch (outcome) {
    case 'complete':
      return 'Take it to its other place.'
    case 'partial':
    case 'failed':
      return 'Before you take it to its other place: see to what went wrong, then unplug it and plug it in again.'
    case 'interrupted':
      return 'Unplug it and plug it in again: the backup goes on where it was.'
  }
}
