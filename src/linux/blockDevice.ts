// From udev's properties of a block device to a BlockDevice. Pure: what must be read from sysfs is handed in. Owns the
// knowledge which properties hold a serial number, how labels are escaped and which devices can never be a disk.

import { mappingName } from '../core/container.ts'
import {
  type BlockDevice,
  type LuksUuid,
  luksUuid,
  type Mapping,
  poolGuid,
  poolName,
  type Serial,
  serial,
  vdevGuid,
} from '../core/model.ts'

/** udev's properties of one device; node-udev gives null for a property without a value. */
export type UdevProperties = Readonly<Record<string, string | null | undefined>>

/** What sysfs says of it. */
export interface SysfsFacts {
  /** Sequence number of the whole disk; empty on kernels before 5.15. */
  readonly diskSeq: string
  readonly sizeBytes: bigint
  readonly removable: boolean
  readonly mapping: Mapping | null
}

/** Which of these udev fills differs between its versions and between USB bridges. */
const serialProperties = [
  'ID_SERIAL_SHORT',
  'ID_SERIAL',
  'ID_USB_SERIAL_SHORT',
  'ID_USB_SERIAL',
  'ID_SCSI_SERIAL',
  'ID_WWN',
  'ID_WWN_WITH_EXTENSION',
] as const

/**
 * Devices that cannot be a backup disk: memory, files, optical drives and floppies, and zvols, whose contents
 * (virtual machines, perhaps with pools of their own) must never be taken for a disk.
 */
const neverDisks = /^(loop|ram|zram|zd|sr|fd)\d/

/** True for a kernel name (`sda1`) that can be or carry a backup disk. */
export const couldBeDisk = (kernelName: string): boolean => !neverDisks.test(kernelName)

export const kernelNameOf = (syspath: string): string => syspath.slice(syspath.lastIndexOf('/') + 1)

/** syspath of the whole disk: a partition lies directly below it. */
export const diskSyspathOf = (syspath: string, properties: UdevProperties): string =>
  properties['DEVTYPE'] === 'partition' ? syspath.slice(0, syspath.lastIndexOf('/')) : syspath

/** Null for a device that vanished while udev was asked for it: it has a syspath and nothing else. */
export function blockDevice(
  syspath: string,
  properties: UdevProperties,
  sysfs: SysfsFacts,
): BlockDevice | null {
  const node = properties['DEVNAME']
  if (!node) return null
  return {
    node,
    syspath,
    kind: properties['DEVTYPE'] === 'partition' ? 'partition' : 'disk',
    diskSyspath: diskSyspathOf(syspath, properties),
    diskSeq: sysfs.diskSeq,
    serials: serialsOf(properties),
    links: (properties['DEVLINKS'] ?? '').split(' ').filter((link) => link !== ''),
    sizeBytes: sysfs.sizeBytes,
    initialized: isIdentified(properties, sysfs.diskSeq),
    removable: sysfs.removable || properties['ID_BUS'] === 'usb',
    model: modelOf(properties),
    fsType: properties['ID_FS_TYPE'] ?? '',
    member: memberOf(properties),
    luksUuid: luksUuidOf(properties),
    mapping: sysfs.mapping,
  }
}

/**
 * udev has run its rules for this very device. A rule run that failed leaves nothing to rely on, and what udev knows
 * may still be of a device that had the same name a moment before: then the sequence numbers differ.
 */
function isIdentified(properties: UdevProperties, diskSeq: string): boolean {
  if (!properties['USEC_INITIALIZED']) return false
  if (properties['UDEV_WORKER_FAILED'] === '1') return false
  const known = properties['DISKSEQ']
  return !known || diskSeq === '' || known === diskSeq
}

function serialsOf(properties: UdevProperties): readonly Serial[] {
  const found = serialProperties.map((name) => (properties[name] ?? '').trim())
  return [...new Set(found.filter((text) => text !== ''))].map(serial)
}

function memberOf(properties: UdevProperties): BlockDevice['member'] {
  if (properties['ID_FS_TYPE'] !== 'zfs_member') return null
  const pool = properties['ID_FS_UUID']
  const vdev = properties['ID_FS_UUID_SUB']
  if (!isGuid(pool) || !isGuid(vdev)) return null
  return { pool: poolName(labelOf(properties)), poolGuid: poolGuid(pool), vdevGuid: vdevGuid(vdev) }
}

function luksUuidOf(properties: UdevProperties): LuksUuid | null {
  const uuid = properties['ID_FS_UUID']
  return properties['ID_FS_TYPE'] === 'crypto_LUKS' && uuid ? luksUuid(uuid) : null
}

/** What the device mapper says of a device of its own; null: it is no open LUKS container. `on`: syspath of what it lies on. */
export function mappingOf(dm: {
  readonly uuid: string
  readonly name: string
  readonly on: string | null
}): Mapping | null {
  // libcryptsetup writes the container's UUID without dashes, and the name that it was opened under.
  const [, hex, openedAs] = /^CRYPT-LUKS[12]-([0-9a-f]{32})-(.*)$/.exec(dm.uuid) ?? []
  if (hex === undefined || openedAs === undefined) return null
  const uuid = luksUuid(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'))
  return { luksUuid: uuid, name: dm.name, on: dm.on, ours: openedAs.startsWith(mappingName(uuid)) }
}

/** A 64-bit GUID in decimal. Anything else udev says here was not understood, so it is no identity. */
const isGuid = (text: string | null | undefined): text is string =>
  typeof text === 'string' && /^[1-9]\d{0,19}$/.test(text)

/** ID_FS_LABEL has replaced characters; ID_FS_LABEL_ENC has them escaped and is exact. */
function labelOf(properties: UdevProperties): string {
  const encoded = properties['ID_FS_LABEL_ENC']
  return encoded ? decodeUdev(encoded) : (properties['ID_FS_LABEL'] ?? '')
}

function modelOf(properties: UdevProperties): string {
  const encoded = properties['ID_MODEL_ENC']
  if (encoded) return decodeUdev(encoded).trim().replaceAll(/\s+/g, ' ')
  return (properties['ID_MODEL'] ?? '').replaceAll('_', ' ').trim()
}

/** Undoes udev's `\x20` escapes, which stand for bytes of UTF-8. */
export function decodeUdev(text: string): string {
  return Buffer.from(
    text.replaceAll(/[^\\]+|\\x([0-9a-fA-F]{2})|\\/g, (part, hex: string | undefined) =>
      hex === undefined
        ? Buffer.from(part, 'utf8').toString('latin1')
        : String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  ).toString('utf8')
}

/**
 * The devices in the output of `udevadm info`: blocks of `P: devpath`, `N: name`, `E: KEY=value` lines with an empty
 * line between them.
 */
export function parseUdevInfo(
  text: string,
): readonly { readonly syspath: string; readonly properties: UdevProperties }[] {
  return text
    .split(/\n\n+/)
    .map((block) => block.split('\n'))
    .flatMap((lines) => {
      const path = lines.find((line) => line.startsWith('P: '))?.slice(3)
      if (path === undefined) return []
      const properties = parseProperties(
        lines.filter((line) => line.startsWith('E: ')).map((line) => line.slice(3)),
      )
      return [{ syspath: `/sys${path}`, properties }]
    })
}

/** `KEY=value` lines; a value may contain `=`. */
export function parseProperties(lines: readonly string[]): UdevProperties {
  return Object.fromEntries(
    lines.flatMap((line) => {
      const at = line.indexOf('=')
      return at <= 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]]
    }),
  )
}
