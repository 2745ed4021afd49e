// The nouns of the program: disks, pools, datasets, snapshots and bookmarks, and the branded names that keep
// them apart. Text becomes a branded type once, where it enters (config.ts, zfs/parse.ts, control/protocol.ts).

declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** The name that a person gave a backup disk in the configuration. */
export type DiskName = Brand<string, 'DiskName'>
/** A disk's serial number, exactly as udev reports it. */
export type Serial = Brand<string, 'Serial'>
export type PoolName = Brand<string, 'PoolName'>
/** A pool's GUID: a 64-bit number in decimal, kept as text because a JavaScript number would round it. */
export type PoolGuid = Brand<string, 'PoolGuid'>
export type VdevGuid = Brand<string, 'VdevGuid'>
/** UUID of a LUKS container as udev and `cryptsetup luksUUID` print it: in lower case, with dashes. */
export type LuksUuid = Brand<string, 'LuksUuid'>
/** `pool/path/to/dataset`, without a snapshot. */
export type DatasetName = Brand<string, 'DatasetName'>
/** GUID of a snapshot; a bookmark of it and its copy on another pool carry the same one. */
export type SnapshotGuid = Brand<string, 'SnapshotGuid'>
/** An opaque receive_resume_token. */
export type ResumeToken = Brand<string, 'ResumeToken'>

export const diskName = (text: string): DiskName => text as DiskName
export const serial = (text: string): Serial => text as Serial
export const poolName = (text: string): PoolName => text as PoolName
export const poolGuid = (text: string): PoolGuid => text as PoolGuid
export const vdevGuid = (text: string): VdevGuid => text as VdevGuid
export const luksUuid = (text: string): LuksUuid => text.toLowerCase() as LuksUuid
export const datasetName = (text: string): DatasetName => text as DatasetName
export const snapshotGuid = (text: string): SnapshotGuid => text as SnapshotGuid
export const resumeToken = (text: string): ResumeToken => text as ResumeToken

/** A point in a dataset's history that can be sent, or sent from. `name` is the part after `@` or `#`. */
interface HistoryPoint {
  readonly dataset: DatasetName
  readonly name: string
  readonly guid: SnapshotGuid
  /** Transaction group of its creation: the only order that a changed clock cannot disturb. */
  readonly createtxg: bigint
  readonly creation: Date
}
export interface Snapshot extends HistoryPoint {
  /** Number of holds on it (`userrefs`). */
  readonly holds: number
  /** Bytes written between the snapshot before it and itself (`written`). */
  readonly writtenBytes: bigint
  /** Bytes that a full copy of it refers to (`referenced`). */
  readonly referencedBytes: bigint
  /** Datasets of its pool that are clones of it; an unfinished receive that goes on from it counts as one. */
  readonly clones: readonly string[]
}
export interface Bookmark extends HistoryPoint {}

export interface Dataset {
  readonly name: DatasetName
  readonly guid: string
  readonly type: 'filesystem' | 'volume'
  readonly encrypted: boolean
  /** Set while a receive into this dataset is unfinished and can be resumed. */
  readonly resumeToken: ResumeToken | null
  /** Path of the snapshot that it is a clone of; null: it is none. */
  readonly origin: string | null
  /** Oldest first, by createtxg. */
  readonly snapshots: readonly Snapshot[]
  readonly bookmarks: readonly Bookmark[]
}

export const snapshotPath = (s: Snapshot): string => `${s.dataset}@${s.name}`
export const bookmarkPath = (b: Bookmark): string => `${b.dataset}#${b.name}`

export const outcomes = ['complete', 'partial', 'failed', 'interrupted'] as const
/** How a visit ended. Whether the disk may be taken away is a separate fact. */
export type Outcome = (typeof outcomes)[number]

/** A dataset that a visit could not bring up to date, and why, in a sentence for a person. */
export interface DatasetFailure {
  readonly dataset: DatasetName
  readonly reason: string
}

export interface VisitReport {
  readonly startedAt: Date
  readonly finishedAt: Date
  readonly outcome: Outcome
  readonly sentBytes: number
  readonly datasets: {
    readonly total: number
    readonly sent: number
    readonly unchanged: number
    readonly failed: number
  }
  readonly failures: readonly DatasetFailure[]
  /** Why the visit as a whole failed or was interrupted; null otherwise. */
  readonly reason: string | null
  /** How much room the disk had at the end; null: the visit did not come so far, or it could not be read. */
  readonly space: DiskSpace | null
}

/** Sizes in bytes, of the pool: what redundancy takes counts, too. */
export interface DiskSpace {
  readonly allocatedBytes: number
  readonly sizeBytes: number
  /** About how much more the datasets would have needed that failed for lack of room; 0: none did. */
  readonly missingBytes: number
  /** About how many more visits until it is full; null: not soon, or too little is known. */
  readonly fullInVisits: number | null
}

/** What a running visit is doing right now; sizes in bytes, `totalBytes` is ZFS's estimate. */
export interface Progress {
  readonly phase: VisitPhase
  readonly dataset: DatasetName | null
  readonly sentBytes: number
  readonly totalBytes: number
  readonly bytesPerSecond: number
  readonly readyAt: Date | null
}

export const visitPhases = [
  'importing',
  'backing-up',
  'verifying',
  'pruning',
  'scrubbing',
  'exporting',
] as const
export type VisitPhase = (typeof visitPhases)[number]

/** A block device as udev describes it: a whole disk or one partition of it. */
export interface BlockDevice {
  /** `/dev/sdb1` */
  readonly node: string
  readonly syspath: string
  readonly kind: 'disk' | 'partition'
  /** syspath of the whole disk (its own when it is one). */
  readonly diskSyspath: string
  /** The kernel's sequence number of this very device: differs after a replug. Empty on kernels without it. */
  readonly diskSeq: string
  /** Every serial number and WWN that udev knows of it; which field a bridge fills differs. */
  readonly serials: readonly Serial[]
  readonly links: readonly string[]
  readonly sizeBytes: bigint
  /** udev has run its rules for it; before that nothing else here can be relied on. */
  readonly initialized: boolean
  /** True for hardware that is hot-plugged or removable (USB and the like); for display only. */
  readonly removable: boolean
  readonly model: string
  /** What udev found on it: `zfs_member`, `ext4`, `crypto_LUKS`, ... or '' */
  readonly fsType: string
  /** For a `zfs_member`: the pool and vdev on it, as its label says. */
  readonly member: {
    readonly pool: PoolName
    readonly poolGuid: PoolGuid
    readonly vdevGuid: VdevGuid
  } | null
  /** UUID of the LUKS container on it; null: there is none. */
  readonly luksUuid: LuksUuid | null
  /** It is the open inside of a LUKS container; null: it is not. */
  readonly mapping: Mapping | null
}

/** A LUKS container that is open: a device of its own, for as long as it is kept open. */
export interface Mapping {
  readonly luksUuid: LuksUuid
  /** That of `/dev/mapper/NAME`. */
  readonly name: string
  /** syspath of the device that carries the container; null: it was unplugged, and nothing inside can be read any more. */
  readonly on: string | null
  /** Walkaway opened it, be it this one or one before. */
  readonly ours: boolean
}

/** The identity of a configured backup disk. */
export interface Disk {
  readonly name: DiskName
  readonly serials: readonly Serial[]
  readonly pool: PoolName
  readonly poolGuid: PoolGuid
  /** The container that its pool lies in; null: the pool is on the disk itself. */
  readonly luks: { readonly uuid: LuksUuid } | null
}
