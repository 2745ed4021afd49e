// Which disks `walkaway disks` lists, what is said of each, and the entries it offers for the configuration. Pure.
import type { BlockDevice, Disk } from '../core/model.ts'

/** What the listing is made from; all of it is looked at, nothing is opened. */
export interface Seen {
  readonly devices: readonly BlockDevice[]
  readonly configured: readonly Disk[]
  /** Names of the pools that the sources are on. */
  readonly sourcePools: ReadonlySet<string>
  /** What the running system stands on: never listed, never offered. */
  readonly system: { readonly syspaths: ReadonlySet<string>; readonly pools: ReadonlySet<string> }
}

/** One pool on one disk, or a disk without a pool. */
export interface ListedDisk {
  /** Of the whole disk. */
  readonly node: string
  readonly model: string
  readonly sizeBytes: number
  /** The best one to configure; null when it has none. */
  readonly serial: string | null
  readonly serials: readonly string[]
  readonly removable: boolean
  readonly pool: string | null
  readonly poolGuid: string | null
  /** Name of the configured disk with this serial and this pool GUID. */
  readonly configuredAs: string | null
  /** What stands in the way, or what to do with it; a sentence for a person. */
  readonly note: string | null
}

/** A pool that could be a backup disk and is not configured. */
export interface OfferedEntry {
  readonly name: string
  readonly serials: readonly string[]
  readonly pool: string
  readonly poolGuid: string
}

export interface DiskListing {
  readonly disks: readonly ListedDisk[]
  readonly offers: readonly OfferedEntry[]
  /** Whole disks left out because the running system stands on them. */
  readonly systemDisks: number
}

type Member = NonNullable<BlockDevice['member']>
export interface WholeDisk {
  readonly disk: BlockDevice
  readonly parts: readonly BlockDevice[]
  readonly members: readonly Member[]
}

/** Every disk that has a medium, with its partitions. */
export const wholeDisks = (devices: readonly BlockDevice[]): readonly WholeDisk[] =>
  devices
    .filter(({ kind, sizeBytes }) => kind === 'disk' && sizeBytes > 0n)
    .map((disk): WholeDisk => {
      const parts = devices.filter(
        (device) => device.kind === 'partition' && device.diskSyspath === disk.syspath,
      )
      return { disk, parts, members: membersOf([disk, ...parts]) }
    })

export function listDisks(seen: Seen): DiskListing {
  const whole = wholeDisks(seen.devices)
  const shown = whole.filter((each) => !isSystem(each, seen))
  const rows = shown
    .toSorted((a, b) => a.disk.node.localeCompare(b.disk.node, 'en', { numeric: true }))
    .flatMap((each) => rowsOf(each, shown, seen))
  return {
    disks: rows.map(({ listed }) => listed),
    offers: offersOf(rows, seen.configured),
    systemDisks: whole.length - shown.length,
  }
}

/** udev may say the same of a disk and of its first partition. */
function membersOf(devices: readonly BlockDevice[]): readonly Member[] {
  const found = devices.flatMap(({ member }) => (member === null ? [] : [member]))
  return [...new Map(found.map((member) => [member.vdevGuid, member])).values()]
}

export const isSystem = ({ disk, parts, members }: WholeDisk, { system }: Seen): boolean =>
  [disk, ...parts].some(({ syspath }) => system.syspaths.has(syspath)) ||
  members.some(({ pool }) => system.pools.has(pool))

interface Row {
  readonly listed: ListedDisk
  readonly offered: boolean
}

function rowsOf(each: WholeDisk, all: readonly WholeDisk[], seen: Seen): readonly Row[] {
  const { disk, members } = each
  const rowWith = (
    found: Pick<ListedDisk, 'pool' | 'poolGuid' | 'configuredAs' | 'note'>,
    offered: boolean,
  ): Row => ({
    listed: {
      node: disk.node,
      model: disk.model,
      sizeBytes: Number(disk.sizeBytes),
      serial: disk.serials[0] ?? null,
      serials: disk.serials,
      removable: disk.removable,
      ...found,
    },
    offered,
  })
  if (members.length === 0) {
    return [
      rowWith({ pool: null, poolGuid: null, configuredAs: null, note: noteWithoutPool(each, seen) }, false),
    ]
  }
  return members.map((member) => {
    const judged = judge(member, each, all, seen)
    return rowWith(
      {
        pool: member.pool,
        poolGuid: member.poolGuid,
        configuredAs: judged.kind === 'configured' ? judged.name : null,
        note: judged.kind === 'note' ? judged.note : null,
      },
      judged.kind === 'offered',
    )
  })
}

function noteWithoutPool({ disk, parts }: WholeDisk, { configured }: Seen): string {
  if (!disk.initialized) return 'udev has not looked at it yet: ask again in a moment'
  const known = configured.find(({ serials }) => serials.some((serial) => disk.serials.includes(serial)))
  if (known !== undefined) return `configured as ${known.name}, but there is no pool on it`
  const kinds = [...new Set([disk, ...parts].map(({ fsType }) => fsType).filter((type) => type !== ''))]
  if (kinds.length > 0) return `carries ${kinds.join(', ')}, no pool`
  if (parts.length > 0) return 'has partitions, no pool'
  return 'empty: a pool could be made on it'
}

type Judgement =
  | { readonly kind: 'configured'; readonly name: string }
  | { readonly kind: 'offered' }
  | { readonly kind: 'note'; readonly note: string }

function judge(
  { pool, poolGuid, vdevGuid }: Member,
  { disk }: WholeDisk,
  all: readonly WholeDisk[],
  { configured, sourcePools }: Seen,
): Judgement {
  const note = (text: string): Judgement => ({ kind: 'note', note: text })
  const twin = all.find(
    (other) => other.disk !== disk && other.members.some((member) => member.vdevGuid === vdevGuid),
  )
  if (twin !== undefined) {
    return note(
      `one of two copies (the other is ${twin.disk.node}): neither is touched while both are connected`,
    )
  }
  const bySerial = configured.filter(({ serials }) => serials.some((serial) => disk.serials.includes(serial)))
  const byBoth = bySerial.find((known) => known.poolGuid === poolGuid)
  if (byBoth !== undefined) return { kind: 'configured', name: byBoth.name }
  const byGuid = configured.find((known) => known.poolGuid === poolGuid)
  if (byGuid !== undefined) {
    return note(
      `the pool of ${byGuid.name}, whose configuration does not name this serial: it would be refused`,
    )
  }
  const [known] = bySerial
  if (known !== undefined) {
    return note(
      `the serial of ${known.name}, whose configuration names another pool GUID: it would be refused`,
    )
  }
  if (sourcePools.has(pool)) return note('a pool of the sources')
  if (disk.serials.length === 0) return note('has no serial number: it could not be told from another disk')
  return { kind: 'offered' }
}

/** One entry for a pool, with a serial of each of its disks that are connected. */
function offersOf(rows: readonly Row[], configured: readonly Disk[]): readonly OfferedEntry[] {
  const taken = new Set<string>(configured.map(({ name }) => name))
  const byGuid = new Map<string, OfferedEntry>()
  for (const { listed, offered } of rows) {
    const { pool, poolGuid, serial } = listed
    if (!offered || pool === null || poolGuid === null || serial === null) continue
    const before = byGuid.get(poolGuid)
    const name = before?.name ?? freeName(pool, taken)
    taken.add(name)
    const serials = [...new Set([...(before?.serials ?? []), serial])]
    byGuid.set(poolGuid, { name, serials, pool, poolGuid })
  }
  return [...byGuid.values()]
}

function freeName(wanted: string, taken: ReadonlySet<string>): string {
  let name = wanted
  for (let number = 2; taken.has(name); number += 1) name = `${wanted}-${number}`
  return name
}
