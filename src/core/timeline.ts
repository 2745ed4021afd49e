// Whether what a bookmark stands for is still in the past of its dataset. `zfs receive -F` into a dataset takes it back to
// the base of the stream, destroys the snapshots after that, and leaves their bookmarks; ZFS then sends from such a bookmark
// without a word, and what comes of it on a disk is a mixture of both pasts. Pure: from a pool's history to verdicts.

import type { Bookmark, Dataset } from './model.ts'

/** What a pool remembers of its datasets, in the order in which it happened. Names are those of that moment. */
export type PoolEvent = { readonly txg: bigint } & (
  | { readonly kind: 'snapshot-taken'; readonly dataset: string; readonly name: string }
  | { readonly kind: 'snapshot-destroyed'; readonly dataset: string; readonly name: string }
  | {
      readonly kind: 'snapshot-renamed'
      readonly dataset: string
      readonly from: string
      readonly to: string
    }
  /** With everything below it. */
  | { readonly kind: 'dataset-renamed'; readonly from: string; readonly to: string }
  /** `receiving`: the object in which what is received grows, until it takes the place of the dataset. */
  | { readonly kind: 'receive-begun'; readonly dataset: string; readonly receiving: string }
  | { readonly kind: 'received'; readonly dataset: string; readonly receiving: string }
)

/** `undone`: no base any more. `unknown`: the history of the pool does not reach back so far. */
export type Standing = 'kept' | 'undone' | 'unknown'

/** A bookmark in question. Its dataset has the name that it has now. */
export interface Suspect {
  readonly bookmark: Bookmark
  /** Of an older snapshot that holds exactly the same; null: none is known. */
  readonly twin: Bookmark | null
  /** As they are listed now. */
  readonly snapshots: Dataset['snapshots']
}

const sinceOf = ({ bookmark, twin }: Suspect): bigint => (twin ?? bookmark).createtxg

/** From which transaction group on the events count; 0 without suspects. */
export function askedSince(suspects: readonly Suspect[]): bigint {
  const [oldest = 0n] = suspects.map(sinceOf).sort((a, b) => Number(a - b))
  return oldest
}

/** The first reading of a history: it picks those whose datasets were received into, mostly none. */
export interface Picking {
  readonly add: (event: PoolEvent) => void
  /** With the name that its dataset had when the bookmark in question, or its twin, was made. */
  readonly finish: () => ReadonlyMap<Suspect, string>
}

export function openPicking(suspects: readonly Suspect[]): Picking {
  /** Oldest first. */
  const renames: Extract<PoolEvent, { kind: 'dataset-renamed' }>[] = []
  const received = new Set<string>()
  return {
    add(event) {
      if (event.kind === 'dataset-renamed') renames.push(event)
      if (event.kind === 'received') received.add(event.dataset)
    },
    finish() {
      const picked = new Map<Suspect, string>()
      for (const suspect of suspects) {
        let name: string = suspect.bookmark.dataset
        let mayBe = received.has(name)
        for (const { txg, from, to } of renames.toReversed()) {
          // Before that, it was another dataset that had this name.
          if (txg < sinceOf(suspect)) break
          name = renamed(name, to, from)
          mayBe ||= received.has(name)
        }
        if (mayBe) picked.set(suspect, name)
      }
      return picked
    },
  }
}

/** The second reading of the same history: it judges those that were picked. Remembers what is there at a time, no more. */
export interface Judging {
  readonly add: (event: PoolEvent) => void
  /** `oldestTxg`: of the oldest event that the pool remembers, whatever it is; null: none. */
  readonly finish: (oldestTxg: bigint | null) => ReadonlyMap<Suspect, Standing>
}

export function openJudging(picked: ReadonlyMap<Suspect, string>): Judging {
  const timelines = [...picked].map(([suspect, name]) => ({ suspect, name, ...openTimeline(suspect) }))
  const indexed = () => {
    const byName = new Map<string, typeof timelines>()
    for (const each of timelines) byName.set(each.name, [...(byName.get(each.name) ?? []), each])
    return byName
  }
  let byName = indexed()
  return {
    add(event) {
      if (event.kind === 'dataset-renamed') {
        for (const each of timelines)
          if (event.txg >= sinceOf(each.suspect)) each.name = renamed(each.name, event.from, event.to)
        byName = indexed()
      } else for (const { add } of byName.get(event.dataset) ?? []) add(event)
    },
    finish: (oldestTxg) => new Map(timelines.map(({ suspect, finish }) => [suspect, finish(oldestTxg)])),
  }
}

/** Of those that were not picked: nothing was received into their datasets, as far back as the history goes. */
export const standingUnpicked = ({ bookmark }: Suspect, oldestTxg: bigint | null): Standing =>
  reaches(oldestTxg, bookmark.createtxg) ? 'kept' : 'unknown'

const reaches = (oldestTxg: bigint | null, txg: bigint): boolean => oldestTxg !== null && oldestTxg < txg

function renamed(name: string, from: string, to: string): string {
  return name === from || name.startsWith(`${from}/`) ? to + name.slice(from.length) : name
}

/**
 * A receive leaves what is up to its base, and what it brings. So one snapshot that is as young as the bookmark, older than
 * the end of the receive, and survived it, proves that the base was as young, too, and that what the bookmark stands for was kept.
 *
 * Where nothing of that kind survived, a survivor as young as the twin will do: what the bookmark stands for is gone, and what
 * it held is not. But then the receive must have begun after the bookmark. What it brings is born from its beginning on, and
 * a stream from the bookmark carries only what was born after that.
 */
function openTimeline({ bookmark, twin, snapshots }: Suspect) {
  const since = (twin ?? bookmark).createtxg
  /** Snapshots as young as the bookmark or its twin, by name: when they were taken. */
  const there = new Map<string, bigint>()
  const begun = new Map<string, bigint>()
  /** A receive that was over in this transaction group; what else happened in that belongs to it. */
  let ending: { readonly txg: bigint; readonly begunTxg: bigint | null } | null = null
  let isUndone = false
  let isUndoneByTwin = false

  const settle = (): void => {
    if (ending === null) return
    const { txg, begunTxg } = ending
    ending = null
    const survivors = [...there.values(), ...snapshots.map(({ createtxg }) => createtxg)].filter(
      (taken) => taken < txg,
    )
    if (survivors.some((taken) => taken >= bookmark.createtxg)) return
    if (twin === null || begunTxg === null || begunTxg <= bookmark.createtxg) isUndone = true
    else if (!survivors.some((taken) => taken >= twin.createtxg)) isUndoneByTwin = true
  }
  const add = (event: Exclude<PoolEvent, { kind: 'dataset-renamed' }>): void => {
    if (ending !== null && event.txg > ending.txg) settle()
    if (event.txg < since) return
    switch (event.kind) {
      case 'snapshot-taken':
        there.set(event.name, event.txg)
        return
      case 'snapshot-destroyed':
        there.delete(event.name)
        return
      case 'snapshot-renamed': {
        const taken = there.get(event.from)
        there.delete(event.from)
        if (taken !== undefined) there.set(event.to, taken)
        return
      }
      case 'receive-begun':
        begun.set(event.receiving, event.txg)
        return
      case 'received':
        if (event.txg > bookmark.createtxg)
          ending = { txg: event.txg, begunTxg: begun.get(event.receiving) ?? null }
        begun.delete(event.receiving)
    }
  }
  const finish = (oldestTxg: bigint | null): Standing => {
    settle()
    if (isUndone && reaches(oldestTxg, bookmark.createtxg)) return 'undone'
    if (isUndoneByTwin && reaches(oldestTxg, since)) return 'undone'
    return isUndone || isUndoneByTwin || !reaches(oldestTxg, bookmark.createtxg) ? 'unknown' : 'kept'
  }
  return { add, finish }
}
