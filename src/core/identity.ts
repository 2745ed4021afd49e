// Which configured backup disk is connected, and is it truly that one: serial and pool GUID together, one device for
// each vdev. Decides only; anything that is not exactly right is told, not touched (SPEC G2).

import type { BlockDevice, Disk, DiskName, PoolGuid, PoolName, Serial, VdevGuid } from './model.ts'

/** One vdev of the configured pool and the one device that it is on. */
export interface VdevDevice {
  /** `/dev/sdb1`, or `/dev/sdb` for a pool on the whole disk. */
  readonly node: string
  /** A name of that very device that survives a replug: by-id, or by-partuuid where disks share a serial. */
  readonly link: string
  readonly diskNode: string
  readonly diskSeq: string
  readonly vdevGuid: VdevGuid
}

export type RefusalReason =
  /** The serial is the disk's, the pool on it is another one. */
  | {
      readonly kind: 'other-pool'
      readonly node: string
      readonly found: { readonly pool: PoolName; readonly poolGuid: PoolGuid }
    }
  /** The pool is the disk's, the serial is not configured for it. */
  | { readonly kind: 'foreign-serial'; readonly node: string; readonly serials: readonly Serial[] }
  /** Two devices claim to be the same vdev: a copy. Neither is touched. */
  | { readonly kind: 'twin'; readonly nodes: readonly string[] }
  /** Serial and GUID are right, the pool has another name. */
  | { readonly kind: 'renamed'; readonly node: string; readonly found: PoolName }
  /** Never from identify(): what the daemon makes of a disk that has settled without a pool. */
  | { readonly kind: 'no-pool'; readonly node: string }

/** A device beside the right one that reports the same serial (docks do) but carries another pool. */
export interface Alarm {
  readonly kind: 'shared-serial'
  readonly node: string
  readonly diskSeq: string
  readonly serials: readonly Serial[]
  readonly found: { readonly pool: PoolName; readonly poolGuid: PoolGuid }
}

export type Sighting =
  | { readonly kind: 'absent' }
  /** Also, for a moment, when a neighbour with the same serial arrives beside a disk that was present. */
  | {
      readonly kind: 'settling'
      readonly because: 'udev' | 'no-pool' | 'missing-disks'
      /** Completes "waiting for ..." for a person. */
      readonly waitingFor: string
      /** Nodes of what is connected. */
      readonly devices: readonly string[]
      /** Of those disks. */
      readonly diskSeqs: readonly string[]
    }
  | {
      readonly kind: 'present'
      readonly vdevs: readonly [VdevDevice, ...VdevDevice[]]
      readonly alarms: readonly Alarm[]
    }
  | {
      readonly kind: 'refused'
      readonly reason: RefusalReason
      /** diskSeqs of the disks concerned. */
      readonly devices: readonly string[]
      /** The same as long as the same devices are refused for the same reason: for saying it once. */
      readonly key: string
    }

/** A device that carries a vdev: `member` is never null. */
type Member = BlockDevice & { readonly member: NonNullable<BlockDevice['member']> }
const isMember = (device: BlockDevice): device is Member => device.member !== null

/** A whole disk with its partitions; `disk` is null while udev knows a partition of it only. */
interface PhysicalDisk {
  readonly syspath: string
  readonly disk: BlockDevice | null
  readonly all: readonly BlockDevice[]
  readonly members: readonly Member[]
  readonly serials: ReadonlySet<Serial>
  readonly settled: boolean
}

/** What is connected of each configured disk. The order of `devices` does not matter; every disk has an answer. */
export function identify(
  disks: readonly Disk[],
  devices: readonly BlockDevice[],
): ReadonlyMap<DiskName, Sighting> {
  const connected = physicalDisks(devices)
  return new Map(disks.map((disk) => [disk.name, sight(disk, connected)]))
}

// The order of the questions is the order of the dangers: a copy, then a pool on the wrong disk, then a disk with the
// wrong pool; only what passes all of them may be present.
function sight(disk: Disk, connected: readonly PhysicalDisk[]): Sighting {
  const ofSerial = connected.filter((one) => hasSerialOf(disk, one))
  const claiming = connected.filter((one) => one.members.some((device) => isPoolOf(disk, device)))
  if (ofSerial.length === 0 && claiming.length === 0) return { kind: 'absent' }

  const concerned = [...new Set([...ofSerial, ...claiming])].toSorted(bySyspath)
  const vdevs = claiming.flatMap((one) => one.members.filter((device) => isPoolOf(disk, device)))
  const twins = vdevs.filter((device) => vdevs.some((other) => isTwin(device, other)))
  if (twins.length > 0)
    return refuse({ kind: 'twin', nodes: twins.map(nodeOf) }, physicalDisksOf(twins, connected))

  const unsettled = concerned.filter((one) => !one.settled)
  if (unsettled.length > 0) return settle('udev', 'udev to finish with it', concerned)

  const foreign = claiming.find((one) => !hasSerialOf(disk, one))
  if (foreign !== undefined) return refuseForeign(disk, foreign)

  const bare = ofSerial.filter((one) => !claiming.includes(one))
  const missing = disk.serials.filter((serial) => !claiming.some((one) => one.serials.has(serial)))
  if (missing.length > 0) return explainMissing(disk, missing, bare, ofSerial)

  const renamed = vdevs.find((device) => device.member.pool !== disk.pool && device.member.pool !== '')
  if (renamed !== undefined)
    return refuse({ kind: 'renamed', node: renamed.node, found: renamed.member.pool }, claiming)

  const shared = (one: PhysicalDisk): boolean =>
    connected.some((other) => other !== one && [...one.serials].some((serial) => other.serials.has(serial)))
  const [first, ...rest] = claiming.flatMap((one) =>
    one.members
      .filter((device) => isPoolOf(disk, device))
      .map((device) => vdevDevice(device, one, shared(one))),
  )
  if (first === undefined) return { kind: 'absent' }
  const strangers = ofSerial.flatMap((one) => one.members.filter((device) => !isPoolOf(disk, device)))
  return { kind: 'present', vdevs: [first, ...rest], alarms: strangers.map(sharedSerial) }
}

/** Some serials of the disk have no vdev of its pool: another pool there, none at all, or not plugged in yet. */
function explainMissing(
  disk: Disk,
  missing: readonly Serial[],
  bare: readonly PhysicalDisk[],
  ofSerial: readonly PhysicalDisk[],
): Sighting {
  const connected = missing.filter((serial) => bare.some((one) => one.serials.has(serial)))
  const inQuestion = bare.filter((one) => connected.some((serial) => one.serials.has(serial)))
  const stranger = inQuestion.flatMap((one) => one.members)[0]
  if (stranger !== undefined)
    return refuse(
      { kind: 'other-pool', node: stranger.node, found: poolOn(stranger) },
      inQuestion.filter((one) => one.members.length > 0),
    )
  if (connected.length > 0) return settle('no-pool', 'a ZFS pool on it', ofSerial)
  const some = missing.length === 1 ? 'the disk' : 'the disks'
  return settle('missing-disks', `${some} ${missing.join(', ')} of pool ${disk.pool}`, ofSerial)
}

function refuseForeign(disk: Disk, foreign: PhysicalDisk): Sighting {
  const device = foreign.members.find((member) => isPoolOf(disk, member))
  const node = device?.node ?? foreign.syspath
  return refuse({ kind: 'foreign-serial', node, serials: [...foreign.serials].toSorted() }, [foreign])
}

function refuse(reason: RefusalReason, disks: readonly PhysicalDisk[]): Sighting {
  const devices = disks.map(occurrenceOf).toSorted()
  const what = reason.kind === 'other-pool' ? ` ${reason.found.poolGuid}` : ''
  return { kind: 'refused', reason, devices, key: `${reason.kind}${what} on ${devices.join(' ')}` }
}

function settle(
  because: 'udev' | 'no-pool' | 'missing-disks',
  waitingFor: string,
  disks: readonly PhysicalDisk[],
): Sighting {
  const devices = disks.map((one) => one.disk?.node ?? one.syspath)
  return { kind: 'settling', because, waitingFor, devices, diskSeqs: disks.map(occurrenceOf) }
}

function physicalDisks(devices: readonly BlockDevice[]): readonly PhysicalDisk[] {
  const families = new Map<string, BlockDevice[]>()
  for (const device of devices) {
    const family = families.get(device.diskSyspath)
    if (family === undefined) families.set(device.diskSyspath, [device])
    else family.push(device)
  }
  return [...families]
    .map(([syspath, unordered]): PhysicalDisk => {
      const all = unordered.toSorted((a, b) => compare(a.node, b.node))
      return {
        syspath,
        disk: all.find((device) => device.kind === 'disk') ?? null,
        all,
        members: withoutStaleLabels(all.filter(isMember)),
        serials: new Set(all.flatMap((device) => device.serials)),
        settled: all.some((device) => device.kind === 'disk') && all.every((device) => device.initialized),
      }
    })
    .toSorted(bySyspath)
}

/**
 * The last labels of a partition near the end of a disk can be read as labels of the whole disk, too: the same vdev
 * seen twice on one disk is no copy, and the partition is where it is.
 */
function withoutStaleLabels(members: readonly Member[]): readonly Member[] {
  return members.filter(
    (device) =>
      device.kind === 'partition' ||
      !members.some(
        (other) => other.kind === 'partition' && other.member.vdevGuid === device.member.vdevGuid,
      ),
  )
}

/** The same vdev on another device, be it another disk or another partition of this one. */
const isTwin = (device: Member, other: Member): boolean =>
  other !== device && other.member.vdevGuid === device.member.vdevGuid

const isPoolOf = (disk: Disk, device: Member): boolean => device.member.poolGuid === disk.poolGuid
const hasSerialOf = (disk: Disk, one: PhysicalDisk): boolean =>
  disk.serials.some((serial) => one.serials.has(serial))
const nodeOf = (device: BlockDevice): string => device.node
const physicalDisksOf = (devices: readonly BlockDevice[], from: readonly PhysicalDisk[]) =>
  from.filter((one) => one.all.some((device) => devices.includes(device)))
const poolOn = ({ member }: Member) => ({ pool: member.pool, poolGuid: member.poolGuid })
/** What tells this plugging-in from the next one. */
const occurrenceOf = (one: PhysicalDisk): string => diskSeqOf(one) || one.syspath
const diskSeqOf = (one: PhysicalDisk): string => (one.disk ?? one.all[0])?.diskSeq ?? ''
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const bySyspath = (a: PhysicalDisk, b: PhysicalDisk): number => compare(a.syspath, b.syspath)

const sharedSerial = (device: Member): Alarm => ({
  kind: 'shared-serial',
  node: device.node,
  diskSeq: device.diskSeq,
  serials: device.serials,
  found: poolOn(device),
})

const vdevDevice = (device: Member, one: PhysicalDisk, serialIsShared: boolean): VdevDevice => ({
  node: device.node,
  link: chooseLink(device, serialIsShared),
  diskNode: one.disk?.node ?? device.node,
  diskSeq: diskSeqOf(one),
  vdevGuid: device.member.vdevGuid,
})

/**
 * The name under which ZFS gets the device. by-id links say the serial to whoever reads `zpool status`, but where two
 * disks share a serial they lead to either of them; then the partition table's own id, or the port, is taken.
 */
function chooseLink(device: Member, serialIsShared: boolean): string {
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

/** What is wrong, what was expected and what to do, in a sentence for a person. */
export function describeRefusal(disk: Disk, reason: RefusalReason): string {
  switch (reason.kind) {
    case 'other-pool':
      return (
        `${reason.node} has the serial number of ${disk.name}, but the pool on it is "${reason.found.pool}" ` +
        `(GUID ${reason.found.poolGuid}) where pool "${disk.pool}" (GUID ${disk.poolGuid}) was expected. ` +
        'If the pool was created anew, put its GUID into the configuration (walkaway disks shows it)'
      )
    case 'foreign-serial': {
      const found = reason.serials.length === 0 ? 'no serial number' : `serial ${reason.serials.join(' / ')}`
      return (
        `${reason.node} carries the pool of ${disk.name} (GUID ${disk.poolGuid}), but the disk reports ${found} ` +
        `where ${disk.serials.join(', ')} was expected. If this is the disk in another enclosure or a new disk of ` +
        'its pool, add the serial to the configuration (walkaway disks shows it); if it is a copy, unplug it'
      )
    }
    case 'twin':
      return (
        `${reason.nodes.join(' and ')} are copies of each other: each claims to be the same device of pool ` +
        `"${disk.pool}". Unplug the one that is not ${disk.name}; until then none of them is used`
      )
    case 'renamed':
      return (
        `${reason.node} is ${disk.name} by its serial number and pool GUID, but its pool is named ` +
        `"${reason.found}" where "${disk.pool}" was expected. If it was renamed on purpose, put the new name into ` +
        'the configuration'
      )
    case 'no-pool':
      return (
        `${reason.node} has the serial number of ${disk.name}, but there is no ZFS pool on it where pool ` +
        `"${disk.pool}" (GUID ${disk.poolGuid}) was expected. It may be damaged, or erased; look at it with ` +
        '"zpool import" and "walkaway disks" before anything is written to it'
      )
  }
}

/** The same for an alarm. */
export function describeAlarm(disk: Disk, alarm: Alarm): string {
  return (
    `${alarm.node} reports the serial number of ${disk.name}, too (${alarm.serials.join(' / ')}), but carries pool ` +
    `"${alarm.found.pool}" (GUID ${alarm.found.poolGuid}); it is not touched. Docks and cheap enclosures give all ` +
    'their disks one serial'
  )
}
