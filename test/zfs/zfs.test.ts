// How the dataset verbs read answers and build commands, at the edges that neither a fake nor a small machine reaches:
// empty and broken answers, thousands of snapshots. What ZFS does is contract.ts.
import { describe, expect, test, vi } from 'vitest'
import { datasetName, type Snapshot, snapshotGuid } from '../../src/core/model.ts'
import {
  BadInput,
  CommandFailed,
  DeadlineExceeded,
  NotFound,
  Refused,
  UnreadableAnswer,
} from '../../src/errors.ts'
import type { Run } from '../../src/linux/run.ts'
import { createZfs, type Zfs } from '../../src/zfs/zfs.ts'

// Time is not the question here, and the computer may be busy.
vi.setConfig({ testTimeout: 60_000 })

function zfsOn(answer: (args: readonly string[]) => string | Error): {
  readonly zfs: Zfs
  readonly ran: (readonly string[])[]
} {
  const ran: (readonly string[])[] = []
  const run: Run = async (_, args) => {
    ran.push(args)
    const said = answer(args)
    if (typeof said !== 'string') throw said
    return { stdout: said, stderr: '', durationMs: 1 }
  }
  return { zfs: createZfs(run), ran }
}
const complaint = (stderr: string): CommandFailed =>
  new CommandFailed({ command: ['zfs'], exitCode: 1, signal: null, stderr })

const tank = datasetName('tank')
const filesystem = (name: string): string =>
  `${name}\tfilesystem\t1\t1\t1795432178\toff\t-\t-\t0\t24576\t-\t-\n`
const snapshot = (path: string, txg: number): string =>
  `${path}\tsnapshot\t${txg}\t${txg}\t1795432178\toff\t-\t0\t0\t24576\t-\t-\n`

describe('received properties', () => {
  const read = (stdout: string) => zfsOn(() => stdout).zfs.receivedProperties(tank)
  test('are all that has a value; what cannot begin a property belongs to the value before it', async () => {
    const { zfs, ran } = zfsOn(() =>
      [
        'type\t-',
        'compression\tgzip',
        'mountpoint\t/srv/a b',
        'org:a\tone',
        '',
        'Two\tthree',
        'readonly\ton',
        '\tfour\t',
        'org:none\t-',
        'org:empty\t',
        '',
      ].join('\n'),
    )
    expect([...(await zfs.receivedProperties(tank))]).toEqual([
      ['compression', 'gzip'],
      ['mountpoint', '/srv/a b'],
      ['org:a', 'one\n\nTwo\tthree\nreadonly\ton\n\tfour\t'],
      ['org:empty', ''],
    ])
    expect(ran).toEqual([['get', '-Hp', '-o', 'property,received', 'all', 'tank']])
    expect([...(await read('type\t-\n'))]).toEqual([])
  })
  test('of an empty or odd answer are an error', async () => {
    for (const answer of ['', '\n', 'type\n', 'No such\tthing\ntype\t-\n'])
      await expect(read(answer)).rejects.toThrow(UnreadableAnswer)
  })
})

describe('a listing', () => {
  test('that is empty, short or about something else is an error, never nothing', async () => {
    for (const answer of [
      '',
      '\n',
      filesystem('other'),
      'tank\tfilesystem\n',
      `${filesystem('tank').trimEnd()}\tmore\n`,
    ])
      await expect(zfsOn(() => answer).zfs.observe(tank)).rejects.toThrow(UnreadableAnswer)
  })
  test('with a GUID that is no number, or a snapshot of nothing, is an error', async () => {
    const odd = filesystem('tank').replace('\t1\t1\t', '\t-\t1\t')
    await expect(zfsOn(() => odd).zfs.observe(tank)).rejects.toThrow(UnreadableAnswer)
    const orphan = filesystem('tank') + snapshot('tank/a@b', 3)
    await expect(zfsOn(() => orphan).zfs.observe(tank)).rejects.toThrow(UnreadableAnswer)
  })
  test('that fails because another dataset went is no proof that this one is not there', async () => {
    const another = complaint("cannot open 'tank/other': dataset does not exist")
    await expect(zfsOn(() => another).zfs.observeIfPresent(tank)).rejects.toThrow(CommandFailed)
    const itself = complaint("cannot open 'tank': dataset does not exist")
    expect(await zfsOn(() => itself).zfs.observeIfPresent(tank)).toBe(null)
    await expect(zfsOn(() => itself).zfs.observe(tank)).rejects.toThrow(NotFound)
    const module = complaint('The ZFS modules are not loaded.')
    await expect(zfsOn(() => module).zfs.observeIfPresent(tank)).rejects.toThrow(CommandFailed)
  })
  test('sorts by createtxg, which no name and no clock disturbs', async () => {
    const answer =
      filesystem('tank') + snapshot('tank@a', 30) + snapshot('tank@b', 4) + snapshot('tank@c', 200)
    const [dataset] = await zfsOn(() => answer).zfs.observe(tank)
    expect(dataset?.snapshots.map(({ name }) => name)).toEqual(['b', 'a', 'c'])
  })
  test('keeps 64 bits, and leaves out what a receive works in', async () => {
    const big = '18446744073709551615'
    const answer =
      filesystem('tank') +
      filesystem('tank/a') +
      filesystem('tank/a/%recv') +
      `tank/a@x\tsnapshot\t${big}\t${big}\t0\toff\t-\t3\t1\t2\t-\t\n`
    const datasets = await zfsOn(() => answer).zfs.observe(tank)
    expect(datasets.map(({ name }) => name)).toEqual(['tank', 'tank/a'])
    expect(datasets[1]?.snapshots[0]).toMatchObject({ guid: big, createtxg: 18446744073709551615n, holds: 3 })
  })
  test('of 60,000 snapshots is read without keeping the rest of the program waiting', async () => {
    const lines = [filesystem('tank')]
    for (let set = 0; set < 200; set++) {
      lines.push(filesystem(`tank/set ${set}`))
      for (let at = 0; at < 300; at++) lines.push(snapshot(`tank/set ${set}@s${at}`, 1000 - at))
    }
    const answer = lines.join('')
    let turns = 0
    let over = false
    const others = (): void => {
      turns++
      if (!over) setImmediate(others)
    }
    others()
    const datasets = await zfsOn(() => answer).zfs.observe(tank)
    over = true
    expect(datasets).toHaveLength(201)
    expect(datasets.at(-1)?.snapshots).toHaveLength(300)
    expect(turns).toBeGreaterThan(10)
  })
})

describe('long command lines', () => {
  const paths = Array.from(
    { length: 40_000 },
    (_, at) => `tank/${'long'.repeat(20)}/${at}@walkaway_20261122T210000Z`,
  )

  test('are split for holds and releases', async () => {
    const { zfs, ran } = zfsOn(() => '')
    await zfs.hold('walkaway:1', paths)
    expect(ran.length).toBeGreaterThan(1)
    expect(ran.flatMap((args) => args.slice(2))).toEqual(paths)
    for (const args of ran) expect(args.join(' ').length).toBeLessThan(1_600_000)
  })
  test('that ZFS complains of do not keep the others from being run', async () => {
    const gone = `cannot hold snapshot '${paths[0]}': dataset does not exist`
    let first = true
    const { zfs, ran } = zfsOn(() => {
      const answer = first ? complaint(gone) : ''
      first = false
      return answer
    })
    expect([...(await zfs.hold('walkaway:1', paths))]).toEqual([[paths[0], new NotFound(gone)]])
    expect(ran.flatMap((args) => args.slice(2))).toEqual(paths)
  })
  test('are an error for a snapshot set, which must be one command', async () => {
    const { zfs, ran } = zfsOn(() => '')
    const datasets = paths.map((path) => datasetName(path.split('@', 1)[0] ?? ''))
    await expect(zfs.snapshotSet(datasets, 'walkaway_20261122T210000Z')).rejects.toThrow(BadInput)
    expect(ran).toEqual([])
  })
})

describe('destroying snapshots', () => {
  const point: Snapshot = {
    dataset: datasetName('tank/a b'),
    name: 'x',
    guid: snapshotGuid('1'),
    createtxg: 1n,
    creation: new Date(0),
    holds: 0,
    writtenBytes: 0n,
    referencedBytes: 0n,
    clones: [],
  }
  const answering = (answer: string) => zfsOn(() => answer)

  test('compares GUIDs as the signed numbers that a channel program sees', async () => {
    const { zfs, ran } = answering('{"return":"destroyed gone held"}\n')
    const doomed = ['1', '9223372036854775808', '18446744073709551615'].map((guid) => ({
      ...point,
      guid: snapshotGuid(guid),
    }))
    expect(await zfs.destroySnapshots(doomed)).toEqual(['destroyed', 'gone', 'held'])
    const path = 'tank/a b@x'
    expect(ran).toEqual([
      ['program', '-j', '--', 'tank', '-', path, '1', path, '-9223372036854775808', path, '-1'],
    ])
  })

  test.each([
    '',
    'destroyed',
    '{}',
    '{"return":1}',
    '{"return":""}',
    '{"return":"odd"}',
    '{"return":"gone gone"}',
  ])('an answer that is short or odd is an error: %s', async (answer) => {
    await expect(answering(answer).zfs.destroySnapshots([point])).rejects.toThrow(UnreadableAnswer)
  })

  test('starts nothing for nothing', async () => {
    const { zfs, ran } = answering('')
    expect(await zfs.destroySnapshots([])).toEqual([])
    expect(ran).toEqual([])
  })
})

describe('user properties of many datasets', () => {
  const [a, b] = [datasetName('tank/a'), datasetName('tank/b c')]
  const values = { 'walkaway:x': '-r', 'walkaway:y': '' }
  const arguments_ = ['program', '-j', '--', 'tank', '-', '2', 'walkaway:x', '-r', 'walkaway:y', '', a, b]

  test('are set by one program, of one pool each', async () => {
    const { zfs, ran } = zfsOn(() => '{"return":"set set"}')
    await zfs.setProperties([a, b], values)
    expect(ran).toEqual([arguments_])
    const [one, other] = [datasetName('dozer/a'), datasetName('tank/a')]
    const pools = zfsOn(() => '{"return":"set"}')
    await pools.zfs.setProperties([one, other], { 'walkaway:x': 'y' })
    expect(pools.ran.map((args) => [args[3], args.at(-1)])).toEqual([
      ['dozer', one],
      ['tank', other],
    ])
  })

  test.each<readonly [string, string | Error, readonly string[]]>([
    ['it could not set one', '{"return":"failed set"}', [a]],
    ['its answer is odd', '{"return":"set"}', [a, b]],
    ['it could not run', complaint('Channel program execution failed:\nout of memory'), [a, b]],
  ])('are set one after the other, and ZFS says why it cannot be, where %s', async (_, answer, left) => {
    const { zfs, ran } = zfsOn((args) =>
      args[0] === 'program' ? answer : complaint("cannot open 'tank/a': dataset does not exist"),
    )
    await expect(zfs.setProperties([a, b], values)).rejects.toThrow(NotFound)
    expect(ran).toEqual([arguments_, ['set', 'walkaway:x=-r', 'walkaway:y=', ...left]])
  })

  test('nothing more is started where the program hangs; what is no user property takes no program', async () => {
    const hanging = zfsOn(() => new DeadlineExceeded('zfs', 1))
    await expect(hanging.zfs.setProperties([a, b], values)).rejects.toThrow(DeadlineExceeded)
    expect(hanging.ran).toHaveLength(1)
    const native = zfsOn(() => '')
    await native.zfs.setProperties([a, b], { 'walkaway:x': '1', readonly: 'on' })
    expect(native.ran).toEqual([['set', 'walkaway:x=1', 'readonly=on', a, b]])
  })
})

describe('bookmarks that go', () => {
  const bookmarks = Array.from({ length: 30 }, (_, at) => ({
    dataset: tank,
    name: `b${at}`,
    guid: snapshotGuid('7'),
    createtxg: 1n,
    creation: new Date(0),
  }))
  const guids = bookmarks.map(({ name }) => `tank#${name}\t7\n`).join('')

  test('one that cannot be destroyed keeps no other from it', async () => {
    const { zfs, ran } = zfsOn((args) =>
      args[0] === 'get' ? guids : args[1] === 'tank#b3' ? complaint("cannot destroy 'tank#b3': no") : '',
    )
    await expect(zfs.destroyBookmarks(bookmarks)).rejects.toThrow(CommandFailed)
    expect(ran.filter(([verb]) => verb === 'destroy')).toHaveLength(30)
  })

  test('no more are started than hang already', async () => {
    const { zfs, ran } = zfsOn((args) => (args[0] === 'get' ? guids : new DeadlineExceeded('zfs', 1)))
    await expect(zfs.destroyBookmarks(bookmarks)).rejects.toThrow(DeadlineExceeded)
    expect(ran.filter(([verb]) => verb === 'destroy')).toHaveLength(8)
  })
})

describe('what ZFS complains about', () => {
  test('is ignored line by line, and only where it may be', async () => {
    const again = "cannot hold snapshot 'tank@a': tag already exists on this dataset\n"
    const reasonsOf = async (stderr: string) => [
      ...(await zfsOn(() => complaint(stderr)).zfs.hold('t', ['tank@a', 'tank@b'])),
    ]
    expect(await reasonsOf(again)).toEqual([])
    const gone = "cannot hold snapshot 'tank@b': dataset does not exist"
    expect(await reasonsOf(`${again}${gone}\n`)).toEqual([['tank@b', new NotFound(gone)]])
    const worse = "cannot hold snapshot 'tank@b': permission denied"
    expect(await reasonsOf(`${again}${worse}\n`)).toEqual([['tank@b', new Refused(worse)]])
    const unnamed = 'cannot hold: out of space'
    expect((await reasonsOf(unnamed)).map(([path]) => path)).toEqual(['tank@a', 'tank@b'])
  })
  test('is no excuse when the command was killed', async () => {
    const killed = new CommandFailed({
      command: ['zfs'],
      exitCode: null,
      signal: 'SIGKILL',
      stderr: "cannot hold snapshot 'tank@a': tag already exists on this dataset\n",
    })
    await expect(zfsOn(() => killed).zfs.hold('t', ['tank@a'])).rejects.toThrow()
  })
  test('a bookmark is not destroyed if the look at it fails', async () => {
    const { zfs, ran } = zfsOn(() => complaint("cannot open 'tank': pool I/O is currently suspended"))
    await expect(zfs.destroyBookmarks([point('tank', 'a')])).rejects.toMatchObject({ kind: 'suspended' })
    expect(ran.map(([verb]) => verb)).toEqual(['get'])
  })
})

const point = (dataset: string, name: string, guid = '1'): Snapshot => ({
  dataset: datasetName(dataset),
  name,
  guid: snapshotGuid(guid),
  createtxg: 1n,
  creation: new Date(0),
  holds: 0,
  writtenBytes: 0n,
  referencedBytes: 0n,
  clones: [],
})

describe('bookmarks', () => {
  const wanted = Array.from({ length: 1000 }, (_, i) => ({ snapshot: point(`tank/d${i}`, 's'), name: 'b' }))

  test('of a thousand datasets are made by one process for each pool', async () => {
    const { zfs, ran } = zfsOn((args) => `{"return":"${'made '.repeat((args.length - 5) / 2).trim()}"}\n`)
    await zfs.bookmarkAll([...wanted, { snapshot: point('other', 's'), name: 'b' }])
    expect(ran.map((args) => args.slice(0, 5))).toEqual([
      ['program', '-j', '--', 'tank', '-'],
      ['program', '-j', '--', 'other', '-'],
    ])
    expect(ran[0]).toHaveLength(5 + 2000)
    expect(ran[1]?.slice(5)).toEqual(['other@s', 'other#b'])
  })
  test('that ZFS refuses have a reason each; those that exist are looked at, in one more process', async () => {
    const { zfs, ran } = zfsOn(([verb]) =>
      verb === 'program'
        ? '{"return":"made exists exists gone failed"}\n'
        : 'tank/d1#b\t1\ntank/d2#b\t18446744073709551615\n',
    )
    const reasons = await zfs.bookmarkAll(wanted.slice(0, 5))
    expect(new Map([...reasons].map(([path, { name }]) => [path, name]))).toEqual(
      new Map([
        ['tank/d2@s', 'AlreadyExists'],
        ['tank/d3@s', 'NotFound'],
        ['tank/d4@s', 'Refused'],
      ]),
    )
    expect(ran).toHaveLength(2)
  })
  test('an answer that is none is an error, never "all made"', async () => {
    for (const answer of [
      '',
      'done\n',
      '[]',
      '{"return":7}',
      '{"return":"made made"}',
      '{"return":"odd"}',
      'null',
    ])
      await expect(zfsOn(() => answer).zfs.bookmarkAll(wanted.slice(0, 1))).rejects.toThrow(UnreadableAnswer)
  })
  test('of a thousand datasets, with a name each, are asked about in a few processes, with one name in one', async () => {
    const { zfs, ran } = zfsOn(() => '')
    const questions = (nameOf: (i: number) => string) =>
      Array.from({ length: 1000 }, (_, i) => ({
        from: point(`tank/d${i}`, nameOf(i)),
        to: point(`tank/d${i}`, 's'),
      }))
    await zfs.writtenSince(questions((i) => `b${i}`))
    expect(ran.length).toBeLessThan(10)
    expect(ran.flatMap((args) => args.slice(5))).toHaveLength(1000)
    ran.length = 0
    await zfs.writtenSince(questions(() => 'b'))
    expect(ran).toHaveLength(1)
  })
  test('an answer about them that is no number is an error; "-" is none', async () => {
    const question = [{ from: point('tank', 'b'), to: point('tank', 's') }]
    const answer = (value: string) => zfsOn(() => `tank@s\twritten#b\t${value}\n`).zfs.writtenSince(question)
    expect([...(await answer('0'))]).toEqual([['tank', 0n]])
    expect([...(await answer('-'))]).toEqual([])
    await expect(answer('')).rejects.toThrow(UnreadableAnswer)
    await expect(zfsOn(() => 'tank@s\t0\n').zfs.writtenSince(question)).rejects.toThrow(UnreadableAnswer)
  })
})
