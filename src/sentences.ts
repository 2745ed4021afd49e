// How an event is told in the journal: one line for a person, with its priority and fields. What a phone or a mail says is
// notify/words.ts.

import prettyMs from 'pretty-ms'
import { bytesInWords } from './core/bytes.ts'
import { clockTime } from './core/clockTime.ts'
import { describeSending } from './core/clones.ts'
import type { VisitReport } from './core/model.ts'
import { describeScrub } from './core/scrub.ts'
import { kinds } from './eventKinds.ts'
import type { JournalEntry, Priority, WalkawayEvent } from './events.ts'

const duration = (ms: number): string =>
  prettyMs(Math.max(0, ms), { compact: false, secondsDecimalDigits: 0, unitCount: 2 })
export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

const dayMs = 24 * 3_600_000

const howImported = {
  imported: 'pool imported; do not unplug it now',
  'left-by-us': 'pool is still imported from before; going on with it, do not unplug it now',
  'by-somebody-else': 'pool was already imported by somebody else; it is backed up to and left imported',
  'came-back': 'pool is working again; going on with it, do not unplug it now',
} as const

export function aboutVisit(report: VisitReport): string {
  switch (report.outcome) {
    case 'complete':
      return 'backup complete'
    case 'partial':
      return report.datasets.failed === 0 && report.reason !== null
        ? `backup NOT complete: ${report.reason}`
        : `backup NOT complete: ${report.datasets.failed} of ${plural(report.datasets.total, 'dataset')} failed${lacking(report)}`
    case 'failed':
      return `backup FAILED${report.reason === null ? '' : `: ${report.reason}`}${lacking(report)}`
    case 'interrupted':
      return 'backup not finished; it goes on at the next visit'
  }
}

const lacking = ({ space }: VisitReport): string =>
  space === null || space.missingBytes === 0
    ? ''
    : `; the disk is full, about ${bytesInWords(space.missingBytes)} are missing`

function forecast({ space }: VisitReport): string {
  if (space === null || space.fullInVisits === null) return ''
  return `; the disk will be full in about ${plural(space.fullInVisits, 'visit')}`
}

const whereElse = (event: Extract<WalkawayEvent, { kind: 'pruned' }>): string =>
  event.why === 'to-make-room' ? 'to make room for what is to be sent' : `${event.onSource} on the source`

function visitSummary(report: VisitReport): string {
  const { total, sent, unchanged } = report.datasets
  const took = duration(report.finishedAt.getTime() - report.startedAt.getTime())
  return `${aboutVisit(report)}; ${plural(total, 'dataset')} (${sent} sent, ${unchanged} already there), ${bytesInWords(report.sentBytes)} in ${took}${forecast(report)}`
}

type PlanMade = Extract<WalkawayEvent, { kind: 'plan-made' }>

/** The whole of each dataset, or what is new. */
function howMuchOf({ toSend, full }: PlanMade): string {
  if (full === 0) return 'incremental'
  return full === toSend ? 'full' : `incremental but ${full} full`
}

function whenReady({ readyAt, plannedAt }: PlanMade): string {
  if (readyAt === null) return 'how long it takes is not known yet'
  return `ready about ${clockTime(readyAt, plannedAt)} (in ${duration(readyAt.getTime() - plannedAt.getTime())})`
}

/** `35 days`; less than two of them in hours and minutes. */
const longTime = (ms: number): string =>
  ms < 2 * dayMs ? duration(ms) : plural(Math.floor(ms / dayMs), 'day')

const howToBring = {
  away: 'bring it and plug it in',
  removable: 'it is plugged in: take it out and plug it in again, and its backup begins',
  'in-use': 'it is plugged in, so see what is wrong: walkaway status',
} as const

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
    case 'visit-asked':
      return { priority: 6, sentence: 'a visit was asked for; the backup begins, do not unplug it now' }
    case 'eject-asked':
      return {
        priority: 6,
        sentence:
          'it was asked for; what runs is ended and the rest goes on at the next visit, do not unplug it yet',
      }
    case 'disk-refused':
      return { priority: 3, sentence: `refused and not touched: ${event.reason}` }
    case 'pool-imported':
      return { priority: 6, sentence: howImported[event.how] }
    case 'key-not-needed':
      return { priority: 4, sentence: 'has a keyFile in the configuration, but its pool is not encrypted' }
    case 'snapshot-taken':
      return {
        priority: 6,
        sentence: `snapshot @${event.snapshot} taken of ${plural(event.datasets, 'dataset')}`,
        fields: { WALKAWAY_SNAPSHOT: event.snapshot },
      }
    case 'plan-made': {
      const inConflict = event.conflicts === 0 ? [] : [`${plural(event.conflicts, 'dataset')} in conflict`]
      const notes = [...inConflict, ...event.notes].map((note) => `; ${note}`).join('')
      if (event.toSend === 0)
        return {
          priority: 6,
          sentence: `nothing to send, ${plural(event.upToDate, 'dataset')} up to date${notes}`,
        }
      const resumed = event.resumed === 0 ? '' : `, ${event.resumed} of them resumed`
      return {
        priority: 6,
        sentence: `sending ${plural(event.toSend, 'dataset')}, ${howMuchOf(event)}, about ${bytesInWords(event.estimatedBytes)}${resumed}, ${whenReady(event)}${notes}`,
        fields: { WALKAWAY_BYTES: String(event.estimatedBytes) },
      }
    }
    case 'dataset-sent':
      return {
        priority: 6,
        sentence: `${event.dataset} sent (${describeSending(event)}), ${bytesInWords(event.sentBytes)} in ${duration(event.durationMs)}`,
        fields: {
          WALKAWAY_DATASET: event.dataset,
          WALKAWAY_BYTES: String(event.sentBytes),
          WALKAWAY_DURATION_MS: String(event.durationMs),
        },
      }
    case 'dataset-gone':
      return {
        priority: 6,
        sentence: `${event.dataset} was destroyed or renamed during the visit; what the disk has of it stays`,
        fields: { WALKAWAY_DATASET: event.dataset },
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
        sentence: `${plural(event.onDisk, 'old snapshot')} destroyed on the disk, ${whereElse(event)}${left}`,
      }
    }
    case 'scrub-started':
      return { priority: 6, sentence: describeScrub(event.because) }
    case 'scrub-finished': {
      const { repairedBytes, errors, damaged } = event
      const repaired = repairedBytes === 0 ? '' : `, ${bytesInWords(repairedBytes)} repaired`
      const lost = damaged === 0 ? '' : `; ${plural(damaged, 'file')} damaged`
      const found = errors === 0 ? 'nothing is lost' : `${plural(errors, 'place')} could not be repaired`
      return {
        priority: errors === 0 && damaged === 0 && repairedBytes === 0 ? 6 : 4,
        sentence: `scrubbed: everything on the disk was read, ${found}${repaired}${lost}`,
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
        sentence: `SAFE TO REMOVE, take it away; ${aboutVisit(event.report)}${spinning}`,
        fields: { WALKAWAY_OUTCOME: event.report.outcome },
      }
    }
    case 'not-safe-to-remove':
      return {
        priority: 3,
        sentence: `DO NOT REMOVE it yet: ${event.reason}; ${event.hint}`,
        fields: { WALKAWAY_OUTCOME: event.outcome },
      }
    case 'disk-removed':
      return { priority: 6, sentence: 'taken away' }
    case 'disk-pulled':
      return {
        priority: 3,
        sentence:
          event.outcome === 'complete'
            ? 'was pulled out after its backup was complete, but before it was released; nothing on this machine is affected, plug it in again'
            : 'was pulled out while in use; nothing on this machine is affected, plug it in again and the backup goes on where it was',
        ...(event.outcome !== null && { fields: { WALKAWAY_OUTCOME: event.outcome } }),
      }
    case 'disk-stuck':
      return {
        priority: 3,
        sentence: `it hangs (${event.reason}); unplug it and plug it in again, and if that does not help, reboot`,
        ...(event.outcome !== null && { fields: { WALKAWAY_OUTCOME: event.outcome } }),
      }
    case 'disk-overdue': {
      const first =
        event.bringFirst === null ? '' : `; bring ${event.bringFirst} first, its backup is older still`
      return {
        priority: 4,
        sentence: `OVERDUE, no complete backup for ${longTime(event.withoutBackupMs)}: ${howToBring[event.place]}${first}`,
      }
    }
    case 'take-disk-away':
      return {
        priority: 4,
        sentence: `still plugged in, ${longTime(event.finishedMs)} after its backup was complete; it is SAFE TO REMOVE: take it to its other place`,
        fields: { WALKAWAY_OUTCOME: 'complete' },
      }
    case 'backup-incomplete': {
      const reason = event.reason === null ? '' : ` (${event.reason})`
      return {
        priority: 4,
        sentence: `still plugged in, and its backup is NOT complete${reason}: take it out and plug it in again, and it is tried once more`,
        fields: { WALKAWAY_OUTCOME: event.outcome },
      }
    }
    case 'nothing-offsite': {
      const all = `${event.disks.length === 2 ? 'both' : `all ${event.disks.length}`} backup disks are here (${event.disks.join(', ')})`
      const take =
        event.take === null
          ? 'take one away as soon as it is safe to remove'
          : `take ${event.take} away, it is SAFE TO REMOVE`
      return {
        priority: 4,
        sentence: `NOTHING IS OFFSITE: ${all} for ${longTime(event.atHomeMs)}; ${take}`,
      }
    }
    case 'disk-unused':
      return {
        priority: 4,
        sentence: `in the configuration for ${longTime(event.configuredMs)}, and nothing was ever backed up to it: plug it in, or remove it from the configuration`,
      }
    case 'notify-failed': {
      const lost = event.givenUp === 0 ? '' : `; ${plural(event.givenUp, 'message')} given up`
      const waiting = event.waiting === 0 ? '' : `; ${plural(event.waiting, 'message')} kept and tried again`
      return {
        priority: 4,
        sentence: `nobody was reached by ${event.channel}: ${event.reason}${lost}${waiting}`,
      }
    }
  }
}

/**
 * Reasons quote other programs, which answer in several lines, and disks, whose names are anybody's: no line breaks, no
 * escape sequences, no marks that turn the reading direction or are not seen at all.
 */
export const onOneLine = (text: string): string =>
  text
    .trim()
    .replaceAll(/\s*[\r\n\u2028\u2029]+\s*/g, '; ')
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll(/\p{Cf}/gu, '')
    .replaceAll(/\p{Surrogate}/gu, '\ufffd')

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
