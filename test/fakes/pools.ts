// The fake's pools: import, presence, suspension, export; and the wedge that an export without a disk is.
import {
  AlreadyExists,
  DeadlineExceeded,
  DiskVanished,
  ImportRefused,
  NotFound,
  PoolBusy,
} from '../../src/errors.ts'
import { createArguments } from '../../src/zfs/create.ts'
import { checkComment, checkDevices, checkPool, checkPoolGuid } from '../../src/zfs/names.ts'
import { ALTROOT, type ImportedPool, type Pools, READ_ONLY_ALTROOT } from '../../src/zfs/pool.ts'
import {
  addPool,
  dropKeys,
  type FakePool,
  type FakeState,
  failed,
  requireDataset,
  usablePool,
  verb,
  writablePool,
} from './zfsState.ts'

const SIZE = 1n << 40n
/** What every new backup pool's root has. */
const rootProperties = { compression: 'lz4', atime: 'off', mountpoint: 'none', canmount: 'off' }

export function createFakePools(state: FakeState): Pools {
  const shownPool = ({ name, guid, imported }: FakePool): ImportedPool => ({
    name,
    guid,
    altroot: imported?.altroot ?? null,
  })
  const importedPool = (name: string): FakePool => {
    const pool = state.pools.get(name)
    if (pool?.imported == null) throw new NotFound(`cannot open '${name}': no such pool`)
    return pool
  }
  async function requireDisk(pool: string, isPresent: () => Promise<boolean>): Promise<FakePool> {
    if (!(await isPresent())) throw new DiskVanished(`the disk of ${pool} is gone`)
    const found = importedPool(pool)
    if (found.suspended) throw new DiskVanished(`${pool} is suspended: its disk does not answer`)
    return found
  }
  /** A running scrub gets a step further with every look at it. */
  function scrubOn(pool: FakePool): void {
    if (pool.scan.kind !== 'running' || !pool.present) return
    const checkedBytes = pool.scan.checkedBytes + 250
    if (checkedBytes < pool.scan.totalBytes) pool.scan = { ...pool.scan, checkedBytes, leftMs: 1000 }
    else {
      const errors = BigInt(pool.damaged.length)
      pool.scan = { kind: 'finished', at: state.now(), repairedBytes: pool.repairableBytes, errors }
      pool.dataErrors = errors
      pool.repairableBytes = 0
    }
  }
  /** What a command that waits for a transaction group does to a pool without a disk. */
  function writeOut(pool: FakePool, command: string): void {
    if (pool.present) return
    state.wedged = true
    throw new DeadlineExceeded(command, 1000)
  }

  return {
    imported: () =>
      verb(state, { verb: 'pools.imported', about: '' }, () =>
        [...state.pools.values()].filter(({ imported }) => imported !== null).map(shownPool),
      ),
    async importPool({ guid, pool, links }, { readonly = false } = {}) {
      checkPool(pool)
      checkPoolGuid(guid)
      checkDevices(links)
      return verb(state, { verb: 'pools.importPool', about: pool }, () => {
        const found = [...state.pools.values()].find((candidate) => candidate.guid === guid)
        if (found?.imported != null) return shownPool(found)
        if (found === undefined || !found.present || !links.includes(found.link))
          throw new ImportRefused(`there is no pool ${pool} with that GUID on this disk, or it was destroyed`)
        if (found.lastUser !== null)
          throw new ImportRefused(`${pool} was last used by the machine ${found.lastUser}`, {
            hint: `Export it on ${found.lastUser}`,
          })
        found.imported = { altroot: readonly ? READ_ONLY_ALTROOT : ALTROOT, readonly }
        return shownPool(found)
      })
    },
    async createPool(plan) {
      createArguments(plan, ALTROOT)
      const { name, devices, keyFile, overwrite } = plan
      return verb(state, { verb: 'pools.createPool', about: name }, () => {
        const taken = state.pools.get(name)
        if (taken?.imported != null) throw new AlreadyExists(`cannot create '${name}': pool already exists`)
        const [device] = devices
        const isWhole = ![...state.pools.values()].some((pool) => pool.link === device)
        const link = isWhole ? `${device}-part1` : device
        for (const before of [...state.pools.values()].filter((pool) => pool.link === link)) {
          if (before.imported !== null || !overwrite)
            throw new PoolBusy(`${device} is part of a pool '${before.name}'`, [])
          state.pools.delete(before.name)
        }
        const key = keyFile === null ? null : state.keyFiles.get(keyFile)
        if (key === undefined) throw failed('no-key-file', `Failed to open key material file: ${keyFile}`)
        const pool = addPool(state, name, { imported: { altroot: ALTROOT }, link, key })
        const { properties } = requireDataset(state, name)
        for (const [property, value] of Object.entries(rootProperties))
          properties.set(property, { value: String(value), source: 'local' })
        return shownPool(pool)
      })
    },
    async kernelState(pool) {
      checkPool(pool)
      const found = state.pools.get(pool)
      if (found?.imported == null) return null
      return found.suspended ? 'SUSPENDED' : 'ONLINE'
    },
    async nameOf(guid) {
      return (
        [...state.pools.values()].find((pool) => pool.guid === guid && pool.imported !== null)?.name ?? null
      )
    },
    sync: (pool, isPresent) =>
      verb(state, { verb: 'pools.sync', about: pool }, async () => {
        const found = await requireDisk(pool, isPresent)
        writablePool(state, pool)
        writeOut(found, 'zpool sync')
        found.availableBytes += found.deferredBytes
        found.deferredBytes = 0n
      }),
    exportPool: (pool, isPresent, { unloadKeys } = { unloadKeys: false }) =>
      verb(state, { verb: 'pools.exportPool', about: pool }, async () => {
        if (state.pools.get(pool)?.imported == null) return
        const found = await requireDisk(pool, isPresent)
        if (found.imported?.readonly !== true) writeOut(found, 'zpool sync')
        await requireDisk(pool, isPresent)
        if (unloadKeys) dropKeys(found)
        writeOut(found, 'zpool export')
        if (found.busy) throw new PoolBusy(`${pool} is in use`, [])
        found.imported = null
        dropKeys(found)
      }),
    reopen: (pool) =>
      verb(state, { verb: 'pools.reopen', about: pool }, () => {
        const found = importedPool(pool)
        if (found.suspended)
          throw failed('suspended', `cannot reopen '${pool}': pool I/O is currently suspended`)
        if (!found.present) found.suspended = true
      }),
    comment: (pool) => verb(state, { verb: 'pools.comment', about: pool }, () => importedPool(pool).comment),
    async setComment(pool, text) {
      checkPool(pool)
      checkComment(text)
      return verb(state, { verb: 'pools.setComment', about: pool }, () => {
        importedPool(pool)
        writablePool(state, pool).comment = text
      })
    },
    clear: (pool) =>
      verb(state, { verb: 'pools.clear', about: pool }, () => {
        const found = importedPool(pool)
        // Without its disk it returns 0 and means nothing.
        if (found.present) found.suspended = false
      }),
    openAnew: (pool) => verb(state, { verb: 'pools.openAnew', about: pool }, () => void importedPool(pool)),
    health: (pool) =>
      verb(state, { verb: 'pools.health', about: pool }, () => {
        const found = importedPool(pool)
        if (!found.suspended) scrubOn(found)
        const { suspended, dataErrors, scan, checksumErrors } = found
        const errors = suspended ? 1n : 0n
        return {
          state: suspended ? 'SUSPENDED' : 'ONLINE',
          errors: { read: errors, write: errors, checksum: checksumErrors },
          dataErrors,
          scan,
        }
      }),
    scrub: (pool, isPresent) =>
      verb(state, { verb: 'pools.scrub', about: pool }, async () => {
        const found = await requireDisk(pool, isPresent)
        writeOut(found, 'zpool scrub')
        if (found.scan.kind === 'paused') found.scan = { ...found.scan, kind: 'running' }
        else if (found.scan.kind !== 'running')
          found.scan = {
            kind: 'running',
            scannedBytes: 1000,
            checkedBytes: 0,
            totalBytes: 1000,
            leftMs: null,
          }
      }),
    pauseScrub: (pool, isPresent) =>
      verb(state, { verb: 'pools.pauseScrub', about: pool }, async () => {
        const found = await requireDisk(pool, isPresent)
        writeOut(found, 'zpool scrub')
        if (found.scan.kind === 'running') found.scan = { ...found.scan, kind: 'paused' }
      }),
    damagedFiles: (pool, isPresent) =>
      verb(state, { verb: 'pools.damagedFiles', about: pool }, async () =>
        (await requireDisk(pool, isPresent)).dataErrors > 0n ? (state.pools.get(pool)?.damaged ?? []) : [],
      ),
    async answers() {
      return !state.wedged
    },
    availableBytes: (pool) =>
      verb(state, { verb: 'pools.availableBytes', about: pool }, () => {
        importedPool(pool)
        const { availableBytes, deferredBytes } = usablePool(state, pool)
        return availableBytes + deferredBytes
      }),
    usage: (pool) =>
      verb(state, { verb: 'pools.usage', about: pool }, () => {
        const found = importedPool(pool)
        const freed = found.freeingBytes > 500_000n ? 500_000n : found.freeingBytes
        found.freeingBytes -= freed
        found.deferredBytes += freed
        const { availableBytes, freeingBytes } = found
        return { sizeBytes: SIZE, allocatedBytes: SIZE - availableBytes, freeingBytes }
      }),
  }
}
