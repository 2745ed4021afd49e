// A dataset that is a replica of another one, kept by hand with `zfs send -i FROM TO | zfs receive -F INTO`.
import {
  addDataset,
  addSnapshot,
  bytesOf,
  destroySnapshot,
  difference,
  type FakeState,
  failed,
  findDataset,
  remember,
  requireSnapshot,
  usablePool,
} from './zfsState.ts'

export interface ByHand {
  /** Path of a snapshot; null: a full stream. */
  readonly from: string | null
  readonly to: string
  readonly into: string
}

/**
 * As the real one: what is newer than the base goes in the very transaction group in which the receive ends, bookmarks stay.
 * What it brings is born when it begins; returns its end. Streams only add.
 */
export function beginReceive(state: FakeState, { from, to, into }: ByHand): () => void {
  const brought = requireSnapshot(state, to)
  const before = from === null ? null : requireSnapshot(state, from)
  const isNew = findDataset(state, into) === null
  const target = findDataset(state, into) ?? addDataset(state, into)
  const begunTxg = state.nextId()
  const receiving = String(begunTxg)
  if (!isNew) remember(state, { kind: 'receive-begun', txg: begunTxg, dataset: into, receiving })
  const added = difference(before?.content ?? [], brought.content).map(({ bytes }) => ({
    id: Number(state.nextId()),
    bytes,
  }))
  return () => {
    const base = target.snapshots.find(({ guid }) => guid === before?.guid) ?? null
    if ((before === null) !== (base === null))
      throw failed('no-base', `most recent snapshot of ${target.name} does not match incremental source`)
    const newer = target.snapshots.slice(base === null ? 0 : target.snapshots.indexOf(base) + 1)
    if (newer.some(({ tags }) => tags.size > 0)) throw failed('busy', 'cannot receive: dataset is busy')
    const txg = state.nextId()
    const { name: dataset } = target
    for (const { id } of [target, ...newer].flatMap(({ content }) =>
      difference(base?.content ?? [], content),
    ))
      state.takenBack.add(id)
    for (const each of newer) destroySnapshot(state, target, each, txg)
    target.content = [...(base?.content ?? []), ...added]
    if (!isNew) remember(state, { kind: 'received', txg, dataset, receiving })
    usablePool(state, into).availableBytes -= BigInt(bytesOf(added))
    addSnapshot(state, target, brought.name, { ...brought, content: target.content, txg })
  }
}

export const receiveByHand = (state: FakeState, stream: ByHand): void => beginReceive(state, stream)()
