// What zfs/ promises, as cases that run against the in-memory ZFS and against the real one, so that the fake cannot lie.
// Depends on node:assert only: the real run happens inside a machine, with plain node.
import assert from 'node:assert/strict'
import { limitsOf } from '../src/core/marks.ts'
import {
  type Bookmark,
  type Dataset,
  type DatasetName,
  datasetName,
  type PoolGuid,
  type PoolName,
  poolGuid,
  poolName,
  type Snapshot,
  snapshotGuid,
  snapshotPath,
} from '../src/core/model.ts'
import type { NewPool } from '../src/core/newPool.ts'
import { assignmentsFrom } from '../src/core/rawRestore.ts'
import type { PoolEvent } from '../src/core/timeline.ts'
import {
  AlreadyExists,
  BadInput,
  DiskVanished,
  ImportRefused,
  KeyRefused,
  NotFound,
  PoolBusy,
  TransferFailed,
} from '../src/errors.ts'
import { MAX_DESTROYED_AT_ONCE } from '../src/zfs/destroy.ts'
import { type FailureKind, failureKind } from '../src/zfs/failure.ts'
import { ALTROOT, type Pools } from '../src/zfs/pool.ts'
import type { SendSource, Transfer, TransferProgress, TransferRequest } from '../src/zfs/transfer.ts'
import type { Zfs } from '../src/zfs/zfs.ts'

/** What people and other programs do, without walkaway. */
export interface Hand {
  /** A volume has a reservation. */
  readonly create: (
    dataset: string,
    options?: { readonly type?: 'filesystem' | 'volume'; readonly encrypted?: boolean },
  ) => Promise<void>
  /** Adds new data that does not compress. */
  readonly write: (dataset: string, bytes: number) => Promise<void>
  /** A dataset, snapshot or bookmark. */
  readonly destroy: (path: string) => Promise<void>
  /** A snapshot, within its dataset. */
  readonly rename: (from: string, to: string) => Promise<void>
  /** A new dataset from a snapshot of another one. */
  readonly clone: (snapshot: string, dataset: string) => Promise<void>
  readonly promote: (dataset: string) => Promise<void>
  /** `zfs send [-i FROM] TO | zfs receive -F INTO`; all three are paths. */
  readonly receive: (stream: {
    readonly from: string | null
    readonly to: string
    readonly into: string
  }) => Promise<void>
}

export interface World {
  readonly zfs: Zfs
  readonly pools: Pools
  readonly transfer: Transfer
  readonly hand: Hand
  /** A pool that is imported, with nothing in it but its root. */
  readonly source: PoolName
  /** The key of what `hand` has created encrypted last, another one, and one as hexadecimal digits in a line. */
  readonly keyFiles: { readonly right: string; readonly wrong: string; readonly hex: string }
  /** A pool on a disk of its own, exported. */
  readonly disk: { readonly pool: PoolName; readonly guid: PoolGuid; readonly links: readonly string[] }
}

export interface Case {
  readonly name: string
  readonly run: (world: World) => Promise<void>
}

const MB = 1_000_000
/** Takes seconds to send, and progress is told once a second: enough to break off in between. */
const interruptible = 120 * MB
const present = async (): Promise<boolean> => true
const absent = async (): Promise<boolean> => false
const never = new AbortController().signal

const inside = (pool: string, path: string): DatasetName => datasetName(`${pool}/${path}`)
const names = (all: readonly { readonly name: string }[]): readonly string[] => all.map(({ name }) => name)

async function look(world: World, dataset: DatasetName): Promise<Dataset> {
  const found = (await world.zfs.observe(dataset)).find(({ name }) => name === dataset)
  assert.ok(found, `${dataset} was not observed`)
  return found
}

/** Takes a snapshot and looks at it. */
async function take(world: World, dataset: DatasetName, name: string): Promise<Snapshot> {
  await world.zfs.snapshotSet([dataset], name)
  const snapshot = (await look(world, dataset)).snapshots.find((candidate) => candidate.name === name)
  assert.ok(snapshot, `${dataset}@${name} was not observed`)
  return snapshot
}

async function bookmarked(world: World, snapshot: Snapshot, name: string): Promise<Bookmark> {
  assert.equal((await world.zfs.bookmarkAll([{ snapshot, name }])).size, 0)
  const bookmark = (await look(world, snapshot.dataset)).bookmarks.find(
    (candidate) => candidate.name === name,
  )
  assert.ok(bookmark, `${snapshot.dataset}#${name} was not observed`)
  return bookmark
}

interface Sending {
  readonly marks?: Readonly<Record<string, string>>
  readonly properties?: TransferRequest['properties']
  readonly type?: 'filesystem' | 'volume'
  readonly encrypted?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TransferProgress) => void
}

function send(
  world: World,
  what: SendSource,
  target: DatasetName,
  options: Sending = {},
): Promise<{ readonly receivedBytes: number }> {
  const { type = 'filesystem', encrypted = false, signal = never, onProgress = () => undefined } = options
  const { marks = {}, properties = 'masked' } = options
  const receive = { target, type, marks }
  return world.transfer.transfer({ send: what, encrypted, receive, properties, signal, onProgress })
}

/** Sends and breaks off as soon as some of it is on its way; the receiver keeps what it has. */
async function sendHalf(
  world: World,
  what: SendSource,
  target: DatasetName,
  options: Sending = {},
): Promise<void> {
  const stop = new AbortController()
  const reason = new Error('broken off')
  await assert.rejects(
    send(world, what, target, {
      ...options,
      signal: stop.signal,
      onProgress: ({ sentBytes }) => {
        if (sentBytes > 0) stop.abort(reason)
      },
    }),
    (error) => error === reason,
  )
}

async function fails(promise: Promise<unknown>, side: 'send' | 'receive', kind: FailureKind): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof TransferFailed, String(error))
    assert.deepEqual({ side: error.side, kind: failureKind(error) }, { side, kind }, error.message)
    return true
  })
}

/** Encryption root and whether its key is loaded. */
async function keyOf(world: World, dataset: DatasetName): Promise<readonly string[]> {
  const properties = await world.zfs.properties(dataset, ['encryptionroot', 'keystatus'])
  return [...properties.values()].map(({ value }) => value)
}

/** A source dataset with data, the disk imported, and where the copy goes. */
async function ready(
  world: World,
  bytes = 0.2 * MB,
): Promise<{ readonly from: DatasetName; readonly to: DatasetName }> {
  const from = inside(world.source, 'docs')
  await world.hand.create(from)
  await world.hand.write(from, bytes)
  await world.pools.importPool(world.disk)
  return { from, to: inside(world.disk.pool, 'docs') }
}

const datasets: readonly Case[] = [
  {
    name: 'observes a dataset with everything below it, parents first, and nothing beside it',
    async run(world) {
      const { zfs, hand, source } = world
      for (const path of ['a', 'a/with spaces in it', 'a/b', 'a/b/c:d.e_f-g', 'ab', 'a b'])
        await hand.create(`${source}/${path}`)
      const seen = await zfs.observe(inside(source, 'a'))
      assert.deepEqual(
        new Set(names(seen)),
        new Set(['a', 'a/with spaces in it', 'a/b', 'a/b/c:d.e_f-g'].map((path) => inside(source, path))),
      )
      for (const [at, { name }] of seen.entries())
        assert.ok(
          at === 0 || names(seen).indexOf(datasetName(name.slice(0, name.lastIndexOf('/')))) < at,
          `${name} before its parent`,
        )
      assert.deepEqual(names(await zfs.observe(datasetName(source))).length, 7)
    },
  },
  {
    name: 'observes snapshots and bookmarks in the order in which they were taken, whatever they are called',
    async run(world) {
      const dataset = inside(world.source, 'a')
      await world.hand.create(dataset)
      for (const name of ['zebra', 'apple', 'mango with a space'])
        await bookmarked(world, await take(world, dataset, name), `of ${name}`)
      const { snapshots, bookmarks, type, encrypted, resumeToken } = await look(world, dataset)
      assert.deepEqual(names(snapshots), ['zebra', 'apple', 'mango with a space'])
      assert.deepEqual(names(bookmarks), ['of zebra', 'of apple', 'of mango with a space'])
      assert.deepEqual(
        snapshots.map(({ guid, createtxg }) => ({ guid, createtxg })),
        bookmarks.map(({ guid, createtxg }) => ({ guid, createtxg })),
      )
      assert.equal(new Set(snapshots.map(({ guid }) => guid)).size, 3)
      assert.deepEqual(
        { type, encrypted, resumeToken },
        { type: 'filesystem', encrypted: false, resumeToken: null },
      )
    },
  },
  {
    name: 'tells how much a snapshot holds and how much was written in it',
    async run(world) {
      const dataset = inside(world.source, 'a')
      await world.hand.create(dataset)
      await world.hand.write(dataset, 1 * MB)
      await take(world, dataset, '1')
      await world.hand.write(dataset, 2 * MB)
      const second = await take(world, dataset, '2')
      assert.ok(
        second.writtenBytes > 1_900_000n && second.writtenBytes < 2_600_000n,
        String(second.writtenBytes),
      )
      assert.ok(
        second.referencedBytes > 2_900_000n && second.referencedBytes < 3_800_000n,
        String(second.referencedBytes),
      )
    },
  },
  {
    name: 'a dataset or pool that is not there is null, or NotFound where it must be there',
    async run({ zfs, source }) {
      for (const missing of [
        inside(source, 'nothing'),
        inside(source, 'nothing/below'),
        datasetName('nopool'),
        datasetName('nopool/a'),
      ]) {
        assert.equal(await zfs.observeIfPresent(missing), null)
        assert.equal(await zfs.namesBelow(missing), null)
        await assert.rejects(zfs.observe(missing), NotFound)
        await assert.rejects(zfs.properties(missing, ['mountpoint']), NotFound)
      }
    },
  },
  {
    name: 'some datasets are observed alone, as they are among all others; those that are gone are left out',
    async run(world) {
      const { zfs, hand, source } = world
      const [a, b, volume] = [inside(source, 'a'), inside(source, 'a/b c'), inside(source, 'a/v')]
      await hand.create(a)
      await hand.create(b)
      await hand.create(volume, { type: 'volume' })
      for (const name of [a, b, volume]) await take(world, name, '1')
      const marked = await take(world, b, '2')
      await zfs.bookmarkAll([{ snapshot: marked, name: 'mark' }])
      await zfs.hold('t', [snapshotPath(marked)])
      const all = await zfs.observe(a)
      assert.deepEqual(
        all.map(({ name }) => name),
        [a, b, volume],
      )
      const gone = inside(source, 'a/gone')
      assert.deepEqual([...(await zfs.observeEach([b, gone, volume])).values()], all.slice(1))
      assert.deepEqual([...(await zfs.observeEach([a]))], [[a, all[0]]])
      assert.deepEqual((await zfs.observeEach([gone, datasetName('nopool/a')])).size, 0)
      assert.deepEqual((await zfs.observeEach([])).size, 0)
      assert.deepEqual(
        await zfs.namesBelow(a),
        all.map(({ name, guid }) => ({ name, guid })),
      )
      await assert.rejects(zfs.observeEach([a, datasetName(`${source}/x`), '-r' as DatasetName]), BadInput)
    },
  },
  {
    name: 'of many snapshots those are there that have both name and GUID',
    async run(world) {
      const { zfs, hand, source } = world
      const dataset = inside(source, 'a')
      await hand.create(dataset)
      const [one, two] = [await take(world, dataset, 'one'), await take(world, dataset, 'two')]
      const renamed = { ...two, name: 'other name' }
      const replaced = { ...one, guid: two.guid }
      const lost = { ...one, dataset: inside(source, 'gone') }
      const many = Array.from({ length: 2_100 }, (_, at) => ({ ...one, name: `never${at}` }))
      const there = await zfs.whichExist([renamed, ...many, one, replaced, lost, two])
      assert.deepEqual([...there], [one, two])
      assert.deepEqual((await zfs.whichExist([])).size, 0)
      await assert.rejects(zfs.whichExist([{ ...one, name: 'a@b' }]), BadInput)
    },
  },
  {
    name: 'a name that is none never reaches a command',
    async run({ zfs, pools, source }) {
      for (const odd of [
        '-r',
        '',
        `${source}/a@b`,
        `${source}//a`,
        `${source}/../a`,
        `${source}/a\nb`,
        '1pool',
      ]) {
        await assert.rejects(zfs.observe(datasetName(odd)), BadInput)
        await assert.rejects(zfs.abortReceive(datasetName(odd)), BadInput)
        await assert.rejects(zfs.createContainer(datasetName(odd)), BadInput)
      }
      await assert.rejects(zfs.snapshotSet([datasetName(source)], 'a@b'), BadInput)
      await assert.rejects(zfs.snapshotSet([], 'a'), BadInput)
      await assert.rejects(zfs.hold('-r', [`${source}@a`]), BadInput)
      await assert.rejects(zfs.release('tag', ['-r']), BadInput)
      await assert.rejects(pools.kernelState(poolName('../../../etc')), BadInput)
    },
  },
  {
    name: 'a set of snapshots is taken whole or not at all',
    async run(world) {
      const { zfs, hand, source } = world
      const [a, b, gone] = [inside(source, 'a'), inside(source, 'b c'), inside(source, 'gone')]
      await hand.create(a)
      await hand.create(b)
      await zfs.snapshotSet([a, b], 'first')
      await assert.rejects(zfs.snapshotSet([a, gone, b], 'second'), NotFound)
      await take(world, b, 'third')
      await assert.rejects(zfs.snapshotSet([a, b], 'third'), AlreadyExists)
      assert.deepEqual(names((await look(world, a)).snapshots), ['first'])
      assert.deepEqual(names((await look(world, b)).snapshots), ['first', 'third'])
    },
  },
  {
    name: 'holds and releases, each of them twice if need be',
    async run(world) {
      const { zfs, hand, source } = world
      const dataset = inside(source, 'a b')
      await hand.create(dataset)
      const one = snapshotPath(await take(world, dataset, 'one'))
      const two = snapshotPath(await take(world, dataset, 'two'))
      await zfs.hold('walkaway:1', [one])
      await zfs.hold('walkaway:1', [one, two])
      await zfs.hold('walkaway:2', [two])
      const counted = async () => (await look(world, dataset)).snapshots.map(({ holds }) => holds)
      assert.deepEqual(await counted(), [1, 2])
      const tags = await zfs.holds([one, `${dataset}@never`, `${source}/gone@one`, two])
      assert.deepEqual([tags.size, tags.get(one)], [2, ['walkaway:1']])
      assert.deepEqual([...(tags.get(two) ?? [])].sort(), ['walkaway:1', 'walkaway:2'])
      await assert.rejects(hand.destroy(one))
      await zfs.release('walkaway:1', [one, two])
      await zfs.release('walkaway:1', [one, two, `${dataset}@never`, `${source}/gone@one`])
      assert.deepEqual(await counted(), [0, 1])
      await hand.destroy(one)
      await zfs.release('walkaway:2', [two])
      assert.deepEqual(await counted(), [0])
    },
  },
  {
    name: 'tells which snapshots are held, by whom, and what only they refer to',
    async run(world) {
      const { zfs, hand, source } = world
      const dataset = inside(source, 'a b')
      await hand.create(dataset)
      assert.deepEqual(await zfs.heldBelow(dataset), [])
      const one = await take(world, dataset, 'one')
      await take(world, dataset, 'two')
      await zfs.hold('walkaway:1', [snapshotPath(one)])
      await zfs.hold('other', [snapshotPath(one)])
      const [held, ...more] = await zfs.heldBelow(datasetName(source))
      assert.deepEqual(more, [])
      assert.ok(held !== undefined && held.usedBytes >= 0n)
      assert.deepEqual(
        { path: held.path, dataset: held.dataset, creation: held.creation, tags: held.tags.toSorted() },
        { path: snapshotPath(one), dataset, creation: one.creation, tags: ['other', 'walkaway:1'] },
      )
      await assert.rejects(zfs.heldBelow(inside(source, 'never')), NotFound)
    },
  },
  {
    name: 'a snapshot is held and released with those of its name below it; held already, none of them is',
    async run(world) {
      const { zfs, hand, source } = world
      const [a, b, c] = [inside(source, 'a'), inside(source, 'a/b'), inside(source, 'a/c')]
      for (const name of [a, b, c]) await hand.create(name)
      for (const name of [a, b]) await take(world, name, 's')
      for (const name of [a, c]) await take(world, name, 'other')
      const counted = async () =>
        (await zfs.observe(a)).flatMap(({ snapshots }) =>
          snapshots.map(({ name, holds }) => `${name} ${holds}`),
        )
      await zfs.holdBelow('walkaway:1', `${a}@s`)
      assert.deepEqual(await counted(), ['s 1', 'other 0', 's 1', 'other 0'])
      await zfs.hold('walkaway:2', [`${b}@s`])
      await zfs.releaseBelow('walkaway:1', `${a}@s`)
      await zfs.releaseBelow('walkaway:1', `${a}@s`)
      await zfs.releaseBelow('walkaway:1', `${a}@never`)
      assert.deepEqual(await counted(), ['s 0', 'other 0', 's 1', 'other 0'])
      await assert.rejects(zfs.holdBelow('walkaway:2', `${a}@s`))
      assert.deepEqual(await counted(), ['s 0', 'other 0', 's 1', 'other 0'])
      await assert.rejects(zfs.holdBelow('walkaway:2', `${a}@never`), NotFound)
    },
  },
  {
    name: 'a hold on a snapshot that is gone is said of that one, and the others are held',
    async run(world) {
      const dataset = inside(world.source, 'a')
      await world.hand.create(dataset)
      const path = snapshotPath(await take(world, dataset, 'one'))
      await world.zfs.hold('t', [path])
      for (const [tag, gone] of [
        ['t', `${dataset}@gone`],
        ['u', `${world.source}/gone@one`],
      ] as const) {
        const reasons = await world.zfs.hold(tag, [gone, path])
        assert.deepEqual([...reasons.keys()], [gone])
        assert.ok(reasons.get(gone) instanceof NotFound)
      }
      assert.deepEqual(
        (await look(world, dataset)).snapshots.map(({ holds }) => holds),
        [2],
      )
    },
  },
  {
    name: 'a bookmark is made once, and never mistaken for another',
    async run(world) {
      const { zfs, hand, source } = world
      const dataset = inside(source, 'a b')
      await hand.create(dataset)
      const one = await take(world, dataset, 'one')
      const two = await take(world, dataset, 'two')
      const bookmark = await bookmarked(world, one, 'base')
      const failures = await zfs.bookmarkAll([
        { snapshot: one, name: 'base' },
        { snapshot: two, name: 'base' },
      ])
      assert.deepEqual([...failures.keys()], [snapshotPath(two)])
      assert.ok(failures.get(snapshotPath(two)) instanceof AlreadyExists)
      await hand.destroy(snapshotPath(one))
      assert.deepEqual((await look(world, dataset)).bookmarks, [bookmark])
      assert.equal(bookmark.guid, one.guid)
      assert.equal(bookmark.createtxg, one.createtxg)
      assert.deepEqual(bookmark.creation, one.creation)
    },
  },
  {
    name: 'many bookmarks are made at once, and one that cannot be made stops no other',
    async run(world) {
      const { zfs, hand, source } = world
      const [a, b] = [inside(source, 'a'), inside(source, 'b c')]
      await hand.create(a)
      await hand.create(b)
      await zfs.snapshotSet([a, b], 'one')
      const [[ofA], [ofB]] = [(await look(world, a)).snapshots, (await look(world, b)).snapshots]
      assert.ok(ofA && ofB)
      const gone = { ...ofA, name: 'gone' }
      const elsewhere = { ...ofA, dataset: inside(source, 'nothing') }
      const odd = { ...ofB, name: 'o' }
      const failures = await zfs.bookmarkAll([
        { snapshot: gone, name: 'x' },
        { snapshot: ofA, name: 'x' },
        { snapshot: elsewhere, name: 'x' },
        { snapshot: odd, name: 'not/a name' },
        { snapshot: ofB, name: 'with a space' },
      ])
      assert.deepEqual(
        new Map([...failures].map(([path, { name }]) => [path, name])),
        new Map([
          [snapshotPath(gone), 'NotFound'],
          [snapshotPath(elsewhere), 'NotFound'],
          [snapshotPath(odd), 'BadInput'],
        ]),
      )
      assert.deepEqual(names((await look(world, a)).bookmarks), ['x'])
      assert.deepEqual(names((await look(world, b)).bookmarks), ['with a space'])
      assert.equal((await zfs.bookmarkAll([])).size, 0)
    },
  },
  {
    name: 'bookmarks are destroyed by their GUIDs, not by their names',
    async run(world) {
      const { zfs, hand, source } = world
      const dataset = inside(source, 'a')
      await hand.create(dataset)
      const one = await bookmarked(world, await take(world, dataset, 'one'), 'x')
      const two = await bookmarked(world, await take(world, dataset, 'two'), 'y')
      await zfs.destroyBookmarks([{ ...one, guid: two.guid }])
      assert.deepEqual(names((await look(world, dataset)).bookmarks), ['x', 'y'])
      await zfs.destroyBookmarks([{ ...one, dataset: inside(source, 'gone') }, { ...one, name: 'z' }, one])
      await zfs.destroyBookmarks([one])
      assert.deepEqual(names((await look(world, dataset)).bookmarks), ['y'])
      assert.deepEqual(names((await look(world, dataset)).snapshots), ['one', 'two'])
    },
  },
  {
    name: 'snapshots are destroyed by their GUIDs, many at once; the rest stays and is told',
    async run(world) {
      const { zfs, hand, source } = world
      const [a, b] = [inside(source, 'a b'), inside(source, 'c:d')]
      await hand.create(a)
      await hand.create(b)
      const names = ['one', 'two with space', 'held'] as const
      for (const name of names) await zfs.snapshotSet([a, b], name)
      const [one, two, held] = (await look(world, a)).snapshots
      const [other, spared] = (await look(world, b)).snapshots
      assert.ok(one && two && held && other && spared)
      await zfs.hold('t', [snapshotPath(held)])
      assert.deepEqual(
        await zfs.destroySnapshots([
          { ...two, name: 'never' },
          one,
          { ...spared, guid: other.guid },
          held,
          { ...one, dataset: inside(source, 'gone') },
          other,
          two,
        ]),
        ['gone', 'destroyed', 'replaced', 'held', 'gone', 'destroyed', 'destroyed'],
      )
      assert.deepEqual(
        (await look(world, a)).snapshots.map(({ guid, holds }) => [guid, holds]),
        [[held.guid, 1]],
      )
      assert.deepEqual(
        (await look(world, b)).snapshots.map(({ name }) => name),
        [spared.name, 'held'],
      )
      assert.deepEqual(await zfs.destroySnapshots([one, two]), ['gone', 'gone'])
    },
  },
  {
    name: 'as many snapshots as may be destroyed at once, with the longest names',
    async run(world) {
      const dataset = inside(world.source, 'l'.repeat(100))
      await world.hand.create(dataset)
      const last = await take(world, dataset, 'n'.repeat(255 - dataset.length - 1))
      const doomed = Array.from({ length: MAX_DESTROYED_AT_ONCE }, (_, at) => ({
        ...last,
        name: `${String(at).padStart(3, '0')}${last.name.slice(3)}`,
      }))
      assert.deepEqual(await world.zfs.destroySnapshots([...doomed.slice(1), last]), [
        ...doomed.slice(1).map(() => 'gone'),
        'destroyed',
      ])
      await assert.rejects(world.zfs.destroySnapshots([...doomed, last]), BadInput)
    },
  },
  {
    name: 'what cannot be destroyed together is refused, and nothing at all is done for nothing',
    async run({ zfs, source }) {
      const snapshot = { dataset: datasetName(source), name: 'a', guid: snapshotGuid('1') } as const
      const point = { ...snapshot, createtxg: 1n, creation: new Date(0) }
      const one = { ...point, holds: 0, writtenBytes: 0n, referencedBytes: 0n, clones: [] }
      assert.deepEqual(await zfs.destroySnapshots([]), [])
      await assert.rejects(zfs.destroySnapshots([one, { ...one, dataset: datasetName('other') }]), BadInput)
      await assert.rejects(
        zfs.destroySnapshots([
          { ...one, name: '-r' },
          { ...one, name: 'a@b' },
        ]),
        BadInput,
      )
      await assert.rejects(
        zfs.destroySnapshots([{ ...one, dataset: datasetName('nopool') }]),
        (error) => failureKind(error) === 'not-found',
      )
    },
  },
  {
    name: 'a bookmark tells what a later snapshot has that was written since, when its own is gone',
    async run(world) {
      const { zfs, hand, source } = world
      const [a, b] = [inside(source, 'a b'), inside(source, 'c')]
      for (const dataset of [a, b]) {
        await hand.create(dataset)
        await hand.write(dataset, 3 * MB)
      }
      await zfs.snapshotSet([a, b], 'one')
      const bases: Bookmark[] = []
      for (const [at, dataset] of [a, b].entries()) {
        const [one] = (await look(world, dataset)).snapshots
        assert.ok(one)
        bases.push(await bookmarked(world, one, `walkaway_17_2026112${at}T210000Z`))
        await hand.destroy(snapshotPath(one))
      }
      await hand.write(a, 1 * MB)
      await zfs.snapshotSet([a, b], 'two')
      await hand.write(b, 1 * MB)
      const ends = await Promise.all([a, b].map(async (dataset) => (await look(world, dataset)).snapshots[0]))
      const [[baseOfA, baseOfB], [endOfA, endOfB]] = [bases, ends]
      assert.ok(baseOfA && baseOfB && endOfA && endOfB)
      const written = await zfs.writtenSince([
        { from: baseOfA, to: endOfA },
        { from: baseOfB, to: endOfB },
      ])
      const ofA = written.get(a) ?? 0n
      assert.ok(ofA > 900_000n && ofA < 1_600_000n, String(ofA))
      // What was written to it after that snapshot is not in it.
      assert.equal(written.get(b), 0n)
      assert.ok(endOfB.writtenBytes > 2_900_000n, 'its own `written` counts from the beginning')
    },
  },
  {
    name: 'what cannot be told of a bookmark is left out',
    async run(world) {
      const { zfs, hand, source } = world
      const dataset = inside(source, 'a')
      await hand.create(dataset)
      const base = await bookmarked(world, await take(world, dataset, 'one'), 'walkaway_17_x')
      const to = await take(world, dataset, 'two')
      const elsewhere = inside(source, 'gone')
      const written = await zfs.writtenSince([
        { from: { ...base, dataset: elsewhere }, to: { ...to, dataset: elsewhere } },
        { from: base, to },
      ])
      assert.deepEqual([...written.keys()], [dataset])
      assert.equal((await zfs.writtenSince([{ from: { ...base, name: 'nothing' }, to }])).size, 0)
      assert.equal((await zfs.writtenSince([{ from: base, to: { ...to, name: 'gone' } }])).size, 0)
      assert.equal((await zfs.writtenSince([])).size, 0)
    },
  },
  {
    name: 'a snapshot says 0 written when nothing was, and its dataset refers to as much as before',
    async run(world) {
      const { hand, source } = world
      const dataset = inside(source, 'a')
      await hand.create(dataset)
      await hand.write(dataset, 1 * MB)
      const one = await take(world, dataset, 'one')
      const two = await take(world, dataset, 'two')
      assert.deepEqual([two.writtenBytes, two.referencedBytes], [0n, one.referencedBytes])
    },
  },
  {
    name: 'a dataset itself tells what was written since its newest snapshot, or since a bookmark whose snapshot is gone',
    async run(world) {
      const { zfs, hand, source, pools } = world
      const dataset = inside(source, 'a b')
      await hand.create(dataset)
      await hand.write(dataset, 1 * MB)
      const one = await take(world, dataset, 'one')
      const from = await bookmarked(world, one, 'base')
      const now = async () => {
        await pools.sync(source, present)
        const values = (await zfs.propertiesBelow(dataset, ['written', 'referenced'])).get(dataset)
        return ['written', 'referenced'].map((name) => Number(values?.get(name)?.value))
      }
      const since = async () => (await zfs.writtenSince([{ from, to: null }])).get(dataset)
      assert.deepEqual(await now(), [0, Number(one.referencedBytes)])
      assert.equal(await since(), 0n)
      await hand.write(dataset, 2 * MB)
      const [written = 0, referenced = 0] = await now()
      assert.ok(written > 1_900_000 && written < 2_600_000, String(written))
      assert.ok(referenced > 2_900_000, String(referenced))
      await hand.destroy(snapshotPath(one))
      assert.ok(Math.abs(Number(await since()) - written) < 100_000, `${await since()} ${written}`)
    },
  },
  {
    name: 'what lies in the blocks of a dataset is told apart from the room that they take',
    async run({ zfs, hand, source, pools }) {
      const dataset = inside(source, 'a')
      await hand.create(dataset)
      await hand.write(dataset, 2 * MB)
      await pools.sync(source, present)
      const names = [
        'referenced',
        'logicalreferenced',
        'refcompressratio',
        'available',
        'compression',
        'dedup',
      ]
      const found = await zfs.properties(dataset, names)
      const numberOf = (name: string) => Number(found.get(name)?.value)
      const stored = numberOf('logicalreferenced') / (numberOf('refcompressratio') + 0.01)
      assert.ok(stored > 1_900_000 && stored <= numberOf('referenced'), String(stored))
      assert.ok(numberOf('available') >= Number(await pools.availableBytes(source)) - 1_000_000)
      for (const name of ['compression', 'dedup']) assert.notEqual(found.get(name)?.value ?? '-', '-')
    },
  },
  {
    name: 'a dataset gets another name, with everything below it, and only if that is free',
    async run(world) {
      const { zfs, hand, source } = world
      const at = (path: string): DatasetName => inside(source, path)
      for (const path of ['a', 'a/b c', 'new', 'taken']) await hand.create(at(path))
      const snapshot = await take(world, at('a/b c'), 'one')
      const type = 'filesystem'
      await zfs.rename({ from: at('a'), to: at('new/a_diverged_20261122T210000Z'), type })
      assert.equal(await zfs.observeIfPresent(at('a')), null)
      const moved = await look(world, at('new/a_diverged_20261122T210000Z/b c'))
      assert.deepEqual(
        moved.snapshots.map(({ guid }) => guid),
        [snapshot.guid],
      )
      await zfs.rename({ from: moved.name, to: at('b'), type })
      await assert.rejects(zfs.rename({ from: at('b'), to: at('taken'), type }), AlreadyExists)
      await assert.rejects(zfs.rename({ from: at('b'), to: at('no/parent'), type }), NotFound)
      await assert.rejects(zfs.rename({ from: at('gone'), to: at('c'), type }), NotFound)
      assert.equal((await look(world, at('b'))).snapshots.length, 1)
    },
  },
  {
    name: 'a volume gets another name',
    async run({ zfs, hand, source }) {
      const [from, to] = [inside(source, 'vm disk'), inside(source, 'vm')]
      await hand.create(from, { type: 'volume' })
      await zfs.rename({ from, to, type: 'volume' })
      assert.equal((await zfs.observe(to))[0]?.type, 'volume')
      assert.equal(await zfs.observeIfPresent(from), null)
    },
  },
  {
    name: 'containers are made with their parents, once, never mounted',
    async run({ zfs, source }) {
      const path = inside(source, 'host/tank with space/a')
      const made = ['host', 'host/tank with space', 'host/tank with space/a'].map((part) =>
        inside(source, part),
      )
      assert.deepEqual(await zfs.createContainer(path), made)
      assert.deepEqual(await zfs.createContainer(path), [])
      assert.deepEqual(await zfs.createContainer(datasetName(source)), [])
      for (const dataset of made) {
        const properties = await zfs.properties(dataset, ['canmount', 'mountpoint'])
        assert.deepEqual(properties.get('canmount'), { value: 'off', source: 'local' })
        assert.deepEqual(properties.get('mountpoint'), { value: 'none', source: 'local' })
      }
      await assert.rejects(zfs.createContainer(datasetName('nopool/host')), NotFound)
    },
  },
]

const poolCases: readonly Case[] = [
  {
    name: 'a pool is imported under our mark, and exported for good',
    async run({ pools, disk, zfs }) {
      assert.equal(await pools.kernelState(disk.pool), null)
      assert.equal(
        (await pools.imported()).some(({ guid }) => guid === disk.guid),
        false,
      )
      const imported = await pools.importPool(disk)
      assert.deepEqual(imported, { name: disk.pool, guid: disk.guid, altroot: ALTROOT })
      assert.deepEqual(await pools.importPool(disk), imported)
      assert.deepEqual(
        (await pools.imported()).find(({ guid }) => guid === disk.guid),
        imported,
      )
      assert.equal(await pools.kernelState(disk.pool), 'ONLINE')
      await zfs.createContainer(inside(disk.pool, 'a'))
      await pools.sync(disk.pool, present)
      await pools.exportPool(disk.pool, present)
      assert.equal(await pools.kernelState(disk.pool), null)
      assert.equal(
        (await pools.imported()).some(({ guid }) => guid === disk.guid),
        false,
      )
      await pools.exportPool(disk.pool, present)
      assert.equal(await zfs.observeIfPresent(inside(disk.pool, 'a')), null)
      await pools.importPool(disk)
      assert.notEqual(await zfs.observeIfPresent(inside(disk.pool, 'a')), null)
    },
  },
  {
    name: 'a pool that somebody else imported does not bear our mark',
    async run({ pools, source }) {
      const found = (await pools.imported()).find(({ name }) => name === source)
      assert.equal(found?.altroot, null)
    },
  },
  {
    name: 'only the pool with that GUID is imported, and only from those devices',
    async run({ pools, disk, source }) {
      await assert.rejects(
        pools.importPool({ ...disk, guid: poolGuid('1234567890123456789') }),
        ImportRefused,
      )
      await assert.rejects(pools.importPool({ ...disk, links: ['/dev/null'] }), ImportRefused)
      await assert.rejects(pools.importPool({ ...disk, links: [] }), BadInput)
      await assert.rejects(pools.importPool({ ...disk, links: ['-f'] }), BadInput)
      await assert.rejects(pools.importPool({ ...disk, guid: poolGuid('-f') }), BadInput)
      assert.equal(await pools.kernelState(disk.pool), null)
      assert.equal(await pools.kernelState(source), 'ONLINE')
    },
  },
  {
    name: 'without its disk a pool is neither synced nor exported',
    async run({ pools, disk }) {
      await pools.importPool(disk)
      await assert.rejects(pools.sync(disk.pool, absent), DiskVanished)
      await assert.rejects(pools.exportPool(disk.pool, absent), DiskVanished)
      let looks = 0
      await assert.rejects(
        pools.exportPool(disk.pool, async () => looks++ === 0),
        DiskVanished,
      )
      assert.equal(await pools.kernelState(disk.pool), 'ONLINE')
      await pools.exportPool(disk.pool, present)
    },
  },
  {
    name: 'a healthy pool says so, and can be reopened and cleared at any time',
    async run({ pools, disk }) {
      await pools.importPool(disk)
      await pools.reopen(disk.pool)
      await pools.clear(disk.pool)
      assert.deepEqual(await pools.health(disk.pool), {
        state: 'ONLINE',
        errors: { read: 0n, write: 0n, checksum: 0n },
        dataErrors: 0n,
        scan: { kind: 'none' },
      })
      assert.ok((await pools.availableBytes(disk.pool)) > 10_000_000n)
      assert.equal(await pools.answers(), true)
    },
  },
  {
    name: 'a scrub runs to its end, and begins again; pausing none is fine; without the disk none is begun',
    async run({ pools, disk }) {
      await pools.importPool(disk)
      await assert.rejects(pools.scrub(disk.pool, absent), DiskVanished)
      await assert.rejects(pools.pauseScrub(disk.pool, absent), DiskVanished)
      await pools.pauseScrub(disk.pool, present)
      for (let times = 0; times < 2; times++) {
        await pools.scrub(disk.pool, present)
        let { scan } = await pools.health(disk.pool)
        for (let looks = 0; scan.kind === 'running' && looks < 100; looks++) {
          await new Promise((resolve) => setTimeout(resolve, 20))
          scan = (await pools.health(disk.pool)).scan
        }
        assert.ok(scan.kind === 'finished', scan.kind)
        assert.deepEqual([scan.repairedBytes, scan.errors], [0, 0n])
      }
      assert.deepEqual(await pools.damagedFiles(disk.pool, present), [])
    },
  },
  {
    name: 'a pool that is not imported is NotFound',
    async run({ pools, disk }) {
      for (const verb of [pools.reopen, pools.clear, pools.health, pools.availableBytes, pools.usage])
        await assert.rejects(verb(disk.pool), NotFound)
    },
  },
  {
    name: 'what a pool takes grows with what is received, and is given back some time after it was destroyed',
    async run(world) {
      const { pools, zfs, disk } = world
      const { from, to } = await ready(world, 20 * MB)
      const empty = await pools.usage(disk.pool)
      await send(world, { kind: 'full', to: await take(world, from, 'a') }, to)
      const full = await pools.usage(disk.pool)
      const available = await pools.availableBytes(disk.pool)
      assert.ok(full.allocatedBytes - empty.allocatedBytes > 18_000_000n, String(full.allocatedBytes))
      assert.ok(full.sizeBytes === empty.sizeBytes && full.sizeBytes > full.allocatedBytes)
      for (const name of ['usedbydataset', 'usedbysnapshots']) {
        const used = await zfs.propertiesBelow(datasetName(disk.pool), [name])
        assert.match(used.get(to)?.get(name)?.value ?? '', /^\d+$/)
      }
      await world.hand.destroy(to)
      const deadlineMs = performance.now() + 60_000
      while ((await pools.usage(disk.pool)).freeingBytes > 0n) assert.ok(performance.now() < deadlineMs)
      assert.ok((await pools.availableBytes(disk.pool)) - available > 15_000_000n)
    },
  },
]

const transfers: readonly Case[] = [
  {
    name: 'a full stream brings the snapshot with its GUID, and safe properties',
    async run(world) {
      const { from, to } = await ready(world, 2 * MB)
      const snapshot = await take(world, from, 'a b')
      const seen: TransferProgress[] = []
      const { receivedBytes } = await send(world, { kind: 'full', to: snapshot }, to, {
        onProgress: (progress) => seen.push(progress),
      })
      assert.ok(receivedBytes > 1.9 * MB && receivedBytes < 2.3 * MB, String(receivedBytes))
      assert.ok((seen[0]?.totalBytes ?? 0) > 1.9 * MB, 'an estimate')
      const { snapshots, resumeToken } = await look(world, to)
      assert.deepEqual(
        snapshots.map(({ name, guid }) => ({ name, guid })),
        [{ name: 'a b', guid: snapshot.guid }],
      )
      assert.equal(resumeToken, null)
      const properties = await world.zfs.properties(to, ['readonly', 'canmount', 'com.sun:auto-snapshot'])
      assert.deepEqual(
        [...properties.values()].map(({ value }) => value),
        ['on', 'noauto', 'false'],
      )
    },
  },
  {
    name: 'a copy has the time of its snapshot, not of its arrival',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      await new Promise((resolve) => setTimeout(resolve, 1100))
      await send(world, { kind: 'full', to: a }, to)
      assert.deepEqual((await look(world, to)).snapshots[0]?.creation, a.creation)
    },
  },
  {
    name: 'an increment from a snapshot, alone or with what is between',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      await world.hand.write(from, 0.1 * MB)
      await take(world, from, 'b')
      const c = await take(world, from, 'c')
      await send(world, { kind: 'incremental', from: a, to: c, intermediates: true }, to)
      assert.deepEqual(names((await look(world, to)).snapshots), ['a', 'b', 'c'])
      await take(world, from, 'd')
      await world.hand.write(from, 1 * MB)
      const e = await take(world, from, 'e')
      const { receivedBytes } = await send(
        world,
        { kind: 'incremental', from: c, to: e, intermediates: false },
        to,
      )
      assert.ok(receivedBytes > 0.9 * MB && receivedBytes < 1.3 * MB, String(receivedBytes))
      const guidsOf = async (dataset: DatasetName) =>
        (await look(world, dataset)).snapshots.map(({ guid }) => guid)
      const sent = (await guidsOf(from)).filter((_, at) => at !== 3)
      assert.deepEqual(await guidsOf(to), sent)
    },
  },
  {
    name: 'an increment from a bookmark whose snapshot is gone',
    async run(world) {
      const { from, to } = await ready(world, 1 * MB)
      const a = await take(world, from, 'a')
      const base = await bookmarked(world, a, 'base')
      await send(world, { kind: 'full', to: a }, to)
      await world.hand.destroy(snapshotPath(a))
      await world.hand.write(from, 0.1 * MB)
      const b = await take(world, from, 'b')
      const { receivedBytes } = await send(
        world,
        { kind: 'incremental', from: base, to: b, intermediates: false },
        to,
      )
      assert.ok(receivedBytes < 0.5 * MB, String(receivedBytes))
      assert.deepEqual(
        (await look(world, to)).snapshots.map(({ guid }) => guid),
        [a.guid, b.guid],
      )
      await assert.rejects(
        send(world, { kind: 'incremental', from: base, to: b, intermediates: true }, to),
        BadInput,
      )
    },
  },
  {
    name: 'an empty dataset, and a snapshot that has nothing new',
    async run(world) {
      const [from, to] = [inside(world.source, 'empty'), inside(world.disk.pool, 'empty')]
      await world.hand.create(from)
      await world.pools.importPool(world.disk)
      const a = await take(world, from, 'a')
      const b = await take(world, from, 'b')
      await send(world, { kind: 'full', to: a }, to)
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: true }, to)
      assert.deepEqual(names((await look(world, to)).snapshots), ['a', 'b'])
    },
  },
  {
    name: 'names with spaces, colons and 200 characters',
    async run(world) {
      const long = `l${'o'.repeat(180)}ng`
      await world.pools.importPool(world.disk)
      for (const path of [long, 'with  two spaces', 'c:o.l-o_n']) {
        await world.hand.create(inside(world.source, path))
        const snapshot = await take(world, inside(world.source, path), 'walkaway_20261122T210000Z')
        const to = inside(world.disk.pool, path)
        await send(world, { kind: 'full', to: snapshot }, to)
        assert.deepEqual(
          (await look(world, to)).snapshots.map(({ guid }) => guid),
          [snapshot.guid],
        )
      }
    },
  },
  {
    name: 'a volume',
    async run(world) {
      const [from, to] = [inside(world.source, 'vm disk'), inside(world.disk.pool, 'vm disk')]
      await world.hand.create(from, { type: 'volume' })
      await world.hand.write(from, 0.5 * MB)
      await world.pools.importPool(world.disk)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { type: 'volume' })
      await world.hand.write(from, 0.5 * MB)
      const b = await take(world, from, 'b')
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to, { type: 'volume' })
      const { type, snapshots } = await look(world, to)
      assert.equal(type, 'volume')
      assert.deepEqual(
        snapshots.map(({ guid }) => guid),
        [a.guid, b.guid],
      )
      const safe = ['readonly', 'volmode', 'reservation', 'com.sun:auto-snapshot']
      const properties = await world.zfs.properties(to, safe)
      assert.deepEqual(
        [...properties.values()].map(({ value }) => value),
        ['on', 'none', '0', 'false'],
      )
    },
  },
  {
    name: 'an encrypted dataset travels raw and stays encrypted',
    async run(world) {
      const [from, to] = [inside(world.source, 'secret'), inside(world.disk.pool, 'secret')]
      await world.hand.create(from, { encrypted: true })
      await world.hand.write(from, 0.5 * MB)
      await world.pools.importPool(world.disk)
      assert.equal((await look(world, from)).encrypted, true)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { encrypted: true })
      await world.hand.write(from, 0.5 * MB)
      const b = await take(world, from, 'b')
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: true }, to, { encrypted: true })
      const { encrypted, snapshots } = await look(world, to)
      assert.equal(encrypted, true)
      assert.deepEqual(
        snapshots.map(({ guid }) => guid),
        [a.guid, b.guid],
      )
      const ends = await world.zfs.destroySnapshots(snapshots.slice(0, 1))
      assert.deepEqual(ends, ['destroyed'], 'without its key')
    },
  },
  {
    name: 'a plain stream below an encrypted dataset is stored encrypted',
    async run(world) {
      const { from } = await ready(world)
      const vault = inside(world.disk.pool, 'vault')
      const to = inside(world.disk.pool, 'vault/docs')
      await world.hand.create(vault, { encrypted: true })
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      await world.hand.write(from, 0.1 * MB)
      const b = await take(world, from, 'b')
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to)
      const { encrypted, snapshots } = await look(world, to)
      assert.equal(encrypted, true)
      assert.deepEqual(
        snapshots.map(({ guid }) => guid),
        [a.guid, b.guid],
      )
    },
  },
  {
    name: 'a key is loaded from its file, wherever the dataset says that it is, and gone with its pool',
    async run(world) {
      const { zfs, pools, disk, keyFiles } = world
      const vault = inside(disk.pool, 'vault')
      await pools.importPool(disk)
      await world.hand.create(vault, { encrypted: true })
      await zfs.loadKey(vault, keyFiles.right)
      await pools.exportPool(disk.pool, present, { unloadKeys: true })
      await pools.importPool(disk)
      assert.deepEqual(await keyOf(world, vault), [vault, 'unavailable'])
      await assert.rejects(zfs.loadKey(vault, keyFiles.wrong), KeyRefused)
      await assert.rejects(zfs.loadKey(vault, `${keyFiles.right} of yesterday`), KeyRefused)
      assert.deepEqual(await keyOf(world, vault), [vault, 'unavailable'])
      await zfs.loadKey(vault, keyFiles.right)
      assert.deepEqual(await keyOf(world, vault), [vault, 'available'])
      await pools.exportPool(disk.pool, present)
      await pools.importPool(disk)
      assert.deepEqual(await keyOf(world, vault), [vault, 'unavailable'])
    },
  },
  {
    name: 'nothing plain is received below a dataset whose key is not loaded, and no container made there',
    async run(world) {
      const { zfs, pools, disk } = world
      const { from } = await ready(world)
      const vault = inside(disk.pool, 'vault')
      const to = inside(disk.pool, 'vault/docs')
      await world.hand.create(vault, { encrypted: true })
      await pools.exportPool(disk.pool, present)
      await pools.importPool(disk)
      const a = await take(world, from, 'a')
      await fails(send(world, { kind: 'full', to: a }, to), 'receive', 'key-unavailable')
      await assert.rejects(zfs.createContainer(inside(disk.pool, 'vault/made/here')))
      assert.deepEqual(names(await zfs.observe(vault)), [vault])
      await zfs.loadKey(vault, world.keyFiles.right)
      await send(world, { kind: 'full', to: a }, to)
      assert.deepEqual(await keyOf(world, to), [vault, 'available'])
    },
  },
  {
    name: 'a raw stream below an encrypted dataset keeps its own key, and asks for none',
    async run(world) {
      const [from, vault] = [inside(world.source, 'secret'), inside(world.disk.pool, 'vault')]
      const to = inside(world.disk.pool, 'vault/secret')
      await world.pools.importPool(world.disk)
      await world.hand.create(vault, { encrypted: true })
      await world.hand.create(from, { encrypted: true })
      await world.hand.write(from, 0.1 * MB)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { encrypted: true })
      assert.deepEqual(await keyOf(world, to), [to, 'unavailable'])
      await world.hand.write(from, 0.1 * MB)
      const b = await take(world, from, 'b')
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: true }, to, { encrypted: true })
      assert.deepEqual(names((await look(world, to)).snapshots), ['a', 'b'])
    },
  },
  {
    name: 'a plain dataset comes back plain, with its properties, from a disk that is encrypted',
    async run(world) {
      const { from } = await ready(world)
      const [vault, back] = [inside(world.disk.pool, 'vault'), inside(world.source, 'back')]
      const to = inside(world.disk.pool, 'vault/docs')
      await world.hand.create(vault, { encrypted: true })
      const set = { compression: 'gzip', 'org:note': 'two words' }
      await world.zfs.setProperties([from], set)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { marks: { 'walkaway:mode': 'plain' } })
      const copy = (await look(world, to)).snapshots[0]
      assert.ok(copy)
      const properties = { set: assignmentsFrom(await world.zfs.receivedProperties(to), null), raw: false }
      await send(world, { kind: 'full', to: copy }, back, { properties })
      assert.deepEqual(await keyOf(world, back), ['-', '-'])
      assert.deepEqual((await look(world, back)).snapshots[0]?.guid, a.guid)
      const seen = await world.zfs.properties(back, [...Object.keys(set), 'walkaway:mode', 'readonly'])
      assert.deepEqual([...seen.values()].map(({ value }) => value).slice(0, 3), [...Object.values(set), '-'])
      assert.notEqual(seen.get('readonly')?.value, 'on')
    },
  },
  {
    name: 'a snapshot that the target has already is skipped',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      const b = await take(world, from, 'b')
      await send(world, { kind: 'full', to: a }, to)
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to)
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to)
      assert.deepEqual(names((await look(world, to)).snapshots), ['a', 'b'])
    },
  },
  {
    name: 'a receiver that refuses is named, with the reason; nothing on the disk is changed',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      const b = await take(world, from, 'b')
      const c = await take(world, from, 'c')
      const increment = { kind: 'incremental', from: b, to: c, intermediates: false } as const
      await fails(
        send(world, { kind: 'full', to: a }, inside(world.disk.pool, 'no/parent')),
        'receive',
        'not-found',
      )
      await fails(send(world, increment, to), 'receive', 'not-found')
      await send(world, { kind: 'full', to: a }, to)
      await fails(send(world, { kind: 'full', to: a }, to), 'receive', 'exists')
      await fails(send(world, increment, to), 'receive', 'no-base')
      assert.deepEqual(names((await look(world, to)).snapshots), ['a'])
    },
  },
  {
    name: 'a copy with a snapshot of its own but nothing written goes on from the base',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      await take(world, to, 'mine')
      await world.hand.write(from, 0.1 * MB)
      const b = await take(world, from, 'b')
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to)
      assert.deepEqual(names((await look(world, to)).snapshots), ['a', 'mine', 'b'])
    },
  },
  {
    name: 'a copy that does not have the base is left as it is',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      await world.hand.write(from, 0.1 * MB)
      const b = await take(world, from, 'b')
      await world.hand.write(from, 0.1 * MB)
      const c = await take(world, from, 'c')
      await send(world, { kind: 'full', to: a }, to)
      await fails(
        send(world, { kind: 'incremental', from: b, to: c, intermediates: false }, to),
        'receive',
        'no-base',
      )
      assert.deepEqual(names((await look(world, to)).snapshots), ['a'])
    },
  },
  {
    name: 'a sender that has nothing to send is named',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      const b = await take(world, from, 'b')
      await send(world, { kind: 'full', to: a }, to)
      await world.hand.destroy(snapshotPath(b))
      await fails(send(world, { kind: 'full', to: b }, inside(world.disk.pool, 'other')), 'send', 'not-found')
      await fails(
        send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to),
        'send',
        'not-found',
      )
      assert.equal(await world.zfs.observeIfPresent(inside(world.disk.pool, 'other')), null)
    },
  },
  {
    name: 'a full stream that was broken off is resumed where it was',
    async run(world) {
      const { from, to } = await ready(world, interruptible)
      const a = await take(world, from, 'a')
      await sendHalf(world, { kind: 'full', to: a }, to)
      const half = await look(world, to)
      assert.deepEqual(half.snapshots, [])
      assert.ok(half.resumeToken !== null, 'a token')
      const content = await world.transfer.readToken(half.resumeToken)
      assert.ok(content.kind === 'usable')
      assert.deepEqual(
        { toName: content.toName, toGuid: content.toGuid, fromGuid: content.fromGuid, raw: content.raw },
        { toName: snapshotPath(a), toGuid: a.guid, fromGuid: null, raw: false },
      )
      await fails(send(world, { kind: 'full', to: a }, to), 'receive', 'exists')
      const { receivedBytes } = await send(world, { kind: 'resume', token: half.resumeToken }, to)
      assert.ok(receivedBytes < interruptible, String(receivedBytes))
      const whole = await look(world, to)
      assert.deepEqual(
        whole.snapshots.map(({ guid }) => guid),
        [a.guid],
      )
      assert.equal(whole.resumeToken, null)
      const properties = await world.zfs.properties(to, ['readonly', 'canmount'])
      assert.deepEqual(
        [...properties.values()].map(({ value }) => value),
        ['on', 'noauto'],
      )
    },
  },
  {
    name: 'an increment that was broken off is resumed, and shows nothing half-received',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      await world.hand.write(from, interruptible)
      const b = await take(world, from, 'b')
      await sendHalf(world, { kind: 'incremental', from: a, to: b, intermediates: true }, to)
      const seen = await world.zfs.observe(datasetName(world.disk.pool))
      assert.deepEqual(names(seen), [datasetName(world.disk.pool), to])
      const { resumeToken, snapshots } = await look(world, to)
      assert.deepEqual(names(snapshots), ['a'])
      assert.ok(resumeToken !== null)
      const content = await world.transfer.readToken(resumeToken)
      assert.ok(content.kind === 'usable')
      assert.deepEqual([content.fromGuid, content.toGuid], [a.guid, b.guid])
      await fails(
        send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to),
        'receive',
        'unfinished-receive',
      )
      await send(world, { kind: 'resume', token: resumeToken }, to)
      assert.deepEqual(
        (await look(world, to)).snapshots.map(({ guid }) => guid),
        [a.guid, b.guid],
      )
    },
  },
  {
    name: 'the base of an unfinished receive is not destroyed',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      await world.hand.write(from, interruptible)
      const b = await take(world, from, 'b')
      await sendHalf(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to)
      const [base] = (await look(world, to)).snapshots
      assert.ok(base !== undefined)
      assert.deepEqual(await world.zfs.destroySnapshots([base]), ['has-clones'])
      await world.zfs.abortReceive(to)
      assert.deepEqual(await world.zfs.destroySnapshots([base]), ['destroyed'])
    },
  },
  {
    name: 'an unfinished receive is thrown away, and only that',
    async run(world) {
      const { from, to } = await ready(world, interruptible)
      await world.zfs.abortReceive(to)
      const a = await take(world, from, 'a')
      await sendHalf(world, { kind: 'full', to: a }, to)
      await world.zfs.abortReceive(to)
      assert.equal(await world.zfs.observeIfPresent(to), null)
      await world.zfs.abortReceive(to)
      await send(world, { kind: 'full', to: a }, to)
      await world.zfs.abortReceive(to)
      await world.hand.write(from, interruptible)
      const b = await take(world, from, 'b')
      await sendHalf(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to)
      await world.zfs.abortReceive(to)
      const { snapshots, resumeToken } = await look(world, to)
      assert.deepEqual(names(snapshots), ['a'])
      assert.equal(resumeToken, null)
    },
  },
  {
    name: 'a token whose snapshot and dataset have other names by now goes on all the same',
    async run(world) {
      const { from, to } = await ready(world, interruptible)
      const a = await take(world, from, 'a')
      await sendHalf(world, { kind: 'full', to: a }, to)
      const { resumeToken } = await look(world, to)
      assert.ok(resumeToken !== null)
      await world.hand.rename(snapshotPath(a), `${from}@new name`)
      await world.zfs.rename({ from, to: inside(world.source, 'other'), type: 'filesystem' })
      const content = await world.transfer.readToken(resumeToken)
      assert.ok(content.kind === 'usable' && content.toGuid === a.guid)
      await send(world, { kind: 'resume', token: resumeToken }, to)
      assert.deepEqual(
        (await look(world, to)).snapshots.map(({ guid }) => guid),
        [a.guid],
      )
    },
  },
  {
    name: 'a token whose snapshot is gone is dead',
    async run(world) {
      const { from, to } = await ready(world, interruptible)
      const a = await take(world, from, 'a')
      await sendHalf(world, { kind: 'full', to: a }, to)
      const { resumeToken } = await look(world, to)
      assert.ok(resumeToken !== null)
      await world.hand.destroy(snapshotPath(a))
      const content = await world.transfer.readToken(resumeToken)
      assert.equal(content.kind, 'dead')
      await fails(send(world, { kind: 'resume', token: resumeToken }, to), 'send', 'token-dead')
    },
  },
]

/** Values of these properties, in this order. */
async function valuesOf(
  world: World,
  dataset: DatasetName,
  ...properties: readonly string[]
): Promise<readonly (string | undefined)[]> {
  const seen = await world.zfs.properties(dataset, properties)
  return properties.map((name) => seen.get(name)?.value)
}

const marking: readonly Case[] = [
  {
    name: 'properties are set on many datasets at once, and read from all of them at once',
    async run({ zfs, hand, source }) {
      const [root, a, b] = [datasetName(source), inside(source, 'a'), inside(source, 'a/b c')]
      await hand.create(a)
      await hand.create(b, { type: 'volume' })
      await zfs.setProperties([a, b], { 'walkaway:state': 'one two', 'walkaway:x': 'a=b' })
      await zfs.setProperties([b], { 'walkaway:state': 'three' })
      await zfs.setProperties([root], { 'walkaway:host': 'nas' })
      const names = ['type', 'encryption', 'walkaway:state', 'walkaway:x', 'walkaway:host']
      const seen = await zfs.propertiesBelow(root, names)
      assert.deepEqual([...seen.keys()], [root, a, b])
      assert.deepEqual(seen.get(a)?.get('type')?.value, 'filesystem')
      assert.deepEqual(seen.get(b)?.get('type')?.value, 'volume')
      assert.deepEqual(seen.get(a)?.get('encryption')?.value, 'off')
      assert.deepEqual(seen.get(a)?.get('walkaway:state'), { value: 'one two', source: 'local' })
      assert.deepEqual(seen.get(b)?.get('walkaway:state'), { value: 'three', source: 'local' })
      assert.deepEqual(seen.get(b)?.get('walkaway:x'), { value: 'a=b', source: 'local' })
      assert.deepEqual(seen.get(b)?.get('walkaway:host'), {
        value: 'nas',
        source: `inherited from ${source}`,
      })
      assert.deepEqual(seen.get(root)?.get('walkaway:x'), { value: '-', source: '-' })
      const some = await zfs.propertiesOfEach([b, inside(source, 'gone'), root], names)
      assert.deepEqual(
        [...some],
        [root, b].map((name) => [name, seen.get(name)]),
      )
      assert.deepEqual((await zfs.propertiesOfEach([], names)).size, 0)
    },
  },
  {
    name: 'a dataset that is gone keeps none of the others from getting its properties',
    async run({ zfs, hand, source }) {
      const [a, gone] = [inside(source, 'a'), inside(source, 'gone')]
      await hand.create(a)
      await assert.rejects(zfs.setProperties([gone, a], { 'walkaway:x': '1' }), NotFound)
      assert.equal((await zfs.properties(a, ['walkaway:x'])).get('walkaway:x')?.value, '1')
      await assert.rejects(zfs.propertiesBelow(gone, ['walkaway:x']), NotFound)
    },
  },
  {
    name: 'a value has at most 8191 bytes, and may be a text of many lines',
    async run({ zfs, source }) {
      const root = datasetName(source)
      const text = `${'a line of it\n'.repeat(629)}the end`.padEnd(8191, '.')
      await zfs.setProperties([root], { 'walkaway:restore': text, 'walkaway:restore-2': '' })
      const seen = await zfs.properties(root, ['walkaway:restore', 'walkaway:restore-2'])
      assert.deepEqual(seen.get('walkaway:restore'), { value: text, source: 'local' })
      assert.deepEqual(seen.get('walkaway:restore-2'), { value: '', source: 'local' })
      await assert.rejects(zfs.setProperties([root], { 'walkaway:x': `${text}.` }), BadInput)
      await assert.rejects(zfs.setProperties([root], { '-r': 'x' }), BadInput)
      await assert.rejects(zfs.setProperties([root], { 'walkaway:x': 'a\0b' }), BadInput)
    },
  },
  {
    name: 'a pool has a comment of at most 32 characters',
    async run({ pools, source }) {
      assert.equal(await pools.comment(source), '-')
      for (const text of ['zfs get walkaway:restore nas1234', 'x'])
        await pools.setComment(source, text).then(async () => assert.equal(await pools.comment(source), text))
      await assert.rejects(pools.setComment(source, 'x'.repeat(33)), BadInput)
      await assert.rejects(pools.setComment(source, 'a\nb'), BadInput)
      await assert.rejects(pools.comment(poolName('nopool')), NotFound)
    },
  },
  {
    name: 'a full stream and an increment set what the copy says of itself, over what came with them',
    async run(world) {
      const { from, to } = await ready(world)
      await world.zfs.setProperties([from], { 'walkaway:source': 'forged', 'org:note': 'mine' })
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, {
        marks: { 'walkaway:source': from, 'walkaway:limits': 'none' },
      })
      const first = await world.zfs.properties(to, ['walkaway:source', 'walkaway:limits', 'org:note'])
      assert.deepEqual(first.get('walkaway:source'), { value: from, source: 'local' })
      assert.deepEqual(first.get('walkaway:limits'), { value: 'none', source: 'local' })
      assert.deepEqual(first.get('org:note'), { value: 'mine', source: 'received' })
      const b = await take(world, from, 'b')
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to, {
        marks: { 'walkaway:source': 'other', 'walkaway:limits': 'quota=1 reservation=2' },
      })
      assert.deepEqual(await valuesOf(world, to, 'walkaway:source', 'walkaway:limits'), [
        'other',
        'quota=1 reservation=2',
      ])
    },
  },
  {
    name: 'a raw stream sets what the copy says of itself',
    async run(world) {
      const [from, to] = [inside(world.source, 'secret'), inside(world.disk.pool, 'secret')]
      await world.hand.create(from, { encrypted: true })
      await world.pools.importPool(world.disk)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { encrypted: true, marks: { 'walkaway:mode': 'raw' } })
      const b = await take(world, from, 'b')
      await send(world, { kind: 'incremental', from: a, to: b, intermediates: false }, to, {
        encrypted: true,
        marks: { 'walkaway:mode': 'still raw' },
      })
      assert.deepEqual(await valuesOf(world, to, 'walkaway:mode'), ['still raw'])
    },
  },
  {
    name: 'a stream of a volume sets what the copy says of itself',
    async run(world) {
      const [from, to] = [inside(world.source, 'vm disk'), inside(world.disk.pool, 'vm disk')]
      await world.hand.create(from, { type: 'volume' })
      await world.pools.importPool(world.disk)
      const a = await take(world, from, 'a')
      const options = { type: 'volume', marks: { 'walkaway:source': from } } as const
      await send(world, { kind: 'full', to: a }, to, options)
      assert.deepEqual(await valuesOf(world, to, 'walkaway:source'), [from])
    },
  },
  {
    name: 'a resumed stream sets what the copy says of itself',
    async run(world) {
      const { from, to } = await ready(world, interruptible)
      const a = await take(world, from, 'a')
      await sendHalf(world, { kind: 'full', to: a }, to, { marks: { 'walkaway:x': 'first' } })
      const { resumeToken } = await look(world, to)
      assert.ok(resumeToken !== null)
      await send(world, { kind: 'resume', token: resumeToken }, to, { marks: { 'walkaway:x': 'second' } })
      assert.deepEqual(await valuesOf(world, to, 'walkaway:x'), ['second'])
    },
  },
]

const restoring: readonly Case[] = [
  {
    name: 'a pool that is imported read-only is sent from and exported, and cannot be changed',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      await world.pools.exportPool(world.disk.pool, present)
      await world.pools.importPool(world.disk, { readonly: true })
      await assert.rejects(world.zfs.setProperties([to], { 'walkaway:x': '1' }), (error) => {
        assert.equal(failureKind(error), 'read-only')
        return true
      })
      const back = inside(world.source, 'back')
      const copy = (await look(world, to)).snapshots[0]
      assert.ok(copy)
      await send(world, { kind: 'full', to: copy }, back, { properties: 'in-force' })
      assert.deepEqual(
        (await look(world, back)).snapshots.map(({ guid }) => guid),
        [a.guid],
      )
      await world.pools.exportPool(world.disk.pool, present)
      assert.equal(await world.pools.kernelState(world.disk.pool), null)
    },
  },
  {
    name: 'a copy keeps the time at which its snapshot was taken',
    async run(world) {
      const { from, to } = await ready(world)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      assert.deepEqual((await look(world, to)).snapshots[0]?.creation, a.creation)
    },
  },
  {
    name: 'what comes back has the properties of the source in force, and none that masked them on the disk',
    async run(world) {
      const { from, to } = await ready(world)
      const back = inside(world.source, 'back')
      const set = { compression: 'gzip', readonly: 'off', exec: 'on', canmount: 'on', 'org:note': 'mine' }
      await world.zfs.setProperties([from], { ...set, mountpoint: '/mnt/elsewhere' })
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { marks: { 'walkaway:source': from } })
      assert.deepEqual(await valuesOf(world, to, 'readonly', 'exec', 'canmount'), ['on', 'off', 'noauto'])
      const copy = (await look(world, to)).snapshots[0]
      assert.ok(copy)
      await send(world, { kind: 'full', to: copy }, back, { properties: 'in-force' })
      const seen = await world.zfs.properties(back, [...Object.keys(set), 'mountpoint', 'walkaway:source'])
      for (const [name, value] of Object.entries(set))
        assert.deepEqual(seen.get(name), { value, source: 'received' })
      assert.equal(seen.get('mountpoint')?.source, 'received')
      assert.deepEqual(seen.get('walkaway:source'), { value: '-', source: '-' })
    },
  },
  {
    name: 'what a stream brought is read, though something else is in force',
    async run(world) {
      const { from, to } = await ready(world)
      const set = {
        compression: 'gzip',
        readonly: 'off',
        canmount: 'on',
        'org:note': 'two lines\nand\ta tab',
      }
      await world.zfs.setProperties([from], { ...set, mountpoint: '/mnt/elsewhere' })
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { marks: { 'walkaway:source': from } })
      await world.zfs.setProperties([to], { 'org:note': 'other', 'org:own': 'mine' })
      const received = await world.zfs.receivedProperties(to)
      for (const [name, value] of Object.entries(set)) assert.equal(received.get(name), value)
      assert.equal(received.get('mountpoint'), `${ALTROOT}/mnt/elsewhere`)
      for (const name of ['walkaway:source', 'org:own', 'exec', 'used', 'type'])
        assert.equal(received.get(name), undefined)
      await assert.rejects(world.zfs.receivedProperties(inside(world.disk.pool, 'gone')), NotFound)
    },
  },
  {
    name: 'limits of the source are not in force on the disk and do not come back by themselves',
    async run(world) {
      const { from, to } = await ready(world)
      const limits = { quota: '104857600', refreservation: '1048576' }
      await world.zfs.setProperties([from], limits)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      const names = ['quota', 'refquota', 'reservation', 'refreservation']
      const source = await world.zfs.propertiesBelow(from, names)
      assert.deepEqual(limitsOf(source.get(from)), limits)
      const copy = await world.zfs.propertiesBelow(to, names)
      assert.deepEqual(limitsOf(copy.get(to)), {})
    },
  },
  {
    name: 'an encrypted copy comes back raw, still encrypted',
    async run(world) {
      const [from, to, back] = [
        inside(world.source, 'secret'),
        inside(world.disk.pool, 'secret'),
        inside(world.source, 'back'),
      ]
      await world.hand.create(from, { encrypted: true })
      await world.hand.write(from, 0.1 * MB)
      const set = { compression: 'gzip', mountpoint: '/mnt/elsewhere', 'org:note': 'two lines\nand\ta tab' }
      await world.zfs.setProperties([from], set)
      const { altroot } = await world.pools.importPool(world.disk)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { encrypted: true, marks: { 'walkaway:mode': 'raw' } })
      assert.deepEqual(await valuesOf(world, to, 'readonly', 'canmount'), ['on', 'noauto'])
      const copy = (await look(world, to)).snapshots[0]
      assert.ok(copy)
      const properties = { set: assignmentsFrom(await world.zfs.receivedProperties(to), altroot), raw: true }
      assert.deepEqual(properties.set, set)
      await send(world, { kind: 'full', to: copy }, back, { encrypted: true, properties })
      const { encrypted, snapshots } = await look(world, back)
      assert.deepEqual([encrypted, snapshots[0]?.guid], [true, a.guid])
      const names = Object.keys(set)
      assert.deepEqual(await valuesOf(world, back, ...names), await valuesOf(world, from, ...names))
      const [readonly, canmount, mode] = await valuesOf(world, back, 'readonly', 'canmount', 'walkaway:mode')
      assert.notEqual(readonly, 'on')
      assert.notEqual(canmount, 'noauto')
      assert.equal(mode, '-')
    },
  },
  {
    name: 'a raw stream is never asked for what a disk received',
    async run(world) {
      const [from, back] = [inside(world.source, 'secret'), inside(world.source, 'back')]
      await world.hand.create(from, { encrypted: true })
      const a = await take(world, from, 'a')
      await assert.rejects(
        send(world, { kind: 'full', to: a }, back, { encrypted: true, properties: 'in-force' }),
        BadInput,
      )
      assert.equal(await world.zfs.observeIfPresent(back), null)
    },
  },
  {
    name: 'a volume comes back, and is a device again',
    async run(world) {
      const [from, to, back] = [
        inside(world.source, 'vm'),
        inside(world.disk.pool, 'vm'),
        inside(world.source, 'back'),
      ]
      await world.hand.create(from, { type: 'volume' })
      await world.hand.write(from, 0.1 * MB)
      await world.zfs.setProperties([from], { volmode: 'dev' })
      await world.pools.importPool(world.disk)
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to, { type: 'volume' })
      assert.deepEqual(await valuesOf(world, to, 'volmode'), ['none'])
      const copy = (await look(world, to)).snapshots[0]
      assert.ok(copy)
      await send(world, { kind: 'full', to: copy }, back, { type: 'volume', properties: 'in-force' })
      assert.deepEqual(await valuesOf(world, back, 'volmode'), ['dev'])
    },
  },
  {
    name: 'what comes back never goes over an existing dataset, and leaves nothing half when it is broken off',
    async run(world) {
      const { from, to } = await ready(world, interruptible)
      const back = inside(world.source, 'back')
      const a = await take(world, from, 'a')
      await send(world, { kind: 'full', to: a }, to)
      const copy = (await look(world, to)).snapshots[0]
      assert.ok(copy)
      await fails(
        send(world, { kind: 'full', to: copy }, from, { properties: 'in-force' }),
        'receive',
        'exists',
      )
      await sendHalf(world, { kind: 'full', to: copy }, back, { properties: 'in-force' })
      assert.equal(await world.zfs.observeIfPresent(back), null)
    },
  },
  {
    name: 'a container of what comes back leaves mountpoints as they are',
    async run(world) {
      const path = inside(world.source, 'made')
      await world.zfs.createContainer(path, { inheritMountpoint: true })
      const seen = await world.zfs.properties(path, ['canmount', 'mountpoint'])
      assert.deepEqual(seen.get('canmount'), { value: 'off', source: 'local' })
      assert.notEqual(seen.get('mountpoint')?.source, 'local')
    },
  },
]

/** A source dataset with a snapshot `s`, a clone of that with some data and a snapshot `x`, and the disk imported. */
async function readyToClone(world: World, options: { readonly encrypted?: boolean } = {}) {
  const from = inside(world.source, 'docs')
  const clone = inside(world.source, 'clone')
  await world.hand.create(from, options)
  await world.hand.write(from, 2 * MB)
  const s = await take(world, from, 's')
  await world.hand.clone(snapshotPath(s), clone)
  await world.hand.write(clone, 0.2 * MB)
  await world.pools.importPool(world.disk)
  const x = await take(world, clone, 'x')
  const to = inside(world.disk.pool, 'docs')
  return { from, clone, s, x, to, cloneTo: inside(world.disk.pool, 'clone') }
}
const asClone = (from: Snapshot, to: Snapshot): SendSource => ({
  kind: 'incremental',
  from,
  to,
  intermediates: false,
})

const cloning: readonly Case[] = [
  {
    name: 'a clone says what it is a clone of, and the snapshot says so, too; nobody destroys it then',
    async run(world) {
      const { from, clone, s, x } = await readyToClone(world)
      const [of, made] = [await look(world, from), await look(world, clone)]
      assert.deepEqual([of.origin, made.origin], [null, snapshotPath(s)])
      assert.deepEqual(of.snapshots[0]?.clones, [clone])
      assert.deepEqual(made.snapshots[0]?.clones, [])
      assert.ok(x.writtenBytes < 1_000_000n && x.referencedBytes > 2_000_000n, String(x.writtenBytes))
      assert.deepEqual(await world.zfs.destroySnapshots([s]), ['has-clones'])
    },
  },
  {
    name: 'a clone is received as one, of what has the GUID of its origin, and goes on as any other dataset',
    async run(world) {
      const { clone, s, x, to, cloneTo } = await readyToClone(world)
      await send(world, { kind: 'full', to: s }, to)
      const { receivedBytes } = await send(world, asClone(s, x), cloneTo)
      assert.ok(receivedBytes < 1 * MB, String(receivedBytes))
      const y = await take(world, clone, 'y')
      await send(world, asClone(x, y), cloneTo)
      const copy = await look(world, cloneTo)
      assert.equal(copy.origin, `${to}@s`)
      assert.deepEqual(
        copy.snapshots.map(({ guid }) => guid),
        [x.guid, y.guid],
      )
    },
  },
  {
    name: 'a clone whose origin is not there is refused',
    async run(world) {
      const { s, x, cloneTo } = await readyToClone(world)
      await fails(send(world, asClone(s, x), cloneTo), 'receive', 'no-base')
      assert.equal(await world.zfs.observeIfPresent(cloneTo), null)
    },
  },
  {
    name: 'an encrypted clone travels raw and is received as one',
    async run(world) {
      const { clone, s, x, to, cloneTo } = await readyToClone(world, { encrypted: true })
      await send(world, { kind: 'full', to: s }, to, { encrypted: true })
      await send(world, asClone(s, x), cloneTo, { encrypted: true })
      const y = await take(world, clone, 'y')
      await send(world, asClone(x, y), cloneTo, { encrypted: true })
      const copy = await look(world, cloneTo)
      assert.deepEqual([copy.encrypted, copy.origin], [true, `${to}@s`])
      assert.deepEqual(
        copy.snapshots.map(({ guid }) => guid),
        [x.guid, y.guid],
      )
    },
  },
  {
    name: 'a clone that was broken off is resumed, and is one in the end',
    async run(world) {
      const { clone, s, to, cloneTo } = await readyToClone(world)
      await send(world, { kind: 'full', to: s }, to)
      await world.hand.write(clone, interruptible)
      const big = await take(world, clone, 'big')
      await sendHalf(world, asClone(s, big), cloneTo)
      const half = await look(world, cloneTo)
      assert.deepEqual([half.snapshots, half.origin], [[], `${to}@s`])
      assert.ok(half.resumeToken)
      const content = await world.transfer.readToken(half.resumeToken)
      assert.deepEqual([content.kind, content.kind === 'usable' && content.fromGuid], ['usable', s.guid])
      await send(world, { kind: 'resume', token: half.resumeToken }, cloneTo)
      const copy = await look(world, cloneTo)
      assert.deepEqual([copy.snapshots[0]?.guid, copy.origin], [big.guid, `${to}@s`])
    },
  },
  {
    name: 'a promote takes the snapshots along, and their bookmarks: what is left has no base for its copy',
    async run(world) {
      const { from, clone, s, to } = await readyToClone(world)
      await bookmarked(world, s, 'mark')
      await send(world, { kind: 'full', to: s }, to)
      await world.hand.promote(clone)
      const seen = await look(world, from)
      assert.deepEqual([seen.origin, seen.snapshots, seen.bookmarks], [`${clone}@s`, [], []])
      const promoted = await look(world, clone)
      const moved = promoted.snapshots[0]
      assert.ok(moved)
      assert.deepEqual([moved.guid, promoted.bookmarks.map(({ guid }) => guid)], [s.guid, [s.guid]])
      await world.hand.write(from, 0.2 * MB)
      const n = await take(world, from, 'n')
      await fails(send(world, asClone(moved, n), to), 'receive', 'exists')
    },
  },
]

const creation = (world: World): NewPool => ({
  name: world.disk.pool,
  devices: [world.disk.links[0] ?? ''],
  ashift: 12,
  autotrim: false,
  keyFile: null,
  overwrite: true,
})

const creating: readonly Case[] = [
  {
    name: 'a new backup pool is ours, not mounted, with its properties; exported, it is imported again by its GUID',
    async run(world) {
      const { pools, zfs, disk } = world
      const made = await pools.createPool(creation(world))
      assert.deepEqual([made.name, made.altroot], [disk.pool, ALTROOT])
      assert.notEqual(made.guid, disk.guid)
      const wanted = { compression: 'lz4', atime: 'off', mountpoint: 'none', canmount: 'off' }
      const root = datasetName(disk.pool)
      const found = await zfs.properties(root, Object.keys(wanted))
      assert.deepEqual(
        Object.fromEntries([...found].map(([name, { value, source }]) => [name, [value, source]])),
        Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, [value, 'local']])),
      )
      await pools.exportPool(disk.pool, present)
      const again = await pools.importPool({ guid: made.guid, pool: disk.pool, links: disk.links })
      assert.equal(again.guid, made.guid)
    },
  },
  {
    name: 'no pool is made of a disk that has one, unless it may be overwritten',
    async run(world) {
      const { pools, disk } = world
      await assert.rejects(pools.createPool({ ...creation(world), overwrite: false }), PoolBusy)
      assert.equal((await pools.importPool({ ...disk })).guid, disk.guid)
    },
  },
  {
    name: 'no pool is made of a disk whose pool is imported, even if it may be overwritten',
    async run(world) {
      const { pools, disk } = world
      await pools.importPool({ ...disk })
      const name = poolName('another')
      await assert.rejects(pools.createPool({ ...creation(world), name }), PoolBusy)
      assert.equal(await pools.kernelState(name), null)
      assert.equal(await pools.kernelState(disk.pool), 'ONLINE')
    },
  },
  {
    name: 'no pool is made under a name that is taken',
    async run(world) {
      const { pools, disk, source } = world
      await assert.rejects(pools.createPool({ ...creation(world), name: source }), AlreadyExists)
      assert.equal((await pools.imported()).filter(({ name }) => name === source).length, 1)
      assert.equal(await pools.kernelState(disk.pool), null)
    },
  },
  {
    name: 'a new encrypted pool has its key from a line of hexadecimal digits, and drops it when it is exported',
    async run(world) {
      const { pools, zfs, disk, keyFiles } = world
      const made = await pools.createPool({ ...creation(world), keyFile: keyFiles.hex })
      const root = datasetName(disk.pool)
      const keyStatus = async () => (await zfs.properties(root, ['keystatus'])).get('keystatus')?.value
      assert.equal((await look(world, root)).encrypted, true)
      assert.equal(await keyStatus(), 'available')
      await pools.exportPool(disk.pool, present, { unloadKeys: true })
      await pools.importPool({ guid: made.guid, pool: disk.pool, links: disk.links })
      assert.equal(await keyStatus(), 'unavailable')
      await assert.rejects(zfs.loadKey(root, keyFiles.wrong), KeyRefused)
      await zfs.loadKey(root, keyFiles.hex)
      assert.equal(await keyStatus(), 'available')
    },
  },
  {
    name: 'without its key file no encrypted pool is made',
    async run(world) {
      const { pools, disk } = world
      const making = pools.createPool({ ...creation(world), keyFile: '/var/tmp/there-is-no-such-key' })
      await assert.rejects(making, (error) => failureKind(error) === 'no-key-file')
      assert.equal(await pools.kernelState(disk.pool), null)
    },
  },
]

const remembering: readonly Case[] = [
  {
    name: 'a forced receive into a dataset leaves the bookmark of what it takes back, and the history of the pool tells it',
    async run(world) {
      const { zfs, hand, source } = world
      const [origin, replica] = [inside(source, 'origin'), inside(source, 'replica of it')]
      await hand.create(origin)
      await hand.write(origin, 0.1 * MB)
      const s1 = await take(world, origin, 's1')
      await hand.receive({ from: null, to: snapshotPath(s1), into: replica })
      await hand.write(replica, 0.1 * MB)
      const x = await take(world, replica, 'x of ours')
      const mark = await bookmarked(world, x, 'mark')
      await hand.write(origin, 0.1 * MB)
      const s2 = await take(world, origin, 's2')
      await hand.receive({ from: snapshotPath(s1), to: snapshotPath(s2), into: replica })

      const after = await look(world, replica)
      assert.deepEqual(names(after.snapshots), ['s1', 's2'])
      assert.deepEqual(after.bookmarks, [mark])
      const events: PoolEvent[] = []
      const oldestTxg = await zfs.eventsSince({ pool: source, sinceTxg: x.createtxg }, (event) =>
        events.push(event),
      )
      assert.ok(oldestTxg !== null && oldestTxg < x.createtxg)
      const told = events.filter((event) => 'dataset' in event && event.dataset === replica)
      const [begun] = told.filter(({ kind }) => kind === 'receive-begun')
      const [received] = told.filter(({ kind }) => kind === 'received')
      const brought = after.snapshots[1]
      assert.ok(begun?.kind === 'receive-begun' && received?.kind === 'received' && brought)
      assert.equal(begun.receiving, received.receiving)
      assert.ok(begun.txg > x.createtxg && begun.txg < received.txg)
      assert.equal(received.txg, brought.createtxg)
      assert.deepEqual(
        told
          .flatMap((event) =>
            event.kind === 'snapshot-taken' || event.kind === 'snapshot-destroyed'
              ? [`${event.kind} ${event.name}`]
              : [],
          )
          .sort(),
        ['snapshot-destroyed x of ours', 'snapshot-taken s2', 'snapshot-taken x of ours'],
      )
      const [destroyed] = told.filter(({ kind }) => kind === 'snapshot-destroyed')
      assert.ok(destroyed && destroyed.txg <= received.txg)
    },
  },
  {
    name: 'the history of a pool tells renames of datasets and snapshots, as far back as it is asked',
    async run(world) {
      const { zfs, hand, source } = world
      const [before, after] = [inside(source, 'a b'), inside(source, 'c d')]
      await hand.create(before)
      const first = await take(world, before, 'first')
      const second = await take(world, before, 'second one')
      await hand.rename(snapshotPath(second), `${before}@third one`)
      await zfs.rename({ from: before, to: after, type: 'filesystem' })
      await hand.destroy(`${after}@third one`)
      const events: PoolEvent[] = []
      const since = first.createtxg + 1n
      await zfs.eventsSince({ pool: source, sinceTxg: since }, (event) => events.push(event))
      assert.deepEqual(
        events.map(({ txg, ...event }) => event),
        [
          { kind: 'snapshot-taken', dataset: before, name: 'second one' },
          { kind: 'snapshot-renamed', dataset: before, from: 'second one', to: 'third one' },
          { kind: 'dataset-renamed', from: before, to: after },
          { kind: 'snapshot-destroyed', dataset: after, name: 'third one' },
        ],
      )
      assert.equal(events[0]?.txg, second.createtxg)
    },
  },
]

export const cases: readonly Case[] = [
  ...datasets,
  ...remembering,
  ...poolCases,
  ...creating,
  ...transfers,
  ...cloning,
  ...marking,
  ...restoring,
]
