import { describe, expect, test } from 'vitest'
import { bookmarksOf, missingBookmarks, supersededBookmarks } from '../../src/core/bookmarks.ts'
import { type Conflict, explainConflict } from '../../src/core/conflict.ts'
import type { Bookmark, Dataset, Snapshot } from '../../src/core/model.ts'
import { datasetName, resumeToken, snapshotGuid } from '../../src/core/model.ts'
import {
  baseInQuestion,
  isOwnSnapshotName,
  type PartialReceive,
  planReplication,
  type ReplicationInput,
  type ReplicationPlan,
  type Step,
  snapshotNameAt,
} from '../../src/core/replication.ts'
import { at, dataset } from './series.ts'

const pointName = (point: Snapshot | Bookmark): string => `${'holds' in point ? '@' : '#'}${point.name}`

function stepInWords(step: Step): string {
  switch (step.kind) {
    case 'resume':
      return `resume @${step.to.name}`
    case 'discard-partial':
      return 'discard'
    case 'full':
      return `full @${step.to.name}`
    case 'incremental':
      return `${pointName(step.from)} ${step.intermediates ? '-I' : '-i'} @${step.to.name}`
  }
}

/** `full @a; @a -I @c`, or the conflict's kind. */
function inWords(plan: ReplicationPlan): string {
  switch (plan.kind) {
    case 'up-to-date':
      return 'up-to-date'
    case 'unchanged':
      return `unchanged ${pointName(plan.state)}`
    case 'conflict':
      return `conflict: ${plan.conflict.kind}`
    case 'steps':
      return plan.steps.map(stepInWords).join('; ')
  }
}

interface Given {
  readonly goal?: string
  readonly carry?: 'all' | 'own'
  readonly partial?: PartialReceive
  readonly source?: Partial<Dataset>
  readonly target?: Partial<Dataset>
  readonly writtenSinceBase?: bigint
  readonly goalMustTravel?: boolean
  /** Names of those that the disk would keep; without it, all. */
  readonly kept?: string
}

function input(source: string, target: string | null, given: Given = {}): ReplicationInput {
  const from = dataset(source, given.source)
  return {
    source: from,
    goal: at(from, given.goal),
    target: target === null ? null : dataset(target, { name: datasetName('disk/nas/tank'), ...given.target }),
    partial: given.partial ?? null,
    carry: given.carry ?? 'all',
    keptOnDisk: (candidates) =>
      new Set(
        candidates
          .filter(({ name }) => given.kept?.split(' ').includes(name) ?? true)
          .map(({ guid }) => guid),
      ),
    poolGuid: '17',
    writtenSinceBase: given.writtenSinceBase ?? null,
    goalMustTravel: given.goalMustTravel ?? false,
    origin: null,
    origins: new Set(),
    inherited: [],
  }
}
const plan = (source: string, target: string | null, given?: Given): string =>
  inWords(planReplication(input(source, target, given)))

describe('what is sent', () => {
  const table: readonly [name: string, source: string, target: string | null, expected: string, Given?][] = [
    ['nothing on the disk, one snapshot', '@a', null, 'full @a'],
    ['nothing on the disk, the oldest first, then all others at once', '@a @b @c', null, 'full @a; @a -I @c'],
    ['nothing on the disk, two snapshots need no intermediates', '@a @b', null, 'full @a; @a -i @b'],
    ['up to date', '@a @b', '@a @b', 'up-to-date'],
    ['up to date although the disk keeps fewer', '@a @b', '@b', 'up-to-date'],
    ['up to date although the disk keeps more', '@b', '@a @b', 'up-to-date'],
    ['one step behind', '@a @b', '@a', '@a -i @b'],
    ['several steps behind', '@a @b @c @d', '@a', '@a -I @d'],
    ['base in the middle', '@a @b @c @d', '@a @b', '@b -I @d'],
    ['the base snapshot is gone, its bookmark is left', '#a @b', '@a', '#a -i @b'],
    ['a bookmark serves -i only, then it goes on with -I', '#a @b @c @d', '@a', '#a -i @b; @b -I @d'],
    ['a bookmark and two snapshots', '#a @b @c', '@a', '#a -i @b; @b -i @c'],
    ['a snapshot is preferred to its bookmark', '@a #x=a @b @c', '@a', '@a -I @c'],
    ['bookmarks of other snapshots are no base', '#x #a #y @b', '@a', '#a -i @b'],
    ['renamed on the source: the GUID decides', '@new=a @b', '@a', '@new -i @b'],
    ['renamed on the disk: the GUID decides', '@a @b', '@other=a', '@a -i @b'],
    ['a bookmark of any name', '#0=a @b', '@a', '#0 -i @b'],
    ['names out of order: createtxg decides', '@z @a @m', '@z', '@z -I @m'],
    ['a goal that is not the newest', '@a @b @c @d', '@a', '@a -I @c', { goal: 'c' }],
    ['a goal that is not the newest, nothing there', '@a @b @c', null, 'full @a; @a -i @b', { goal: 'b' }],
    ['the disk is newer than the goal, of the same line', '@a @b @c', '@a @c', 'up-to-date', { goal: 'b' }],
    ['the bookmark is newer than the goal', '@a @b #c', '@c', 'up-to-date', { goal: 'b' }],

    [
      'own only: the others are left out',
      '@own1 @x @own2 @y @own3',
      '@own1',
      '@OWN1 -i @OWN2; @OWN2 -i @OWN3',
      { carry: 'own' },
    ],
    ['own only: nothing else between them', '@own1 @own2 @own3', '@own1', '@OWN1 -I @OWN3', { carry: 'own' }],
    ['own only: nothing there', '@x @own1 @y @own2', null, 'full @OWN1; @OWN1 -i @OWN2', { carry: 'own' }],
    [
      'own only: from a bookmark',
      '#own1 @x @own2 @own3',
      '@own1',
      '#OWN1 -i @OWN2; @OWN2 -i @OWN3',
      { carry: 'own' },
    ],
    ["own only: the goal is sent whoever's it is", '@x @y @goal', null, 'full @goal', { carry: 'own' }],
    [
      'own only: a base that is not our own is one all the same',
      '@x @own1',
      '@x',
      '@x -i @OWN1',
      { carry: 'own' },
    ],
    [
      'what the disk would give up at once stays behind',
      '@a @b @c @d @e',
      '@a',
      '@a -i @c; @c -i @e',
      { kept: 'c e' },
    ],
    [
      'what it keeps in a row travels in one stream',
      '@a @b @c @d @e @f @g',
      '@a',
      '@a -I @c; @c -i @e; @e -I @g',
      { kept: 'b c e f g' },
    ],
    ['the goal travels even if the disk would give it up', '@a @b @c', '@a', '@a -i @c', { kept: '' }],
    ['nothing there, and not the oldest is kept', '@a @b @c @d', null, 'full @b; @b -i @d', { kept: 'b' }],
    ['from a bookmark to what is kept', '#a @b @c @d @e', '@a', '#a -i @c; @c -I @e', { kept: 'c d' }],
    [
      'own only, and of those what the disk keeps',
      '@own1 @own2 @x @own3 @own4',
      '@own1',
      '@OWN1 -i @OWN2; @OWN2 -i @OWN4',
      { carry: 'own', kept: 'walkaway_20260102T000000Z x' },
    ],
    ['all: the others travel', '@own1 @x @own2', '@own1', '@OWN1 -I @OWN2'],
    ['an open source on an encrypted disk', '@a @b', '@a', '@a -i @b', { target: { encrypted: true } }],
  ]
  const ownNames = (text: string): string =>
    text.replaceAll(/OWN(\d)/g, (_, day: string) => `walkaway_2026010${day}T000000Z`)
  test.each(table)('%s', (_, source, target, expected, given) => {
    expect(plan(source, target, given)).toBe(ownNames(expected))
  })
})

describe('a dataset in which nothing was written', () => {
  const ours = 'walkaway_17_x'
  /** As `dataset`, with what each snapshot wrote; '@a:0 @b:7'. */
  const written = (series: string): Pick<Dataset, 'snapshots'> => {
    const words = series.split(' ').filter((word) => word.startsWith('@'))
    const { snapshots } = dataset(series.replaceAll(/:\d+/g, ''))
    return {
      snapshots: snapshots.map((s, i) => ({ ...s, writtenBytes: BigInt(words[i]?.split(':')[1] ?? '10') })),
    }
  }
  const planWritten = (source: string, target: string | null, given: Given = {}): string => {
    const plain = source.replaceAll(/:\d+/g, '')
    return plan(plain, target, { ...given, source: { ...written(source), ...given.source } })
  }
  test.each<[name: string, source: string, target: string | null, expected: string, Given?]>([
    ['costs nothing', '@a @b:0', '@a', 'unchanged @a'],
    ['over many snapshots', '@a @b:0 @c:0 @d:0', '@a', 'unchanged @a'],
    ['what the base itself wrote does not matter', '@x @a:99 @b:0', '@x @a', 'unchanged @a'],
    ['but one snapshot between has something', '@a @b:0 @c:5 @d:0', '@a', '@a -I @d'],
    ['but the goal has', '@a @b:1', '@a', '@a -i @b'],
    ['what comes after the goal does not count', '@a @b:0 @c:7', '@a', 'unchanged @a', { goal: 'b' }],
    ['is sent when the disk has nothing of it', '@a:0', null, 'full @a'],
    ['has its goal on the disk', '@a @b:0', '@b', 'up-to-date'],
    ['diverged all the same', '@a @b:0', '@a @x', 'conflict: diverged'],
    [
      "since a bookmark of the disk's own",
      `#${ours}=a @b:1000`,
      '@a',
      `unchanged #${ours}`,
      { writtenSinceBase: 0n },
    ],
    ['not if ZFS counts otherwise', `#${ours}=a @b:1000`, '@a', `#${ours} -i @b`, { writtenSinceBase: 1n }],
    ['not if ZFS cannot tell', `#${ours}=a @b:0`, '@a', `#${ours} -i @b`],
    [
      "not since another disk's bookmark",
      '#walkaway_1_x=a @b:0',
      '@a',
      '#walkaway_1_x -i @b',
      { writtenSinceBase: 0n },
    ],
    [
      "the disk's own bookmark is asked first",
      `#z=a #${ours}=a @b:9`,
      '@a',
      `unchanged #${ours}`,
      { writtenSinceBase: 0n },
    ],
    ['goes to its end once something was sent', '@a @b:0', '@a', '@a -i @b', { goalMustTravel: true }],
    [
      'and has an unfinished receive',
      '@a @b:0',
      '@a',
      'discard',
      { partial: { kind: 'dead', reason: 'gone' } },
    ],
  ])('%s', (_, source, target, expected, given) => {
    expect(planWritten(source, target, given)).toBe(expected)
  })
  test('is not believed when the goal refers to more or less than the base: a snapshot went while they were listed', () => {
    const asked = input('@a @b', '@a', { source: written('@a @b:0') })
    const grown = { ...asked, goal: { ...asked.goal, referencedBytes: 999n } }
    expect(inWords(planReplication(asked))).toBe('unchanged @a')
    expect(inWords(planReplication(grown))).toBe('@a -i @b')
  })
  test.each<[name: string, source: string, target: string | null, expected: string | null]>([
    ['a bookmark that is the base', '#a @b', '@a', 'a'],
    ['no snapshot', '@a @b', '@a', null],
    ['nothing when all is there', '#a @b', '@a @b', null],
    ['nothing when nothing is there', '#a @b', null, null],
    ['nothing when it diverged', '#a @b', '@a @x', null],
  ])('in question is %s', (_, source, target, expected) => {
    expect(baseInQuestion(input(source, target))?.name ?? null).toBe(expected)
  })
  test('since a bookmark: the estimate is what ZFS counts', () => {
    expect(planReplication(input('#a @b @c', '@a', { writtenSinceBase: 7n }))).toMatchObject({
      estimatedBytes: 7,
    })
  })
})

describe('what is in the way', () => {
  const table: readonly [name: string, source: string, target: string, expected: Conflict['kind'], Given?][] =
    [
      ['the copy went its own way', '@a @b', '@a @x', 'diverged'],
      ['the copy has the name but not the GUID', '@a @b @c', '@a @b=other', 'diverged'],
      ['the source was rolled back behind the copy', '@a', '@a @b', 'target-newer'],
      [
        'the source was rolled back and went on: walkaway took what the disk has',
        '@a @c',
        '@a @own2',
        'target-newer',
      ],
      ['the common base is a bookmark only, and the copy went on', '#a @c', '@a @x', 'diverged'],
      ['nothing in common', '@c @d', '@a @b', 'no-common-base'],
      ['same names, other GUIDs', '@a @b', '@a=x @b=y', 'no-common-base'],
      ['a dataset without snapshots', '@a', '', 'name-taken'],
      [
        'a volume where a file system is expected',
        '@a',
        '@a',
        'type-differs',
        { target: { type: 'volume' } },
      ],
      ['a file system where a volume is expected', '@a', '', 'type-differs', { source: { type: 'volume' } }],
      [
        'an open copy of an encrypted source',
        '@a @b',
        '@b',
        'copy-not-encrypted',
        { source: { encrypted: true } },
      ],
      [
        'the type is asked first: a receive may not go on into it either',
        '@a',
        '',
        'type-differs',
        { target: { type: 'volume' }, partial: { kind: 'dead', reason: 'gone' } },
      ],
    ]
  test.each(table)('%s', (_, source, target, expected, given) => {
    expect(plan(source, target, given)).toBe(`conflict: ${expected}`)
  })

  test('a divergence names the last common snapshot and the newest on the disk', () => {
    const found = planReplication(input('@a @b @c', '@a @b @x @y'))
    expect(found).toMatchObject({ conflict: { common: { name: 'b' }, onDisk: { name: 'y' } } })
  })

  test('each conflict says that nothing was changed, or what to do', () => {
    const [common, onDisk] = dataset('@a @b').snapshots
    if (common === undefined || onDisk === undefined) throw new Error('the notation is broken')
    const conflicts: readonly Conflict[] = [
      { kind: 'diverged', common, onDisk },
      { kind: 'no-common-base', onDisk },
      { kind: 'name-taken' },
      { kind: 'type-differs', onDisk: 'volume' },
      { kind: 'target-newer', common, onDisk },
      { kind: 'modified', onDisk },
      { kind: 'not-a-backup', onDisk },
      { kind: 'copy-not-encrypted' },
    ]
    for (const conflict of conflicts) {
      expect(explainConflict(conflict)).toMatch(/; nothing was changed: .*(rename|roll)/)
      if ('onDisk' in conflict && typeof conflict.onDisk !== 'string')
        expect(explainConflict(conflict)).toContain('@b, GUID guid-b')
      if ('common' in conflict) expect(explainConflict(conflict)).toContain('@a')
    }
  })
})

describe('an unfinished receive', () => {
  /** `a>b`: an increment, `b`: a full stream. */
  const partial = (what: string, raw = false): PartialReceive => {
    const [to = '', from] = what.split('>').reverse()
    return {
      kind: 'usable',
      token: resumeToken('t'),
      toGuid: snapshotGuid(`guid-${to}`),
      fromGuid: from === undefined ? null : snapshotGuid(`guid-${from}`),
      raw,
    }
  }
  const dead: PartialReceive = { kind: 'dead', reason: 'the snapshot is gone' }
  const encrypted = { encrypted: true }

  test.each<[name: string, source: string, target: string, expected: string, Given]>([
    ['goes on, and is the only step', '@a @b @c', '@a', 'resume @b', { partial: partial('a>b') }],
    [
      'of the first snapshot goes on: the dataset has none yet',
      '@a @b',
      '',
      'resume @a',
      { partial: partial('a') },
    ],
    [
      'goes on even when the disk has the goal already',
      '@a @b @c',
      '@a @b',
      'resume @c',
      { partial: partial('b>c'), goal: 'b' },
    ],
    ['follows a renamed snapshot', '@new=b', '', 'resume @new', { partial: partial('b') }],
    [
      'that goes on from something else than the disk has is dropped',
      '@a @b @c',
      '@a',
      'discard',
      { partial: partial('b>c') },
    ],
    [
      'that is a whole copy of what the disk has part of is dropped',
      '@a @b',
      '@a',
      'discard',
      { partial: partial('b') },
    ],
    ['that is dead is dropped', '@a @b', '@a', 'discard', { partial: dead }],
    ['for a snapshot that is gone is dropped', '@a @c', '@a', 'discard', { partial: partial('a>b') }],
    [
      'for a snapshot that is only a bookmark by now is dropped',
      '@a #b @c',
      '@a',
      'discard',
      { partial: partial('a>b') },
    ],
    [
      'that is raw, of a source that is not, is dropped',
      '@a @b',
      '@a',
      'discard',
      { partial: partial('a>b', true) },
    ],
    [
      'that is not raw, of an encrypted source, is dropped',
      '@a @b',
      '@a',
      'discard',
      { partial: partial('a>b'), source: encrypted, target: encrypted },
    ],
    [
      'that is raw, of an encrypted source, goes on',
      '@a @b',
      '@a',
      'resume @b',
      { partial: partial('a>b', true), source: encrypted, target: encrypted },
    ],
  ])('%s', (_, source, target, expected, given) => {
    expect(plan(source, target, given)).toBe(expected)
  })

  test('says why it is dropped', () => {
    expect(planReplication(input('@a', '@a', { partial: dead }))).toMatchObject({
      steps: [{ kind: 'discard-partial', reason: 'the snapshot is gone' }],
    })
  })
})

describe('the estimate', () => {
  test.each<[name: string, source: string, target: string | null, bytes: number, Given?]>([
    ['a full copy: the first as a whole, then what was written', '@a @b @c', null, 1020],
    ['an increment: what was written since the base', '@a @b @c', '@a', 20],
    [
      'snapshots that stay behind count: what was written in them travels',
      '@own1 @x @own2',
      '@own1',
      20,
      { carry: 'own' },
    ],
    ['what comes after the goal does not count', '@a @b @c', '@a', 10, { goal: 'b' }],
    ['a full copy does not count what is before its first', '@a @b @c', null, 1010, { kept: 'b' }],
  ])('%s', (_, source, target, bytes, given) => {
    expect(planReplication(input(source, target, given))).toMatchObject({ estimatedBytes: bytes })
  })
})

describe('what it takes at least', () => {
  test.each<[name: string, source: string, target: string | null, bytes: number, Given?]>([
    ['a full copy: the first as a whole, then what was written in the others', '@a @b @c', null, 1020],
    ['what was written in those that travel', '@a @b @c', '@a', 20],
    [
      'what was written in one that stays behind may be gone by the next',
      '@a @b @c',
      '@a',
      10,
      { kept: 'c' },
    ],
    ['since a bookmark, nothing is certain', '#a @b', '@a', 0],
    ['since a bookmark, ZFS knows', '#a @b', '@a', 7, { writtenSinceBase: 7n }],
    [
      'since a bookmark, in two steps: what the second wrote',
      '#a @b @c',
      '@a',
      10,
      { writtenSinceBase: 700n },
    ],
    ['of a resumed one nothing is known', '@a @b', '@a', 0, { partial: { kind: 'dead', reason: '' } }],
  ])('%s', (_, source, target, bytes, given) => {
    expect(planReplication(input(source, target, given))).toMatchObject({ leastBytes: bytes })
  })
})

describe('names', () => {
  test('of a snapshot: whole seconds in UTC', () => {
    expect(snapshotNameAt(new Date('2026-11-22T21:00:07.999Z'))).toBe('walkaway_20261122T210007Z')
  })
  test.each([
    ['walkaway_20261122T210007Z', true],
    ['walkaway_20261122T210007Z-1', false],
    ['xwalkaway_20261122T210007Z', false],
    ['walkaway_monday', false],
    ['autosnap_2026-11-22_21:00:07_daily', false],
  ])('%s is our own: %s', (name, expected) => {
    expect(isOwnSnapshotName(name)).toBe(expected)
  })
  const withBookmarks = (...bookmarks: readonly (readonly [name: string, of: string])[]): Dataset => {
    const source = dataset(`@own1 ${bookmarks.map(([, of]) => `#${of}`).join(' ')}`)
    return {
      ...source,
      bookmarks: source.bookmarks.map((bookmark, i) => ({ ...bookmark, name: bookmarks[i]?.[0] ?? '' })),
    }
  }
  test.each<[name: string, bookmarks: (readonly [string, string])[], ...expected: string[]]>([
    ['none yet', [], 'walkaway_123_20260101T000000Z'],
    ['it is there', [['walkaway_123_20260101T000000Z', 'x=own1']]],
    ['it is there under any name', [['walkaway_123_20260101T000000Z_2', 'x=own1']]],
    [
      'a twin of it is none',
      [['walkaway_123_20260101T000000Z_same', 'x=own1']],
      'walkaway_123_20260101T000000Z_2',
    ],
    [
      "another disk's does not count",
      [['walkaway_1234_20260101T000000Z', 'x=own1']],
      'walkaway_123_20260101T000000Z',
    ],
    [
      'the name stands for another',
      [['walkaway_123_20260101T000000Z', 'y']],
      'walkaway_123_20260101T000000Z_2',
    ],
  ])('of the bookmark that is missing: %s', (_, bookmarks, ...expected) => {
    const source = withBookmarks(...bookmarks)
    expect(missingBookmarks('123', source, at(source, 'own1')).map(({ name }) => name)).toEqual(expected)
  })
  describe('the twin of a bookmark', () => {
    const own = 'walkaway_123_20260103T000000Z'
    /** `written`: of each snapshot. */
    const of = (series: string, written: readonly bigint[], bookmarks: readonly string[] = []): Dataset => {
      const source = dataset(series)
      return {
        ...source,
        snapshots: source.snapshots.map((s, i) => ({ ...s, writtenBytes: written[i] ?? 0n })),
        bookmarks: source.bookmarks.map((b, i) => ({ ...b, name: bookmarks[i] ?? b.name })),
      }
    }
    test.each<[name: string, source: Dataset, expected: readonly (readonly [name: string, of: string])[]]>([
      ['something was written', of('@a @own3', [9n, 1n]), [[own, 'own3']]],
      ['there is none before it', of('@own3', [0n]), [[own, 'own3']]],
      [
        'nothing was written',
        of('@a @own3', [9n, 0n]),
        [
          [own, 'own3'],
          [`${own}_same`, 'a'],
        ],
      ],
      [
        'of the oldest that holds the same',
        of('@a @b @own1 @own3', [9n, 9n, 0n, 0n]),
        [
          [own, 'own3'],
          [`${own}_same`, 'b'],
        ],
      ],
      ['it is added to a bookmark', of('@a #x=own3 @own3', [9n, 0n], [own]), [[`${own}_same`, 'a']]],
      ['both are there', of('#a #x=own3 @own3', [0n], [`${own}_same`, own]), []],
    ])('%s', (_, source, expected) => {
      const made = missingBookmarks('123', source, at(source, 'own3'))
      expect(made.map(({ name, snapshot }) => [name, snapshot.guid])).toEqual(
        expected.map(([name, short]) => [name, `guid-${short}`]),
      )
    })
    test('is no state of the disk, stays with its bookmark and goes with it', () => {
      const source = of(
        '#a #b #c #d',
        [],
        ['walkaway_123_1_same', 'walkaway_123_1', 'walkaway_123_2', 'walkaway_123_2_same'],
      )
      expect(bookmarksOf('123', source).map(({ name }) => name)).toEqual(['walkaway_123_1', 'walkaway_123_2'])
      const gone = supersededBookmarks('123', source, { guid: snapshotGuid('guid-b') })
      expect(gone.map(({ name }) => name)).toEqual(['walkaway_123_2', 'walkaway_123_2_same'])
    })
    test('of a snapshot that is called like one: its bookmark is not', () => {
      const source = of('@old_same', [9n])
      expect(missingBookmarks('123', source, at(source))[0]?.name).toBe('walkaway_123_old_same_2')
    })
  })
  test("of bookmarks: one disk's are not another's, even when one GUID begins with the other", () => {
    const both = withBookmarks(['walkaway_123_a', 'x'], ['walkaway_1234_a', 'y'])
    expect(bookmarksOf('123', both).map((found) => found.name)).toEqual(['walkaway_123_a'])
    expect(bookmarksOf('12', both)).toEqual([])
  })
})
