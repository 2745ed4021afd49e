import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { outcomes, type VisitReport } from '../src/core/model.ts'
import { eventKinds } from '../src/eventKinds.ts'
import type { EventKind, WalkawayEvent } from '../src/events.ts'
import { render } from '../src/sentences.ts'
import { report } from './core/sightings.ts'
import { examples, ofDisk, plannedAt } from './fakes/eventExamples.ts'

const all = (text: string): readonly WalkawayEvent[] => Object.values(examples(text)).flat()
const message = (event: WalkawayEvent): string => render(event).message

describe('each kind', () => {
  test('has a message id of its own, 128 bits in hexadecimal, and words for the catalog', () => {
    const ids = eventKinds.map(({ messageId }) => messageId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { messageId, subject, explanation } of eventKinds) {
      expect(messageId).toMatch(/^[0-9a-f]{32}$/)
      expect(subject).toMatch(/^\S.*\S$/)
      expect(explanation).toMatch(/^\S[^\n]*[.:\w]$/)
    }
    expect(eventKinds.map(({ kind }) => kind).toSorted()).toEqual(Object.keys(examples('')).toSorted())
  })

  test('is one line without control characters, whatever was quoted in it', () => {
    const characters = ['a', ' ', '\n', '\r', '\t', '\0', '\u001b', '\u007f', '\u0085', '\u2028', '\u2029']
    const nasty = fc.string({ unit: fc.constantFrom(...characters) })
    const harmful = /\p{Cc}|\u2028|\u2029/u
    fc.assert(
      fc.property(nasty, (text) => all(text).every((event) => !harmful.test(message(event)))),
      { numRuns: 40 },
    )
  })

  test('says which event it is, of which disk and pool', () => {
    for (const event of all('why')) {
      const { fields, messageId } = render(event)
      expect(fields).toMatchObject({ WALKAWAY_EVENT: event.kind })
      expect(messageId).toBe(eventKinds.find(({ kind }) => kind === event.kind)?.messageId)
      if ('disk' in event) {
        expect(fields).toMatchObject({ WALKAWAY_DISK: 'offsite-1', WALKAWAY_POOL: 'tank-away' })
        expect(message(event)).toMatch(/^offsite-1: /)
      }
      for (const name of Object.keys(fields)) expect(name).toMatch(/^WALKAWAY_[A-Z_]+$/)
    }
  })

  test('speaks in words: nothing undefined, no dates that are none, no word error where nothing is wrong', () => {
    for (const event of all('why')) {
      expect(message(event)).not.toMatch(/undefined|NaN|Invalid|\[object|null/)
      expect(message(event)).not.toMatch(/error/i)
      expect(message(event)).not.toMatch(/ {2}|-\d+ ?m?s/)
    }
  })
})

describe('priorities', () => {
  const expected: { readonly [K in EventKind]: readonly number[] } = {
    'daemon-started': [6],
    'daemon-stopping': [6],
    'config-reloaded': [6],
    'config-rejected': [3],
    'disk-arrived': [6],
    'visit-asked': [6],
    'eject-asked': [6],
    'disk-refused': [3, 3],
    'pool-imported': [6, 6, 6, 6],
    'key-not-needed': [4],
    'snapshot-taken': [6],
    'plan-made': [6, 6],
    'dataset-sent': [6, 6, 6, 6, 6, 6, 6, 6],
    'dataset-gone': [6],
    'dataset-failed': [4],
    verified: [6],
    pruned: [6, 4, 6],
    'scrub-started': [6, 6, 6, 6, 6],
    'scrub-finished': [6, 4, 4],
    'explain-failed': [4],
    'backup-finished': Array.from({ length: 6 }, () => [6, 4, 4, 4]).flat(),
    'pool-exported': [6],
    'safe-to-remove': [5, 5, 4],
    'not-safe-to-remove': [3],
    'disk-removed': [6],
    'disk-pulled': [3, 3, 3, 3, 3],
    'disk-stuck': [3, 3, 3, 3, 3],
    'disk-overdue': [4, 4, 4],
    'take-disk-away': [4],
    'backup-incomplete': [4, 4],
    'nothing-offsite': [4, 4],
    'disk-unused': [4],
    'notify-failed': [4, 4],
  }
  test.each(Object.entries(examples('why')))('of %s', (kind, events) => {
    expect(events.map((event) => render(event).priority)).toEqual(expected[kind as EventKind])
  })
})

describe('what is coming', () => {
  const plan = {
    kind: 'plan-made',
    ...ofDisk,
    toSend: 3,
    full: 0,
    upToDate: 0,
    conflicts: 0,
    resumed: 0,
    notes: [],
    estimatedBytes: 84_000_000_000,
    readyAt: new Date(2026, 10, 22, 18, 40),
    plannedAt,
  } as const
  test.each<
    [name: string, changes: Partial<Pick<WalkawayEvent & { kind: 'plan-made' }, 'full'>>, words: string]
  >([
    ['only what is new', {}, 'incremental, about 84 GB, ready about 18:40 (in 42m)'],
    ['everything', { full: 3 }, 'full, about 84 GB, ready about 18:40 (in 42m)'],
    ['both', { full: 1 }, 'incremental but 1 full, about 84 GB, ready about 18:40 (in 42m)'],
  ])('%s: how, how much, ready when', (_, changes, words) => {
    expect(message({ ...plan, ...changes })).toBe(`offsite-1: sending 3 datasets, ${words}`)
  })
  test('a disk of unknown speed makes no promise', () => {
    expect(message({ ...plan, readyAt: null })).toMatch(/about 84 GB, how long it takes is not known yet$/)
  })
})

describe('reminders', () => {
  test('only of a disk that may be taken it is said that it may', () => {
    const kinds = ['disk-overdue', 'take-disk-away', 'backup-incomplete', 'disk-unused'] as const
    for (const event of kinds.flatMap((kind) => examples('why')[kind] as readonly WalkawayEvent[]))
      expect(/SAFE TO REMOVE|take it/.test(message(event))).toBe(
        event.kind === 'take-disk-away' ||
          event.kind === 'backup-incomplete' ||
          (event.kind === 'disk-overdue' && event.place === 'removable'),
      )
    for (const event of examples('why')['nothing-offsite'])
      expect(/SAFE TO REMOVE/.test(message(event))).toBe(event.take !== null)
  })
  test('one that is away is to be brought, after the one with the older backup', () => {
    const [away, ...here] = examples('why')['disk-overdue'].map(message)
    expect(away).toMatch(/for 35 days: bring it and plug it in; bring offsite-2 first/)
    for (const told of here) expect(told).not.toContain('bring')
  })
})

describe('the outcome of a visit', () => {
  const about = (fields: Partial<VisitReport>): WalkawayEvent => ({
    kind: 'backup-finished',
    ...ofDisk,
    report: report(fields),
    standing: 'in-use',
  })
  test('is a field of what is told about it', () => {
    for (const outcome of outcomes) {
      expect(render(about({ outcome })).fields).toMatchObject({ WALKAWAY_OUTCOME: outcome })
      const safe: WalkawayEvent = {
        kind: 'safe-to-remove',
        ...ofDisk,
        report: report({ outcome }),
        stopped: true,
        note: null,
      }
      expect(render(safe).fields).toMatchObject({ WALKAWAY_OUTCOME: outcome })
    }
  })
  test('safe to remove and complete are told apart', () => {
    const safe = (fields: Partial<VisitReport>): string =>
      message({ kind: 'safe-to-remove', ...ofDisk, report: report(fields), stopped: true, note: null })
    expect(safe({})).toMatch(/SAFE TO REMOVE.*backup complete/)
    for (const outcome of ['partial', 'failed', 'interrupted'] as const) {
      expect(safe({ outcome })).toMatch(/SAFE TO REMOVE/)
      expect(safe({ outcome })).not.toMatch(/backup complete/)
    }
    expect(
      message({ kind: 'not-safe-to-remove', ...ofDisk, outcome: 'complete', reason: 'x', hint: 'y' }),
    ).not.toMatch(/SAFE TO/)
  })
  test('partial although no dataset failed says why', () => {
    const datasets = { total: 2, sent: 2, unchanged: 0, failed: 0 }
    const told = message(about({ outcome: 'partial', datasets, reason: 'the disk has 3 data errors' }))
    expect(told).toContain('the disk has 3 data errors')
    expect(told).not.toContain('0 of 2')
  })
  test('a full disk says how much is missing, wherever the outcome is said', () => {
    const space = { allocatedBytes: 9, sizeBytes: 10, missingBytes: 1_200_000_000, fullInVisits: null }
    const full = report({ outcome: 'partial', space })
    const safe: WalkawayEvent = {
      kind: 'safe-to-remove',
      ...ofDisk,
      report: full,
      stopped: true,
      note: null,
    }
    for (const told of [message(safe), message(about({ outcome: 'partial', space }))])
      expect(told).toContain('the disk is full, about 1.2 GB are missing')
    expect(message(about({ outcome: 'partial', space: { ...space, missingBytes: 0 } }))).not.toContain('full')
  })
  test('a disk that will soon be full is told when its backup is finished', () => {
    const space = { allocatedBytes: 9, sizeBytes: 10, missingBytes: 0, fullInVisits: 4 }
    expect(message(about({ space }))).toMatch(/; the disk will be full in about 4 visits$/)
    expect(message(about({ space: { ...space, fullInVisits: null } }))).not.toContain('full')
  })
  test('snapshots that went to make room say so', () => {
    const pruned = { kind: 'pruned', ...ofDisk, onDisk: 2, onSource: 0, left: [] } as const
    expect(message({ ...pruned, why: 'to-make-room' })).toMatch(/2 old snapshots .* to make room/)
    expect(message({ ...pruned, why: 'given-up' })).not.toContain('room')
  })
  test('a clock that was set back during the visit gives no negative time', () => {
    expect(message(about({ finishedAt: new Date(0) }))).toMatch(/in 0ms$/)
  })
})
