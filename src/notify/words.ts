// What a person reads on a phone or in a mail: which disk, may it be unplugged, is the backup complete, what to do next.
// A title that calls a disk safe has no NOT in it, and one that does not, has. Pure; the line in the journal is sentences.ts.

import { bytesInWords } from '../core/bytes.ts'
import type { VisitReport } from '../core/model.ts'
import type { WalkawayEvent } from '../events.ts'
import { aboutVisit, clockTime, onOneLine, plural, render } from '../sentences.ts'

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
/** One line of a few; whoever is quoted in it cannot add another one. Whole it is in the journal. */
const longestLine = 400
function line(text: string): string {
  const whole = onOneLine(text)
  return whole.length <= longestLine ? whole : `${onOneLine(whole.slice(0, longestLine))} ...`
}
function ended(text: string): string {
  const whole = line(text)
  return /[.!?]$/.test(whole) ? whole : `${whole}.`
}
const sentence = (text: string): string => ended(`${text.charAt(0).toUpperCase()}${text.slice(1)}`)
/** The first of many, each as a line. */
const mostListed = 5
const listed = (all: readonly string[], before = ''): readonly string[] => [
  ...all.slice(0, mostListed).map((text) => `${before}${line(text)}`),
  ...(all.length > mostListed ? [`${before}and ${all.length - mostListed} more`] : []),
]

const waitForWord = 'You will be told when you can take it.'
const inUse = 'Do not unplug it now: it is in use.'

type Overdue = Extract<WalkawayEvent, { kind: 'disk-overdue' }>

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
          ...listed(event.mistakes),
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
    case 'scrub-started':
    case 'scrub-finished':
    case 'pool-exported':
      return {
        title: `${event.disk}: ${shortly[event.kind]}, do NOT unplug it yet`,
        body: lines(told, inUse, waitForWord),
        urgency: event.kind === 'dataset-failed' ? 'normal' : 'low',
        mayUnplug: false,
      }
    case 'plan-made': {
      const { disk, toSend, estimatedBytes, readyAt, plannedAt } = event
      const ready = readyAt === null ? '' : `, ready about ${clockTime(readyAt, plannedAt)}`
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
      return { ...overdue(event, told), urgency: 'normal' }
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
        body: 'It is not plugged in any more. When it is due again is in: walkaway status',
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

function overdue({ disk, place }: Overdue, told: string): Pick<Message, 'title' | 'body' | 'mayUnplug'> {
  switch (place) {
    case 'away':
      return {
        title: `${disk}: OVERDUE, bring it`,
        body: lines(told, 'Plug it in and the backup begins by itself.'),
        mayUnplug: null,
      }
    case 'removable':
      return {
        title: `${disk}: OVERDUE, safe to unplug, plug it in again`,
        body: lines('You can unplug it now.', told),
        mayUnplug: true,
      }
    case 'in-use':
      return {
        title: `${disk}: OVERDUE, plugged in but NOT backed up`,
        body: lines('Do not unplug it before you have looked.', told),
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
  'scrub-started': 'being scrubbed',
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

function backupInBody(report: VisitReport): string {
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
