// What a person reads on a phone or in a mail: which disk, may it be unplugged, is the backup complete, what to do next.
// A title that calls a disk safe has no NOT in it, and one that does not, has. Pure; the line in the journal is events.ts.

import type { VisitReport } from '../core/model.ts'
import { aboutVisit, bytesInWords, clockTime, plural, render, type WalkawayEvent } from '../events.ts'

export interface Message {
  /** Fits a phone's lock screen as long as the disk's name is short. */
  readonly title: string
  readonly body: string
  /** high: somebody must do something, at night too. */
  readonly urgency: 'low' | 'normal' | 'high'
  /** null: the event says nothing of that. */
  readonly mayUnplug: boolean | null
}

const lines = (...parts: readonly (string | null)[]): string =>
  parts.filter((part) => part !== null && part !== '').join('\n')
const ended = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)
const sentence = (text: string): string => ended(`${text.charAt(0).toUpperCase()}${text.slice(1)}`)

const waitForWord = 'You will be told when you can take it.'
const inUse = 'Do not unplug it now: it is in use.'

export function composeMessage(event: WalkawayEvent, host: string): Message {
  // It may begin with the name of a disk, which stays as it is.
  const told = ended(render(event).message)
  const plain = (title: string, urgency: Message['urgency'] = 'low'): Message => ({
    title: `${host}: ${title}`,
    body: told,
    urgency,
    mayUnplug: null,
  })
  switch (event.kind) {
    case 'daemon-started':
      return plain('walkaway has started')
    case 'daemon-stopping':
      return plain('walkaway is stopping')
    case 'config-reloaded':
      return plain('configuration read again')
    case 'config-rejected':
      return {
        title: `${host}: configuration has ${plural(event.mistakes.length, 'mistake')}`,
        body: lines(
          'The new configuration is not used; the one before stays in force.',
          ...event.mistakes,
          'Correct the file, then: walkaway config check; systemctl reload walkaway',
        ),
        urgency: 'normal',
        mayUnplug: null,
      }
    case 'notify-failed':
      return {
        title: `${host}: no messages by ${event.channel}`,
        body: lines(told, 'It is tried again. What waits is in: walkaway status'),
        urgency: 'normal',
        mayUnplug: null,
      }
    case 'disk-arrived':
    case 'visit-asked':
    case 'eject-asked':
    case 'pool-imported':
    case 'key-not-needed':
    case 'snapshot-taken':
    case 'dataset-sent':
    case 'dataset-gone':
    case 'dataset-failed':
    case 'verified':
    case 'pruned':
    case 'explain-failed':
    case 'scrub-finished':
    case 'pool-exported':
      return {
        title: `${event.disk}: ${shortly[event.kind]}, do NOT unplug it yet`,
        body: lines(told, inUse, waitForWord),
        urgency: event.kind === 'dataset-failed' ? 'normal' : 'low',
        mayUnplug: false,
      }
    case 'plan-made': {
      const { disk, toSend, estimatedBytes, readyAt } = event
      const ready = readyAt === null ? '' : `, ready about ${clockTime(readyAt)}`
      const coming =
        toSend === 0 ? 'nothing new to back up' : `backing up about ${bytesInWords(estimatedBytes)}`
      return {
        title: `${disk}: ${coming}${ready}`,
        body: lines(told, inUse, waitForWord),
        urgency: 'low',
        mayUnplug: false,
      }
    }
    case 'backup-finished':
      return {
        title: `${event.disk}: ${outcomeInTitle(event.report)}, do NOT unplug it yet`,
        body: lines(
          'Do not unplug it now: the disk is still to be released.',
          backupInBody(event.report),
          waitForWord,
        ),
        urgency: event.report.outcome === 'complete' ? 'low' : 'normal',
        mayUnplug: false,
      }
    case 'safe-to-remove':
      return {
        title:
          event.report.outcome === 'complete'
            ? `${event.disk}: take it away, backup complete`
            : `${event.disk}: safe to unplug, ${outcomeInTitle(event.report)}`,
        body: lines(
          'You can unplug it now.',
          event.stopped || event.note === null ? null : sentence(event.note),
          backupInBody(event.report),
          whatNext(event.report),
        ),
        urgency: 'normal',
        mayUnplug: true,
      }
    case 'not-safe-to-remove':
      return {
        title: `${event.disk}: do NOT unplug it, still in use`,
        body: lines(
          `Do not unplug it yet: ${ended(event.reason)}`,
          sentence(event.hint),
          'It is tried again. You will be told when you can take it.',
        ),
        urgency: 'high',
        mayUnplug: false,
      }
    case 'disk-overdue':
      return {
        title: `${event.disk}: OVERDUE, ${event.place === 'away' ? 'bring it' : 'plugged in without a backup'}`,
        body: lines(told, event.place === 'in-use' ? inUse : 'Plug it in and the backup begins by itself.'),
        urgency: 'normal',
        mayUnplug: event.place === 'in-use' ? false : null,
      }
    case 'take-disk-away':
      return {
        title: `${event.disk}: take it away, still plugged in`,
        body: lines(
          'You can unplug it now.',
          'Its backup is complete.',
          'As long as it is here, what happens to this place happens to it. Take it to its other place.',
        ),
        urgency: 'normal',
        mayUnplug: true,
      }
    case 'backup-incomplete':
      return {
        title: `${event.disk}: safe to unplug, backup still INCOMPLETE`,
        body: lines(
          'You can unplug it now.',
          event.reason === null
            ? 'Its backup is not complete.'
            : `Its backup is not complete: ${ended(event.reason)}`,
          'Plug it out and in again, and it is tried once more.',
        ),
        urgency: 'normal',
        mayUnplug: true,
      }
    case 'nothing-offsite':
      return {
        title:
          event.take === null
            ? `${host}: all disks are at home`
            : `${event.take}: take it away, all disks are at home`,
        body: lines(told, 'What happens to this place happens to all of them.'),
        urgency: 'normal',
        mayUnplug: event.take === null ? null : true,
      }
    case 'disk-unused':
      return {
        title: `${event.disk}: never used yet`,
        body: lines(told, 'It holds no backup.'),
        urgency: 'normal',
        mayUnplug: null,
      }
    case 'disk-removed':
      return {
        title: `${event.disk}: taken away`,
        body: 'It was safe to take. Keep it at its other place until it is due again.',
        urgency: 'low',
        mayUnplug: null,
      }
    case 'disk-refused':
      return {
        title: `${event.disk}: refused, NOT backed up`,
        body: lines(
          'A disk was plugged in that was not touched. Nothing was written to it.',
          sentence(event.reason),
        ),
        urgency: 'high',
        mayUnplug: null,
      }
    case 'disk-pulled':
      return {
        title: `${event.disk}: PLUG IT IN AGAIN, backup NOT finished`,
        body: lines(
          'It was pulled out while it was in use. Nothing on this machine is affected.',
          'Plug it in again, in any port: the backup goes on where it was.',
          'Its backup is not complete.',
        ),
        urgency: 'high',
        mayUnplug: false,
      }
    case 'disk-stuck':
      return {
        title: `${event.disk}: it HANGS and needs you, NOT released`,
        body: lines(
          `It does not answer: ${ended(event.reason)}`,
          'Plug it out and in again: the backup goes on where it was.',
          'If that does not help, the machine needs a reboot.',
        ),
        urgency: 'high',
        mayUnplug: false,
      }
  }
}

const shortly = {
  'disk-arrived': 'plugged in',
  'visit-asked': 'a backup begins',
  'eject-asked': 'being released',
  'pool-imported': 'in use',
  'key-not-needed': 'its pool is not encrypted',
  'snapshot-taken': 'snapshots taken',
  'dataset-sent': 'a dataset was sent',
  'dataset-gone': 'a dataset is gone',
  'dataset-failed': 'a dataset FAILED',
  verified: 'backup read back',
  pruned: 'old snapshots destroyed',
  'explain-failed': 'no restore text on it',
  'scrub-finished': 'scrubbed',
  'pool-exported': 'nearly ready',
} as const

/** Without the word NOT, which is for disks that are in use. */
function outcomeInTitle({ outcome }: VisitReport): string {
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

const mostFailures = 5

function backupInBody(report: VisitReport): string {
  const { datasets, failures } = report
  const hidden = failures.length - mostFailures
  return lines(
    sentence(aboutVisit(report)),
    ...failures.slice(0, mostFailures).map(({ dataset, reason }) => `- ${dataset}: ${oneLineOf(reason)}`),
    hidden > 0 ? `- and ${hidden} more` : null,
    datasets.total === 0
      ? null
      : `${plural(datasets.total, 'dataset')}: ${datasets.sent} sent, ${datasets.unchanged} already there, ${bytesInWords(report.sentBytes)}.`,
  )
}

const oneLineOf = (text: string): string => text.trim().replaceAll(/\s*[\r\n]+\s*/g, '; ')

function whatNext({ outcome }: VisitReport): string {
  switch (outcome) {
    case 'complete':
      return 'Take it to its other place.'
    case 'partial':
    case 'failed':
      return 'Before you take it to its other place: see to what went wrong, then plug it out and in again.'
    case 'interrupted':
      return 'Plug it out and in again: the backup goes on where it was.'
  }
}
