// Which disks `walkaway init` may erase, and why not the others; which disk a person means. Pure.
import type { BlockDevice } from '../core/model.ts'
import { BadInput } from '../errors.ts'
import type { ImportedPool } from '../zfs/pool.ts'
import { isSystem, type Seen, type WholeDisk, wholeDisks } from './diskListing.ts'

export interface Look extends Seen {
  readonly imported: readonly ImportedPool[]
  /** By the node of a whole disk: who uses it, each in a phrase. */
  readonly holders: ReadonlyMap<string, readonly string[]>
}

/** Why this disk must not be erased; null: it may. The order is that of what a person should hear first. */
export function whyNotErase(each: WholeDisk, look: Look): string | null {
  const { disk, parts, members } = each
  const { configured, imported, sourcePools, holders } = look
  if (isSystem(each, look)) return 'the running system stands on it'
  if (![disk, ...parts].every(({ initialized }) => initialized))
    return 'udev has not looked at it yet: ask again in a moment'
  const active = imported.find(({ guid }) => members.some(({ poolGuid }) => poolGuid === guid))
  const isSource = members.find(({ pool }) => sourcePools.has(pool))
  if (active !== undefined && sourcePools.has(active.name))
    return `it holds the pool ${active.name}, which is backed up`
  if (active !== undefined) return `it belongs to the pool ${active.name}, which is imported`
  if (isSource !== undefined) return `it holds a pool ${isSource.pool}, as the sources do`
  const known = configured.find(
    ({ serials, poolGuid }) =>
      serials.some((serial) => disk.serials.includes(serial)) ||
      members.some((member) => member.poolGuid === poolGuid),
  )
  if (known !== undefined) return `it is configured already, as ${known.name}`
  const users = holders.get(disk.node) ?? []
  if (users.length > 0) return `it is in use: ${users.join(', ')}`
  const [serial] = disk.serials
  if (serial === undefined) return 'it has no serial number: it could not be told from another disk'
  const twin = wholeDisks(look.devices).find(
    (other) => other.disk.syspath !== disk.syspath && other.disk.serials.includes(serial),
  )
  if (twin !== undefined)
    return `${twin.disk.node} has the serial ${serial}, too: unplug the one that is not meant`
  return null
}

/**
 * The disk that is meant: by its node, with or without `/dev/`, by a link to it, or by its serial. Throws `BadInput` for a
 * partition, for none, and for a link or a serial that several have.
 */
export function findDisk(wanted: string, devices: readonly BlockDevice[]): WholeDisk {
  const isNamed = ({ node, links }: BlockDevice): boolean =>
    node === wanted || node === `/dev/${wanted}` || links.includes(wanted)
  const partition = devices.find((device) => device.kind === 'partition' && isNamed(device))
  if (partition !== undefined) {
    const whole = devices.find(({ kind, syspath }) => kind === 'disk' && syspath === partition.diskSyspath)
    throw new BadInput(`${wanted} is a partition of ${whole?.node ?? 'a disk'}`, {
      hint: 'a whole disk was expected',
    })
  }
  const all = wholeDisks(devices)
  // Which of them the link leads to at the moment says nothing.
  const [named, namesake] = all.filter(({ disk }) => isNamed(disk))
  if (named !== undefined && namesake !== undefined)
    throw new BadInput(`${wanted} is a name of ${named.disk.node} and of ${namesake.disk.node}`, {
      hint: 'name one of them by its device',
    })
  if (named !== undefined) return named
  const [bySerial, another] = all.filter(({ disk }) => disk.serials.some((serial) => serial === wanted))
  if (another !== undefined)
    throw new BadInput(`${bySerial?.disk.node} and ${another.disk.node} both have the serial ${wanted}`, {
      hint: 'name one of them by its device',
    })
  if (bySerial === undefined)
    throw new BadInput(`there is no disk ${wanted}`, { hint: 'to see what there is: walkaway disks' })
  return bySerial
}

/** A name of this very disk that does not change with the order of plugging in; its node when there is none. */
export const lastingName = ({ links, node }: BlockDevice): string => {
  const byId = links.filter((link) => link.startsWith('/dev/disk/by-id/'))
  const speaking = byId.filter((link) => !/\/(wwn-|nvme-(eui|nvme)\.)/.test(link))
  return [...speaking.toSorted(), ...byId.toSorted(), node][0] ?? node
}
