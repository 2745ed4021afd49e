// Which configured backup disk is connected, and is it truly that one: serial and pool GUID together, one device for
// each vdev; serial, LUKS container and what is inside it, for a pool in LUKS. Decides only; anything that is not exactly
// right is told, not touched (SPEC G2).

import {
  bySyspath,
  chooseLink,
  diskSeqOf,
  type Member,
  occurrenceOf,
  type PhysicalDisk,
  physicalDisks,
} from './connected.ts'
import type { BlockDevice, Disk, DiskName, LuksUuid, Serial, VdevGuid } from './model.ts'
import type { Alarm, RefusalReason } from './refusal.ts'

/** One vdev of the configured pool, or the LUKS container that it lies in, and the one device that it is on. */
export interface VdevDevice {
  /** `/dev/sdb1`, or `/dev/sdb` for a pool on the whole disk; never what a container shows when it is open. */
  readonly node: string
  /** A name of that very device that survives a replug: by-id, or by-partuuid where disks share a serial. */
  readonly link: string
  readonly diskNode: string
  readonly diskSeq: string
  /** Null: it lies in a container, which need not be open. */
  readonly vdevGuid: VdevGuid | null
  readonly luks: LuksUuid | null
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
  const claiming = connected.filter((one) => claimsOf(disk, one).length > 0)
  if (ofSerial.length === 0 && claiming.length === 0) return { kind: 'absent' }

  const concerned = [...new Set([...ofSerial, ...claiming])].toSorted(bySyspath)
  const vdevs = claiming.flatMap((one) => one.members.filter((device) => isPoolOf(disk, device)))
  const claims = claiming.flatMap((one) => claimsOf(disk, one))
  const twins = claims.filter((device) => claims.some((other) => isTwin(device, other)))
  if (twins.length > 0)
    return refuse({ kind: 'twin', nodes: twins.map(nodeOf) }, physicalDisksOf(twins, connected))

  const unsettled = concerned.filter((one) => !one.settled)
  if (unsettled.length > 0) return settle('udev', 'udev to finish with it', concerned)

  const foreign = claiming.find((one) => !hasSerialOf(disk, one))
  if (foreign !== undefined) return refuseForeign(disk, foreign)
  if (disk.luks !== null) return sightContainer(disk, disk.luks.uuid, { ofSerial, claiming, connected })
  const opened = vdevs.find(({ mapping }) => mapping !== null)
  if (opened?.mapping)
    return refuse({ kind: 'in-luks', node: opened.node, uuid: opened.mapping.luksUuid }, claiming)

  const bare = ofSerial.filter((one) => !claiming.includes(one))
  const missing = disk.serials.filter((serial) => !claiming.some((one) => one.serials.has(serial)))
  if (missing.length > 0) return explainMissing(disk, missing, bare, ofSerial)

  const renamed = vdevs.find((device) => device.member.pool !== disk.pool && device.member.pool !== '')
  if (renamed !== undefined)
    return refuse({ kind: 'renamed', node: renamed.node, found: renamed.member.pool }, claiming)

  const [first, ...rest] = claiming.flatMap((one) =>
    one.members
      .filter((device) => isPoolOf(disk, device))
      .map((device) => vdevDevice(device, { on: one, connected, luks: null })),
  )
  if (first === undefined) return { kind: 'absent' }
  return { kind: 'present', vdevs: [first, ...rest], alarms: strangersOn(ofSerial, disk) }
}

/** What each disk in question carries that is or claims to be this disk: its pool; or its container, and its pool elsewhere. */
function claimsOf(disk: Disk, one: PhysicalDisk): readonly BlockDevice[] {
  const ofPool = one.members.filter((device) => isPoolOf(disk, device))
  if (disk.luks === null) return ofPool
  const { uuid } = disk.luks
  return one.all.filter((device) => device.luksUuid === uuid || ofPool.some((member) => member === device))
}

/** Of a disk whose pool is to lie in a container. What claims to be it is on disks with its serial, one device for each. */
function sightContainer(
  disk: Disk,
  uuid: LuksUuid,
  {
    ofSerial,
    claiming,
    connected,
  }: {
    readonly ofSerial: readonly PhysicalDisk[]
    readonly claiming: readonly PhysicalDisk[]
    readonly connected: readonly PhysicalDisk[]
  },
): Sighting {
  const on = claiming.find((one) => one.all.some((device) => device.luksUuid === uuid))
  const container = on?.all.find((device) => device.luksUuid === uuid)
  const isInside = ({ mapping }: BlockDevice): boolean =>
    mapping !== null && mapping.luksUuid === uuid && mapping.on === container?.syspath
  const bare = claiming
    .flatMap((one) => claimsOf(disk, one))
    .find((device) => device !== container && !isInside(device))
  if (bare !== undefined) return refuse({ kind: 'not-in-luks', node: bare.node, expected: uuid }, claiming)
  if (on === undefined || container === undefined) return explainNoContainer(uuid, ofSerial)

  // Opened twice, it shows two devices.
  for (const inside of on.all.filter(isInside)) {
    if (inside.member === null) return settle('no-pool', 'a ZFS pool in its LUKS container', [on])
    const { pool, poolGuid } = inside.member
    if (poolGuid !== disk.poolGuid)
      return refuse({ kind: 'other-pool', node: container.node, found: { pool, poolGuid } }, [on])
    if (pool !== disk.pool && pool !== '')
      return refuse({ kind: 'renamed', node: container.node, found: pool }, [on])
  }
  const vdev = vdevDevice(container, { on, connected, luks: uuid })
  return { kind: 'present', vdevs: [vdev], alarms: strangersOn(ofSerial, disk) }
}

function explainNoContainer(expected: LuksUuid, ofSerial: readonly PhysicalDisk[]): Sighting {
  const devices = ofSerial.flatMap(({ all }) => all)
  const other = devices.find(({ luksUuid }) => luksUuid !== null)
  if (other?.luksUuid)
    return refuse({ kind: 'other-luks', node: other.node, found: other.luksUuid, expected }, ofSerial)
  const stranger = ofSerial.flatMap(({ members }) => members)[0]
  if (stranger !== undefined)
    return refuse({ kind: 'other-pool', node: stranger.node, found: poolOn(stranger) }, ofSerial)
  return settle('no-pool', 'its LUKS container', ofSerial)
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
  const container = inQuestion.flatMap((one) => one.all).find(({ luksUuid }) => luksUuid !== null)
  if (container?.luksUuid)
    return refuse({ kind: 'in-luks', node: container.node, uuid: container.luksUuid }, inQuestion)
  if (connected.length > 0) return settle('no-pool', 'a ZFS pool on it', ofSerial)
  const some = missing.length === 1 ? 'the disk' : 'the disks'
  return settle('missing-disks', `${some} ${missing.join(', ')} of pool ${disk.pool}`, ofSerial)
}

function refuseForeign(disk: Disk, foreign: PhysicalDisk): Sighting {
  const node = claimsOf(disk, foreign)[0]?.node ?? foreign.syspath
  return refuse({ kind: 'foreign-serial', node, serials: [...foreign.serials].toSorted() }, [foreign])
}

function refuse(reason: RefusalReason, disks: readonly PhysicalDisk[]): Sighting {
  const devices = disks.map(occurrenceOf).toSorted()
  const what =
    reason.kind === 'other-pool'
      ? ` ${reason.found.poolGuid}`
      : reason.kind === 'other-luks'
        ? ` ${reason.found}`
        : ''
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

/** The same vdev, or the same container, on another device, be it another disk or another partition of this one. */
const isTwin = (device: BlockDevice, other: BlockDevice): boolean =>
  other !== device &&
  ((device.member !== null && other.member?.vdevGuid === device.member.vdevGuid) ||
    (device.luksUuid !== null && other.luksUuid === device.luksUuid))

const isPoolOf = (disk: Disk, device: Member): boolean => device.member.poolGuid === disk.poolGuid
const hasSerialOf = (disk: Disk, one: PhysicalDisk): boolean =>
  disk.serials.some((serial) => one.serials.has(serial))
const nodeOf = (device: BlockDevice): string => device.node
const physicalDisksOf = (devices: readonly BlockDevice[], from: readonly PhysicalDisk[]) =>
  from.filter((one) => one.all.some((device) => devices.includes(device)))
const poolOn = ({ member }: Member) => ({ pool: member.pool, poolGuid: member.poolGuid })

const sharedSerial = (device: Member): Alarm => ({
  kind: 'shared-serial',
  node: device.node,
  diskSeq: device.diskSeq,
  serials: device.serials,
  found: poolOn(device),
})

/** Disks beside the right one that report its serial, with pools of their own. */
const strangersOn = (ofSerial: readonly PhysicalDisk[], disk: Disk): readonly Alarm[] =>
  ofSerial.flatMap((one) => one.members.filter((device) => !isPoolOf(disk, device))).map(sharedSerial)

function vdevDevice(
  device: BlockDevice,
  {
    on,
    connected,
    luks,
  }: {
    readonly on: PhysicalDisk
    readonly connected: readonly PhysicalDisk[]
    readonly luks: LuksUuid | null
  },
): VdevDevice {
  const serialIsShared = connected.some(
    (other) => other !== on && [...on.serials].some((serial) => other.serials.has(serial)),
  )
  return {
    node: device.node,
    link: chooseLink(device, serialIsShared),
    diskNode: on.disk?.node ?? device.node,
    diskSeq: diskSeqOf(on),
    vdevGuid: luks === null ? (device.member?.vdevGuid ?? null) : null,
    luks,
  }
}
