// Watches a stream from the side of its source: one that hangs there would wait for ever. That the disk answers is watched by
// whoever watches the disk (core/lifecycle.ts): while its pool is suspended, nothing here runs out.

import type { BackupDeps } from './backup.ts'
import type { PoolName } from './core/model.ts'
import { TransferStalled } from './errors.ts'

/** ZFS tells every second how far a stream is. */
const pollMs = 5_000
/** A device that is plugged in again, and a `zpool clear`, take a person some minutes. */
const suspendedMs = 5 * 60_000
/** A sender may look for long for what is new in a large dataset, and a slow disk write out for long what it was sent. */
const stallMs = 3_600_000

interface Watched {
  readonly source: PoolName
  readonly disk: PoolName
  readonly signal: AbortSignal
}
interface Watch {
  /** Ends the stream when the visit ends, or when it hangs. */
  readonly signal: AbortSignal
  readonly moved: (sentBytes: number) => void
}

/**
 * Runs this transfer and throws what it throws; `TransferStalled`, also before it begins, when the pool of its source is
 * suspended, or when nothing moves for an hour. Counts in polls: a clock that is set, or sleep, is no stall.
 */
export async function watchSource<T>(
  { source, disk, signal }: Watched,
  { pools, until }: Pick<BackupDeps, 'pools' | 'until'>,
  transfer: (watch: Watch) => Promise<T>,
): Promise<T> {
  /** Unknown is not suspended. */
  const stateOf = (pool: PoolName) => pools.kernelState(pool).catch(() => null)
  if ((await stateOf(source)) === 'SUSPENDED') throw new TransferStalled(explainSuspended(source))
  const hangs = new AbortController()
  let sentBytes = 0
  let over = false
  const watch = async (): Promise<void> => {
    let seenBytes = -1
    let stillMs = 0
    let silentMs = 0
    while (!(await until(async () => over, pollMs))) {
      const suspended = (await stateOf(source)) === 'SUSPENDED'
      const moves = sentBytes !== seenBytes || (await stateOf(disk)) === 'SUSPENDED'
      seenBytes = sentBytes
      stillMs = moves ? 0 : stillMs + pollMs
      // Counted from when it was suspended: it may have been looked through for long before.
      silentMs = moves || !suspended ? 0 : silentMs + pollMs
      if (stillMs < stallMs && silentMs < suspendedMs) continue
      const hours = Math.round(stallMs / 3_600_000)
      const reason = suspended
        ? explainSuspended(source)
        : `nothing of it was sent for ${hours} h; see what its pool says: zpool status ${source}`
      return hangs.abort(new TransferStalled(reason))
    }
  }
  void watch()
  try {
    return await transfer({
      signal: AbortSignal.any([signal, hangs.signal]),
      moved: (bytes) => {
        sentBytes = bytes
      },
    })
  } catch (error) {
    if (!hangs.signal.aborted || signal.aborted) throw error
    throw new TransferStalled(hangs.signal.reason.message, { cause: error })
  } finally {
    over = true
  }
}

const explainSuspended = (pool: PoolName): string =>
  `its pool ${pool} is suspended: a device of it does not answer; see: zpool status ${pool}`
