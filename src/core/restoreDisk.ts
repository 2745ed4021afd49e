// Which pool `walkaway restore DISK` means, and from which devices it may be imported. Pure. A configured disk is held to
// its serial and GUID; on a machine without a configuration the name or GUID of a pool does, for nothing is written.

import { identify, type VdevDevice } from './identity.ts'
import { type BlockDevice, type Disk, diskName, type PoolGuid, type PoolName, serial } from './model.ts'
import { chooseNearest } from './nearest.ts'
import { describeRefusal } from './refusal.ts'

export type Located =
  /** By somebody else or by a visit: it is used as it is, and left imported. */
  | { readonly kind: 'imported'; readonly pool: PoolName; readonly guid: PoolGuid }
  | {
      readonly kind: 'connected'
      readonly pool: PoolName
      readonly guid: PoolGuid
      readonly vdevs: readonly [VdevDevice, ...VdevDevice[]]
      readonly disk: Disk
    }
  | {
      readonly kind: 'nowhere'
      readonly because: 'unknown' | 'absent' | 'refused'
      readonly sentence: string
    }

export interface Surroundings {
  /** What the person called it: a configured disk, a pool, or a pool's GUID. */
  readonly wanted: string
  readonly configured: readonly Disk[]
  readonly imported: readonly { readonly name: PoolName; readonly guid: PoolGuid }[]
  readonly devices: readonly BlockDevice[]
}

export function locateDisk(surroundings: Surroundings): Located {
  const { wanted, configured, imported, devices } = surroundings
  const known =
    configured.find(({ name }) => name === wanted) ??
    configured.find(({ pool, poolGuid }) => String(pool) === wanted || String(poolGuid) === wanted)
  const found = known === undefined ? findPools(surroundings) : [known.poolGuid]
  const [guid, ...others] = found
  if (guid === undefined) {
    const closed = devices.find(
      ({ luksUuid }) => luksUuid !== null && !devices.some(({ mapping }) => mapping?.luksUuid === luksUuid),
    )
    const hint =
      closed === undefined
        ? ''
        : `; if it lies in the LUKS container on ${closed.node}, open that first: cryptsetup open ${closed.node} NAME`
    const nearest = chooseNearest(wanted, namesOf(surroundings))
    const advice = nearest === null ? `see: walkaway disks${hint}` : `did you mean ${nearest}?`
    const sentence = `no disk is configured as ${wanted}, and no pool of that name or GUID is plugged in; ${advice}`
    return { kind: 'nowhere', because: 'unknown', sentence }
  }
  if (others.length > 0) {
    const sentence = `there are several pools called ${wanted}; say which with its GUID: ${found.join(', ')}`
    return { kind: 'nowhere', because: 'unknown', sentence }
  }
  const already = imported.find((pool) => pool.guid === guid)
  if (already !== undefined) return { kind: 'imported', pool: already.name, guid }

  const disk = known ?? diskByGuid(guid, devices)
  const sighting = identify([disk], devices.map(withSerial)).get(disk.name) ?? { kind: 'absent' }
  switch (sighting.kind) {
    case 'present':
      return { kind: 'connected', pool: disk.pool, guid, vdevs: sighting.vdevs, disk }
    case 'absent':
      return { kind: 'nowhere', because: 'absent', sentence: `${disk.name} is not plugged in` }
    case 'settling': {
      const sentence = `${disk.name} is not ready yet: waiting for ${sighting.waitingFor}; try again in a moment`
      return { kind: 'nowhere', because: 'absent', sentence }
    }
    case 'refused':
      return { kind: 'nowhere', because: 'refused', sentence: describeRefusal(disk, sighting.reason) }
  }
}

/** All that could have been meant: configured disks first. */
const namesOf = ({ configured, imported, devices }: Surroundings): readonly string[] => [
  ...configured.flatMap(({ name, pool }) => [name, pool]),
  ...devices.flatMap(({ member }) => member?.pool ?? []),
  ...imported.map(({ name }) => name),
]

/** GUIDs of the pools that are called so, imported or plugged in. */
function findPools({ wanted, imported, devices }: Surroundings): readonly PoolGuid[] {
  const pools = [
    ...imported,
    ...devices.flatMap(({ member }) =>
      member === null ? [] : [{ name: member.pool, guid: member.poolGuid }],
    ),
  ]
  const called = pools.filter(({ name, guid }) => String(guid) === wanted || String(name) === wanted)
  return [...new Set(called.map(({ guid }) => guid))]
}

/** A device without a serial number gets its place in the machine for one: some virtual disks have none. */
const withSerial = (device: BlockDevice): BlockDevice =>
  device.serials.length > 0 ? device : { ...device, serials: [serial(device.diskSyspath)] }

/** An identity for a pool that is not configured: the devices on which it is now. Copies of it are found all the same. */
function diskByGuid(guid: PoolGuid, devices: readonly BlockDevice[]): Disk {
  const members = devices.filter(({ member }) => member?.poolGuid === guid)
  // What is open of a container has no serial number of its own.
  const carriers = members.map(
    (device) => devices.find(({ syspath }) => syspath === device.mapping?.on) ?? device,
  )
  const pool = members[0]?.member?.pool
  if (pool === undefined) throw new RangeError(`no device carries the pool ${guid}`)
  return {
    name: diskName(pool),
    serials: [...new Set(carriers.flatMap((device) => withSerial(device).serials.slice(0, 1)))],
    pool,
    poolGuid: guid,
    // Open, or its pool could not be seen.
    luks: members[0]?.mapping ? { uuid: members[0].mapping.luksUuid } : null,
  }
}
