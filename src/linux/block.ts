// The last steps between an exported pool and a disk in the hand: is it still the same device, does it answer, who
// holds it, is its cache flushed and its motor stopped. Everything that may hang runs in a child with a deadline.

import type { PoolName } from '../core/model.ts'
import type { Run } from './run.ts'

/** A device as it was when it was last looked at: `node` may belong to another one by now, `diskSeq` tells. */
export interface DeviceIdentity {
  /** `/dev/sdb` or `/dev/sdb1` */
  readonly node: string
  /** Empty on kernels without it. */
  readonly diskSeq: string
}

export type ReleaseResult =
  /** Nothing holds it, its cache is flushed; `stopped`: its motor, too. `note` says in words why it was not stopped. */
  | { readonly kind: 'released'; readonly stopped: boolean; readonly note: string | null }
  | { readonly kind: 'held'; readonly holders: readonly string[] }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly reason: string }

export interface Block {
  /** True when the node exists and belongs to the disk with this sequence number. Cheap: reads sysfs only. Never throws. */
  isSameDevice(device: DeviceIdentity): Promise<boolean>
  /** True when a small read past every cache succeeds within the deadline. Never throws. */
  readable(node: string, options?: { readonly deadlineMs?: number }): Promise<boolean>
  /** True when this link leads to this node now. Never throws. */
  leadsTo(link: string, node: string): Promise<boolean>
  /** Flushes and, with `spinDown`, stops a whole disk whose pool was exported. Never throws, never awaits for ever. */
  release(disk: DeviceIdentity, options: { readonly spinDown: boolean }): Promise<ReleaseResult>
  /** Who uses the disk (its partitions included) or the pool, each in a phrase for a person; empty when none was found. */
  holders(of: { readonly disk?: string; readonly pool?: PoolName }): Promise<readonly string[]>
  /** Size of a disk or partition; null when it is gone. */
  sizeBytes(node: string): Promise<bigint | null>
}

export interface BlockOptions {
  readonly run: Run
  /** Only for tests: where sysfs, procfs and the device nodes are. */
  readonly root?: { readonly sys?: string; readonly proc?: string; readonly dev?: string }
}

export declare function createBlock(options: BlockOptions): Block
