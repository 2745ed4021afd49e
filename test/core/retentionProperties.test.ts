// Retention over random histories: wrong clocks, days on which the clocks change, holds, other programs' snapshots. What
// must be kept is worked out here in another way than the program does.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bookmarkNameFor } from '../../src/core/bookmarks.ts'
import { type Calendar, periods } from '../../src/core/calendar.ts'
import {
  type Dataset,
  datasetName,
  diskName,
  poolGuid,
  resumeToken,
  type Snapshot,
  snapshotGuid,
} from '../../src/core/model.ts'
import { isOwnSnapshotName } from '../../src/core/replication.ts'
import {
  type KeepPolicy,
  keepsEverything,
  keptOnDisk,
  planDiskRetention,
  planRetention,
  planSourceRetention,
  planThinning,
  type Verdict,
} from '../../src/core/retention.ts'
import { calendarOf, utc } from './calendars.ts'
import { dataset } from './series.ts'

const hourMs = 3_600_000
const calendars: readonly Calendar[] = [utc, calendarOf('Europe/Berlin'), calendarOf('America/New_York')]

/** Summer time begins and ends in Berlin and New York, a leap day, a year with 53 weeks. */
const beginnings = ['2026-03-07', '2026-03-28', '2026-10-23', '2026-10-31', '2028-02-27', '2026-12-26'].map(
  (day) => Date.parse(`${day}T12:00:00Z`),
)

interface Taken {
  readonly gapMs: number
  readonly clock: 'right' | 'dead' | 'ahead' | 'unknown'
  readonly own: boolean
  readonly holds: number
}
const taken: fc.Arbitrary<Taken> = fc.record({
  gapMs: fc.oneof(
    fc.integer({ min: 0, max: 3 * hourMs }),
    fc.integer({ min: 0, max: 90 * 24 * hourMs }),
    fc.integer({ min: -48 * hourMs, max: 0 }),
  ),
  clock: fc.constantFrom(
    ...Array<'right'>(20).fill('right'),
    'dead' as const,
    'ahead' as const,
    'unknown' as const,
  ),
  own: fc.boolean(),
  holds: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1),
})

/** Oldest first by createtxg. */
const history: fc.Arbitrary<readonly Snapshot[]> = fc
  .tuple(fc.constantFrom(...beginnings), fc.array(taken, { maxLength: 60 }))
  .map(([beginning, all]) => {
    let atMs = beginning
    return all.map(({ gapMs, clock, own, holds }, index): Snapshot => {
      atMs += gapMs
      const shownMs = { right: atMs, dead: index * 1000, ahead: atMs + 1e12, unknown: Number.NaN }[clock]
      return {
        dataset: datasetName('tank'),
        name: own ? `walkaway_20260101T${String(index).padStart(6, '0')}Z` : `other-${index}`,
        guid: snapshotGuid(`${1000 + index}`),
        createtxg: BigInt(10 + 3 * index),
        creation: new Date(shownMs),
        holds,
        writtenBytes: 1n,
        referencedBytes: 1n,
        clones: [],
      }
    })
  })

const count = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 60 }))
const policy: fc.Arbitrary<KeepPolicy> = fc.record({
  last: count,
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
})
const calendar = fc.constantFrom(...calendars)

const given = { judged: 'all', protects: new Map() } as const
const keptOf = (verdicts: readonly Verdict[]): readonly Snapshot[] =>
  verdicts.flatMap(({ snapshot, keptBecause }) => (keptBecause.length > 0 ? [snapshot] : []))
const guidsOf = (snapshots: readonly Snapshot[]): readonly string[] => snapshots.map(({ guid }) => guid)
const copyOf = (snapshots: readonly Snapshot[], fields: Partial<Dataset> = {}): Dataset => ({
  ...dataset('', { name: datasetName('disk/nas/tank') }),
  snapshots,
  ...fields,
})

/** What the policy alone keeps: all periods are laid out first, each with its newest, then the newest are taken. */
function expectedByPolicy(ordered: readonly Snapshot[], keep: KeepPolicy, names: Calendar): Set<string> {
  const kept = new Set(
    ordered.slice(ordered.length - Math.min(keep.last, ordered.length)).map(({ guid }) => guid),
  )
  for (const { guid, creation } of ordered) if (Number.isNaN(creation.getTime())) kept.add(guid)
  for (const period of periods) {
    const newest = new Map<string, Snapshot>()
    for (const snapshot of ordered)
      if (!Number.isNaN(snapshot.creation.getTime())) newest.set(names(snapshot.creation)[period], snapshot)
    const byAge = [...newest.values()].sort((a, b) => Number(b.createtxg - a.createtxg))
    for (const { guid } of byAge.slice(0, keep[period])) kept.add(guid)
  }
  return kept
}

describe('for every history, policy and calendar', () => {
  const check = (
    property: (input: {
      readonly snapshots: readonly Snapshot[]
      readonly policy: KeepPolicy
      readonly calendar: Calendar
    }) => void,
  ): void => {
    fc.assert(
      fc.property(history, policy, calendar, (snapshots, keep, names) =>
        property({ snapshots, policy: keep, calendar: names }),
      ),
      { numRuns: 400 },
    )
  }

  test('every snapshot gets one verdict, and the policy keeps exactly what it says', () => {
    check((input) => {
      const verdicts = planRetention({ ...input, ...given })
      expect(guidsOf(verdicts.map(({ snapshot }) => snapshot))).toEqual(guidsOf(input.snapshots))
      const expected = keepsEverything(input.policy)
        ? new Set(guidsOf(input.snapshots))
        : expectedByPolicy(input.snapshots, input.policy, input.calendar)
      for (const { guid, holds } of input.snapshots) if (holds > 0) expected.add(guid)
      expect(new Set(guidsOf(keptOf(verdicts)))).toEqual(expected)
    })
  })

  test('the order in which the snapshots are given does not matter', () => {
    fc.assert(
      fc.property(
        history.chain((snapshots) =>
          fc.tuple(
            fc.constant(snapshots),
            fc.shuffledSubarray([...snapshots], { minLength: snapshots.length }),
          ),
        ),
        policy,
        ([snapshots, shuffled], keep) => {
          const judging = { ...given, policy: keep, calendar: utc }
          const verdicts = planRetention({ ...judging, snapshots })
          expect(planRetention({ ...judging, snapshots: shuffled })).toEqual(verdicts)
        },
      ),
    )
  })

  test('judging again what was kept gives nothing up', () => {
    check((input) => {
      for (const judged of ['all', 'own'] as const) {
        const kept = keptOf(planRetention({ ...input, ...given, judged }))
        expect(keptOf(planRetention({ ...input, ...given, judged, snapshots: kept }))).toEqual(kept)
      }
    })
  })

  test('larger numbers keep at least as much', () => {
    fc.assert(
      fc.property(history, policy, policy, calendar, (snapshots, small, more, names) => {
        fc.pre(!keepsEverything(small))
        const larger: KeepPolicy = {
          last: small.last + more.last,
          hourly: small.hourly + more.hourly,
          daily: small.daily + more.daily,
          weekly: small.weekly + more.weekly,
          monthly: small.monthly + more.monthly,
          yearly: small.yearly + more.yearly,
        }
        const judging = { ...given, snapshots, calendar: names }
        const kept = new Set(guidsOf(keptOf(planRetention({ ...judging, policy: larger }))))
        for (const guid of guidsOf(keptOf(planRetention({ ...judging, policy: small }))))
          expect(kept).toContain(guid)
      }),
    )
  })

  test('an empty policy gives nothing up', () => {
    check((input) => {
      const none: KeepPolicy = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 }
      expect(keptOf(planRetention({ ...input, ...given, policy: none }))).toEqual(input.snapshots)
    })
  })

  test('on a disk: never the newest, the common base, what is held, nor anything beneath an unfinished receive', () => {
    fc.assert(
      fc.property(
        history,
        policy,
        calendar,
        fc.func(fc.constantFrom('snapshot', 'bookmark', 'gone')),
        fc.boolean(),
        (snapshots, keep, names, fate, receiving) => {
          const source = {
            ...dataset(''),
            snapshots: snapshots.filter(({ guid }) => fate(guid) === 'snapshot'),
            bookmarks: snapshots.filter(({ guid }) => fate(guid) === 'bookmark'),
          }
          const copy = copyOf(snapshots, { resumeToken: receiving ? resumeToken('t') : null })
          const verdicts = planDiskRetention({
            copy,
            source,
            origins: new Set(),
            policy: keep,
            calendar: names,
          })
          const kept = new Set(guidsOf(keptOf(verdicts)))
          const common = snapshots.findLast(({ guid }) => fate(guid) !== 'gone')
          for (const must of [snapshots.at(-1), common]) if (must) expect(kept).toContain(must.guid)
          for (const { guid, holds } of snapshots) if (holds > 0 || receiving) expect(kept).toContain(guid)
          const rest = { ...copy, snapshots: keptOf(verdicts) }
          expect(
            keptOf(
              planDiskRetention({ copy: rest, source, origins: new Set(), policy: keep, calendar: names }),
            ),
          ).toEqual(rest.snapshots)
        },
      ),
      { numRuns: 400 },
    )
  })

  test("on a source: never what is not walkaway's, what is held, nor a base without its bookmark", () => {
    const disk = { name: diskName('offsite-1'), poolGuid: poolGuid('123') }
    fc.assert(
      fc.property(
        history,
        policy,
        calendar,
        fc.func(fc.boolean()),
        fc.func(fc.constantFrom('123', '1234', null)),
        (snapshots, keep, names, isOnDisk, markedBy) => {
          const bookmarks = snapshots.flatMap((snapshot) => {
            const by = markedBy(snapshot.guid)
            return by === null ? [] : [{ ...snapshot, name: bookmarkNameFor(by, snapshot) }]
          })
          const source = { ...dataset(''), snapshots, bookmarks }
          const copy = copyOf(snapshots.filter(({ guid }) => isOnDisk(guid)))
          const judging = { disk, copy, policy: keep, calendar: names }
          const verdicts = planSourceRetention({ ...judging, source })
          const kept = new Set(guidsOf(keptOf(verdicts)))
          for (const { guid, holds, name } of snapshots)
            if (holds > 0 || !isOwnSnapshotName(name)) expect(kept).toContain(guid)
          const base = snapshots.findLast(({ guid }) => isOnDisk(guid))
          if (base !== undefined && markedBy(base.guid) !== '123') expect(kept).toContain(base.guid)
          const rest = { ...source, snapshots: keptOf(verdicts) }
          expect(keptOf(planSourceRetention({ ...judging, source: rest }))).toEqual(rest.snapshots)
        },
      ),
      { numRuns: 400 },
    )
  })

  test('what was sent because the disk would keep it is not pruned there, and nothing else is missing there', () => {
    fc.assert(
      fc.property(history, fc.nat({ max: 60 }), policy, calendar, (snapshots, at, keep, names) => {
        const [onDisk, candidates] = [snapshots.slice(0, at), snapshots.slice(at)]
        const judging = { policy: keep, calendar: names }
        const wanted = keptOnDisk({ onDisk, candidates, ...judging })
        const sent = candidates.filter(({ guid }) => wanted.has(guid))
        const kept = guidsOf(keptOf(planRetention({ ...given, ...judging, snapshots: [...onDisk, ...sent] })))
        const hadAllBeenSent = planRetention({ ...given, ...judging, snapshots })
        const held = new Set(guidsOf(snapshots.filter(({ holds }) => holds > 0)))
        for (const { guid } of sent) expect(kept).toContain(guid)
        expect(kept.filter((guid) => !held.has(guid))).toEqual(
          guidsOf(keptOf(hadAllBeenSent)).filter((guid) => !held.has(guid)),
        )
      }),
      { numRuns: 400 },
    )
  })
})

describe('what makes room before anything is sent', () => {
  const sides = fc.record({
    snapshots: history,
    /** Which of the copy's snapshots the source still has, as such or as bookmarks. */
    common: fc.array(fc.nat({ max: 59 }), { maxLength: 4 }),
    policy,
    calendar,
    partial: fc.constantFrom(false, false, false, true),
  })

  test('is given up anyway, older than what both have, and never what has to stay', () => {
    let thinned = 0
    fc.assert(
      fc.property(sides, ({ snapshots, common, partial, ...judging }) => {
        const copy = copyOf(snapshots, { resumeToken: partial ? resumeToken('1-a-b-c') : null })
        const source = { ...dataset(''), bookmarks: common.flatMap((at) => snapshots[at] ?? []) }
        const thin = planThinning({ copy, source, origins: new Set(), ...judging })
        const kept = expectedByPolicy(snapshots, judging.policy, judging.calendar)
        const base = Math.max(-1, ...common.filter((at) => at < snapshots.length))
        const expected = snapshots.filter(
          ({ guid, holds }, at) => !partial && at < base && holds === 0 && !kept.has(guid),
        )
        expect(guidsOf(thin)).toEqual(keepsEverything(judging.policy) ? [] : guidsOf(expected))
        thinned += thin.length
      }),
    )
    expect(thinned).toBeGreaterThan(0)
  })
})
