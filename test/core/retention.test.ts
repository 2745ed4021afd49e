import { describe, expect, test } from 'vitest'
import { bookmarkNameFor } from '../../src/core/bookmarks.ts'
import { diskName, poolGuid, type Snapshot, snapshotGuid } from '../../src/core/model.ts'
import {
  type KeepPolicy,
  keepsEverything,
  keptOnDisk,
  planDiskRetention,
  planRetention,
  planSourceRetention,
  type Verdict,
} from '../../src/core/retention.ts'
import { utc } from './calendars.ts'
import { dataset } from './series.ts'

const none: KeepPolicy = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 }

/**
 * Oldest first by createtxg: 'a=20T08' is a snapshot called a, taken on November 20th, 2026, at 8 o'clock; '24-02-28T23'
 * likewise with year and month. Its name decides its GUID.
 */
function taken(series: string): readonly Snapshot[] {
  return dataset(
    series
      .split(' ')
      .filter(Boolean)
      .map((word) => `@${word.split('=')[0]}`)
      .join(' '),
  ).snapshots.map((snapshot, at) => ({
    ...snapshot,
    creation: timeOf(series.split(' ').filter(Boolean)[at]?.split('=')[1] ?? ''),
  }))
}
function timeOf(short: string): Date {
  if (short === '?') return new Date(Number.NaN)
  const [date = '', hour = ''] = short.split('T')
  const [day, month = '11', year = '26'] = date.split('-').reverse()
  return new Date(`20${year}-${month}-${day}T${hour}:30:00Z`)
}

const kept = (verdicts: readonly Verdict[]): string =>
  verdicts.flatMap(({ snapshot, keptBecause }) => (keptBecause.length > 0 ? [snapshot.name] : [])).join(' ')
const reasonsOf = (verdicts: readonly Verdict[], name: string): readonly string[] | undefined =>
  verdicts.find(({ snapshot }) => snapshot.name === name)?.keptBecause

describe('a policy', () => {
  test.each<[name: string, policy: Partial<KeepPolicy>, series: string, expected: string]>([
    ['that is empty keeps everything', {}, 'a=01T00 b=02T00 c=?', 'a b c'],
    ['keeps the last ones', { last: 2 }, 'a=20T08 b=20T12 c=21T08', 'b c'],
    ['keeps the last ones when there are fewer', { last: 5 }, 'a=20T08 b=20T12', 'a b'],
    ['keeps the newest of each hour', { hourly: 9 }, 'a=20T08 b=20T08 c=20T09 d=20T09', 'b d'],
    ['keeps the newest of each day', { daily: 9 }, 'a=20T08 b=20T12 c=21T08 d=21T23 e=22T00', 'b d e'],
    ['keeps days that have a snapshot; others do not count', { daily: 2 }, 'a=01T08 b=09T08 c=21T08', 'b c'],
    [
      'keeps the newest of each week, Monday to Sunday',
      { weekly: 9 },
      'a=15T00 b=15T23 c=16T00 d=22T23',
      'b d',
    ],
    ['keeps the newest of each month', { monthly: 2 }, 'a=09-30T08 b=10-01T08 c=10-31T08 d=11-01T08', 'c d'],
    ['keeps the newest of each year', { yearly: 2 }, 'a=23-12-31T08 b=24-01-01T08 c=25-01-01T08', 'b c'],
    [
      'keeps a week that lies in two years once',
      { weekly: 9 },
      'a=24-12-30T08 b=25-01-01T08 c=25-01-05T08 d=25-01-06T08',
      'c d',
    ],
    [
      'keeps what any of its rules keeps',
      { last: 1, daily: 2, monthly: 2 },
      'a=10-01T08 b=10-31T08 c=19T08 d=20T08 e=21T08 f=21T09',
      'b d f',
    ],
    [
      'counts a wrong clock as a period: what came after it is newer all the same',
      { daily: 2 },
      'a=20T08 b=70-01-01T00 c=21T08',
      'b c',
    ],
    [
      'is not led astray by a time that comes again',
      { daily: 2 },
      'a=19T08 b=20T08 c=21T08 d=20T09 e=21T09',
      'd e',
    ],
    [
      'is not led astray by a time in the future',
      { last: 1, daily: 2 },
      'a=20T08 b=99-01-01T00 c=21T08',
      'b c',
    ],
    ['takes equal times by createtxg', { daily: 1 }, 'a=20T08 b=20T08 c=20T08', 'c'],
    ['keeps what has no known time', { daily: 1 }, 'a=? b=20T08 c=20T09', 'a c'],
    ['has nothing to judge', { daily: 1 }, '', ''],
  ])('%s', (_, policy, series, expected) => {
    const verdicts = planRetention({
      snapshots: taken(series),
      policy: { ...none, ...policy },
      calendar: utc,
      judged: 'all',
      protects: new Map(),
    })
    expect(kept(verdicts)).toBe(expected)
  })

  test('says every reason, and which period', () => {
    const verdicts = planRetention({
      snapshots: taken('a=31T08 b=01T08').map((snapshot, at) => ({ ...snapshot, holds: at === 0 ? 2 : 0 })),
      policy: { last: 1, hourly: 1, daily: 1, weekly: 1, monthly: 1, yearly: 1 },
      calendar: utc,
      judged: 'all',
      protects: new Map([[snapshotGuid('guid-b'), ['common base of offsite-2']]]),
    })
    expect(reasonsOf(verdicts, 'a')).toEqual(['held'])
    expect(reasonsOf(verdicts, 'b')).toEqual([
      'last',
      'hourly 2026-11-01 08:00+00:00',
      'daily 2026-11-01',
      'weekly 2026-W44',
      'monthly 2026-11',
      'yearly 2026',
      'common base of offsite-2',
    ])
  })

  test('is empty when all its numbers are 0', () => {
    expect(keepsEverything(none)).toBe(true)
    expect(keepsEverything({ ...none, yearly: 1 })).toBe(false)
  })
})

describe('on a disk', () => {
  const policy = { ...none, last: 1 }
  const judge = (copy: string, source: string, fields = {}, origins = ''): readonly Verdict[] =>
    planDiskRetention({
      copy: dataset(copy, fields),
      source: dataset(source),
      origins: new Set([snapshotGuid(`guid-${origins}`)]),
      policy,
      calendar: utc,
    })

  test.each([
    ['every snapshot is judged, whoever took it', '@x @own1 @y @own2', '@own2', 'walkaway_20260102T000000Z'],
    ['would prune the last common base: refused', '@a @b @c', '@b', 'b c'],
    ['the base is a bookmark on the source', '@a @b @c', '#b', 'b c'],
    ['only the newest common one is the base', '@a @b @c', '@a @b', 'b c'],
    ['nothing in common: the policy decides', '@a @b @c', '@x', 'c'],
  ])('%s', (_, copy, source, expected) => {
    expect(kept(judge(copy, source))).toBe(expected)
  })

  test('the newest stays although the policy counts other things', () => {
    const verdicts = judge('@a @b', '@x')
    expect(reasonsOf(verdicts, 'b')).toContain('newest on the disk')
  })

  test('what has a clone stays, with its name as the reason', () => {
    const [a, ...more] = dataset('@a @b @c').snapshots
    const snapshots = a === undefined ? [] : [{ ...a, clones: ['disk/nas/tank/clone'] }, ...more]
    const verdicts = judge('@a @b @c', '@c', { snapshots })
    expect(kept(verdicts)).toBe('a c')
    expect(reasonsOf(verdicts, 'a')).toEqual(['origin of disk/nas/tank/clone'])
  })

  test('what a clone was to be sent from stays, sent or not', () => {
    expect(kept(judge('@a @b @c', '@a @b @c', {}, 'b'))).toBe('b c')
  })

  test('nothing goes while a receive is unfinished', () => {
    const verdicts = judge('@a @b @c', '@c', { resumeToken: 'token' })
    expect(kept(verdicts)).toBe('a b c')
    expect(reasonsOf(verdicts, 'a')).toEqual(['a receive is unfinished'])
  })
})

describe('on a source', () => {
  const disk = { name: diskName('offsite-1'), poolGuid: poolGuid('123') }
  const policy = { ...none, last: 1 }
  const own = (day: number): string => `walkaway_2026010${day}T000000Z`
  const judge = (source: string, copy: string, { marked = '', held = '' } = {}): readonly Verdict[] => {
    const plain = dataset(source)
    const bookmarks = plain.snapshots
      .filter(({ name }) => name === marked)
      .map((snapshot) => ({ ...snapshot, name: bookmarkNameFor(disk.poolGuid, snapshot) }))
    const snapshots = plain.snapshots.map((each) => ({ ...each, holds: each.name === held ? 1 : 0 }))
    return planSourceRetention({
      source: { ...plain, snapshots, bookmarks: [...plain.bookmarks, ...bookmarks] },
      disk,
      copy: dataset(copy),
      policy,
      calendar: utc,
    })
  }

  test("nothing goes but walkaway's own, and nothing else counts", () => {
    const verdicts = judge('@x @own1 @y @own2 @z', '')
    expect(kept(verdicts)).toBe(`x y ${own(2)} z`)
    expect(reasonsOf(verdicts, 'x')).toEqual(["not walkaway's own"])
  })

  test('would prune the last common base: refused, until its bookmark stands in', () => {
    expect(reasonsOf(judge('@own1 @own2 @own3', '@own1 @own2'), own(2))).toEqual(['common base of offsite-1'])
    expect(kept(judge('@own1 @own2 @own3', '@own1 @own2'))).toBe(`${own(2)} ${own(3)}`)
    expect(kept(judge('@own1 @own2 @own3', '@own1 @own2', { marked: own(2) }))).toBe(own(3))
    expect(kept(judge('@own1 @own2 @own3', '@own1 @own2', { marked: own(1) }))).toBe(`${own(2)} ${own(3)}`)
  })

  test("another disk's bookmark does not stand in, whatever it is of", () => {
    const source = dataset('@own1 @own2')
    const bookmarks = source.snapshots.map((snapshot) => ({
      ...snapshot,
      name: bookmarkNameFor('456', snapshot),
    }))
    const input = { disk, copy: dataset('@own1'), policy, calendar: utc }
    expect(kept(planSourceRetention({ ...input, source: { ...source, bookmarks } }))).toBe(
      `${own(1)} ${own(2)}`,
    )
  })

  test('held snapshot: skipped, and what may be on its way with it', () => {
    const verdicts = judge('@own1 @x @own2 @own3 @own4', '', { held: own(2) })
    expect(kept(verdicts)).toBe(`${own(1)} x ${own(2)} ${own(4)}`)
    expect(reasonsOf(verdicts, own(1))).toEqual([`a transfer to @${own(2)} is unfinished`])
    expect(reasonsOf(verdicts, own(2))).toEqual(['held'])
  })

  test("somebody else's hold on somebody else's snapshot keeps nothing of walkaway's", () => {
    expect(kept(judge('@own1 @x @own2', '', { held: 'x' }))).toBe(`x ${own(2)}`)
  })
})

describe('what a disk would keep of what it lacks', () => {
  const names = (onDisk: string, candidates: string, policy: Partial<KeepPolicy>): string => {
    const offered = taken(candidates)
    const wanted = keptOnDisk({
      onDisk: taken(onDisk),
      candidates: offered,
      policy: { ...none, ...policy },
      calendar: utc,
    })
    return offered.flatMap(({ guid, name }) => (wanted.has(guid) ? [name] : [])).join(' ')
  }
  test.each<
    [name: string, onDisk: string, candidates: string, policy: Partial<KeepPolicy>, expected: string]
  >([
    ['all without a policy', 'a=20T08', 'b=20T09 c=20T10', {}, 'b c'],
    ['the newest of each day', 'a=20T08', 'b=20T09 c=20T10 d=21T08 e=21T09', { daily: 9 }, 'c e'],
    ['no older days than the policy counts', 'a=01T08', 'b=18T08 c=19T08 d=20T08', { daily: 2 }, 'c d'],
    ['nothing on the disk', '', 'b=19T08 c=20T08', { last: 1 }, 'c'],
    ['nothing to offer', 'a=19T08', '', { last: 2 }, ''],
  ])('%s', (_, onDisk, candidates, policy, expected) => {
    expect(names(onDisk, candidates, policy)).toBe(expected)
  })

  test("the disk's transaction groups are not compared with the source's", () => {
    const onDisk = taken('a=20T08').map((snapshot) => ({ ...snapshot, createtxg: 1_000_000n }))
    const candidates = taken('b=20T09')
    expect(keptOnDisk({ onDisk, candidates, policy: { ...none, daily: 1 }, calendar: utc })).toEqual(
      new Set(['guid-b']),
    )
  })
})
