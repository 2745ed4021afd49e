// Whether what a visit sends fits on the disk, and whether old snapshots are to make room for it first. Pure: sizes in bytes
// in, a decision out. Which snapshots may go is retention.ts; carried out by space.ts.

import type { DatasetName, Snapshot } from './model.ts'

/** What is to be sent of one dataset. */
interface Need {
  readonly name: DatasetName
  readonly estimatedBytes: number
  /** It certainly takes this much. */
  readonly leastBytes: number
}

/** Snapshots of one copy that may go. Destroying them frees at most so much (`usedbysnapshots`). */
export interface Old {
  readonly snapshots: readonly Snapshot[]
  readonly atMostBytes: number
}

export interface Room {
  /** Destroyed before anything is sent; empty where all fits, or where it would not help. */
  readonly thin: readonly Snapshot[]
  /** Those that certainly do not fit, each by itself, and why. */
  readonly unfitting: ReadonlyMap<DatasetName, Shortage>
}
export interface Shortage {
  readonly neededBytes: number
  readonly availableBytes: number
}

/** On the disk a stream takes about what the source says, and for its metadata and larger sectors a little more. */
const withMargin = (bytes: number): number => bytes + bytes / 8

const wantedBytes = (needs: readonly Need[]): number =>
  withMargin(
    needs.reduce((sum, { estimatedBytes, leastBytes }) => sum + Math.max(estimatedBytes, leastBytes), 0),
  )

export const isTight = (needs: readonly Need[], availableBytes: number): boolean =>
  wantedBytes(needs) > availableBytes

/** Old snapshots go only for datasets that may fit then; one that is too large for the disk costs none. */
export function planRoom({
  needs,
  availableBytes,
  old,
}: {
  readonly needs: readonly Need[]
  readonly availableBytes: number
  readonly old: readonly Old[]
}): Room {
  const most = availableBytes + old.reduce((sum, { atMostBytes }) => sum + atMostBytes, 0)
  const mayFit = needs.filter(({ leastBytes }) => leastBytes <= most)
  const thin = isTight(mayFit, availableBytes) ? old.flatMap(({ snapshots }) => snapshots) : []
  const limit = thin.length > 0 ? most : availableBytes
  return {
    thin,
    unfitting: new Map(
      needs
        .filter(({ leastBytes }) => leastBytes > limit)
        .map(({ name, leastBytes }) => [name, { neededBytes: leastBytes, availableBytes: limit }]),
    ),
  }
}
