// Leaves out of a visit's sources what is no base any more: bookmarks of what a `zfs receive -F` into the source took back.
// Reads the history of a pool, and only where a copy hangs on a bookmark alone. What is judged is core/timeline.ts.

import type { BackupDeps, BackupRequest } from './backup.ts'
import { twinOf } from './core/bookmarks.ts'
import { type Bookmark, bookmarkPath, type Dataset, type Snapshot } from './core/model.ts'
import { targetOf } from './core/selection.ts'
import {
  askedSince,
  openJudging,
  openPicking,
  type Standing,
  type Suspect,
  standingUnpicked,
} from './core/timeline.ts'
import { messageOf } from './errors.ts'
import { byPool } from './zfs/names.ts'

interface Request extends Pick<BackupRequest, 'pool' | 'config'> {
  /** Reading a long history takes minutes: it ends with the visit. */
  readonly signal?: AbortSignal
}

export interface Usable<T> {
  /** In the order given. */
  readonly goals: readonly T[]
  /** What was left out, and what could not be judged, in sentences for a person. */
  readonly notes: readonly string[]
}

/** What cannot be judged stays. Without a copy whose newest snapshot the source knows by a bookmark alone, nothing is read. */
export async function leaveOutUndone<T extends { readonly source: Dataset; readonly goal: Snapshot }>(
  goals: readonly T[],
  onDisk: readonly Dataset[],
  request: Request,
  deps: Pick<BackupDeps, 'zfs'>,
): Promise<Usable<T>> {
  const suspects = findSuspects(goals, onDisk, request)
  if (suspects.length === 0) return { goals, notes: [] }
  const undone = new Set<Bookmark>()
  const notes: string[] = []
  for (const [pool, ofPool] of byPool(suspects, ({ bookmark }) => bookmark.dataset)) {
    const { standings, problem } = await judge(pool, ofPool, request, deps)
    for (const [{ bookmark }, standing] of standings) if (standing === 'undone') undone.add(bookmark)
    if (problem !== null)
      notes.push(
        `whether a base on ${pool} was taken back by a receive (zfs receive -F) is not known: ${problem}`,
      )
  }
  notes.push(...describeUndone([...undone]))
  return {
    goals: goals.map((goal) => {
      const bookmarks = goal.source.bookmarks.filter((bookmark) => !undone.has(bookmark))
      return bookmarks.length === goal.source.bookmarks.length
        ? goal
        : { ...goal, source: { ...goal.source, bookmarks } }
    }),
    notes,
  }
}

/** Of each source whose copy hangs on a bookmark alone, all bookmarks that the copy could hang on. */
function findSuspects(
  goals: readonly { readonly source: Dataset; readonly goal: Snapshot }[],
  onDisk: readonly Dataset[],
  { pool, config }: Request,
): readonly Suspect[] {
  const byPlace = new Map<string, Dataset>(onDisk.map((dataset) => [dataset.name, dataset]))
  return goals.flatMap(({ source, goal }) => {
    const there = byPlace.get(targetOf(config, { pool }, source.name))
    // Without a copy at its place, any other may be found to be that of this source.
    const copies = there === undefined ? onDisk : [there]
    const known = new Set<string>(source.snapshots.map(({ guid }) => guid))
    const marked = new Map<string, Bookmark[]>()
    for (const bookmark of source.bookmarks)
      if (!known.has(bookmark.guid))
        marked.set(bookmark.guid, [...(marked.get(bookmark.guid) ?? []), bookmark])
    if (marked.size === 0) return []
    // It proves nothing, and a plan only makes believe that it is there.
    const snapshots = source.snapshots.filter(({ guid }) => guid !== goal.guid)
    return copies
      .filter((copy) => marked.has(copy.snapshots.at(-1)?.guid ?? ''))
      .flatMap((copy) => copy.snapshots.flatMap(({ guid }) => marked.get(guid) ?? []))
      .map((bookmark) => ({ bookmark, twin: twinOf(source, bookmark), snapshots }))
  })
}

/** Two readings at most: whether anything was received into these datasets, and only then all that happened to them. */
async function judge(
  pool: string,
  suspects: readonly Suspect[],
  { signal }: Request,
  { zfs }: Pick<BackupDeps, 'zfs'>,
): Promise<{ readonly standings: ReadonlyMap<Suspect, Standing>; readonly problem: string | null }> {
  const asked = { pool, sinceTxg: askedSince(suspects), ...(signal !== undefined && { signal }) }
  try {
    const picking = openPicking(suspects)
    let oldestTxg = await zfs.eventsSince(asked, picking.add)
    const picked = picking.finish()
    const standings = new Map<Suspect, Standing>()
    for (const suspect of suspects) standings.set(suspect, standingUnpicked(suspect, oldestTxg))
    if (picked.size > 0) {
      const judging = openJudging(picked)
      oldestTxg = await zfs.eventsSince(asked, judging.add)
      for (const [suspect, standing] of judging.finish(oldestTxg)) standings.set(suspect, standing)
    }
    const isKnown = [...standings.values()].every((standing) => standing !== 'unknown')
    return { standings, problem: isKnown ? null : `the history of ${pool} does not reach back so far` }
  } catch (error) {
    signal?.throwIfAborted()
    return { standings: new Map(), problem: messageOf(error) }
  }
}

const mostNames = 3

function describeUndone(undone: readonly Bookmark[]): readonly string[] {
  if (undone.length === 0) return []
  const names = undone.slice(0, mostNames).map(bookmarkPath).join(', ')
  const more = undone.length > mostNames ? ` and ${undone.length - mostNames} more` : ''
  return [`taken back by a receive (zfs receive -F), and no base any more: ${names}${more}`]
}
