// Which configured backup disk is connected, and is it truly that one: serial and pool GUID together, one device for
// each vdev. Decides only; anything that is not exactly right is told, not touched (SPEC G2).

import type { BlockDevice, Disk, DiskName, PoolGuid, PoolName, Serial, VdevGuid } from './model.ts'

/** One vdev of the configured pool and the one device that it is on. */
export interface VdevDevice {
  /** `/dev/sdb1`, or `/dev/sdb` for a pool on the whole disk. */
  readonly node: string
  /** A name of that very device that survives a replug: by-id, or by-partuuid where disks share a serial. */
  readonly link: string
  readonly diskNode: string
  readonly diskSeq: string
  readonly vdevGuid: VdevGuid
}

export type RefusalReason =
  /** The serial is the disk's, the pool on it is another one. */
  | {
      readonly kind: 'other-pool'
      readonly node: string
      readonly found: { readonly pool: PoolName; readonly poolGuid: PoolGuid }
    }
  /** The pool is the disk's, the serial is not configured for it. */
  | { readonly kind: 'foreign-serial'; readonly node: string; readonly serials: readonly Serial[] }
  /** Two devices claim to be the same vdev: a copy. Neither is touched. */
  | { readonly kind: 'twin'; readonly nodes: readonly string[] }
  /** Serial and GUID are right, the pool has another name. */
  | { readonly kind: 'renamed'; readonly node: string; readonly found: PoolName }
  /** Never from identify(): what the daemon makes of a disk that has settled without a pool. */
  | { readonly kind: 'no-pool'; readonly node: string }

/** A device beside the right one that reports the same serial (docks do) but carries another pool. */
export interface Alarm {
  readonly kind: 'shared-serial'
  readonly node: string
  readonly diskSeq: string
  readonly serials: readonly Serial[]
  readonly found: { readonly pool: PoolName; readonly poolGuid: PoolGuid }
}

export type Sighting =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'settling'
      readonly because: 'udev' | 'no-pool' | 'missing-disks'
      /** Completes "waiting for ..." for a person. */
      readonly waitingFor: string
      /** Nodes of what is connected. */
      readonly devices: readonly string[]
      /** Of those disks. */
      readonly diskSeqs: readonly string[]
    }
  | {
      readonly kind: 'present'
      readonly vdevs: readonly [VdevDevice, ...VdevDevice[]]
      readonly alarms: readonly Alarm[]
    }
  | {
      readonly kind: 'refused'
      readonly reason: RefusalReason
      /** diskSeqs of the disks concerned. */
      readonly devices: readonly string[]
      /** The same as long as the same devices are refused for the same reason: for saying it once. */
      readonly key: string
    }

/** What is connected of each configured disk. The order of `devices` does not matter; every disk has an answer. */
export declare function identify(
  disks: readonly Disk[],
  devices: readonly BlockDevice[],
): ReadonlyMap<DiskName, Sighting>

/** What is wrong, what was expected and what to do, in a sentence for a person. */
export declare function describeRefusal(disk: Disk, reason: RefusalReason): string

/** The same for an alarm. */
export declare function describeAlarm(disk: Disk, alarm: Alarm): string
