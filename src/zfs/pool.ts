// Pools: import by GUID from exact partitions, what the kernel says of them, the guarded export, and the recovery of a
// suspended pool. What must never be run when a disk is gone is refused here, whoever asks.
import type { PoolGuid, PoolName } from '../core/model.ts'

/**
 * Every pool that we import gets this altroot, where nothing is ever mounted. It lives in the kernel, not on the disk,
 * and so tells a pool that we left imported (a crash) from one that somebody else imported.
 */
export const ALTROOT = '/run/walkaway/never-mounted'

export interface ImportedPool {
  readonly name: PoolName
  readonly guid: PoolGuid
  /** `ALTROOT` if walkaway imported it; null without one. */
  readonly altroot: string | null
}

/** `OTHER` stands for a word that this program does not know. */
export type KernelState =
  | 'ONLINE'
  | 'DEGRADED'
  | 'FAULTED'
  | 'OFFLINE'
  | 'REMOVED'
  | 'UNAVAIL'
  | 'SUSPENDED'
  | 'OTHER'

export interface PoolHealth {
  /** As `zpool status` says: a suspended pool reads `SUSPENDED` or `UNAVAIL` here. */
  readonly state: KernelState
  /** Sums over the leaves of the pool since it was imported or cleared. */
  readonly errors: { readonly read: bigint; readonly write: bigint; readonly checksum: bigint }
  /** Damaged files or objects that ZFS knows of. After a recovered pull, only a scrub makes this number true. */
  readonly dataErrors: bigint
  readonly scrubbing: boolean
}

/** Every verb may throw `CommandFailed` (a `ZfsFailed` with its `kind`), `DeadlineExceeded` and `UnreadableAnswer`. */
export interface Pools {
  /** Every pool that is imported on this machine; none is a normal answer. */
  imported(): Promise<readonly ImportedPool[]>
  /**
   * Imports exactly this pool from exactly these partitions: nothing mounted, not in the cache file, under `ALTROOT`,
   * never forced. Returns it as the kernel then lists it; its name may differ from `pool`, its GUID does not.
   * Throws `ImportRefused` with a hint for the person. Fine if it is imported already (`altroot` tells by whom).
   */
  importPool(
    what: { readonly guid: PoolGuid; readonly pool: PoolName; readonly links: readonly string[] },
    options?: { readonly signal?: AbortSignal },
  ): Promise<ImportedPool>
  /** The kernel's own word; null: the pool is not imported. Reads a file that never blocks; starts no program. */
  kernelState(pool: PoolName): Promise<KernelState | null>
  /** Writes everything out. Throws `DiskVanished`, running nothing, if `isPresent` says no or the pool is suspended. */
  sync(pool: PoolName, isPresent: () => Promise<boolean>): Promise<void>
  /**
   * Sync, presence, export, and then sees that the pool is gone from the kernel. Throws `DiskVanished` (nothing was
   * run: an export without the disk blocks all of ZFS until reboot), `PoolBusy`, or `DeadlineExceeded`: stuck.
   */
  exportPool(pool: PoolName, isPresent: () => Promise<boolean>): Promise<void>
  /** Lets the pool find out whether its devices are there. A running scrub goes on. Harmless when the disk is gone. */
  reopen(pool: PoolName): Promise<void>
  /** Resumes a suspended pool whose disk is back. Proves nothing: read `kernelState` afterwards. */
  clear(pool: PoolName): Promise<void>
  /** Error counts since the import. May take long on a suspended pool; has its deadline. */
  health(pool: PoolName): Promise<PoolHealth>
  /** True if ZFS answers at all; false: something holds it and nothing more should be started. */
  answers(): Promise<boolean>
  /** Bytes that can still be written into the pool's root dataset. */
  availableBytes(pool: PoolName): Promise<bigint>
}
