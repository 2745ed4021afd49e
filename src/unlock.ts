// Unlocks a disk's pool for its visit: where the backups go is encrypted, or it is not. It is locked again when the pool is
// exported (zfs/pool.ts). Copies that were sent raw have keys of their own, which nobody needs here.

import type { Config } from './config.ts'
import { type DatasetName, type Disk, datasetName, type PoolName } from './core/model.ts'
import { KeyRefused, NotFound } from './errors.ts'
import type { WalkawayEvent } from './events.ts'
import type { Zfs } from './zfs/zfs.ts'

/** The file with the key of this disk's pool; null: none is configured. */
export const keyFileOf = ({ disks }: Config, { poolGuid }: Disk): string | null =>
  disks.find((disk) => disk.poolGuid === poolGuid)?.keyFile ?? null

/** The file with the key of the LUKS container that this disk's pool lies in. */
export const luksKeyFileOf = ({ disks }: Config, { poolGuid }: Disk): string | null =>
  disks.find((disk) => disk.poolGuid === poolGuid)?.luks?.keyFile ?? null

/**
 * Throws `KeyRefused` when nothing could be written there: the key is wrong or missing. A pool that somebody else has
 * imported keeps its key.
 */
export async function unlock(
  { disk, pool, config }: { readonly disk: Disk; readonly pool: PoolName; readonly config: Config },
  { zfs, tell }: { readonly zfs: Zfs; readonly tell: (event: WalkawayEvent) => void },
): Promise<void> {
  const keyFile = keyFileOf(config, disk)
  const place = datasetName(`${pool}/${config.backup.into}`)
  const root = await lockedBy(place, zfs)
  if (root === 'nothing') {
    if (keyFile !== null) tell({ kind: 'key-not-needed', disk: disk.name, pool })
    return
  }
  if (root === 'unlocked') return
  if (keyFile === null)
    throw new KeyRefused(`${root} is encrypted, and no key file is configured for this disk`, {
      hint: `name it: keyFile, beside the disk's serial; ${again}`,
    })
  await zfs.loadKey(root, keyFile).catch((error: unknown) => {
    if (!(error instanceof KeyRefused)) throw error
    throw new KeyRefused(error.message, { cause: error, hint: `${error.hint}; ${again}` })
  })
  if ((await lockedBy(place, zfs)) !== 'unlocked')
    throw new KeyRefused(`the key of ${root} was loaded, but ZFS does not have it`)
}

const again = 'then plug the disk in again'

/** The encryption root whose key is wanted before anything is written to this dataset, or made where it will be. */
async function lockedBy(place: DatasetName, zfs: Zfs): Promise<DatasetName | 'nothing' | 'unlocked'> {
  const properties = await zfs.properties(place, ['encryptionroot', 'keystatus']).catch((error: unknown) => {
    if (error instanceof NotFound && place.includes('/')) return null
    throw error
  })
  if (properties === null) return lockedBy(datasetName(place.slice(0, place.lastIndexOf('/'))), zfs)
  const root = properties.get('encryptionroot')?.value ?? '-'
  if (root === '-') return 'nothing'
  return properties.get('keystatus')?.value === 'available' ? 'unlocked' : datasetName(root)
}
