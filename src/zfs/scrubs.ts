// Scrubs of a pool: begin, go on, pause, and what is damaged. How far one is, is in the pool's health (pool.ts).
import type { PoolName } from '../core/model.ts'
import { failureKind } from './failure.ts'
import { checkPool } from './names.ts'
import { parseDamaged } from './scan.ts'

export interface Scrubs {
  /** Begins a scrub, or goes on with one that was paused. Fine if one is running. Throws `DiskVanished`, running nothing. */
  scrub(pool: PoolName, isPresent: () => Promise<boolean>): Promise<void>
  /**
   * Pauses a running scrub, also over an export. ZFS goes on from where it last wrote down how far it is, which it does
   * every two hours (zfs_scan_checkpoint_intval). Fine if none is running. Throws `DiskVanished`, running nothing.
   */
  pauseScrub(pool: PoolName, isPresent: () => Promise<boolean>): Promise<void>
  /**
   * The files that ZFS knows to be damaged, or objects where it knows no name. Only of a pool that was imported for this
   * and was scrubbed to its end since: among errors of a disk that was pulled out, looking up names crashed the kernel's
   * part of ZFS (2.3.9, NULL pointer in zfs_obj_to_path).
   */
  damagedFiles(pool: PoolName, isPresent: () => Promise<boolean>): Promise<readonly string[]>
}

/** Waits for a transaction group. */
const SCRUB_MS = 30_000
/** Looks up a name for each error. */
const NAMES_MS = 5 * 60_000

export function createScrubs({
  zpool,
  requireDisk,
}: {
  readonly zpool: (args: readonly string[], deadlineMs: number) => Promise<string>
  /** Throws unless writing to the pool can come to an end. */
  readonly requireDisk: (pool: PoolName, isPresent: () => Promise<boolean>) => Promise<void>
}): Scrubs {
  const run = async (
    args: readonly string[],
    [pool, isPresent]: readonly [PoolName, () => Promise<boolean>],
    fine: 'busy' | 'not-found',
  ): Promise<void> => {
    checkPool(pool)
    await requireDisk(pool, isPresent)
    await zpool([...args, pool], SCRUB_MS).catch((error: unknown) => {
      if (failureKind(error) !== fine) throw error
    })
  }
  return {
    scrub: (...about) => run(['scrub'], about, 'busy'),
    pauseScrub: (...about) => run(['scrub', '-p'], about, 'not-found'),
    async damagedFiles(pool, isPresent) {
      checkPool(pool)
      await requireDisk(pool, isPresent)
      return parseDamaged(await zpool(['status', '-v', pool], NAMES_MS))
    },
  }
}
