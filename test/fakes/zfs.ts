// An in-memory ZFS that behaves: the same interfaces as src/zfs, on pools that can be pulled, suspended and wedged.
// contract.ts holds it and the real one to the same promises. Its state is zfsState.ts.
import {
  bookmarkPath,
  type Dataset,
  type DatasetName,
  datasetName,
  type Snapshot,
  snapshotPath,
} from '../../src/core/model.ts'
import {
  AlreadyExists,
  BadInput,
  DeadlineExceeded,
  KeyRefused,
  messageOf,
  NotFound,
  Refused,
} from '../../src/errors.ts'
import { MAX_DESTROYED_AT_ONCE } from '../../src/zfs/destroy.ts'
import { failureKind } from '../../src/zfs/failure.ts'
import {
  checkAssignments,
  checkBookmark,
  checkDatasets,
  checkKeyFile,
  checkPool,
  checkProperty,
  checkSnapshots,
  checkTag,
  poolOf,
} from '../../src/zfs/names.ts'
import type { SnapshotEnd } from '../../src/zfs/parse.ts'
import type { Pools } from '../../src/zfs/pool.ts'
import type { Property } from '../../src/zfs/properties.ts'
import type { Transfer } from '../../src/zfs/transfer.ts'
import type { Zfs } from '../../src/zfs/zfs.ts'
import { createFakePools } from './pools.ts'
import { createFakeTransfer } from './transfer.ts'
import {
  addDataset,
  addPool,
  addSnapshot,
  bytesOf,
  createState,
  destroySnapshot,
  difference,
  dropKeys,
  type FakePool,
  type FakeState,
  failed,
  findDataset,
  isBelow,
  remember,
  requireDataset,
  requireSnapshot,
  rightKey,
  shownAll,
  shownProperty,
  usablePool,
  verb,
  writablePool,
} from './zfsState.ts'

export interface FakeZfs {
  readonly zfs: Zfs
  readonly pools: Pools
  readonly transfer: Transfer
  readonly state: FakeState
  /** Makes a pool with its root dataset: imported (as a source is), or exported on a disk that is plugged in. */
  readonly addPool: (
    name: string,
    options?: { readonly imported?: boolean; readonly encrypted?: boolean; readonly link?: string },
  ) => FakePool
  /** Writes new data, as somebody who works with the dataset does. */
  readonly write: (dataset: string, bytes: number) => void
  /** The disk leaves its port. Nothing notices until something is written or the pool is reopened. */
  readonly pull: (pool: string) => void
  /** The disk is back; the pool waits for `clear` or `reopen`. */
  readonly plug: (pool: string) => void
  /** The machine starts anew: what was not exported is left as it was, and nothing is imported. */
  readonly reboot: () => void
}

export function createFakeZfs(): FakeZfs {
  const state = createState()
  const poolNamed = (name: string): FakePool => {
    const pool = state.pools.get(name)
    if (pool === undefined) throw new Error(`the fake has no pool ${name}`)
    return pool
  }
  return {
    state,
    zfs: createFakeDatasets(state),
    pools: createFakePools(state),
    transfer: createFakeTransfer(state),
    addPool: (name, { imported = true, encrypted = false, link } = {}) =>
      addPool(state, name, {
        ...(link !== undefined && { link }),
        imported: imported ? { altroot: null } : null,
        key: encrypted ? rightKey : null,
      }),
    write(name, bytes) {
      const dataset = requireDataset(state, name)
      dataset.content = [...dataset.content, { id: Number(state.nextId()), bytes }]
    },
    pull(name) {
      poolNamed(name).present = false
    },
    plug(name) {
      poolNamed(name).present = true
    },
    reboot() {
      state.wedged = false
      for (const pool of state.pools.values()) {
        pool.imported = null
        pool.suspended = false
        pool.busy = false
        dropKeys(pool)
      }
    },
  }
}

/** As the real verbs: by class what callers tell apart. */
function named(error: unknown): never {
  const kind = failureKind(error)
  if (kind === 'not-found') throw new NotFound(messageOf(error), { cause: error })
  if (kind === 'exists') throw new AlreadyExists(messageOf(error), { cause: error })
  throw error
}
function namedAll<T>(act: () => T): T {
  try {
    return act()
  } catch (error) {
    return named(error)
  }
}

function createFakeDatasets(state: FakeState): Zfs {
  const datasetsBelow = (root: string): readonly Dataset[] => {
    const pool = usablePool(state, root)
    const below = [...pool.datasets.values()].filter(({ name }) => isBelow(root, name))
    return shownAll(
      pool,
      below.sort((a, b) => (a.name < b.name ? -1 : 1)),
    )
  }
  const observeIfPresent: Zfs['observeIfPresent'] = async (root) => {
    checkDatasets(root)
    return verb(state, { verb: 'zfs.observe', about: root }, () => {
      if (state.pools.get(poolOf(root))?.imported == null || findDataset(state, root) === null) return null
      return datasetsBelow(root)
    })
  }
  /** This one and those of its name below its dataset. Throws if the dataset itself has none. */
  const snapshotsBelow = (path: string) => {
    const [root = '', short = ''] = path.split('@')
    requireSnapshot(state, path)
    return [...usablePool(state, root).datasets.values()]
      .filter(({ name }) => isBelow(root, name))
      .flatMap(({ snapshots }) => snapshots.filter(({ name }) => name === short))
  }
  const findBookmark = (path: string) => {
    const [name = '', short = ''] = path.split('#')
    return findDataset(state, name)?.bookmarks.find((candidate) => candidate.name === short)
  }
  const bookmark = (snapshot: Snapshot, name: string): void => {
    const path = `${snapshot.dataset}#${name}`
    const existing = findBookmark(path)
    if (existing?.guid === BigInt(snapshot.guid)) return
    if (existing !== undefined) throw failed('exists', `cannot create bookmark '${path}': bookmark exists`)
    const { guid, createtxg, creation } = requireSnapshot(state, snapshotPath(snapshot))
    requireDataset(state, snapshot.dataset).bookmarks.push({ name, guid, createtxg, creation })
  }

  return {
    observeIfPresent,
    async observe(root) {
      const found = await observeIfPresent(root)
      if (found === null) throw new NotFound(`there is no dataset ${root}`)
      return found
    },
    async observeEach(asked) {
      checkDatasets(...asked)
      return verb(state, { verb: 'zfs.observeEach', about: asked.join(' ') }, () => {
        const there = asked.filter(
          (name) => state.pools.get(poolOf(name))?.imported != null && findDataset(state, name) !== null,
        )
        return new Map(
          there.flatMap((name) =>
            datasetsBelow(name)
              .filter((dataset) => dataset.name === name)
              .map((dataset) => [name, dataset] as const),
          ),
        )
      })
    },
    async namesBelow(root) {
      checkDatasets(root)
      return verb(state, { verb: 'zfs.namesBelow', about: root }, () => {
        if (state.pools.get(poolOf(root))?.imported == null || findDataset(state, root) === null) return null
        return datasetsBelow(root).map(({ name, guid }) => ({ name, guid }))
      })
    },
    async whichExist(snapshots) {
      checkSnapshots(snapshots.map(snapshotPath))
      return verb(state, { verb: 'zfs.whichExist', about: String(snapshots.length) }, () => {
        for (const pool of new Set(snapshots.map(({ dataset }) => poolOf(dataset)))) usablePool(state, pool)
        return new Set(
          snapshots.filter(({ dataset, name, guid }) =>
            findDataset(state, dataset)?.snapshots.some(
              (found) => found.name === name && found.guid === BigInt(guid),
            ),
          ),
        )
      })
    },
    async snapshotSet(datasets, name) {
      checkSnapshots(datasets.map((dataset) => `${dataset}@${name}`))
      if (datasets.length === 0) throw new BadInput('a snapshot of no dataset')
      if (new Set(datasets.map(poolOf)).size > 1) throw new BadInput('one set of snapshots cannot span pools')
      return verb(state, { verb: 'zfs.snapshotSet', about: name }, () =>
        namedAll(() => {
          const all = datasets.map((dataset) => requireDataset(state, dataset))
          writablePool(state, datasets[0] ?? '')
          for (const dataset of all)
            if (dataset.snapshots.some((snapshot) => snapshot.name === name))
              throw failed(
                'exists',
                `cannot create snapshot '${dataset.name}@${name}': dataset already exists`,
              )
          for (const dataset of all) addSnapshot(state, dataset, name)
        }),
      )
    },
    async hold(tag, paths) {
      checkTag(tag)
      checkSnapshots(paths)
      return verb(state, { verb: 'zfs.hold', about: paths.join(' ') }, () => {
        const reasons = new Map<string, Error>()
        for (const path of paths) {
          try {
            namedAll(() => requireSnapshot(state, path)).tags.add(tag)
          } catch (error) {
            reasons.set(path, error instanceof NotFound ? error : new Refused(messageOf(error)))
          }
        }
        return reasons
      })
    },
    async holdBelow(tag, path) {
      checkTag(tag)
      checkSnapshots([path])
      return verb(state, { verb: 'zfs.holdBelow', about: path }, () =>
        namedAll(() => {
          const below = snapshotsBelow(path)
          if (below.some(({ tags }) => tags.has(tag)))
            throw failed('exists', `cannot hold snapshot '${path}': tag already exists on this dataset`)
          for (const { tags } of below) tags.add(tag)
        }),
      )
    },
    async releaseBelow(tag, path) {
      checkTag(tag)
      checkSnapshots([path])
      return verb(state, { verb: 'zfs.releaseBelow', about: path }, () => {
        try {
          for (const { tags } of snapshotsBelow(path)) tags.delete(tag)
        } catch (error) {
          if (failureKind(error) !== 'not-found') throw error
        }
      })
    },
    async holds(paths) {
      checkSnapshots(paths)
      return verb(state, { verb: 'zfs.holds', about: paths.join(' ') }, () => {
        const all = new Map<string, readonly string[]>()
        for (const path of paths) {
          const [name = '', short = ''] = path.split('@')
          const tags = findDataset(state, name)?.snapshots.find((one) => one.name === short)?.tags
          if (tags !== undefined && tags.size > 0) all.set(path, [...tags])
        }
        return all
      })
    },
    async heldBelow(root) {
      checkDatasets(root)
      return verb(state, { verb: 'zfs.heldBelow', about: root }, () =>
        namedAll(() => {
          requireDataset(state, root)
          const below = [...usablePool(state, root).datasets.values()].filter(({ name }) =>
            isBelow(root, name),
          )
          return below.flatMap((dataset) =>
            dataset.snapshots
              .filter(({ tags }) => tags.size > 0)
              .map((snapshot) => ({
                path: `${dataset.name}@${snapshot.name}`,
                dataset: datasetName(dataset.name),
                creation: snapshot.creation,
                usedBytes: BigInt(
                  bytesOf(
                    [dataset, ...dataset.snapshots.filter((other) => other !== snapshot)].reduce(
                      (own, { content }) => difference(content, own),
                      snapshot.content,
                    ),
                  ),
                ),
                tags: [...snapshot.tags],
              })),
          )
        }),
      )
    },
    async release(tag, paths) {
      checkTag(tag)
      checkSnapshots(paths)
      return verb(state, { verb: 'zfs.release', about: paths.join(' ') }, () => {
        for (const path of paths) {
          try {
            requireSnapshot(state, path).tags.delete(tag)
          } catch (error) {
            if (failureKind(error) !== 'not-found') throw error
          }
        }
      })
    },
    async bookmarkAll(wanted) {
      return verb(state, { verb: 'zfs.bookmarkAll', about: String(wanted.length) }, () => {
        const reasons = new Map<string, Error>()
        for (const { snapshot, name } of wanted) {
          const path = `${snapshot.dataset}#${name}`
          try {
            checkBookmark(path)
            namedAll(() => bookmark(snapshot, name))
          } catch (error) {
            if (!(error instanceof Error)) throw error
            reasons.set(snapshotPath(snapshot), error)
          }
        }
        return reasons
      })
    },
    async destroySnapshots(doomed) {
      checkSnapshots(doomed.map(snapshotPath))
      if (doomed.length > MAX_DESTROYED_AT_ONCE) throw new BadInput('too many at once')
      const pools = new Set(doomed.map(({ dataset }) => poolOf(dataset)))
      if (pools.size > 1) throw new BadInput('one channel program cannot span pools')
      const [pool] = pools
      if (pool === undefined) return []
      return verb(state, { verb: 'zfs.destroySnapshots', about: pool }, () => {
        const found = usablePool(state, pool)
        if (!found.present) {
          // It waits for a transaction group, and holds nothing that a command on another pool needs.
          found.suspended = true
          throw new DeadlineExceeded('zfs program', 1000)
        }
        return doomed.map((snapshot): SnapshotEnd => {
          const dataset = findDataset(state, snapshot.dataset)
          const found = dataset?.snapshots.find(({ name }) => name === snapshot.name)
          if (dataset == null || found === undefined) return 'gone'
          if (found.guid !== BigInt(snapshot.guid)) return 'replaced'
          if (found.tags.size > 0) return 'held'
          const clones = [...usablePool(state, pool).datasets.values()].filter(
            ({ origin }) => origin === found,
          )
          if (dataset.partial?.fromGuid === found.guid || clones.length > 0) return 'has-clones'
          destroySnapshot(state, dataset, found)
          return 'destroyed'
        })
      })
    },
    async destroyBookmarks(doomed) {
      for (const mark of doomed) checkBookmark(bookmarkPath(mark))
      return verb(state, { verb: 'zfs.destroyBookmarks', about: doomed.map(bookmarkPath).join(' ') }, () => {
        for (const mark of doomed) {
          const found = findBookmark(bookmarkPath(mark))
          if (found?.guid !== BigInt(mark.guid)) continue
          const dataset = requireDataset(state, mark.dataset)
          dataset.bookmarks = dataset.bookmarks.filter((candidate) => candidate !== found)
        }
      })
    },
    async writtenSince(questions) {
      for (const { from } of questions) checkBookmark(bookmarkPath(from))
      return verb(state, { verb: 'zfs.writtenSince', about: String(questions.length) }, () => {
        const answers = new Map<DatasetName, bigint>()
        for (const { from, to } of questions) {
          const found = findBookmark(bookmarkPath(from))
          const dataset = findDataset(state, from.dataset)
          const later = to === null ? dataset : dataset?.snapshots.find(({ name }) => name === to.name)
          if (found === undefined || later == null) continue
          const written = later.content.filter(({ id }) => BigInt(id) >= found.createtxg)
          answers.set(from.dataset, BigInt(bytesOf(written)))
        }
        return answers
      })
    },
    async eventsSince({ pool, sinceTxg }, hear) {
      checkPool(pool)
      return verb(state, { verb: 'zfs.eventsSince', about: pool }, () => {
        const { events, oldestTxg } = usablePool(state, pool)
        for (const event of events) if (event.txg >= sinceTxg && event.txg >= oldestTxg) hear(event)
        return oldestTxg
      })
    },
    async createContainer(dataset, { inheritMountpoint } = { inheritMountpoint: false }) {
      checkDatasets(dataset)
      return verb(state, { verb: 'zfs.createContainer', about: dataset }, () => {
        const parts = dataset.split('/')
        if (state.pools.get(poolOf(dataset))?.imported == null)
          throw new NotFound(`there is no pool ${poolOf(dataset)}`)
        const missing = parts
          .map((_, at) => parts.slice(0, at + 1).join('/'))
          .filter((name) => findDataset(state, name) === null)
        if (missing.length > 0) writablePool(state, dataset)
        for (const name of missing) {
          const { properties } = addDataset(state, name)
          properties.set('canmount', { value: 'off', source: 'local' })
          if (!inheritMountpoint) properties.set('mountpoint', { value: 'none', source: 'local' })
        }
        return missing.map(datasetName)
      })
    },
    async rename({ from, to, type }) {
      checkDatasets(from, to)
      return verb(state, { verb: 'zfs.rename', about: `${from} ${to}` }, () =>
        namedAll(() => {
          const { datasets } = usablePool(state, from)
          if (requireDataset(state, from).type !== type)
            throw failed('other', `cannot open '${from}': operation not applicable to datasets of this type`)
          requireDataset(state, to.slice(0, Math.max(0, to.lastIndexOf('/'))))
          if (datasets.has(to)) throw failed('exists', `cannot rename '${from}': dataset already exists`)
          if (isBelow(from, to)) throw failed('other', `cannot rename '${from}': new name is below it`)
          remember(state, { kind: 'dataset-renamed', txg: state.nextId(), from, to })
          for (const found of [...datasets.values()].filter(({ name }) => isBelow(from, name))) {
            datasets.delete(found.name)
            found.name = to + found.name.slice(from.length)
            datasets.set(found.name, found)
          }
        }),
      )
    },
    async abortReceive(dataset) {
      checkDatasets(dataset)
      return verb(state, { verb: 'zfs.abortReceive', about: dataset }, () => {
        const found = findDataset(state, dataset)
        if (found?.partial == null) return
        usablePool(state, dataset).freeingBytes += found.partial.takenBytes
        found.partial = null
        if (found.snapshots.length === 0) usablePool(state, dataset).datasets.delete(dataset)
      })
    },
    async properties(dataset, names) {
      checkDatasets(dataset)
      names.forEach(checkProperty)
      return verb(state, { verb: 'zfs.properties', about: dataset }, () => {
        const found = namedAll(() => requireDataset(state, dataset))
        return new Map(names.map((name) => [name, shownProperty(state, found, name)]))
      })
    },
    async propertiesBelow(root, names, signal) {
      checkDatasets(root)
      names.forEach(checkProperty)
      const reading = verb(state, { verb: 'zfs.propertiesBelow', about: root }, () => {
        namedAll(() => requireDataset(state, root))
        const below = [...usablePool(state, root).datasets.values()].filter(({ name }) => isBelow(root, name))
        return new Map(
          below
            .sort((a, b) => (a.name < b.name ? -1 : 1))
            .map((dataset) => [
              datasetName(dataset.name),
              new Map(names.map((name): [string, Property] => [name, shownProperty(state, dataset, name)])),
            ]),
        )
      })
      if (signal === undefined) return reading
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
      return Promise.race([reading, aborted])
    },
    async propertiesOfEach(datasets, names) {
      checkDatasets(...datasets)
      names.forEach(checkProperty)
      return verb(state, { verb: 'zfs.propertiesOfEach', about: datasets.join(' ') }, () => {
        const found = [...datasets].sort().flatMap((name) => findDataset(state, name) ?? [])
        return new Map(
          found.map((dataset) => [
            datasetName(dataset.name),
            new Map(names.map((name): [string, Property] => [name, shownProperty(state, dataset, name)])),
          ]),
        )
      })
    },
    async loadKey(root, keyFile) {
      checkDatasets(root)
      checkKeyFile(keyFile)
      return verb(state, { verb: 'zfs.loadKey', about: root }, () => {
        const { key } = namedAll(() => requireDataset(state, root))
        const text = state.keyFiles.get(keyFile)
        if (key?.loaded === true) return
        if (key === null) throw failed('other', `Key load error: '${root}' is no encryption root.`)
        if (text === undefined)
          throw new KeyRefused(`the key file ${keyFile} is not there`, { hint: 'right file' })
        if (text !== key.text)
          throw new KeyRefused(`the key in ${keyFile} is not that of ${root}`, { hint: 'right key' })
        key.loaded = true
      })
    },
    async receivedProperties(dataset) {
      checkDatasets(dataset)
      return verb(state, { verb: 'zfs.receivedProperties', about: dataset }, () => {
        const { received } = namedAll(() => requireDataset(state, dataset))
        const { altroot: root } = usablePool(state, dataset).imported ?? { altroot: null }
        const altroot = root === null || root === '/' ? '' : root
        return new Map(
          [...received].map(([name, value]) =>
            name === 'mountpoint' && value.startsWith('/')
              ? [name, altroot + (value === '/' && altroot !== '' ? '' : value)]
              : [name, value],
          ),
        )
      })
    },
    async setProperties(datasets, values) {
      checkDatasets(...datasets)
      checkAssignments(values)
      return verb(state, { verb: 'zfs.setProperties', about: datasets.join(' ') }, () => {
        const missing: unknown[] = []
        for (const dataset of datasets) {
          try {
            const { properties } = requireDataset(state, dataset)
            writablePool(state, dataset)
            for (const [name, value] of Object.entries(values))
              properties.set(name, { value, source: 'local' })
          } catch (error) {
            missing.push(error)
          }
        }
        if (missing.length > 0) named(missing[0])
      })
    },
  }
}
