// The fake's streams: a receive fits by GUID or is refused, can be interrupted and resumed, and waits while its pool
// is suspended.

import { limitProperties } from '../../src/core/marks.ts'
import { type ResumeToken, snapshotGuid } from '../../src/core/model.ts'
import { BadInput, DeadlineExceeded, messageOf, TransferFailed } from '../../src/errors.ts'
import { checkAssignments, checkDatasets, checkToken } from '../../src/zfs/names.ts'
import type { SendSource, TokenContent, Transfer, TransferRequest } from '../../src/zfs/transfer.ts'
import {
  addDataset,
  addSnapshot,
  bytesOf,
  type Content,
  difference,
  encryptionRootOf,
  type FakeDataset,
  type FakePartial,
  type FakeSnapshot,
  type FakeState,
  failed,
  findDataset,
  newGuid,
  requireDataset,
  requireKey,
  requireOwner,
  usablePool,
  verb,
  writablePool,
} from './zfsState.ts'

/** One snapshot on its way. */
interface Stream {
  readonly source: FakeDataset
  readonly to: FakeSnapshot
  readonly fromGuid: bigint | null
  readonly fromContent: Content
  readonly raw: boolean
  readonly skipBytes: number
  /** Made from a snapshot of another dataset: received as a clone of what has its GUID on the disk. */
  readonly clone: boolean
}

const safeOf: Readonly<Record<FakeDataset['type'], Readonly<Record<string, string>>>> = {
  filesystem: {
    readonly: 'on',
    canmount: 'noauto',
    setuid: 'off',
    devices: 'off',
    exec: 'off',
    'com.sun:auto-snapshot': 'false',
  },
  volume: {
    readonly: 'on',
    volmode: 'none',
    reservation: '0',
    'com.sun:auto-snapshot': 'false',
  },
}
const excluded: readonly string[] = ['mountpoint', 'sharenfs', 'sharesmb']

/** How many pieces a stream has: between two of them it can be interrupted. */
const PIECES = 4

/** What fails here is this side's fault. */
const by = <T>(side: 'send' | 'receive', act: () => T): T => {
  try {
    return act()
  } catch (error) {
    throw new TransferFailed(side, messageOf(error), { cause: error })
  }
}

export function createFakeTransfer(state: FakeState): Transfer {
  const tokens = new Map<string, FakePartial & { readonly toName: string }>()

  function snapshotOf(
    send: Exclude<SendSource, { readonly kind: 'resume' }>,
  ): readonly [FakeDataset, FakeSnapshot] {
    const source = requireDataset(state, send.to.dataset)
    const to = source.snapshots.find((snapshot) => snapshot.name === send.to.name)
    if (to === undefined)
      throw failed('not-found', `cannot open '${source.name}@${send.to.name}': dataset does not exist`)
    return [source, to]
  }

  /** The chain of origins that a clone comes from. */
  const originsOf = ({ origin, name }: FakeDataset): readonly FakeSnapshot[] => {
    if (origin === null) return []
    return [origin, ...originsOf(requireOwner(state, name, origin))]
  }

  function contentOf(source: FakeDataset, guid: bigint): Content | null {
    const snapshot = [...source.snapshots, ...originsOf(source)].find((candidate) => candidate.guid === guid)
    if (snapshot !== undefined) return snapshot.content
    const bookmark = source.bookmarks.find((candidate) => candidate.guid === guid)
    if (bookmark === undefined) return null
    // A bookmark remembers a time, not data: what is newer than it is sent.
    return source.content.filter(({ id }) => BigInt(id) < bookmark.createtxg)
  }

  function findToken(token: ResumeToken): Stream | { readonly dead: string } {
    const known = tokens.get(token)
    if (known === undefined) return { dead: 'cannot resume send: resume token is corrupt' }
    // By GUID, in all of the pool: dataset and snapshot may have other names by now (guid_to_name()).
    const source =
      [...usablePool(state, known.toName).datasets.values()].find(({ snapshots }) =>
        snapshots.some((snapshot) => snapshot.guid === known.toGuid),
      ) ?? null
    const to = source?.snapshots.find((snapshot) => snapshot.guid === known.toGuid)
    if (source === null || to === undefined)
      return { dead: `cannot resume send: '${known.toName}' used in the initial send no longer exists` }
    const fromContent = known.fromGuid === null ? [] : contentOf(source, known.fromGuid)
    if (fromContent === null)
      return { dead: `cannot resume send: incremental source ${known.fromGuid} no longer exists` }
    return {
      source,
      to,
      fromGuid: known.fromGuid,
      fromContent,
      raw: known.raw,
      skipBytes: known.receivedBytes,
      clone: false,
    }
  }

  function streamsOf({ send, encrypted }: TransferRequest): readonly Stream[] {
    if (send.kind === 'resume') {
      const stream = findToken(send.token)
      if ('dead' in stream) throw failed('token-dead', stream.dead)
      return [stream]
    }
    const [source, to] = snapshotOf(send)
    if (!encrypted) requireKey(state, source, `cannot send ${source.name}: source key must be loaded`)
    const common = { source, raw: encrypted, skipBytes: 0, clone: false }
    if (send.kind === 'full') return [{ ...common, to, fromGuid: null, fromContent: [] }]
    const fromGuid = BigInt(send.from.guid)
    const fromContent = contentOf(source, fromGuid)
    if (fromContent === null) throw failed('no-base', `incremental source (${send.from.name}) does not exist`)
    const clone = send.from.dataset !== send.to.dataset
    if (!send.intermediates) return [{ ...common, to, fromGuid, fromContent, clone }]
    const chain = source.snapshots.filter(
      (snapshot) => snapshot.createtxg > send.from.createtxg && snapshot.createtxg <= to.createtxg,
    )
    let base = { guid: fromGuid, content: fromContent }
    return chain.map((snapshot) => {
      const stream = { ...common, to: snapshot, fromGuid: base.guid, fromContent: base.content }
      base = snapshot
      return stream
    })
  }

  /** What was written since the base comes, and what is gone since goes; nothing else of the copy is touched. */
  function continued(copy: Content, { fromContent, to }: Stream): Content {
    const ids = new Set(to.content.map(({ id }) => id))
    const left = copy.filter(({ id }) => ids.has(id) || state.takenBack.has(id))
    return [...left, ...difference([...fromContent, ...left], to.content)]
  }

  /** Where it is received into; `null`: it is there already and the stream is skipped. */
  function openTarget({ receive, send }: TransferRequest, stream: Stream): FakeDataset | null {
    const target = findDataset(state, receive.target)
    if (send.kind === 'resume') {
      if (target?.partial?.toGuid !== stream.to.guid)
        throw failed('not-found', `destination '${receive.target}' does not exist`)
      // A token of an earlier point. These are the words that libzfs has for it.
      if (target.partial.token !== send.token)
        throw failed('incompatible-stream', 'kernel modules must be upgraded to receive this stream.')
      return target
    }
    if (stream.fromGuid === null || stream.clone) {
      const origin = [...usablePool(state, receive.target).datasets.values()]
        .flatMap(({ snapshots }) => snapshots)
        .find(({ guid }) => guid === stream.fromGuid)
      if (stream.clone && origin === undefined)
        throw failed('no-base', `local origin for clone ${receive.target} does not exist`)
      if (target !== null)
        throw failed('exists', `destination '${receive.target}' exists\nmust specify -F to overwrite it`)
      if (origin !== undefined) {
        const { encrypted } = requireOwner(state, receive.target, origin)
        if (stream.raw && !encrypted)
          throw failed(
            'incompatible-stream',
            'cannot perform raw receive on top of existing unencrypted dataset',
          )
        return addDataset(state, receive.target, { type: receive.type, encrypted, key: null, origin })
      }
      // A raw stream brings its key, wrapped; nobody has loaded it here.
      const key = stream.raw
        ? { text: encryptionRootOf(state, stream.source)?.key?.text ?? '', loaded: false }
        : null
      return addDataset(state, receive.target, { type: receive.type, encrypted: stream.raw, key })
    }
    if (target === null) throw failed('not-found', `destination '${receive.target}' does not exist`)
    if (!stream.raw) requireKey(state, target, `cannot receive into ${target.name}: key must be loaded`)
    if (target.partial !== null)
      throw failed(
        'unfinished-receive',
        `destination ${target.name} contains partially-complete state from "zfs receive -s".`,
      )
    if (stream.raw && !target.encrypted)
      throw failed('incompatible-stream', 'cannot perform raw receive on top of existing unencrypted dataset')
    if (target.snapshots.some((snapshot) => snapshot.guid === stream.to.guid)) return null
    // The base need not be the newest, if nothing was written since (dmu_recv.c); a raw stream wants just that.
    const base = target.snapshots.find(({ guid }) => guid === stream.fromGuid)
    if (base === undefined || (stream.raw && base !== target.snapshots.at(-1)))
      throw failed('no-base', `most recent snapshot of ${target.name} does not\nmatch incremental source`)
    if (difference(base.content, target.content).length > 0)
      throw failed('diverged', `destination ${target.name} has been modified\nsince most recent snapshot`)
    return target
  }

  /** What a stream brings, and what the receiver sets or keeps out of force. A resumed stream brings nothing. */
  function receiveProperties(request: TransferRequest, source: FakeDataset, target: FakeDataset): void {
    const { send, receive, properties = 'masked' } = request
    const masked = properties === 'masked'
    if (send.kind !== 'resume') {
      const sent = masked
        ? [...source.properties].map(([name, { value }]): [string, string] => [name, value])
        : [...source.received]
      const dropped: readonly string[] = masked ? limitProperties : []
      const brought = typeof properties === 'object' ? [] : sent
      target.received = new Map(brought.filter(([name]) => !dropped.includes(name)))
      for (const [name, { source: from }] of target.properties)
        if (from === 'received') target.properties.delete(name)
      for (const [name, value] of target.received)
        if (target.properties.get(name)?.source !== 'local' && !(masked && excluded.includes(name)))
          target.properties.set(name, { value, source: 'received' })
    }
    const safe = masked ? safeOf[receive.type] : {}
    const given = typeof properties === 'object' ? properties.set : {}
    for (const [name, value] of Object.entries({ ...safe, ...receive.marks, ...given }))
      target.properties.set(name, { value, source: 'local' })
  }

  /** The receiver does not end by itself while its pool is suspended. */
  async function waitForPool(target: FakeDataset, signal: AbortSignal): Promise<void> {
    for (;;) {
      const pool = state.pools.get(target.name.split('/', 1)[0] ?? '')
      if (pool?.imported == null) throw new TransferFailed('receive', 'the pool went away')
      if (!pool.present) pool.suspended = true
      if (!pool.suspended) return
      if (signal.aborted) throw new DeadlineExceeded('zfs receive', 1000)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Nor does the sender. */
  async function waitForSource({ name }: FakeDataset, signal: AbortSignal): Promise<void> {
    while (state.pools.get(name.split('/', 1)[0] ?? '')?.suspended === true) {
      if (signal.aborted) throw new DeadlineExceeded('zfs send', 1000)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async function receiveOne(
    request: TransferRequest,
    stream: Stream,
    progress: { sentBytes: number; readonly totalBytes: number },
  ): Promise<number> {
    const { signal, onProgress } = request
    const target = by('receive', () => openTarget(request, stream))
    if (target === null) return 0
    by('receive', () => writablePool(state, target.name))
    receiveProperties(request, stream.source, target)
    const data = difference(stream.fromContent, stream.to.content)
    const bytes = Math.max(0, bytesOf(data) - stream.skipBytes)
    const remember = (receivedBytes: number): void => {
      const token = `1-${newGuid(state).toString(16)}-e8-789c`
      const { to, fromGuid, raw, source } = stream
      target.partial = {
        token,
        toGuid: to.guid,
        fromGuid,
        raw,
        receivedBytes: stream.skipBytes + receivedBytes,
        takenBytes: 0n,
      }
      tokens.set(token, { ...target.partial, toName: `${source.name}@${to.name}` })
    }
    for (let piece = 0; piece < PIECES; piece++) {
      remember(Math.floor((bytes * piece) / PIECES))
      onProgress({ sentBytes: progress.sentBytes, totalBytes: progress.totalBytes })
      await new Promise((resolve) => setImmediate(resolve))
      await waitForPool(target, signal)
      await waitForSource(stream.source, signal)
      signal.throwIfAborted()
      progress.sentBytes += bytes / PIECES
    }
    by('receive', () => {
      const pool = usablePool(state, target.name)
      if (pool.availableBytes < BigInt(bytes)) {
        if (target.partial !== null) target.partial = { ...target.partial, takenBytes: pool.availableBytes }
        pool.availableBytes = 0n
        throw failed('no-space', `cannot receive: out of space`)
      }
      if (target.snapshots.some((snapshot) => snapshot.name === stream.to.name))
        throw failed('exists', 'destination already exists')
      pool.availableBytes -= BigInt(bytes)
    })
    target.partial = null
    target.content = continued(target.content, stream)
    addSnapshot(state, target, stream.to.name, { ...stream.to, content: target.content })
    return bytes
  }

  return {
    async transfer(request) {
      const { send, receive, signal, properties = 'masked' } = request
      checkDatasets(receive.target)
      if (send.kind === 'incremental' && send.intermediates && !('holds' in send.from))
        throw new BadInput('a bookmark is a base for one snapshot only')
      // zfs receive aborts when a raw stream brings what a disk received: never asked for.
      if (properties !== 'masked' && request.encrypted !== (typeof properties === 'object' && properties.raw))
        throw new BadInput('a raw stream, and only that, is given its properties')
      if (typeof properties === 'object') checkAssignments(properties.set)
      return verb(state, { verb: 'transfer.transfer', about: receive.target }, async () => {
        signal.throwIfAborted()
        const streams = by('send', () => streamsOf(request))
        const totalBytes = streams.reduce(
          (sum, { fromContent, to }) => sum + bytesOf(difference(fromContent, to.content)),
          0,
        )
        const progress = { sentBytes: 0, totalBytes }
        const isNew = findDataset(state, receive.target) === null
        let receivedBytes = 0
        try {
          for (const stream of streams) receivedBytes += await receiveOne(request, stream, progress)
        } catch (error) {
          // Without a token to keep, nothing is kept.
          if (properties !== 'masked' && isNew)
            usablePool(state, receive.target).datasets.delete(receive.target)
          throw error
        }
        return { receivedBytes }
      })
    },
    prepare: () => undefined,
    async readToken(token): Promise<TokenContent> {
      checkToken(token)
      return verb(state, { verb: 'transfer.readToken', about: token }, () => {
        const found = findToken(token)
        if ('dead' in found) return { kind: 'dead', reason: found.dead }
        const { source, to, fromGuid, raw, skipBytes } = found
        return {
          kind: 'usable',
          toName: `${source.name}@${to.name}`,
          toGuid: snapshotGuid(to.guid.toString()),
          fromGuid: fromGuid === null ? null : snapshotGuid(fromGuid.toString()),
          receivedBytes: skipBytes,
          remainingBytes: bytesOf(difference(found.fromContent, to.content)) - skipBytes,
          raw,
        }
      })
    },
  }
}
