// Which disks `walkaway disks` lists, what is said of each, and the entries it offers for the configuration. Pure.
import type { BlockDevice, Disk, LuksUuid } from '../core/model.ts'

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
  /** UUID of the LUKS container on it, be it open or closed; a pool is inside. */
  readonly luksUuid: string | null
  /** Name of the configured disk with this serial and this pool GUID; of a closed container, with this serial and UUID. */
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
  /** Of the container that the pool lies in. */
  readonly luksUuid: string | null
}

export interface DiskListing {
  readonly disks: readonly ListedDisk[]
  readonly offers: readonly OfferedEntry[]
  /** Whole disks left out because the running system stands on them. */
  readonly systemDisks: number
}

type Member = NonNullable<BlockDevice['member']> & {
  /** Of the container that it lies in, which is open. */
  readonly luksUuid: LuksUuid | null
}
export interface WholeDisk {
  readonly disk: BlockDevice
  readonly parts: readonly BlockDevice[]
  readonly members: readonly Member[]
}

/** Every disk that has a medium, with its partitions and what is open of LUKS containers on them. */
export const wholeDisks = (devices: readonly BlockDevice[]): readonly WholeDisk[] =>
  devices
    .filter(({ kind, sizeBytes, mapping }) => kind === 'disk' && sizeBytes > 0n && mapping === null)
    .map((disk): WholeDisk => {
      const partitions = devices.filter(
        (device) => device.kind === 'partition' && device.diskSyspath === disk.syspath,
      )
      const opened = devices.filter(({ mapping }) =>
        [disk, ...partitions].some(({ syspath }) => syspath === mapping?.on),
      )
      const parts = [...partitions, ...opened]
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
  const found = devices.flatMap(({ member, mapping }): readonly Member[] =>
    member === null ? [] : [{ ...member, luksUuid: mapping?.luksUuid ?? null }],
  )
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
    found: Pick<ListedDisk, 'pool' | 'poolGuid' | 'luksUuid' | 'configuredAs' | 'note'>,
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
    const judged = judgeWithoutPool(each, seen)
    const found = { pool: null, poolGuid: null, luksUuid: containerOn(each)?.luksUuid ?? null }
    return [rowWith({ ...found, ...told(judged) }, false)]
  }
  return members.map((member) => {
    const judged = judge(member, each, all, seen)
    return rowWith(
      {
        pool: member.pool,
        poolGuid: member.poolGuid,
        luksUuid: member.luksUuid,
        ...told(judged),
      },
      judged.kind === 'offered',
    )
  })
}

const told = (judged: Judgement): Pick<ListedDisk, 'configuredAs' | 'note'> => ({
  configuredAs: judged.kind === 'configured' ? judged.name : null,
  note: judged.kind === 'note' ? judged.note : null,
})

export const containerOn = ({ disk, parts }: Pick<WholeDisk, 'disk' | 'parts'>): BlockDevice | undefined =>
  [disk, ...parts].find(({ luksUuid }) => luksUuid !== null)

function judgeWithoutPool(each: WholeDisk, { configured }: Seen): Judgement {
  const { disk } = each
  const known = configured.find(({ serials }) => serials.some((serial) => disk.serials.includes(serial)))
  const container = containerOn(each)
  const note = (text: string): Judgement => ({ kind: 'note', note: text })
  if (disk.initialized && container?.luksUuid) {
    if (known?.luks?.uuid === container.luksUuid) return { kind: 'configured', name: known.name }
    const what = `LUKS container ${container.luksUuid}`
    if (known !== undefined)
      return note(`${what}, which the configuration of ${known.name} does not name: it would be refused`)
    return note(`${what}: to see the pool in it, cryptsetup open ${container.node} NAME`)
  }
  return note(noteWithoutPool(each, known))
}

function noteWithoutPool({ disk, parts }: WholeDisk, known: Disk | undefined): string {
  if (!disk.initialized) return 'udev has not looked at it yet: ask again in a moment'
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
  { pool, poolGuid, vdevGuid, luksUuid }: Member,
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
  if (byBoth !== undefined && (byBoth.luks?.uuid ?? null) === luksUuid)
    return { kind: 'configured', name: byBoth.name }
  if (byBoth !== undefined) {
    const where = luksUuid === null ? 'on the disk itself' : `in the LUKS container ${luksUuid}`
    return note(
      `the pool of ${byBoth.name} is ${where}, where its configuration does not expect it: it would be refused`,
    )
  }
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
    const { pool, poolGuid, luksUuid, serial } = listed
    if (!offered || pool === null || poolGuid === null || serial === null) continue
    const before = byGuid.get(poolGuid)
    const name = before?.name ?? freeName(pool, taken)
    taken.add(name)
    const serials = [...new Set([...(before?.serials ?? []), serial])]
    byGuid.set(poolGuid, { name, serials, pool, poolGuid, luksUuid })
  }
  return [...byGuid.values()]
}

function freeName(wanted: string, taken: ReadonlySet<string>): string {
  let name = wanted
  for (let number = 2; taken.has(name); number += 1) name = `${wanted}-${number}`
  return name
}
