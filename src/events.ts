// Everything that happens, as data, and how it is told: one line for a person, with the priority and the fields
// that the journal gets. The message ids are stable; the shipped journal catalog is made from `eventKinds`.

import prettyBytes from 'pretty-bytes'
import prettyMs from 'pretty-ms'
import type { DatasetName, DiskName, PoolName, VisitReport } from './core/model.ts'

interface OfDisk {
  readonly disk: DiskName
  readonly pool: PoolName
}

export type WalkawayEvent =
  | {
      readonly kind: 'daemon-started'
      readonly version: string
      readonly disks: number
      readonly sources: number
    }
  | { readonly kind: 'daemon-stopping'; readonly because: string }
  | { readonly kind: 'config-reloaded'; readonly disks: number; readonly sources: number }
  | { readonly kind: 'config-rejected'; readonly mistakes: readonly string[] }
  | ({ readonly kind: 'disk-arrived' } & OfDisk)
  | ({ readonly kind: 'disk-refused'; readonly reason: string } & OfDisk)
  | ({
      readonly kind: 'pool-imported'
      readonly how: 'imported' | 'left-by-us' | 'by-somebody-else' | 'came-back'
    } & OfDisk)
  | ({ readonly kind: 'snapshot-taken'; readonly snapshot: string; readonly datasets: number } & OfDisk)
  | ({
      readonly kind: 'plan-made'
      readonly toSend: number
      readonly upToDate: number
      readonly resumed: number
      /** What else it does or leaves, in a few words each: renamed, set aside, gone from the source. */
      readonly notes: readonly string[]
      readonly estimatedBytes: number
      /** From the speed of earlier visits; null when there was none. */
      readonly readyAt: Date | null
    } & OfDisk)
  | ({
      readonly kind: 'dataset-sent'
      readonly dataset: DatasetName
      readonly how: 'full' | 'incremental' | 'resumed'
      readonly sentBytes: number
      readonly durationMs: number
    } & OfDisk)
  | ({ readonly kind: 'dataset-failed'; readonly dataset: DatasetName; readonly reason: string } & OfDisk)
  | ({ readonly kind: 'verified'; readonly datasets: number } & OfDisk)
  | ({
      readonly kind: 'pruned'
      /** Snapshots that were destroyed. */
      readonly onDisk: number
      readonly onSource: number
      /** What stayed although it was to go, and why, in words for a person. */
      readonly left: readonly string[]
    } & OfDisk)
  | ({ readonly kind: 'explain-failed'; readonly reason: string } & OfDisk)
  | ({ readonly kind: 'backup-finished'; readonly report: VisitReport } & OfDisk)
  | ({ readonly kind: 'pool-exported' } & OfDisk)
  | ({
      readonly kind: 'safe-to-remove'
      readonly report: VisitReport
      readonly stopped: boolean
      readonly note: string | null
    } & OfDisk)
  | ({ readonly kind: 'not-safe-to-remove'; readonly reason: string; readonly hint: string } & OfDisk)
  | ({ readonly kind: 'disk-removed' } & OfDisk)
  | ({ readonly kind: 'disk-pulled' } & OfDisk)
  | ({ readonly kind: 'disk-stuck'; readonly reason: string } & OfDisk)

export type EventKind = WalkawayEvent['kind']

/** syslog(3) priorities: 3 a person must act, 4 look at it, 5 what the person waits for, 6 the story. */
type Priority = 3 | 4 | 5 | 6

export interface JournalEntry {
  readonly priority: Priority | 7
  readonly message: string
  /** 128 bits in hexadecimal, see systemd's catalog documentation. */
  readonly messageId: string
  readonly fields: Readonly<Record<string, string>>
}

interface Kind {
  readonly messageId: string
  /** One line for `journalctl -x`. */
  readonly subject: string
  readonly explanation: string
}

const kinds: { readonly [K in EventKind]: Kind } = {
  'daemon-started': {
    messageId: 'a21d9978cf5940acaf6fce0bb7ec1f63',
    subject: 'walkaway is watching for backup disks',
    explanation:
      'The service has read its configuration and watches for the disks named in it. Plug one in and its backup starts.',
  },
  'daemon-stopping': {
    messageId: 'a4332e109b4441ee9a329888dbe32692',
    subject: 'walkaway is stopping',
    explanation:
      'A running transfer is ended in a way that can be resumed, and every pool that walkaway imported is exported first.',
  },
  'config-reloaded': {
    messageId: 'b8a47fb8630a4c299929da706f1e0ded',
    subject: 'The configuration was read again',
    explanation:
      'The new configuration is in force. Visits that were running go on with the one they began with.',
  },
  'config-rejected': {
    messageId: '52addb92c50f4e01a50485f10ec45679',
    subject: 'The configuration has mistakes',
    explanation:
      'Every mistake is listed with its line and column. Nothing was touched; while the service runs, the configuration it had stays in force. Correct the file and check it with: walkaway config check',
  },
  'disk-arrived': {
    messageId: 'b86ddcd8ac0b4002a690e30f45803390',
    subject: 'A backup disk was plugged in',
    explanation: 'The disk is a known one by its serial number and its pool GUID. Its backup begins now.',
  },
  'disk-refused': {
    messageId: 'bad2c34f339f42b4b94a1c28a84628d9',
    subject: 'A disk is not the backup disk that it claims to be',
    explanation:
      'A disk is used only when its serial number and its pool GUID are configured together. This one was not touched. If it is right and the configuration is old, see: walkaway disks',
  },
  'pool-imported': {
    messageId: 'ed0b016c586c4209861e3c38c42a7a50',
    subject: 'The pool of a backup disk is in use',
    explanation:
      'Do not unplug the disk until walkaway says that it is safe to remove. Nothing on it is mounted.',
  },
  'snapshot-taken': {
    messageId: '88b49d67970848c48453d022f6978e5f',
    subject: 'Snapshots of the sources were taken',
    explanation:
      'All datasets of a source pool are snapshotted in one atomic step. This is the state that is backed up.',
  },
  'plan-made': {
    messageId: '25f0771a58d04f34b05e203ce5fe10ca',
    subject: 'What this visit is going to send',
    explanation: "Sizes are ZFS's own estimates before compression of the stream is known.",
  },
  'dataset-sent': {
    messageId: '52beb7b8eda84c01820aff2fdb854b81',
    subject: 'A dataset was sent',
    explanation:
      'The disk received it. It counts as backed up only when it was read back at the end of the visit.',
  },
  'dataset-failed': {
    messageId: '706c817f54a2405eb5891186a5a7e3e1',
    subject: 'A dataset could not be backed up',
    explanation:
      'The other datasets go on. What the disk holds of this dataset from earlier visits is untouched.',
  },
  verified: {
    messageId: '1b5de822b78b43b9b6edb9404497e6d4',
    subject: 'The backup was read back from the disk',
    explanation:
      'The newest snapshot of each of these datasets is on the disk with the GUID that the source has.',
  },
  pruned: {
    messageId: '7847eb33d1f44fa7a8ddd4028be44063',
    subject: 'Old snapshots were destroyed',
    explanation:
      'On the disk, what keep.disk gives up; on the source, of the snapshots that walkaway took, what keep.source gives up. What a disk needs for its next increment stays, as does what is held. What could not be destroyed goes at a later visit; the backup is complete all the same.',
  },
  'explain-failed': {
    messageId: 'f0fd76a78a634ba695e3206791eb3ef9',
    subject: 'A backup disk could not be told what is on it',
    explanation:
      'The backup itself is not affected. What the disk says of itself (user properties, and the commands that restore it without walkaway) may be out of date; the next visit writes it again.',
  },
  'backup-finished': {
    messageId: '154b563f67064a4d84330b6c7b247fe4',
    subject: 'A visit has ended',
    explanation:
      'complete: everything is on the disk. partial: some datasets are not. failed: nothing could be done. interrupted: it goes on at the next visit. Whether the disk may be taken is said separately.',
  },
  'pool-exported': {
    messageId: 'cecebd05cd744553bf4b752424878e6b',
    subject: 'The pool of a backup disk was exported',
    explanation:
      'ZFS has let go of the disk. Wait for the word that it is safe to remove: its cache is flushed next.',
  },
  'safe-to-remove': {
    messageId: '7cfb3b83329b4087a190f0a8071d5cc8',
    subject: 'A backup disk can be taken away',
    explanation:
      'Its pool is exported, nothing holds the device, its cache is flushed. Take it to its other place. Whether the backup is complete is in the same line.',
  },
  'not-safe-to-remove': {
    messageId: '16f323fdd6f44a1a9eaee57915c73093',
    subject: 'A backup disk must not be taken away yet',
    explanation:
      'The visit is over but the disk could not be released. The reason is in the message; it is tried again.',
  },
  'disk-removed': {
    messageId: '48bd4e1283ef4d3eaa10fd9b878a8f80',
    subject: 'A backup disk was taken away',
    explanation: 'It was safe to take. It is expected back by the date that walkaway status shows.',
  },
  'disk-pulled': {
    messageId: 'a0a035c835c545829058f70a66b53771',
    subject: 'A backup disk was removed while it was in use',
    explanation:
      'Nothing on this machine is affected. Plug the disk in again, in any port: the backup goes on where it was. Do not export or destroy its pool by hand meanwhile; that can block every ZFS command until a reboot.',
  },
  'disk-stuck': {
    messageId: 'ee81d78f83694f8aac10942d8376d1c5',
    subject: 'A backup disk hangs',
    explanation:
      'A ZFS command on its pool did not end, or the disk does not answer although it is plugged in. Plug it out and in again: the backup goes on where it was. If that does not help, the machine needs a reboot. Other disks are served as far as the kernel allows.',
  },
}

/** All kinds of event in the order in which they usually happen; the journal catalog is made from this. */
export const eventKinds: readonly ({ readonly kind: EventKind } & Kind)[] = (
  Object.keys(kinds) as EventKind[]
).map((kind) => ({ kind, ...kinds[kind] }))

const bytes = (count: number): string => prettyBytes(count, { maximumFractionDigits: 1 })
const duration = (ms: number): string =>
  prettyMs(Math.max(0, ms), { compact: false, secondsDecimalDigits: 0, unitCount: 2 })
const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** `18:40`, in the machine's time zone. */
const clockTime = (at: Date): string => at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })

const howImported = {
  imported: 'pool imported; do not unplug it now',
  'left-by-us': 'pool is still imported from before; going on with it, do not unplug it now',
  'by-somebody-else': 'pool was already imported by somebody else; it is backed up to and left imported',
  'came-back': 'pool is working again; going on with it, do not unplug it now',
} as const

function sentenceAboutVisit(report: VisitReport): string {
  switch (report.outcome) {
    case 'complete':
      return 'backup complete'
    case 'partial':
      return report.datasets.failed === 0 && report.reason !== null
        ? `backup NOT complete: ${report.reason}`
        : `backup NOT complete: ${report.datasets.failed} of ${plural(report.datasets.total, 'dataset')} failed`
    case 'failed':
      return `backup FAILED${report.reason === null ? '' : `: ${report.reason}`}`
    case 'interrupted':
      return 'backup not finished; it goes on at the next visit'
  }
}

function visitSummary(report: VisitReport): string {
  const { total, sent, unchanged } = report.datasets
  const took = duration(report.finishedAt.getTime() - report.startedAt.getTime())
  return `${sentenceAboutVisit(report)}; ${plural(total, 'dataset')} (${sent} sent, ${unchanged} already there), ${bytes(report.sentBytes)} in ${took}`
}

interface Told {
  readonly priority: Priority
  /** Without the disk's name, which is put in front of it. */
  readonly sentence: string
  readonly fields?: Readonly<Record<string, string>>
}

function describe(event: WalkawayEvent): Told {
  switch (event.kind) {
    case 'daemon-started':
      return {
        priority: 6,
        sentence: `walkaway ${event.version} is watching for ${plural(event.disks, 'backup disk')} of ${plural(event.sources, 'source')}`,
      }
    case 'daemon-stopping':
      return { priority: 6, sentence: `walkaway is stopping (${event.because})` }
    case 'config-reloaded':
      return {
        priority: 6,
        sentence: `configuration read again: ${plural(event.disks, 'disk')}, ${plural(event.sources, 'source')}`,
      }
    case 'config-rejected':
      return {
        priority: 3,
        sentence: `configuration rejected, ${plural(event.mistakes.length, 'mistake')}: ${event.mistakes.join(' | ')}`,
      }
    case 'disk-arrived':
      return {
        priority: 6,
        sentence: `plugged in, pool ${event.pool}; the backup begins, do not unplug it now`,
      }
    case 'disk-refused':
      return { priority: 3, sentence: `refused and not touched: ${event.reason}` }
    case 'pool-imported':
      return { priority: 6, sentence: howImported[event.how] }
    case 'snapshot-taken':
      return {
        priority: 6,
        sentence: `snapshot @${event.snapshot} taken of ${plural(event.datasets, 'dataset')}`,
        fields: { WALKAWAY_SNAPSHOT: event.snapshot },
      }
    case 'plan-made': {
      const notes = event.notes.map((note) => `; ${note}`).join('')
      if (event.toSend === 0)
        return {
          priority: 6,
          sentence: `nothing to send, ${plural(event.upToDate, 'dataset')} up to date${notes}`,
        }
      const resumed = event.resumed === 0 ? '' : `, ${event.resumed} of them resumed`
      const ready = event.readyAt === null ? '' : `, ready about ${clockTime(event.readyAt)}`
      return {
        priority: 6,
        sentence: `sending ${plural(event.toSend, 'dataset')}, about ${bytes(event.estimatedBytes)}${resumed}${ready}${notes}`,
        fields: { WALKAWAY_BYTES: String(event.estimatedBytes) },
      }
    }
    case 'dataset-sent':
      return {
        priority: 6,
        sentence: `${event.dataset} sent (${event.how}), ${bytes(event.sentBytes)} in ${duration(event.durationMs)}`,
        fields: {
          WALKAWAY_DATASET: event.dataset,
          WALKAWAY_BYTES: String(event.sentBytes),
          WALKAWAY_DURATION_MS: String(event.durationMs),
        },
      }
    case 'dataset-failed':
      return {
        priority: 4,
        sentence: `${event.dataset} could not be backed up: ${event.reason}`,
        fields: { WALKAWAY_DATASET: event.dataset },
      }
    case 'verified':
      return {
        priority: 6,
        sentence: `${plural(event.datasets, 'dataset')} read back from the disk and right`,
      }
    case 'pruned': {
      const left = event.left.length === 0 ? '' : `; not all of it: ${event.left.join('; ')}`
      return {
        priority: event.left.length === 0 ? 6 : 4,
        sentence: `${plural(event.onDisk, 'old snapshot')} destroyed on the disk, ${event.onSource} on the source${left}`,
      }
    }
    case 'explain-failed':
      return { priority: 4, sentence: `its restore instructions could not be written: ${event.reason}` }
    case 'backup-finished':
      return {
        priority: event.report.outcome === 'complete' ? 6 : 4,
        sentence: visitSummary(event.report),
        fields: { WALKAWAY_OUTCOME: event.report.outcome, WALKAWAY_BYTES: String(event.report.sentBytes) },
      }
    case 'pool-exported':
      return { priority: 6, sentence: 'pool exported' }
    case 'safe-to-remove': {
      const spinning = event.note === null ? '' : ` (${event.note})`
      return {
        priority: event.report.outcome === 'complete' ? 5 : 4,
        sentence: `SAFE TO REMOVE, take it away; ${sentenceAboutVisit(event.report)}${spinning}`,
        fields: { WALKAWAY_OUTCOME: event.report.outcome },
      }
    }
    case 'not-safe-to-remove':
      return { priority: 3, sentence: `DO NOT REMOVE it yet: ${event.reason}; ${event.hint}` }
    case 'disk-removed':
      return { priority: 6, sentence: 'taken away' }
    case 'disk-pulled':
      return {
        priority: 3,
        sentence:
          'was pulled out while in use; nothing on this machine is affected, plug it in again and the backup goes on where it was',
      }
    case 'disk-stuck':
      return {
        priority: 3,
        sentence: `it hangs (${event.reason}); plug it out and in again, and if that does not help, reboot`,
      }
  }
}

/** Reasons quote other programs, which answer in several lines. */
const onOneLine = (text: string): string =>
  text
    .trim()
    .replaceAll(/\s*[\r\n\u2028\u2029]+\s*/g, '; ')
    .replaceAll(/\p{Cc}/gu, ' ')

/** How an event is told: never with a line break in it, so that one event stays one line. */
export function render(event: WalkawayEvent): JournalEntry {
  const told = describe(event)
  const ofDisk: Record<string, string> =
    'disk' in event ? { WALKAWAY_DISK: event.disk, WALKAWAY_POOL: event.pool } : {}
  return {
    priority: told.priority,
    message: onOneLine('disk' in event ? `${event.disk}: ${told.sentence}` : told.sentence),
    messageId: kinds[event.kind].messageId,
    fields: { WALKAWAY_EVENT: event.kind, ...ofDisk, ...told.fields },
  }
}
