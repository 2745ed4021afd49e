// What is sent back, and what is refused: tables over a small disk in a mini notation.
import { describe, expect, test } from 'vitest'
import { datasetName, poolName, type Snapshot, snapshotGuid } from '../../src/core/model.ts'
import {
  type Backup,
  explainRestoreRefusal,
  isUnsafe,
  type PlannedStep,
  type PointInTime,
  planRestore,
  type RestorePlan,
  type RestoreRequest,
} from '../../src/core/restore.ts'

const pool = poolName('usb')
/** Snapshots are named by the hour at which they were taken: `@1 @4`. */
const hour = (name: string): Date => new Date(Number(name) * 3_600_000)

/** `nas/tank @1 @4`; `!` before it: encrypted; `=name` after it: a copy of that. */
function backup(notation: string, fields: Partial<Backup> = {}): Backup {
  const [path = '', ...words] = notation.replace(/^!/, '').split(' ')
  const name = datasetName(path === '' ? pool : `${pool}/${path}`)
  const source = words.find((word) => word.startsWith('='))?.slice(1) ?? null
  const snapshots = words.flatMap((word, at): Snapshot[] =>
    word.startsWith('@')
      ? [
          {
            dataset: name,
            name: word.slice(1),
            guid: snapshotGuid(`${at + 1}`),
            createtxg: BigInt(at),
            creation: hour(word.slice(1)),
            holds: 0,
            writtenBytes: 0n,
            referencedBytes: 0n,
            clones: [],
          },
        ]
      : [],
  )
  const encryptionRoot = notation.startsWith('!') ? name : null
  return {
    name,
    type: 'filesystem',
    encryptionRoot,
    source,
    host: null,
    state: null,
    limits: {},
    snapshots,
    ...fields,
  }
}
const root = backup('')
const nas = backup('nas', { host: 'nas' })

interface Asked extends Partial<Omit<RestoreRequest, 'to' | 'present' | 'at'>> {
  readonly to?: string
  readonly present?: readonly string[]
  readonly at?: string
}
const plan = (
  backups: readonly Backup[],
  { to = 'new/x', present = ['new'], at, ...asked }: Asked = {},
): RestorePlan => {
  const point: PointInTime =
    at === undefined ? null : { text: at, time: at.startsWith('<') ? hour(at.slice(1)) : null }
  return planRestore({
    pool,
    into: null,
    wanted: null,
    backups: [root, ...backups],
    to: datasetName(to),
    present: new Set(present),
    ...asked,
    at: point,
  })
}
/** `usb/nas/tank@4 > new/x`, `! ...` raw, `+ name` a container, `limits name` */
const told = (result: RestorePlan): readonly string[] | string =>
  result.kind === 'refused' ? result.refusal.kind : result.steps.map(stepInWords)
function stepInWords(step: PlannedStep): string {
  switch (step.kind) {
    case 'container':
      return `+ ${step.target}`
    case 'limits':
      return `limits ${step.target}`
    case 'send':
      return `${step.raw ? '! ' : ''}${step.from.dataset}@${step.from.name} > ${step.target}`
  }
}

describe('what is sent', () => {
  const disk = [
    nas,
    backup('nas/tank @1 @4 =tank'),
    backup('nas/tank/a @4 @9 =tank/a'),
    backup('!nas/tank/b @1 =tank/b'),
  ]

  test.each<[string, Asked, readonly string[]]>([
    [
      'a dataset by its source, with all below it',
      { wanted: 'tank' },
      ['usb/nas/tank@4 > new/x', 'usb/nas/tank/a@9 > new/x/a', '! usb/nas/tank/b@1 > new/x/b'],
    ],
    ['one below', { wanted: 'tank/b' }, ['! usb/nas/tank/b@1 > new/x']],
    ['by its place on the disk', { wanted: 'usb/nas/tank/b' }, ['! usb/nas/tank/b@1 > new/x']],
    ['by its place below the pool', { wanted: 'nas/tank/b' }, ['! usb/nas/tank/b@1 > new/x']],
    [
      'everything',
      {},
      [
        '+ new/x',
        'usb/nas/tank@4 > new/x/tank',
        'usb/nas/tank/a@9 > new/x/tank/a',
        '! usb/nas/tank/b@1 > new/x/tank/b',
      ],
    ],
    [
      'everything, into a pool that is empty',
      { to: 'new' },
      ['usb/nas/tank@4 > new/tank', 'usb/nas/tank/a@9 > new/tank/a', '! usb/nas/tank/b@1 > new/tank/b'],
    ],
    [
      'the state at a time; what is younger is left out',
      { wanted: 'tank', at: '<3' },
      ['usb/nas/tank@1 > new/x', '! usb/nas/tank/b@1 > new/x/b'],
    ],
    ['exactly at a time', { wanted: 'tank/a', at: '<4' }, ['usb/nas/tank/a@4 > new/x']],
    [
      'a snapshot by name; what has none of it gives what it had then',
      { wanted: 'tank', at: '4' },
      ['usb/nas/tank@4 > new/x', 'usb/nas/tank/a@4 > new/x/a', '! usb/nas/tank/b@1 > new/x/b'],
    ],
  ])('%s', (_what, asked, expected) => {
    expect(told(plan(disk, asked))).toEqual(expected)
  })

  test('the newest is the one that was taken last, not the one with the latest clock', () => {
    const confused = backup('nas/tank @9 @4 =tank')
    expect(told(plan([nas, confused], { wanted: 'tank' }))).toEqual(['usb/nas/tank@4 > new/x'])
  })

  test('a parent that has no snapshot so old is made for its children', () => {
    const pruned = [nas, backup('nas/tank @9 =tank'), backup('nas/tank/a @1 =tank/a')]
    const result = plan(pruned, { wanted: 'tank', at: '<3' })
    expect(told(result)).toEqual(['+ new/x', 'usb/nas/tank/a@1 > new/x/a'])
    expect(result).toMatchObject({ leftOut: [{ dataset: 'usb/nas/tank' }] })
  })

  test('limits come back after the data', () => {
    const limited = backup('nas/tank @1 =tank', { limits: { quota: '1' } })
    expect(told(plan([nas, limited], { wanted: 'tank' }))).toEqual(['usb/nas/tank@1 > new/x', 'limits new/x'])
  })

  test('of what was set aside and what is current, the current one', () => {
    const aside = backup('nas/tank_diverged_20261122T210000Z @1 =tank')
    expect(told(plan([nas, aside, backup('nas/t2 @4 =tank')], { wanted: 'tank' }))).toEqual([
      'usb/nas/t2@4 > new/x',
    ])
    expect(told(plan([nas, aside], { wanted: 'tank' }))).toEqual([expect.stringContaining('diverged')])
  })

  test('an older disk, on which nothing says what it is', () => {
    const old = [backup('nas'), backup('nas/tank @1')]
    expect(told(plan(old, { wanted: 'tank' }))).toEqual(['usb/nas/tank@1 > new/x'])
    expect(told(plan(old))).toEqual(['+ new/x', 'usb/nas/tank@1 > new/x/tank'])
  })

  test('with several parts in `into`, marked or not', () => {
    const deep = [backup('b'), backup('b/nas', { host: 'nas' }), backup('b/nas/tank @1 =tank')]
    expect(told(plan(deep))).toEqual(['+ new/x', 'usb/b/nas/tank@1 > new/x/tank'])
  })
})

describe('what is refused', () => {
  const disk = [nas, backup('nas/tank @1 =tank'), backup('nas/tank/a @1 =tank/a')]
  const two = [...disk, backup('nas2', { host: 'nas2' }), backup('nas2/tank @1 =tank')]

  test.each<[string, readonly Backup[], Asked, string, boolean]>([
    ['what is not there', disk, { wanted: 'tonk' }, 'unknown', false],
    ['an empty disk', [], {}, 'unknown', false],
    ['an existing dataset', disk, { wanted: 'tank', present: ['new', 'new/x'] }, 'exists', true],
    ['one of the children existing', disk, { to: 'new', present: ['new', 'new/tank/a'] }, 'exists', true],
    ['the root of a pool', disk, { wanted: 'tank', to: 'new' }, 'exists', true],
    [
      'the backup disk itself',
      disk,
      { wanted: 'tank', to: 'usb/x', present: ['usb'] },
      'onto-the-disk',
      true,
    ],
    ['no pool', disk, { wanted: 'tank', present: [] }, 'no-place', false],
    ['no parent', disk, { wanted: 'tank', to: 'new/a/b' }, 'no-place', false],
    ['a time before everything', disk, { wanted: 'tank', at: '<0' }, 'no-snapshot', false],
    ['a snapshot that nobody has', disk, { wanted: 'tank', at: 'mine' }, 'no-snapshot', false],
    ['one of two hosts', two, { wanted: 'tank' }, 'ambiguous', false],
    ['all of two hosts', two, {}, 'ambiguous', false],
  ])('%s', (_what, backups, asked, kind, unsafe) => {
    const result = plan(backups, asked)
    if (result.kind !== 'refused') expect.fail('it was not refused')
    expect(result.refusal.kind).toBe(kind)
    expect(isUnsafe(result.refusal)).toBe(unsafe)
    expect(explainRestoreRefusal(result.refusal)).not.toMatch(/undefined|null|\[object/)
  })

  test('two hosts: the one of this configuration is meant, or the one that is named', () => {
    expect(told(plan(two, { wanted: 'tank', into: 'nas2' }))).toEqual(['usb/nas2/tank@1 > new/x'])
    expect(told(plan(two, { wanted: 'nas2' }))).toEqual(['+ new/x', 'usb/nas2/tank@1 > new/x/tank'])
    expect(told(plan(two, { wanted: 'usb/nas/tank/a' }))).toEqual(['usb/nas/tank/a@1 > new/x'])
  })

  test('what is in the way is named', () => {
    const result = plan(disk, { wanted: 'tank', present: ['new', 'new/x', 'new/x/a'] })
    expect(result).toMatchObject({ refusal: { datasets: ['new/x', 'new/x/a'] } })
  })
})
