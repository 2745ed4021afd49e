// Makes a pool that is in the kernel work again, by whomever it was imported: its disk was away, and is back. Its devices are
// known to be the right ones, and plugged in. What ZFS does then was measured; the rules are in docs/architecture.md.

import type { PoolName } from './core/model.ts'
import { DeadlineExceeded, messageOf } from './errors.ts'
import { ZfsFailed } from './zfs/failure.ts'
import type { Pools } from './zfs/pool.ts'

export type Revived =
  | { readonly kind: 'left-by-us' }
  /** It was suspended. */
  | { readonly kind: 'came-back' }
  /** `reason`: a sentence for a person. */
  | { readonly kind: 'stuck'; readonly reason: string }

interface ReviveDeps {
  readonly pools: Pools
  /** False: the condition did not come true in that time. */
  readonly until: (condition: () => Promise<boolean>, deadlineMs: number) => Promise<boolean>
}

/** A clear that hangs takes half a minute, and the reopen that frees it as long. */
const reviveMs = 3 * 60_000
/** Pause before a clear that did not help is followed by another one. */
const againMs = 2000
/** For devices to be opened anew: reads their labels. */
const openMs = 5000

/** Throws `DeadlineExceeded` when a reopen hangs, too. */
export async function revive(pool: PoolName, deps: ReviveDeps): Promise<Revived> {
  const { pools, until } = deps
  const isSuspended = async () => (await pools.kernelState(pool)) === 'SUSPENDED'
  const wasSuspended = await isSuspended()
  let problem = wasSuspended ? null : await problemOf(pools.reopen(pool))
  const works = await until(async () => {
    if (await isSuspended()) {
      problem = await resume(pool, deps)
      await until(async () => !(await isSuspended()), againMs)
    }
    const state = await pools.kernelState(pool)
    return state === 'ONLINE' || state === 'DEGRADED'
  }, reviveMs)
  if (works) return { kind: wasSuspended ? 'came-back' : 'left-by-us' }
  const because = problem === null ? '' : ` (${problem})`
  return { kind: 'stuck', reason: `its pool does not come back${because}` }
}

/**
 * What went wrong; null: nothing. A clear that hangs is freed by a reopen from another process. Where that is refused the pool
 * was suspended again: reads failed before ZFS saw that the disk was gone (#19020), and no clear opens it anew then. Right after
 * the disk came back, a clear may fail with an I/O error: the next one may do.
 */
async function resume(pool: PoolName, { pools, until }: ReviveDeps): Promise<string | null> {
  try {
    return await problemOf(pools.clear(pool))
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error
    if ((await problemOf(pools.reopen(pool))) !== null) await openAnew(pool, { pools, until })
    return messageOf(error)
  }
}

/** Where it is not refused it goes on until the next clear has helped: whatever becomes of it, the pool's state tells. */
async function openAnew(pool: PoolName, { pools, until }: ReviveDeps): Promise<void> {
  let ended = false
  const end = (): void => {
    ended = true
  }
  pools.openAnew(pool).then(end, end)
  await until(async () => ended, openMs)
}

const problemOf = (work: Promise<void>): Promise<string | null> =>
  work.then(
    () => null,
    (error: unknown) => {
      if (error instanceof ZfsFailed) return messageOf(error)
      throw error
    },
  )
