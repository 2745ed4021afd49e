// What /sys says of a block device, and the part of a scan that both udev engines share. Reading here asks the kernel's
// memory, never the device, so it can neither hang on a sick disk nor wake a sleeping one.

import { readdir, readFile, realpath } from 'node:fs/promises'
import type { BlockDevice, Mapping } from '../core/model.ts'
import { UnreadableAnswer } from '../errors.ts'
import {
  blockDevice,
  couldBeDisk,
  diskSyspathOf,
  kernelNameOf,
  mappingOf,
  type SysfsFacts,
  type UdevProperties,
} from './blockDevice.ts'

/** A device as an engine lists it. */
export interface Listed {
  readonly syspath: string
  readonly properties: UdevProperties
}

/** `size` in sysfs counts sectors of this many bytes whatever the disk's own sector size is. */
export const sectorBytes = 512n

/** The content of a small sysfs file without its line end; null when there is none. Throws what is not "it is gone". */
export async function readAttribute(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trimEnd()
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
}

/** The file, or the device behind it, does not exist any more. */
export const isGone = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  ['ENOENT', 'ENODEV', 'ENXIO', 'ENOTDIR'].includes(String(error.code))

/**
 * Everything in a listing that could be or carry a disk. A device that vanished since is left out. Throws
 * UnreadableAnswer for a listing that cannot be true: nothing may be concluded from that, least of all "all removed".
 */
export async function describeListing(listing: readonly Listed[]): Promise<readonly BlockDevice[]> {
  if (listing.length === 0)
    throw new UnreadableAnswer('udev listed no block device at all, not even the one this system runs from')
  if (!listing.some(({ properties }) => properties['USEC_INITIALIZED']))
    throw new UnreadableAnswer('udev has identified none of the block devices', {
      hint: 'is systemd-udevd running? systemctl status systemd-udevd',
    })
  const candidates = listing.filter(({ syspath }) => couldBeDisk(kernelNameOf(syspath)))
  const described = await Promise.all(candidates.map(describe))
  return described.filter((device) => device !== null)
}

async function describe({ syspath, properties }: Listed): Promise<BlockDevice | null> {
  const facts = await readFacts(syspath, diskSyspathOf(syspath, properties))
  return facts === null ? null : blockDevice(syspath, properties, facts)
}

async function readFacts(syspath: string, diskSyspath: string): Promise<SysfsFacts | null> {
  const [size, diskSeq, removable] = await Promise.all([
    readAttribute(`${syspath}/size`),
    readAttribute(`${diskSyspath}/diskseq`),
    readAttribute(`${diskSyspath}/removable`),
  ])
  if (size === null) return null
  return {
    sizeBytes: BigInt(size) * sectorBytes,
    diskSeq: diskSeq ?? '',
    removable: removable === '1',
    mapping: kernelNameOf(syspath).startsWith('dm-') ? await readMapping(syspath) : null,
  }
}

/** Null for a device of the device mapper that is no open LUKS container. */
export async function readMapping(syspath: string): Promise<Mapping | null> {
  const [uuid, name, slaves] = await Promise.all([
    readAttribute(`${syspath}/dm/uuid`),
    readAttribute(`${syspath}/dm/name`),
    readdir(`${syspath}/slaves`).catch((): string[] => []),
  ])
  // Of a device that was unplugged, the link leads nowhere, or is gone, too.
  const [on = null] = await Promise.all(
    slaves.map((slave) => realpath(`${syspath}/slaves/${slave}`).catch(() => null)),
  )
  return mappingOf({ uuid: uuid ?? '', name: name ?? '', on })
}
