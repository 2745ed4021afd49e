// What the in-memory ZFS consists of: pools on disks, datasets with content, snapshots, bookmarks, holds and tokens.
// How the commands behave on it is fakes/zfs.ts, pools.ts and transfer.ts.
import {
  type Dataset,
  datasetName,
  type PoolGuid,
  type PoolName,
  poolGuid,
  poolName,
  resumeToken,
  snapshotGuid,
} from '../../src/core/model.ts'
import type { Scan } from '../../src/core/scrub.ts'
import type { PoolEvent } from '../../src/core/timeline.ts'
import { DeadlineExceeded } from '../../src/errors.ts'
import { type FailureKind, ZfsFailed } from '../../src/zfs/failure.ts'
import type { Property } from '../../src/zfs/properties.ts'

/** What was written, in order: enough to see whether two datasets have the same content. */
export type Content = readonly { readonly id: number; readonly bytes: number }[]

interface FakePoint {
  readonly name: string
  readonly guid: bigint
  readonly createtxg: bigint
  readonly creation: Date
}
export interface FakeSnapshot extends FakePoint {
  readonly content: Content
  readonly tags: Set<string>
}
export interface FakePartial {
  readonly token: string
  readonly toGuid: bigint
  readonly fromGuid: bigint | null
  readonly raw: boolean
  readonly receivedBytes: number
  /** Of a disk that it has filled: as long as it is kept, they are gone. */
  readonly takenBytes: bigint
}
export interface FakeDataset {
  name: string
  readonly guid: bigint
  readonly type: 'filesystem' | 'volume'
  readonly encrypted: boolean
  /** An encryption root has one of its own; others that are encrypted have that of the nearest above them. */
  key: { readonly text: string; loaded: boolean } | null
  /** Set on it, here or by a stream. */
  readonly properties: Map<string, Property>
  /** What streams brought, in force or not. */
  received: ReadonlyMap<string, string>
  content: Content
  snapshots: FakeSnapshot[]
  bookmarks: FakePoint[]
  partial: FakePartial | null
  /** What it is a clone of: this very snapshot, whatever it is called and whosever it is by now. */
  origin: FakeSnapshot | null
}
export interface FakePool {
  readonly name: PoolName
  readonly guid: PoolGuid
  /** Where its disk is when it is plugged in. */
  readonly link: string
  present: boolean
  imported: { altroot: string | null; readonly?: boolean } | null
  /** Writes wait: the kernel has noticed that the disk is gone. */
  suspended: boolean
  /** Set: an import without force is refused, and this machine is named. */
  lastUser: string | null
  availableBytes: bigint
  /** Of what was destroyed: some of it becomes available with every look at it. */
  freeingBytes: bigint
  /** Freed, and shown as available, but not to be written to before the next `zpool sync`. */
  deferredBytes: bigint
  scan: Scan
  dataErrors: bigint
  /** Counted since it was imported. */
  checksumErrors: bigint
  /** What a scrub finds damaged and can repair. */
  repairableBytes: number
  /** Files that a scrub finds damaged. */
  damaged: readonly string[]
  busy: boolean
  comment: string
  readonly datasets: Map<string, FakeDataset>
  /** What `zpool history -i` says. */
  readonly events: PoolEvent[]
  /** What is older was forgotten. */
  oldestTxg: bigint
}

export interface FakeCall {
  /** `zfs.observe`, `pools.exportPool`, `transfer.transfer`, ... */
  readonly verb: string
  /** Dataset, pool or snapshot that it is about. */
  readonly about: string
}
/** Called around every verb; may throw, wait for ever, or change the world. */
export interface Interference {
  readonly before?: (call: FakeCall) => void | Promise<void>
  readonly after?: (call: FakeCall) => void | Promise<void>
}

export interface FakeState {
  readonly pools: Map<string, FakePool>
  readonly calls: FakeCall[]
  /** Files with keys, and what is in them. */
  readonly keyFiles: Map<string, string>
  /** Ids of content that a forced receive took away: no stream from a bookmark ever says that it is gone. */
  readonly takenBack: Set<number>
  /** An export or sync was run on a pool whose disk is gone: all of ZFS hangs until reboot. */
  wedged: boolean
  interference: Interference
  now: () => Date
  readonly nextId: () => bigint
}

/** Whatever is created encrypted has this key. */
export const rightKey = 'right'

export function createState(): FakeState {
  let ids = 0n
  return {
    pools: new Map(),
    calls: [],
    keyFiles: new Map([
      ['/keys/right', rightKey],
      ['/keys/wrong', 'wrong'],
      ['/keys/hex', 'hex'],
    ]),
    takenBack: new Set(),
    wedged: false,
    interference: {},
    now: () => new Date(1_795_000_000_000 + Number(ids) * 1000),
    nextId: () => ++ids,
  }
}

/** Above 2^53 and not representable as a double: a GUID that went through a JavaScript number is noticed. */
export const newGuid = (state: FakeState): bigint => 17_000_000_000_000_000_001n + state.nextId() * 7919n

export const failed = (kind: FailureKind, text: string): ZfsFailed =>
  new ZfsFailed(kind, { command: ['zfs'], exitCode: 1, signal: null, stderr: text })

/** Runs one verb with the interference around it. While ZFS is wedged nothing answers. */
export async function verb<T>(state: FakeState, call: FakeCall, act: () => T | Promise<T>): Promise<T> {
  state.calls.push(call)
  await state.interference.before?.(call)
  if (state.wedged) throw new DeadlineExceeded(`${call.verb} ${call.about}`, 1000)
  const result = await act()
  await state.interference.after?.(call)
  return result
}

/** A pool with its root dataset. Encrypted, it has the key that everything here has, unless another one is given. */
export function addPool(
  state: FakeState,
  name: string,
  {
    imported,
    link = `/dev/disk/by-id/usb-${name}-part1`,
    key = null,
  }: {
    readonly imported: FakePool['imported']
    readonly link?: string
    readonly key?: string | null
  },
): FakePool {
  const pool: FakePool = {
    name: poolName(name),
    guid: poolGuid(newGuid(state).toString()),
    link,
    present: true,
    imported: { altroot: null },
    suspended: false,
    lastUser: null,
    availableBytes: 1n << 40n,
    freeingBytes: 0n,
    deferredBytes: 0n,
    scan: { kind: 'none' },
    dataErrors: 0n,
    damaged: [],
    checksumErrors: 0n,
    repairableBytes: 0,
    busy: false,
    comment: '-',
    datasets: new Map(),
    events: [],
    oldestTxg: 0n,
  }
  state.pools.set(name, pool)
  addDataset(state, name, key === null ? {} : { encrypted: true, key: { text: key, loaded: true } })
  pool.imported = imported
  if (imported === null) dropKeys(pool)
  return pool
}

export const poolNameOf = (path: string): string => path.split(/[/@#]/, 1)[0] ?? path

/** The pool that this path is in, if commands can use it; throws what ZFS would. */
export function usablePool(state: FakeState, path: string): FakePool {
  const pool = state.pools.get(poolNameOf(path))
  if (pool?.imported == null) throw failed('not-found', `cannot open '${path}': dataset does not exist`)
  if (pool.suspended) throw failed('suspended', `cannot open '${path}': pool I/O is currently suspended`)
  return pool
}

/** As `usablePool`, for whoever wants to change something. */
export function writablePool(state: FakeState, path: string): FakePool {
  const pool = usablePool(state, path)
  if (pool.imported?.readonly === true)
    throw failed('read-only', `cannot change '${path}': pool is read-only`)
  return pool
}

/** A property as `zfs get` shows it: user properties are inherited. */
export function shownProperty(state: FakeState, dataset: FakeDataset, name: string): Property {
  if (name === 'type') return { value: dataset.type, source: '-' }
  if (name === 'encryption')
    return dataset.encrypted ? { value: 'aes-256-gcm', source: '-' } : { value: 'off', source: 'default' }
  if (name === 'referenced' || name === 'logicalreferenced')
    return { value: String(bytesOf(dataset.content)), source: '-' }
  if (name === 'refcompressratio') return { value: '1.00', source: '-' }
  if (name === 'available' && !dataset.properties.has(name))
    return { value: String(usablePool(state, dataset.name).availableBytes), source: '-' }
  if (name === 'written') {
    const since = dataset.snapshots.at(-1)?.content ?? []
    return { value: String(bytesOf(difference(since, dataset.content))), source: '-' }
  }
  // Of a clone, what it has not from its origin.
  if (name === 'usedbydataset')
    return { value: String(bytesOf(difference(dataset.origin?.content ?? [], dataset.content))), source: '-' }
  if (name === 'usedbysnapshots') return { value: String(bytesOf(usedBySnapshots(dataset))), source: '-' }
  const root = encryptionRootOf(state, dataset)
  if (name === 'encryptionroot') return { value: root?.name ?? '-', source: '-' }
  if (name === 'keystatus')
    return {
      value: root === null ? '-' : root.key?.loaded === true ? 'available' : 'unavailable',
      source: '-',
    }
  const own = dataset.properties.get(name)
  if (own !== undefined) return own
  const byDefault = name === 'compression' ? 'on' : name === 'dedup' ? 'off' : null
  if (!name.includes(':') && byDefault === null) return { value: '-', source: '-' }
  for (let at = dataset.name; at.includes('/'); ) {
    at = at.slice(0, at.lastIndexOf('/'))
    const above = requireDataset(state, at).properties.get(name)
    if (above !== undefined) return { value: above.value, source: `inherited from ${at}` }
  }
  return byDefault === null ? { value: '-', source: '-' } : { value: byDefault, source: 'default' }
}

/** Null: it is not encrypted. */
export function encryptionRootOf(state: FakeState, dataset: FakeDataset): FakeDataset | null {
  if (!dataset.encrypted || dataset.key !== null) return dataset.encrypted ? dataset : null
  // A clone has its origin's key.
  if (dataset.origin !== null)
    return encryptionRootOf(state, requireOwner(state, dataset.name, dataset.origin))
  return encryptionRootOf(state, requireDataset(state, dataset.name.slice(0, dataset.name.lastIndexOf('/'))))
}

/** The dataset in the pool of `path` that this very snapshot belongs to by now. */
export function requireOwner(state: FakeState, path: string, snapshot: FakeSnapshot): FakeDataset {
  const owner = [...usablePool(state, path).datasets.values()].find(({ snapshots }) =>
    snapshots.includes(snapshot),
  )
  if (owner === undefined) throw new Error(`@${snapshot.name} belongs to nothing in the pool of ${path}`)
  return owner
}

/** What cannot be read, or written below, without its key. */
export function requireKey(state: FakeState, dataset: FakeDataset, text: string): void {
  const root = encryptionRootOf(state, dataset)
  if (root !== null && root.key?.loaded !== true) throw failed('key-unavailable', text)
}

/** As when a pool leaves the kernel. */
export function dropKeys(pool: FakePool): void {
  for (const { key } of pool.datasets.values()) if (key !== null) key.loaded = false
}

export const findDataset = (state: FakeState, name: string): FakeDataset | null =>
  usablePool(state, name).datasets.get(name) ?? null

export function requireDataset(state: FakeState, name: string): FakeDataset {
  const dataset = findDataset(state, name)
  if (dataset === null) throw failed('not-found', `cannot open '${name}': dataset does not exist`)
  return dataset
}

export function requireSnapshot(state: FakeState, path: string): FakeSnapshot {
  const [name = '', snapshot = ''] = path.split('@')
  const found = findDataset(state, name)?.snapshots.find((candidate) => candidate.name === snapshot)
  if (found === undefined) throw failed('not-found', `cannot open '${path}': dataset does not exist`)
  return found
}

export function addDataset(
  state: FakeState,
  name: string,
  {
    type = 'filesystem',
    encrypted = false,
    origin = null,
    key = encrypted ? { text: rightKey, loaded: true } : null,
  }: {
    readonly type?: FakeDataset['type']
    readonly encrypted?: boolean
    readonly origin?: FakeSnapshot | null
    readonly key?: FakeDataset['key']
  } = {},
): FakeDataset {
  const pool = usablePool(state, name)
  const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')))
  const above = parent === '' ? null : requireDataset(state, parent)
  if (pool.datasets.has(name)) throw failed('exists', `cannot create '${name}': dataset already exists`)
  if (above !== null && key === null) requireKey(state, above, `cannot create '${name}': key must be loaded`)
  const dataset: FakeDataset = {
    name,
    guid: newGuid(state),
    type,
    encrypted: encrypted || (origin === null && above?.encrypted === true),
    key,
    properties: new Map(),
    received: new Map(),
    content: origin?.content ?? [],
    snapshots: [],
    bookmarks: [],
    partial: null,
    origin,
  }
  pool.datasets.set(name, dataset)
  return dataset
}

/** `zfs clone pool/dataset@snapshot name`. */
export function addClone(state: FakeState, path: string, name: string): FakeDataset {
  const { type, encrypted } = requireDataset(state, path.split('@')[0] ?? '')
  return addDataset(state, name, { type, encrypted, key: null, origin: requireSnapshot(state, path) })
}

/** `zfs promote`: the origin and all before it become the clone's, and the bookmarks of that time with them. */
export function promote(state: FakeState, name: string): void {
  const clone = requireDataset(state, name)
  if (clone.origin === null) throw failed('other', `cannot promote '${name}': not a cloned filesystem`)
  const parent = requireOwner(state, name, clone.origin)
  const at = parent.snapshots.indexOf(clone.origin) + 1
  clone.snapshots = [...parent.snapshots.slice(0, at), ...clone.snapshots]
  parent.snapshots = parent.snapshots.slice(at)
  const until = clone.origin.createtxg
  clone.bookmarks.push(...parent.bookmarks.filter(({ createtxg }) => createtxg <= until))
  parent.bookmarks = parent.bookmarks.filter(({ createtxg }) => createtxg > until)
  ;[parent.origin, clone.origin] = [clone.origin, parent.origin]
  ;[parent.key, clone.key] = [clone.key, parent.key]
}

export const bytesOf = (content: Content): number => content.reduce((sum, { bytes }) => sum + bytes, 0)

/** What `to` has that `from` has not. */
export const difference = (from: Content, to: Content): Content => {
  const known = new Set(from.map(({ id }) => id))
  return to.filter(({ id }) => !known.has(id))
}

export function addSnapshot(
  state: FakeState,
  dataset: FakeDataset,
  name: string,
  copy: (Pick<FakeSnapshot, 'guid' | 'creation' | 'content'> & { readonly txg?: bigint }) | null = null,
): FakeSnapshot {
  const snapshot: FakeSnapshot = {
    name,
    guid: copy?.guid ?? newGuid(state),
    createtxg: copy?.txg ?? state.nextId(),
    creation: copy?.creation ?? state.now(),
    content: copy?.content ?? dataset.content,
    tags: new Set(),
  }
  dataset.snapshots.push(snapshot)
  const { createtxg: txg } = snapshot
  remember(state, { kind: 'snapshot-taken', txg, dataset: dataset.name, name })
  return snapshot
}

/** Puts it into the history of its pool. */
export function remember(state: FakeState, event: PoolEvent): void {
  usablePool(state, 'dataset' in event ? event.dataset : event.from).events.push(event)
}

/** Space that only this snapshot has is given back, after a while. */
export function destroySnapshot(
  state: FakeState,
  dataset: FakeDataset,
  snapshot: FakeSnapshot,
  txg = state.nextId(),
): void {
  remember(state, { kind: 'snapshot-destroyed', txg, dataset: dataset.name, name: snapshot.name })
  const before = bytesOf(usedBySnapshots(dataset))
  dataset.snapshots = dataset.snapshots.filter((candidate) => candidate !== snapshot)
  usablePool(state, dataset.name).freeingBytes += BigInt(before - bytesOf(usedBySnapshots(dataset)))
}

/** What its snapshots have and itself has not any more. */
function usedBySnapshots({ content, snapshots }: FakeDataset): Content {
  const all = new Map(snapshots.flatMap((snapshot) => snapshot.content.map((piece) => [piece.id, piece])))
  return difference(content, [...all.values()])
}

export const isBelow = (root: string, name: string): boolean => name === root || name.startsWith(`${root}/`)

/** Whose each origin is, and of whom: what a listing says of the clones of a pool. */
function clonesIn({ datasets }: FakePool) {
  const clones = new Map<FakeSnapshot, string[]>()
  for (const { name, origin } of datasets.values())
    if (origin !== null) clones.set(origin, [...(clones.get(origin) ?? []), name])
  const paths = new Map<FakeSnapshot, string>()
  for (const { name, snapshots } of clones.size === 0 ? [] : datasets.values())
    for (const snapshot of snapshots)
      if (clones.has(snapshot)) paths.set(snapshot, `${name}@${snapshot.name}`)
  return { clones, paths }
}

/** Datasets of a pool as the real `observe` shows them. */
export function shownAll(pool: FakePool, datasets: readonly FakeDataset[]): readonly Dataset[] {
  const family = clonesIn(pool)
  return datasets.map((dataset) => shown(dataset, family))
}

function shown(dataset: FakeDataset, { clones, paths }: ReturnType<typeof clonesIn>): Dataset {
  const name = datasetName(dataset.name)
  const point = ({ name: short, guid, createtxg, creation }: FakePoint) => ({
    dataset: name,
    name: short,
    guid: snapshotGuid(guid.toString()),
    createtxg,
    creation,
  })
  return {
    name,
    guid: dataset.guid.toString(),
    type: dataset.type,
    encrypted: dataset.encrypted,
    resumeToken: dataset.partial === null ? null : resumeToken(dataset.partial.token),
    origin: dataset.origin === null ? null : (paths.get(dataset.origin) ?? null),
    snapshots: dataset.snapshots.map((snapshot, at) => ({
      ...point(snapshot),
      holds: snapshot.tags.size,
      writtenBytes: BigInt(
        bytesOf(difference((dataset.snapshots[at - 1] ?? dataset.origin)?.content ?? [], snapshot.content)),
      ),
      referencedBytes: BigInt(bytesOf(snapshot.content)),
      clones: clones.get(snapshot) ?? [],
    })),
    bookmarks: [...dataset.bookmarks].sort((a, b) => Number(a.createtxg - b.createtxg)).map(point),
  }
}
