// What a person reads on a phone or in a mail: which disk, may it be unplugged, is the backup complete, what to do next.
// A title that calls a disk safe has no NOT in it, and one that does not, has. Pure; the line in the journal is sentences.ts.

import type { WalkawayEvent } from '../events.ts'
import { plural, render } from '../sentences.ts'
import { ended, inUse, lines, listed, type Message, sentence, waitForWord } from './message.ts'
import {
  atTheEnd,
  backupInBody,
  comingInTitle,
  outcomeInTitle,
  pulled,
  whatNext,
  whetherComplete,
} from './visitWords.ts'

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
        body: lines(
          told,
          event.waiting > 0 ? 'It is tried again.' : null,
          'What waits, and for whom, is in: walkaway status',
        ),
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
    case 'plan-made':
      return {
        title: `${event.disk}: do NOT unplug it, ${comingInTitle(event)}`,
        body: lines(told, inUse, waitForWord),
        urgency: 'low',
        mayUnplug: false,
      }
    case 'backup-finished':
      return {
        ...atTheEnd(event),
        urgency: event.report.outcome === 'complete' ? 'low' : 'normal',
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
          whetherComplete(event.outcome),
          waitForWord,
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
          'Unplug it and plug it in again, and it is tried once more.',
        ),
        urgency: 'normal',
        mayUnplug: true,
      }
    case 'nothing-offsite':
      return {
        title:
          event.take === null
            ? `${host}: NOTHING IS OFFSITE, all disks are at home`
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
      return event.isAnotherDevice
        ? {
            title: `another disk claims to be ${event.disk}, NOT touched`,
            body: lines(
              `Nothing was written to it. ${event.disk} itself is there, and is backed up to.`,
              // It begins with what is the name of a device.
              ended(event.reason),
            ),
            urgency: 'normal',
            mayUnplug: null,
          }
        : {
            title: `${event.disk}: refused, NOT backed up`,
            body: lines(
              'A disk was plugged in that was not touched. Nothing was written to it.',
              ended(event.reason),
            ),
            urgency: 'high',
            mayUnplug: null,
          }
    case 'disk-pulled':
      return { ...pulled(event), urgency: 'high', mayUnplug: false }
    case 'disk-stuck':
      return {
        title: `${event.disk}: it HANGS and needs you, NOT released`,
        body: lines(
          `It does not answer: ${ended(event.reason)}`,
          whetherComplete(event.outcome),
          'Unplug it and plug it in again: the backup goes on where it was.',
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
