// When a backup disk is scrubbed: pure, from what ZFS says of its last scrub. Who does it is src/scrub.ts.

/** What `zpool status` says of scrubs. Sizes in bytes, about: ZFS rounds them. */
export type Scan =
  /** Never, not to its end, or something else was the last to read the whole pool. */
  | { readonly kind: 'none' }
  | { readonly kind: 'resilvering' }
  | {
      readonly kind: 'finished'
      readonly at: Date
      readonly repairedBytes: number
      /** That could not be repaired. */
      readonly errors: bigint
    }
  | ({ readonly kind: 'running' } & ScanProgress)
  /** Stays so over an export and an import (zpool-scrub(8)). */
  | ({ readonly kind: 'paused' } & ScanProgress)

export interface ScanProgress {
  /** Looked up, to be read in the order in which it lies on the disk: for long, all that moves may be this. */
  readonly scannedBytes: number
  readonly checkedBytes: number
  readonly totalBytes: number
  /** null: ZFS does not say. */
  readonly leftMs: number | null
}

export type ScrubPlan =
  | { readonly kind: 'none'; readonly because: 'switched-off' | 'not-due' | 'resilvering' }
  | { readonly kind: 'begin'; readonly because: 'never' | 'old' | 'new-errors' }
  /** One that was begun goes on, whenever the last whole one was; ZFS does not say that meanwhile. */
  | { readonly kind: 'go-on'; readonly because: 'paused' | 'running' }

const dayMs = 86_400_000

/** Why there is one. */
export type ScrubReason = Exclude<ScrubPlan, { readonly kind: 'none' }>['because']

const reasons: { readonly [R in ScrubReason]: string } = {
  never: 'scrub begins, the disk was never read as a whole',
  old: 'scrub begins, the last one is too long ago',
  'new-errors': 'scrub begins, something on the disk could not be read since the last one',
  paused: 'the scrub of an earlier visit goes on',
  running: 'the scrub of an earlier visit goes on',
}

export const describeScrub = (because: ScrubReason): string =>
  `${reasons[because]}: everything on the disk is read, which may take hours`

export function planScrub({
  scan,
  dataErrors,
  everyMs,
  now,
}: {
  readonly scan: Scan
  /** Damaged files that ZFS remembers; null: it does not say. */
  readonly dataErrors: bigint | null
  /** null: only when ZFS remembers errors that no scrub has found. */
  readonly everyMs: number | null
  readonly now: Date
}): ScrubPlan {
  // Only a scrub tells what of them is left: most are of a moment when the disk was pulled out. What the last one found stays.
  const hasNewErrors = (dataErrors ?? 0n) > 0n && (scan.kind !== 'finished' || scan.errors === 0n)
  if (everyMs === null && !hasNewErrors) return { kind: 'none', because: 'switched-off' }
  switch (scan.kind) {
    case 'resilvering':
      return { kind: 'none', because: 'resilvering' }
    case 'paused':
    case 'running':
      return { kind: 'go-on', because: scan.kind }
    case 'none':
      return { kind: 'begin', because: hasNewErrors ? 'new-errors' : 'never' }
    case 'finished': {
      if (hasNewErrors) return { kind: 'begin', because: 'new-errors' }
      const ageMs = now.getTime() - scan.at.getTime()
      // A date in the future was written by a clock that was wrong: nobody knows how old it is.
      if (ageMs >= (everyMs ?? ageMs) || ageMs < -dayMs) return { kind: 'begin', because: 'old' }
      return { kind: 'none', because: 'not-due' }
    }
  }
}
