// Makes the pool of a backup disk and lets go of it: created, exported as guarded as at the end of a visit, and seen to be
// held by nothing. What is made is core/newPool.ts; who asked for it is cli/init.ts.
import type { PoolGuid, PoolName } from './core/model.ts'
import type { NewPool } from './core/newPool.ts'
import { DeadlineExceeded, messageOf } from './errors.ts'
import type { Block, DeviceIdentity } from './linux/block.ts'
import { ALTROOT, type Pools } from './zfs/pool.ts'

export interface NewDiskDeps {
  readonly pools: Pools
  readonly block: Block
}

export type MakingResult =
  /** Exported, its cache flushed, held by nothing. */
  | { readonly kind: 'ready'; readonly guid: PoolGuid }
  /** There is no such pool. `uncertain`: as far as is known; ZFS did not answer. */
  | { readonly kind: 'not-made'; readonly reason: string; readonly uncertain: boolean }
  /** It was made, and is imported, or held. */
  | { readonly kind: 'not-released'; readonly pool: PoolName; readonly reason: string }

/** Never throws. `disks` are those of `plan.devices`. */
export async function makeNewDisk(
  plan: NewPool,
  disks: readonly DeviceIdentity[],
  { pools, block }: NewDiskDeps,
): Promise<MakingResult> {
  const held = (reason: string): MakingResult => ({ kind: 'not-released', pool: plan.name, reason })
  const answers = async (): Promise<boolean> => {
    for (const disk of disks)
      if (!(await block.isSameDevice(disk)) || !(await block.readable(disk.node))) return false
    return true
  }
  let guid: PoolGuid
  try {
    if (!(await answers()))
      return { kind: 'not-made', reason: 'the disk is gone, or does not answer', uncertain: false }
    guid = (await pools.createPool(plan)).guid
  } catch (error) {
    const reason = messageOf(error)
    const left = await isThere(plan, pools)
    if (left === true) return held(reason)
    return { kind: 'not-made', reason, uncertain: left === null || error instanceof DeadlineExceeded }
  }
  try {
    await pools.exportPool(plan.name, answers, { unloadKeys: plan.keyFile !== null })
  } catch (error) {
    return held(messageOf(error))
  }
  for (const disk of disks) {
    const released = await block.release(disk, { spinDown: false })
    switch (released.kind) {
      case 'released':
        break
      case 'gone':
        return held(`${disk.node} is gone`)
      case 'held':
        return held(`${disk.node} is still held by ${released.holders.join(', ')}`)
      case 'failed':
        return held(`${disk.node}: ${released.reason}`)
    }
  }
  return { kind: 'ready', guid }
}

/** Null: ZFS does not answer. */
async function isThere({ name }: NewPool, pools: Pools): Promise<boolean | null> {
  try {
    return (await pools.imported()).some((pool) => pool.name === name && pool.altroot === ALTROOT)
  } catch {
    // That ZFS cannot be asked is the answer; why the pool was not made is told by the caller.
    return null
  }
}
