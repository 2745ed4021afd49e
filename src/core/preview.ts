// What a visit would leave behind, worked out beforehand: the copies as they would be once its steps were carried out, and
// what would be pruned of both sides then. Pure. The plan itself is replication.ts; put together by preview.ts.

import { bookmarksOf, missingBookmarks, supersededBookmarks } from './bookmarks.ts'
import { describeMissingOrigin } from './clones.ts'
import type { Bookmark, Dataset, DatasetName, PoolGuid, Snapshot } from './model.ts'
import type { Step } from './replication.ts'

/** The snapshots that a step brings to the disk, oldest first. */
export function carriedBy(step: Step, source: Dataset): readonly Snapshot[] {
  switch (step.kind) {
    case 'discard-partial':
      return []
    case 'resume':
    case 'full':
      return [step.to]
    case 'incremental':
      return step.intermediates
        ? source.snapshots.filter(
            (s) => s.createtxg > step.from.createtxg && s.createtxg <= step.to.createtxg,
          )
        : [step.to]
  }
}

/** The copy once these steps were carried out. `before` null: there was none. */
export function foreseeCopy(
  before: Dataset | null,
  steps: readonly Step[],
  { source, targetName }: { readonly source: Dataset; readonly targetName: DatasetName },
): Dataset | null {
  if (steps.length === 0) return before
  const old = before?.snapshots ?? []
  const newest = old.at(-1)?.createtxg ?? 0n
  // Each pool counts its own transaction groups: what arrives is newer than all that is there.
  const arriving = steps
    .flatMap((step) => carriedBy(step, source))
    .map((snapshot, at) => ({
      ...snapshot,
      dataset: targetName,
      holds: 0,
      clones: [],
      createtxg: newest + 1n + BigInt(at),
    }))
  const snapshots = [...old, ...arriving]
  if (snapshots.length === 0) return null
  const { type, encrypted, guid } = before ?? source
  const origin = before?.origin ?? null
  return { name: targetName, guid, type, encrypted, resumeToken: null, origin, snapshots, bookmarks: [] }
}

/** The source once its state was read back from the disk: with a bookmark of that state and its twin, and no other of this disk. */
export function foreseeSource(source: Dataset, state: Snapshot | Bookmark, poolGuid: PoolGuid): Dataset {
  const missing = 'holds' in state ? missingBookmarks(poolGuid, source, state) : []
  const superseded = new Set(supersededBookmarks(poolGuid, source, state))
  const bookmarks = source.bookmarks.filter((bookmark) => !superseded.has(bookmark))
  const made = missing.map(({ name, snapshot: { dataset, guid, createtxg, creation } }) => ({
    dataset,
    name,
    guid,
    createtxg,
    creation,
  }))
  return { ...source, bookmarks: [...bookmarks, ...made] }
}

/**
 * What a disk that is away has of a dataset, as far as its bookmarks tell: the state that was read back from it last. Of
 * several bookmarks that is the oldest; what a visit made the others for may have arrived or not. null: it has nothing, or
 * got it without walkaway.
 */
export function rememberCopy(source: Dataset, poolGuid: PoolGuid, targetName: DatasetName): Dataset | null {
  const [bookmark] = bookmarksOf(poolGuid, source)
  if (bookmark === undefined) return null
  const { name, type, encrypted } = { ...source, name: targetName }
  const state = { ...bookmark, dataset: name, holds: 0, writtenBytes: 0n, referencedBytes: 0n, clones: [] }
  return {
    name,
    guid: '',
    type,
    encrypted,
    resumeToken: null,
    origin: null,
    snapshots: [state],
    bookmarks: [],
  }
}

/** Whether the disk may have more of it than its bookmarks say: a visit was broken off. */
export const mayHaveMore = (source: Dataset, poolGuid: PoolGuid): boolean =>
  bookmarksOf(poolGuid, source).length > 1

/** What the plan of one dataset rests on, for a person. */
export function explainSteps(steps: readonly Step[]): string {
  const [first] = steps
  switch (first?.kind) {
    case undefined:
      return 'nothing is to be done'
    case 'full':
      return first.missingOrigin === null
        ? 'the disk has nothing of it'
        : `the disk has nothing of it, and it is sent in full although it is a clone: ${describeMissingOrigin(first.missingOrigin)}`
    case 'incremental':
      if (first.from.dataset !== first.to.dataset)
        return `it is a clone of ${first.from.dataset}@${first.from.name}, which the disk has by then`
      return 'holds' in first.from
        ? `the newest on the disk is @${first.from.name}, which the source still has`
        : `the newest on the disk is what the source has the bookmark #${first.from.name} of`
    case 'resume':
      return `a transfer of @${first.to.name} was broken off and goes on`
    case 'discard-partial':
      return `what was received of a transfer that was broken off cannot be used: ${first.reason}`
  }
}
