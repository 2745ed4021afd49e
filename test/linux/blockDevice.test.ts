import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  blockDevice,
  couldBeDisk,
  decodeUdev,
  parseUdevInfo,
  type SysfsFacts,
  type UdevProperties,
} from '../../src/linux/blockDevice.ts'

const facts: SysfsFacts = { diskSeq: '14', sizeBytes: 2_147_483_648n, removable: false, mapping: null }
const diskPath = '/sys/devices/pci0000:00/0000:00:04.0/usb2/2-1/2-1:1.0/host2/target2:0:0/2:0:0:0/block/sda'

/** Partition 1 of a pool disk behind a USB bridge. */
const partition: UdevProperties = {
  DEVLINKS:
    '/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_WDOFFSITE0001-0:0-part1 /dev/disk/by-uuid/4425734906477738374 /dev/disk/by-partuuid/8e1f',
  DEVNAME: '/dev/sda1',
  DEVPATH: diskPath.slice(4),
  DEVTYPE: 'partition',
  DISKSEQ: '14',
  ID_BUS: 'usb',
  ID_FS_LABEL: 'offsite_1',
  ID_FS_LABEL_ENC: 'offsite\\x201',
  ID_FS_TYPE: 'zfs_member',
  ID_FS_UUID: '4425734906477738374',
  ID_FS_UUID_SUB: '17803459348579123456',
  ID_MODEL: 'QEMU_HARDDISK',
  ID_MODEL_ENC: 'QEMU\\x20HARDDISK\\x20\\x20\\x20',
  ID_SERIAL: 'QEMU_QEMU_HARDDISK_WDOFFSITE0001-0:0',
  ID_SERIAL_SHORT: 'WDOFFSITE0001',
  ID_USB_SERIAL: 'QEMU_QEMU_HARDDISK_WDOFFSITE0001-0:0',
  ID_USB_SERIAL_SHORT: 'WDOFFSITE0001',
  USEC_INITIALIZED: '88273923',
}
const described = (properties: UdevProperties, sysfs = facts) =>
  blockDevice(`${diskPath}/sda1`, properties, sysfs)

describe('blockDevice', () => {
  test('a partition that carries a vdev', () => {
    expect(described(partition)).toEqual({
      node: '/dev/sda1',
      syspath: `${diskPath}/sda1`,
      kind: 'partition',
      diskSyspath: diskPath,
      diskSeq: '14',
      serials: ['WDOFFSITE0001', 'QEMU_QEMU_HARDDISK_WDOFFSITE0001-0:0'],
      links: [
        '/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_WDOFFSITE0001-0:0-part1',
        '/dev/disk/by-uuid/4425734906477738374',
        '/dev/disk/by-partuuid/8e1f',
      ],
      sizeBytes: 2_147_483_648n,
      initialized: true,
      removable: true,
      model: 'QEMU HARDDISK',
      fsType: 'zfs_member',
      member: { pool: 'offsite 1', poolGuid: '4425734906477738374', vdevGuid: '17803459348579123456' },
      luksUuid: null,
      mapping: null,
    })
  })

  test('a whole disk is its own disk', () => {
    const disk = blockDevice(diskPath, { DEVNAME: '/dev/sda', DEVTYPE: 'disk', USEC_INITIALIZED: '1' }, facts)
    expect(disk).toMatchObject({
      kind: 'disk',
      diskSyspath: diskPath,
      member: null,
      serials: [],
      links: [],
      fsType: '',
    })
  })

  test.each<[string, UdevProperties]>([
    ['udev has not run its rules', { ...partition, USEC_INITIALIZED: undefined }],
    ['a rule run failed', { ...partition, UDEV_WORKER_FAILED: '1' }],
    ['what udev knows is of the device that had this name before', { ...partition, DISKSEQ: '13' }],
  ])('not identified: %s', (_, properties) => {
    expect(described(properties)?.initialized).toBe(false)
  })

  test('a kernel without sequence numbers', () => {
    expect(described({ ...partition, DISKSEQ: undefined }, { ...facts, diskSeq: '' })?.initialized).toBe(true)
  })

  test.each<[string, UdevProperties]>([
    ['no pool GUID', { ...partition, ID_FS_UUID: undefined }],
    ['no vdev GUID', { ...partition, ID_FS_UUID_SUB: '' }],
    ['a GUID that is no number', { ...partition, ID_FS_UUID: '0x3d6b' }],
    ['another file system', { ...partition, ID_FS_TYPE: 'ext4' }],
  ])('no vdev: %s', (_, properties) => {
    expect(described(properties)?.member).toBeNull()
  })

  test('every property that can hold a serial', () => {
    const all = {
      ID_SCSI_SERIAL: 'a',
      ID_WWN: 'b',
      ID_WWN_WITH_EXTENSION: 'c',
      ID_USB_SERIAL: 'd',
      ID_SERIAL: null,
    }
    expect(blockDevice(diskPath, { DEVNAME: '/dev/sda', ...all }, facts)?.serials).toEqual([
      'd',
      'a',
      'b',
      'c',
    ])
  })

  test('a device that vanished while it was asked for', () => {
    expect(blockDevice(diskPath, { syspath: diskPath }, facts)).toBeNull()
  })
})

test('what can never be a backup disk', () => {
  expect(
    ['sda', 'sda1', 'nvme0n1', 'vdb', 'dm-0', 'md127', 'mmcblk0', 'xvda', 'nbd0'].filter(couldBeDisk),
  ).toHaveLength(9)
  expect(['zd0', 'zd16p1', 'loop3', 'ram0', 'zram0', 'sr0', 'fd0'].filter(couldBeDisk)).toEqual([])
})

test('udev escapes', () => {
  expect(decodeUdev('off\\x20site\\xc3\\xa9 \\\\ ü')).toBe('off siteé \\\\ ü')
})

test('udevadm info', () => {
  const text = `P: /devices/virtual/block/loop0
M: loop0
U: block
T: disk
D: b 7:0
N: loop0
L: 0
E: DEVPATH=/devices/virtual/block/loop0
E: DEVNAME=/dev/loop0
E: ID_FS_LABEL_ENC=a=b

P: /devices/x/block/sda
N: sda
S: disk/by-id/usb-1
E: DEVNAME=/dev/sda
E: EMPTY=
`
  expect(parseUdevInfo(text)).toEqual([
    {
      syspath: '/sys/devices/virtual/block/loop0',
      properties: {
        DEVPATH: '/devices/virtual/block/loop0',
        DEVNAME: '/dev/loop0',
        ID_FS_LABEL_ENC: 'a=b',
      },
    },
    { syspath: '/sys/devices/x/block/sda', properties: { DEVNAME: '/dev/sda', EMPTY: '' } },
  ])
  expect(parseUdevInfo('')).toEqual([])
})

// Recorded on Debian 13 (systemd 257): a USB disk with the pool offsite-1, plugged in.
test('what a real udev says of a pool disk', () => {
  const text = readFileSync(join(import.meta.dirname, '../transcripts/udev-257/info.txt'), 'utf8')
  const devices = parseUdevInfo(text).map(({ syspath, properties }) =>
    blockDevice(syspath, properties, facts),
  )
  expect(devices.map((device) => [device?.node, device?.kind, device?.member])).toEqual([
    ['/dev/sda', 'disk', null],
    [
      '/dev/sda1',
      'partition',
      { pool: 'offsite-1', poolGuid: '4411971619092777972', vdevGuid: expect.stringMatching(/^\d+$/) },
    ],
    ['/dev/sda9', 'partition', null],
  ])
  for (const device of devices) {
    expect(device?.serials).toEqual(['WDPROBE1', 'QEMU_QEMU_HARDDISK_WDPROBE1-0:0'])
    expect(device?.diskSyspath).toBe(devices[0]?.syspath)
    expect(device).toMatchObject({ removable: true, model: 'QEMU HARDDISK' })
  }
  expect(devices[1]?.links).toContain('/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_WDPROBE1-0:0-part1')
})
