// Pools: import by GUID from exact partitions, what the kernel says of them, the guarded export, and the recovery of a
// suspended pool. What must never be run when a disk is gone is refused here, whoever asks.
import { join } from 'node:path'
import { type PoolGuid, type PoolName, poolName } from '../core/model.ts'
import type { NewPool } from '../core/newPool.ts'
import {
  AlreadyExists,
  DeadlineExceeded,
  DiskVanished,
  ImportRefused,
  messageOf,
  NotFound,
  PoolBusy,
} from '../errors.ts'
import type { Run } from '../linux/run.ts'
import { parseNumber } from './columns.ts'
import { classified } from './complaint.ts'
import { createArguments } from './create.ts'
import { failureKind, ZfsFailed } from './failure.ts'
import { importRefused, thenAgain } from './importRefused.ts'
import { KSTAT_ROOT, kernelPools, readKstat } from './kstat.ts'
import { checkComment, checkDevices, checkPool, checkPoolGuid } from './names.ts'
import {
  type KernelState,
  type PoolHealth,
  type PoolUsage,
  parseImported,
  parseState,
  parseStatus,
  parseUsage,
} from './parsePool.ts'
import { createScrubs, type Scrubs } from './scrubs.ts'

export type { KernelState, PoolHealth, PoolUsage } from './parsePool.ts'

/**
 * Every pool that we import gets this altroot, where nothing is ever mounted. It lives in the kernel, not on the disk,
 * and so tells a pool that we left imported (a crash) from one that somebody else imported.
 */
export const ALTROOT = '/run/walkaway/never-mounted'
/** Of a pool that is imported to read from it only: the service has no claim to it, and leaves it as it is. */
export const READ_ONLY_ALTROOT = '/run/walkaway/read-only'

export interface ImportedPool {
  readonly name: PoolName
  readonly guid: PoolGuid
  /** `ALTROOT` if walkaway imported it; null without one. */
  readonly altroot: string | null
}

/** Every verb may throw `CommandFailed` (a `ZfsFailed` with its `kind`), `DeadlineExceeded` and `UnreadableAnswer`. */
export interface Pools extends Scrubs {
  /** Every pool that is imported on this machine; none is a normal answer. */
  imported(): Promise<readonly ImportedPool[]>
  /**
   * Imports exactly this pool from exactly these partitions: nothing mounted, not in the cache file, under `ALTROOT`,
   * never forced. Returns it as the kernel then lists it; its name may differ from `pool`, its GUID does not.
   * Throws `ImportRefused` with a hint for the person. Fine if it is imported already (`altroot` tells by whom).
   * `readonly`: nothing at all is written to the disk, not even that it was imported; and it is not under `ALTROOT`.
   */
  importPool(
    what: { readonly guid: PoolGuid; readonly pool: PoolName; readonly links: readonly string[] },
    options?: { readonly signal?: AbortSignal; readonly readonly?: boolean },
  ): Promise<ImportedPool>
  /**
   * Makes a pool on whole disks, and whatever was on them is gone. Returns it as it then is imported, under `ALTROOT`.
   * Throws `AlreadyExists` for a name that is taken, `PoolBusy` for a disk in use. After any failure: see `imported`.
   */
  createPool(pool: NewPool): Promise<ImportedPool>
  /** The kernel's own word; null: the pool is not imported. Reads a file that never blocks; starts no program. */
  kernelState(pool: PoolName): Promise<KernelState | null>
  /**
   * The name under which the kernel has this very pool, `expected` or another one; null: it is not imported. A pool that
   * only has the same name is another one; before OpenZFS 2.3 the kernel shows names only, and `expected` is believed (null: no
   * name is). Reads files that never block; starts no program.
   */
  nameOf(guid: PoolGuid, expected: PoolName | null): Promise<PoolName | null>
  /** Writes everything out. Throws `DiskVanished`, running nothing, if `isPresent` says no or the pool is suspended. */
  sync(pool: PoolName, isPresent: () => Promise<boolean>): Promise<void>
  /**
   * Sync (of a read-only pool there is none), presence, export, and then sees that the pool is gone from the kernel. Throws `DiskVanished` (nothing was
   * run: an export without the disk blocks all of ZFS until reboot), `PoolBusy`, or `DeadlineExceeded`: stuck.
   * `unloadKeys`: every key of its datasets is unloaded first. One that is in use stays, and so does its pool: that is
   * for the export to say, which otherwise drops all keys.
   */
  exportPool(
    pool: PoolName,
    isPresent: () => Promise<boolean>,
    options?: { readonly unloadKeys: boolean },
  ): Promise<void>
  /** Lets the pool find out whether its devices are there. A running scrub goes on. Harmless when the disk is gone. */
  reopen(pool: PoolName): Promise<void>
  /** Resumes a suspended pool whose disk is back. Proves nothing: read `kernelState` afterwards. */
  clear(pool: PoolName): Promise<void>
  /**
   * Opens the devices of a suspended pool anew. OpenZFS 2.2 and 2.3 do so when an error scrub is asked for; others refuse. Ends
   * when the pool works again, which is for `clear` to bring about meanwhile, or is given up.
   */
  openAnew(pool: PoolName): Promise<void>
  /** Error counts since the import. May take long on a suspended pool; has its deadline. */
  health(pool: PoolName): Promise<PoolHealth>
  /** True if ZFS answers at all; false: something holds it and nothing more should be started. */
  answers(): Promise<boolean>
  /** What `zpool import` shows beside the pool; `-` if nothing. */
  comment(pool: PoolName): Promise<string>
  /** At most 32 printable ASCII characters. */
  setComment(pool: PoolName, text: string): Promise<void>
  /** Bytes that can still be written into the pool's root dataset. */
  availableBytes(pool: PoolName): Promise<bigint>
  /** How large and how full it is. What was destroyed a moment ago is freed in the background. */
  usage(pool: PoolName): Promise<PoolUsage>
}

/** A look that touches no disk: 0.2 to 0.5 s even on a suspended pool. */
const LOOK_MS = 20_000
/** Reads labels and replays logs of a slow disk after a crash. */
const IMPORT_MS = 5 * 60_000
/** Writes labels to a slow disk, and waits for udev. */
const CREATE_MS = 5 * 60_000
/** Writes out what is dirty: up to 4 GiB, on a slow disk. */
const SYNC_MS = 10 * 60_000
/** 0.3 s when synced; what takes longer hangs. */
const EXPORT_MS = 60_000
/** 0.2 to 1.5 s; hangs if the disk goes again meanwhile. */
const RECOVER_MS = 30_000
/** `zpool status` can hang when the error log is not cached (#18446, #18806). */
const STATUS_MS = 60_000

export function createPools({
  run,
  kstatRoot = KSTAT_ROOT,
}: {
  readonly run: Run
  readonly kstatRoot?: string
}): Pools {
  async function command(
    program: 'zpool' | 'zfs',
    args: readonly string[],
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<string> {
    try {
      return (await run(program, args, { deadlineMs, ...(signal !== undefined && { signal }) })).stdout
    } catch (error) {
      throw classified(error)
    }
  }

  async function imported(): Promise<readonly ImportedPool[]> {
    return parseImported(await command('zpool', ['list', '-Hp', '-o', 'name,guid,altroot'], LOOK_MS))
  }

  const importPool: Pools['importPool'] = async (
    { guid, pool, links },
    { signal, readonly = false } = {},
  ) => {
    checkPool(pool)
    checkPoolGuid(guid)
    checkDevices(links)

    const before = await imported()
    const already = before.find((candidate) => candidate.guid === guid)
    if (already !== undefined) return already
    if (before.some(({ name }) => name === pool)) {
      throw new ImportRefused(`another pool called ${pool} is imported already`, {
        hint: `Export or rename one of them (zpool import ${guid} NEW-NAME gives the disk's pool another name). ${thenAgain}`,
      })
    }
    const from = links.flatMap((link) => ['-d', link])
    const access = readonly ? ['-o', 'readonly=on', '-R', READ_ONLY_ALTROOT] : ['-R', ALTROOT]
    const safely = ['-N', ...access, '-o', 'cachefile=none']
    await command('zpool', ['import', ...safely, ...from, guid], IMPORT_MS, signal).catch(
      (error: unknown) => {
        throw importRefused(pool, error)
      },
    )
    const now = (await imported()).find((candidate) => candidate.guid === guid)
    if (now === undefined) throw new ImportRefused(`${pool} was imported, but no pool has the GUID ${guid}`)
    return now
  }

  const createPool: Pools['createPool'] = async (pool) => {
    await command('zpool', createArguments(pool, ALTROOT), CREATE_MS).catch((error: unknown) => {
      const kind = failureKind(error)
      if (kind === 'exists') throw new AlreadyExists(messageOf(error), { cause: error })
      if (kind === 'busy') throw new PoolBusy(messageOf(error), [], { cause: error })
      throw error
    })
    const made = (await imported()).find(({ name }) => name === pool.name)
    if (made === undefined) throw new NotFound(`${pool.name} was made, but it is not imported`)
    return made
  }

  async function kernelState(pool: PoolName): Promise<KernelState | null> {
    checkPool(pool)
    const state = await readKstat(join(kstatRoot, pool, 'state'))
    return state === null ? null : parseState(state)
  }

  /** Null: the kernel has no pool of that name, or is older than OpenZFS 2.3 and does not say. */
  const kernelGuid = (name: string): Promise<string | null> => readKstat(join(kstatRoot, name, 'guid'))

  async function nameOf(guid: PoolGuid, expected: PoolName | null): Promise<PoolName | null> {
    checkPoolGuid(guid)
    if (expected !== null) {
      checkPool(expected)
      const found = await kernelGuid(expected)
      if (found === guid) return expected
      // Where GUIDs are not shown, the name is all there is to go by.
      if (found === null && (await kernelState(expected)) !== null) return expected
    }
    for (const name of await kernelPools(kstatRoot))
      if ((await kernelGuid(name)) === guid) return poolName(name)
    return null
  }

  /** Throws unless writing to the pool can come to an end. */
  async function requireDisk(pool: PoolName, isPresent: () => Promise<boolean>): Promise<void> {
    if (!(await isPresent()))
      throw new DiskVanished(`the disk of ${pool} is gone`, { hint: 'Plug it in again.' })
    if ((await kernelState(pool)) === 'SUSPENDED') {
      throw new DiskVanished(`${pool} is suspended: its disk does not answer`, { hint: 'Plug it in again.' })
    }
  }

  async function sync(pool: PoolName, isPresent: () => Promise<boolean>): Promise<void> {
    checkPool(pool)
    await requireDisk(pool, isPresent)
    await command('zpool', ['sync', pool], SYNC_MS)
  }

  const exportPool: Pools['exportPool'] = async (pool, isPresent, { unloadKeys } = { unloadKeys: false }) => {
    if ((await kernelState(pool)) === null) return
    await sync(pool, isPresent).catch((error: unknown) => {
      if (failureKind(error) !== 'read-only') throw error
    })
    await requireDisk(pool, isPresent)
    if (unloadKeys) {
      // It waits for a transaction group, like the sync before it.
      await command('zfs', ['unload-key', '-r', pool], SYNC_MS).catch((error: unknown) => {
        if (!(error instanceof ZfsFailed)) throw error
      })
      await requireDisk(pool, isPresent)
    }
    try {
      await command('zpool', ['export', pool], EXPORT_MS)
    } catch (error) {
      if (failureKind(error) === 'busy') throw new PoolBusy(`${pool} is in use`, [], { cause: error })
      if (failureKind(error) === 'not-found' && (await kernelState(pool)) === null) return
      throw error
    }
    const left = await kernelState(pool)
    if (left !== null) throw new PoolBusy(`${pool} was exported, but the kernel still has it (${left})`, [])
  }

  async function reopen(pool: PoolName): Promise<void> {
    checkPool(pool)
    await command('zpool', ['reopen', '-n', pool], RECOVER_MS).catch(throwNotFound)
  }

  async function clear(pool: PoolName): Promise<void> {
    checkPool(pool)
    await command('zpool', ['clear', pool], RECOVER_MS).catch(throwNotFound)
  }

  /** dsl_scan() does it first of all, also where there is nothing to scrub. */
  async function openAnew(pool: PoolName): Promise<void> {
    checkPool(pool)
    await command('zpool', ['scrub', '-e', pool], RECOVER_MS).catch(throwNotFound)
  }

  async function health(pool: PoolName): Promise<PoolHealth> {
    checkPool(pool)
    // Never -v: see `damagedFiles`.
    return parseStatus(await command('zpool', ['status', '-p', pool], STATUS_MS).catch(throwNotFound))
  }

  async function answers(): Promise<boolean> {
    try {
      await command('zpool', ['list', '-H', '-o', 'name'], LOOK_MS)
      return true
    } catch (error) {
      if (error instanceof DeadlineExceeded) return false
      throw error
    }
  }

  async function comment(pool: PoolName): Promise<string> {
    checkPool(pool)
    const args = ['get', '-Hp', '-o', 'value', 'comment', pool]
    return (await command('zpool', args, LOOK_MS).catch(throwNotFound)).replace(/\n$/, '')
  }

  async function setComment(pool: PoolName, text: string): Promise<void> {
    checkPool(pool)
    checkComment(text)
    await command('zpool', ['set', `comment=${text}`, pool], SYNC_MS).catch(throwNotFound)
  }

  async function availableBytes(pool: PoolName): Promise<bigint> {
    checkPool(pool)
    const args = ['get', '-Hp', '-o', 'value', 'available', pool]
    return parseNumber(
      await command('zfs', args, LOOK_MS).catch(throwNotFound),
      `what is available in ${pool}`,
    )
  }

  async function usage(pool: PoolName): Promise<PoolUsage> {
    checkPool(pool)
    const args = ['list', '-Hp', '-o', 'size,allocated,freeing', pool]
    return parseUsage(await command('zpool', args, LOOK_MS).catch(throwNotFound))
  }

  return {
    ...createScrubs({ zpool: (args, deadlineMs) => command('zpool', args, deadlineMs), requireDisk }),
    imported,
    importPool,
    createPool,
    kernelState,
    nameOf,
    sync,
    exportPool,
    reopen,
    clear,
    openAnew,
    health,
    answers,
    comment,
    setComment,
    availableBytes,
    usage,
  }
}

function throwNotFound(error: unknown): never {
  if (failureKind(error) === 'not-found') throw new NotFound(messageOf(error), { cause: error })
  throw error
}
