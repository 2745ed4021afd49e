// The disks that are connected, each with its partitions and with what is open of LUKS containers on it: what belongs
// together of udev's single devices, and the name under which ZFS is given one. Pure; which disk is which is identity.ts.

import type { BlockDevice, Serial } from './model.ts'

/** A device that carries a vdev: `member` is never null. */
export type Member = BlockDevice & { readonly member: NonNullable<BlockDevice['member']> }
const isMember = (device: BlockDevice): device is Member => device.member !== null

/** A whole disk with all that is on it; `disk` is null while udev knows a partition of it only. */
export interface PhysicalDisk {
  readonly syspath: string
  readonly disk: BlockDevice | null
  readonly all: readonly BlockDevice[]
  readonly members: readonly Member[]
  readonly serials: ReadonlySet<Serial>
  readonly settled: boolean
}

export function physicalDisks(devices: readonly BlockDevice[]): readonly PhysicalDisk[] {
  const families = new Map<string, BlockDevice[]>()
  for (const device of devices) {
    if (isLeftOver(device)) continue
    const syspath = (carrierOf(device, devices) ?? device).diskSyspath
    const family = families.get(syspath)
    if (family === undefined) families.set(syspath, [device])
    else family.push(device)
  }
  return [...families]
    .map(([syspath, unordered]): PhysicalDisk => {
      const all = unordered.toSorted((a, b) => compare(a.node, b.node))
      const disk = all.find((device) => device.kind === 'disk' && device.syspath === syspath) ?? null
      return {
        syspath,
        disk,
        all,
        members: withoutStaleLabels(all.filter(isMember)),
        serials: new Set(all.flatMap((device) => device.serials)),
        settled: disk !== null && all.every((device) => device.initialized),
      }
    })
    .toSorted(bySyspath)
}

/** The device with the container that this one is the open inside of. */
const carrierOf = ({ mapping }: BlockDevice, devices: readonly BlockDevice[]): BlockDevice | undefined =>
  mapping === null ? undefined : devices.find(({ syspath }) => syspath === mapping.on)

/**
 * The inside of a container that is not there any more: it answers nothing, and what udev says of it was true once. One on a
 * device that is there and cannot be a disk (a loop device with a copy of a disk) is none of that.
 */
const isLeftOver = ({ mapping }: BlockDevice): boolean => mapping !== null && mapping.on === null

/**
 * The last labels of a partition near the end of a disk can be read as labels of the whole disk, too: the same vdev
 * seen twice on one disk is no copy, and the partition is where it is.
 */
function withoutStaleLabels(members: readonly Member[]): readonly Member[] {
  return members.filter(
    (device) =>
      device.kind === 'partition' ||
      device.mapping !== null ||
      !members.some(
        (other) => other.kind === 'partition' && other.member.vdevGuid === device.member.vdevGuid,
      ),
  )
}

/** What tells this plugging-in from the next one. */
export const occurrenceOf = (one: PhysicalDisk): string => diskSeqOf(one) || one.syspath
export const diskSeqOf = (one: PhysicalDisk): string => (one.disk ?? one.all[0])?.diskSeq ?? ''
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
export const bySyspath = (a: PhysicalDisk, b: PhysicalDisk): number => compare(a.syspath, b.syspath)

/**
 * The name under which ZFS gets the device. by-id links say the serial to whoever reads `zpool status`, but where two
 * disks share a serial they lead to either of them; then the partition table's own id, or the port, is taken.
 */
export function chooseLink(device: BlockDevice, serialIsShared: boolean): string {
  const folders = serialIsShared ? ['by-partuuid', 'by-path'] : ['by-id', 'by-partuuid', 'by-path']
  const candidates = folders.flatMap((folder) =>
    device.links.filter((link) => parentOf(link) === `/dev/disk/${folder}`).toSorted(byLegibility),
  )
  return candidates[0] ?? device.node
}

/** Below by-path there are folders with links by label and the like. */
const parentOf = (link: string): string => link.slice(0, link.lastIndexOf('/'))

const byLegibility = (a: string, b: string): number => rank(a) - rank(b) || compare(a, b)
/** Names with a serial in them before world wide names. */
function rank(link: string): number {
  const name = link.slice(link.lastIndexOf('/') + 1)
  if (/^(usb|ata|scsi|nvme)-(?!eui\.|nvme\.|[0-9a-f]{16,}(-part\d+)?$)/.test(name)) return 0
  return name.startsWith('wwn-') ? 2 : 1
}
