// Why a copy on a disk cannot be continued, and how that is said to a person. Found by replication.ts. Nothing is ever
// destroyed to get a conflict out of the way.

import type { Dataset, DatasetName, Snapshot } from './model.ts'

export type Conflict =
  /** Both sides went on after `common`; `onDisk` is the newest there, which the source does not know. */
  | { readonly kind: 'diverged'; readonly common: Snapshot; readonly onDisk: Snapshot }
  /** The disk has what the source had, and the source has only `common` of it: it was rolled back, restored, or received into. */
  | { readonly kind: 'target-newer'; readonly common: Snapshot; readonly onDisk: Snapshot }
  /** ZFS alone sees this one, when it receives: what is newest on the disk fits, but the copy was changed since. */
  | { readonly kind: 'modified'; readonly onDisk: Snapshot }
  | { readonly kind: 'no-common-base'; readonly onDisk: Snapshot }
  /** No snapshot in common, and nothing on it says that walkaway received it. */
  | { readonly kind: 'not-a-backup'; readonly onDisk: Snapshot }
  /** What both sides have is, by a `zfs promote` on the source, another dataset's: `common`, as it is there. */
  | { readonly kind: 'promoted'; readonly common: Snapshot; readonly source: DatasetName }
  /** A `zfs promote` on the disk gave all of its snapshots to another copy, with `origin` (a snapshot's path). */
  | { readonly kind: 'promoted-on-disk'; readonly origin: string; readonly copy: DatasetName }
  /** It has no snapshots at all. */
  | { readonly kind: 'name-taken' }
  | { readonly kind: 'type-differs'; readonly onDisk: Dataset['type'] }
  /** The source is encrypted, and so sent raw; the copy is not. */
  | { readonly kind: 'copy-not-encrypted' }

/** A conflict in words for a person: what is in the way and what can be done about it. */
export function explainConflict(conflict: Conflict): string {
  return `${describeConflict(conflict)}; nothing was changed: ${advise(conflict)}`
}

/** What is in the way, without what to do about it. */
export function describeConflict(conflict: Conflict): string {
  switch (conflict.kind) {
    case 'diverged':
      return `the copy on the disk went its own way after @${conflict.common.name} (its newest snapshot is ${named(conflict.onDisk)}, which the source does not have)`
    case 'target-newer':
      return `the copy on the disk is newer than the source: it has ${named(conflict.onDisk)}, which the source no longer has; what both have is ${named(conflict.common)}. Was the source rolled back, restored or received into (zfs receive -F)?`
    case 'modified':
      return `the copy on the disk was changed after its newest snapshot, ${named(conflict.onDisk)}`
    case 'no-common-base':
      return `the source no longer has a snapshot or bookmark in common with the copy on the disk (newest there: ${named(conflict.onDisk)})`
    case 'not-a-backup':
      return `the dataset of this name on the disk does not seem to be a backup of this one: it has no snapshot in common with it (newest there: ${named(conflict.onDisk)}), and no property walkaway:source`
    case 'promoted':
      return `what the source and the copy on the disk have in common, ${named(conflict.common)}, belongs to ${conflict.common.dataset} by now: it was promoted (zfs promote)`
    case 'promoted-on-disk':
      return `the copy on the disk has none of its snapshots any more: they went to ${conflict.origin.split('@')[0]}, which was promoted there (zfs promote)`
    case 'name-taken':
      return 'there is a dataset of this name on the disk that did not come from a backup (it has no snapshots)'
    case 'type-differs':
      return `the disk has a ${conflict.onDisk} of this name`
    case 'copy-not-encrypted':
      return 'the source is encrypted and the copy on the disk is not; the two cannot be continued'
  }
}

const afresh =
  'rename the copy on the disk, or set backup.onConflict to set-aside, and the next visit sends it afresh'

function advise(conflict: Conflict): string {
  switch (conflict.kind) {
    case 'diverged':
    case 'target-newer':
      return `roll the copy back to @${conflict.common.name} to continue it from there; or ${afresh}`
    case 'modified':
      return `roll the copy back to @${conflict.onDisk.name}, or rename it, and the next visit goes on`
    case 'promoted':
      return `zfs promote ${conflict.source} on the source gives it back, and the next visit goes on; or ${afresh}`
    case 'promoted-on-disk':
      return `zfs promote ${conflict.copy} on the disk gives them back, and the next visit goes on; or ${afresh}`
    case 'no-common-base':
    case 'not-a-backup':
    case 'name-taken':
    case 'type-differs':
    case 'copy-not-encrypted':
      return afresh
  }
}

const named = ({ name, guid }: Snapshot): string => `@${name}, GUID ${guid}`
