import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { identify, type Sighting } from '../../src/core/identity.ts'
import {
  type BlockDevice,
  type Disk,
  diskName,
  poolGuid,
  poolName,
  serial,
  vdevGuid,
} from '../../src/core/model.ts'
import { describeAlarm, describeRefusal, type RefusalReason } from '../../src/core/refusal.ts'

const A: Disk = {
  name: diskName('offsite-1'),
  serials: [serial('SA')],
  pool: poolName('offsite-1'),
  poolGuid: poolGuid('4425734906477738374'),
  luks: null,
}
const B: Disk = {
  name: diskName('offsite-2'),
  serials: [serial('SB')],
  pool: poolName('offsite-2'),
  poolGuid: poolGuid('10938475610293849560'),
  luks: null,
}
const mirror: Disk = { ...A, serials: [serial('SA'), serial('SA2')] }

interface Shape {
  readonly serials?: readonly string[]
  /** `guid/vdev` or `guid/vdev/name` */
  readonly pool?: string
  /** The pool is on the disk itself. */
  readonly whole?: boolean
  readonly initialized?: boolean
  readonly diskSeq?: string
  readonly links?: readonly string[]
}

const names: Readonly<Record<string, string>> = { [A.poolGuid]: 'offsite-1', [B.poolGuid]: 'offsite-2' }

/** A disk `sdX` with one partition, as udev shows a pool disk. */
function plug(name: string, shape: Shape): readonly BlockDevice[] {
  const syspath = `/sys/devices/usb/block/${name}`
  const [guid = '', vdev = '', pool = names[guid] ?? 'stranger'] = (shape.pool ?? '').split('/')
  const member =
    shape.pool === undefined
      ? null
      : { pool: poolName(pool), poolGuid: poolGuid(guid), vdevGuid: vdevGuid(vdev) }
  const disk: BlockDevice = {
    node: `/dev/${name}`,
    syspath,
    kind: 'disk',
    diskSyspath: syspath,
    diskSeq: shape.diskSeq ?? name,
    serials: (shape.serials ?? []).map(serial),
    links: [`/dev/disk/by-id/usb-${name}`, `/dev/disk/by-path/${name}`],
    sizeBytes: 1000n,
    initialized: true,
    removable: true,
    model: '',
    fsType: shape.whole ? 'zfs_member' : '',
    member: shape.whole ? member : null,
    luksUuid: null,
    mapping: null,
  }
  const partition: BlockDevice = {
    ...disk,
    node: `/dev/${name}1`,
    syspath: `${syspath}/${name}1`,
    kind: 'partition',
    links: shape.links ?? [`/dev/disk/by-partuuid/${name}`, `/dev/disk/by-id/usb-${name}-part1`],
    initialized: shape.initialized ?? true,
    fsType: member === null ? 'ext4' : 'zfs_member',
    member,
  }
  return shape.whole ? [disk] : [disk, partition]
}

const of = (disk: Disk, devices: readonly BlockDevice[]): Sighting => {
  const sighting = identify([A, B], devices).get(disk.name)
  if (sighting === undefined) throw new Error('no answer for a configured disk')
  return sighting
}
const short = (sighting: Sighting): string => {
  switch (sighting.kind) {
    case 'absent':
      return 'absent'
    case 'settling':
      return `settling ${sighting.because}`
    case 'refused':
      return `refused ${sighting.reason.kind}`
    case 'present':
      return `present ${sighting.vdevs.map((vdev) => vdev.node).join(' ')}${sighting.alarms.map((alarm) => ` !${alarm.node}`).join('')}`
  }
}

const a = `${A.poolGuid}/11`
const b = `${B.poolGuid}/22`

describe('identify', () => {
  test.each<[string, readonly (readonly BlockDevice[])[], string, string]>([
    ['nothing connected', [], 'absent', 'absent'],
    ['an unknown disk', [plug('sdx', { serials: ['SX'], pool: '77/7' })], 'absent', 'absent'],
    ['an unknown disk without a serial', [plug('sdx', {})], 'absent', 'absent'],
    ['the right disk', [plug('sda', { serials: ['SA'], pool: a })], 'present /dev/sda1', 'absent'],
    [
      'the serial in another property',
      [plug('sda', { serials: ['wwn', 'SA'], pool: a })],
      'present /dev/sda1',
      'absent',
    ],
    [
      'both disks',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdb', { serials: ['SB'], pool: b })],
      'present /dev/sda1',
      'present /dev/sdb1',
    ],
    [
      'a pool on the whole disk',
      [plug('sda', { serials: ['SA'], pool: a, whole: true })],
      'present /dev/sda',
      'absent',
    ],
    [
      'another pool under the serial',
      [plug('sda', { serials: ['SA'], pool: '77/7' })],
      'refused other-pool',
      'absent',
    ],
    [
      'the pool under another serial',
      [plug('sda', { serials: ['SX'], pool: a })],
      'refused foreign-serial',
      'absent',
    ],
    ['the pool on a disk without serial', [plug('sda', { pool: a })], 'refused foreign-serial', 'absent'],
    [
      'one pool on the other disk',
      [plug('sda', { serials: ['SA'], pool: b })],
      'refused other-pool',
      'refused foreign-serial',
    ],
    [
      'pools swapped',
      [plug('sda', { serials: ['SA'], pool: b }), plug('sdb', { serials: ['SB'], pool: a })],
      'refused foreign-serial',
      'refused foreign-serial',
    ],
    [
      'a copy with its own serial',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdx', { serials: ['SX'], pool: a })],
      'refused twin',
      'absent',
    ],
    [
      'a copy in a dock that gives it the same serial',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdx', { serials: ['SA'], pool: a })],
      'refused twin',
      'absent',
    ],
    [
      'a copy on the other backup disk',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdb', { serials: ['SB'], pool: a })],
      'refused twin',
      'refused other-pool',
    ],
    [
      'a dock: another pool under the same serial',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdx', { serials: ['SA'], pool: '77/7' })],
      'present /dev/sda1 !/dev/sdx1',
      'absent',
    ],
    [
      'a dock: an empty disk under the same serial',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdx', { serials: ['SA'] })],
      'present /dev/sda1',
      'absent',
    ],
    [
      'a dock gives the other backup disk this serial',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdb', { serials: ['SA'], pool: b })],
      'present /dev/sda1 !/dev/sdb1',
      'refused foreign-serial',
    ],
    ['renamed', [plug('sda', { serials: ['SA'], pool: `${a}/tank` })], 'refused renamed', 'absent'],
    ['no pool on it', [plug('sda', { serials: ['SA'] })], 'settling no-pool', 'absent'],
    [
      'partition not identified',
      [plug('sda', { serials: ['SA'], initialized: false })],
      'settling udev',
      'absent',
    ],
    ['disk not seen yet', [plug('sda', { serials: ['SA'], pool: a }).slice(1)], 'settling udev', 'absent'],
    ['partition not seen yet', [plug('sda', { serials: ['SA'] }).slice(0, 1)], 'settling no-pool', 'absent'],
  ])('%s', (_, devices, expectedA, expectedB) => {
    expect(short(of(A, devices.flat()))).toBe(expectedA)
    expect(short(of(B, devices.flat()))).toBe(expectedB)
  })

  test.each<[string, readonly (readonly BlockDevice[])[], string]>([
    [
      'all disks',
      [
        plug('sda', { serials: ['SA'], pool: a }),
        plug('sdb', { serials: ['SA2'], pool: `${A.poolGuid}/12` }),
      ],
      'present /dev/sda1 /dev/sdb1',
    ],
    ['one disk', [plug('sda', { serials: ['SA'], pool: a })], 'settling missing-disks'],
    [
      'the second without a pool',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdb', { serials: ['SA2'] })],
      'settling no-pool',
    ],
    [
      'the second with another pool',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdb', { serials: ['SA2'], pool: '77/7' })],
      'refused other-pool',
    ],
    [
      'the second under a serial that is not configured',
      [plug('sda', { serials: ['SA'], pool: a }), plug('sdb', { serials: ['SX'], pool: `${A.poolGuid}/12` })],
      'refused foreign-serial',
    ],
    ['two spellings of one serial', [plug('sda', { serials: ['SA', 'SA2'], pool: a })], 'present /dev/sda1'],
  ])('a pool of several disks: %s', (_, devices, expected) => {
    const sighting = identify([mirror], devices.flat()).get(mirror.name)
    expect(sighting && short(sighting)).toBe(expected)
  })

  test('a label of the partition that shows through on the whole disk is no copy', () => {
    const [disk, partition] = plug('sda', { serials: ['SA'], pool: a })
    if (disk === undefined || partition === undefined) throw new Error('a disk has a partition here')
    expect(short(of(A, [{ ...disk, member: partition.member }, partition]))).toBe('present /dev/sda1')
  })

  test('two partitions of one disk that claim to be the same vdev are a copy', () => {
    const [disk, partition] = plug('sda', { serials: ['SA'], pool: a })
    if (disk === undefined || partition === undefined) throw new Error('a disk has a partition here')
    const second = { ...partition, node: '/dev/sda2', syspath: `${disk.syspath}/sda2` }
    expect(short(of(A, [disk, partition, second]))).toBe('refused twin')
  })

  test('the key of a refusal changes with the device and with what is on it, not with its name', () => {
    const key = (shape: Shape, name = 'sda') => {
      const sighting = of(A, plug(name, { serials: ['SA'], pool: '77/7', diskSeq: '9', ...shape }))
      return sighting.kind === 'refused' ? sighting.key : sighting.kind
    }
    expect(key({})).toBe(key({}, 'sdq'))
    expect(key({})).not.toBe(key({ diskSeq: '10' }))
    expect(key({})).not.toBe(key({ pool: '78/7' }))
  })
})

describe('the link of a vdev', () => {
  const linkOf = (devices: readonly BlockDevice[]): string => {
    const sighting = of(A, devices)
    return sighting.kind === 'present' ? sighting.vdevs[0].link : sighting.kind
  }
  const links = [
    '/dev/disk/by-uuid/4425734906477738374',
    '/dev/disk/by-label/offsite-1',
    '/dev/disk/by-partuuid/0b0b',
    '/dev/disk/by-id/wwn-0x5000c500a1b2c3d4-part1',
    '/dev/disk/by-id/scsi-35000c500a1b2c3d4-part1',
    '/dev/disk/by-id/usb-WD_SA-0:0-part1',
    '/dev/disk/by-path/pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:0-part/by-label/offsite-1',
    '/dev/disk/by-path/pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:0-part1',
  ]
  const disk = (kept: (link: string) => boolean) =>
    plug('sda', { serials: ['SA'], pool: a, links: links.filter(kept) })

  test('says the serial where it can, and never the label or GUID, which a copy has, too', () => {
    expect(linkOf(disk(() => true))).toBe('/dev/disk/by-id/usb-WD_SA-0:0-part1')
    expect(linkOf(disk((link) => !link.includes('usb-WD')))).toBe(
      '/dev/disk/by-id/scsi-35000c500a1b2c3d4-part1',
    )
    expect(linkOf(disk((link) => !link.includes('by-id')))).toBe('/dev/disk/by-partuuid/0b0b')
    expect(linkOf(disk((link) => !/by-(id|partuuid)/.test(link)))).toMatch(/by-path.*-part1$/)
    expect(linkOf(disk((link) => /by-(label|uuid)/.test(link)))).toBe('/dev/sda1')
  })
  test('is by-partuuid where another device reports the same serial', () => {
    const stranger = plug('sdx', { serials: ['SA'], pool: '77/7' })
    expect(linkOf([...disk(() => true), ...stranger])).toBe('/dev/disk/by-partuuid/0b0b')
  })
})

describe('properties', () => {
  const shapes = fc.record({
    serials: fc.subarray(['SA', 'SB', 'SX']),
    pool: fc.option(fc.constantFrom(a, b, '77/7', `${A.poolGuid}/12`), { nil: undefined }),
    whole: fc.boolean(),
    initialized: fc.boolean(),
  })
  const machines = fc
    .array(shapes, { maxLength: 4 })
    .map((all) =>
      all.flatMap(({ pool, ...rest }, index) =>
        plug(`sd${'abcd'[index]}`, pool === undefined ? rest : { ...rest, pool }),
      ),
    )

  test('the order of the devices does not matter', () => {
    fc.assert(
      fc.property(
        machines.chain((devices) =>
          fc.tuple(fc.constant(devices), fc.shuffledSubarray([...devices], { minLength: devices.length })),
        ),
        ([devices, shuffled]) => {
          expect(identify([A, B], shuffled)).toEqual(identify([A, B], devices))
        },
      ),
    )
  })

  test('a present disk has exactly the configured pool under a configured serial, on devices of nobody else', () => {
    fc.assert(
      fc.property(machines, (devices) => {
        const used: string[] = []
        for (const disk of [A, B]) {
          const sighting = of(disk, devices)
          if (sighting.kind !== 'present') continue
          for (const vdev of sighting.vdevs) {
            const device = devices.find((one) => one.node === vdev.node)
            expect(device?.member?.poolGuid).toBe(disk.poolGuid)
            expect(device?.serials.some((one) => disk.serials.includes(one))).toBe(true)
            expect(device?.initialized).toBe(true)
            expect(devices.filter((one) => one.member?.vdevGuid === vdev.vdevGuid)).toHaveLength(1)
            used.push(vdev.node)
          }
        }
        expect(new Set(used).size).toBe(used.length)
      }),
    )
  })

  test('a device that is neither by serial nor by pool a configured disk changes nothing', () => {
    fc.assert(
      fc.property(
        machines,
        fc.constantFrom<Shape>({ serials: ['SY'] }, { serials: ['SY'], pool: '99/9' }),
        (devices, shape) => {
          expect(identify([A, B], [...devices, ...plug('sdz', shape)])).toEqual(identify([A, B], devices))
        },
      ),
    )
  })
})

test('a refusal says the device, what was expected and what to do', () => {
  const reasons: readonly RefusalReason[] = [
    { kind: 'other-pool', node: '/dev/sda1', found: { pool: poolName('x'), poolGuid: poolGuid('77') } },
    { kind: 'foreign-serial', node: '/dev/sda1', serials: [serial('SX')] },
    { kind: 'foreign-serial', node: '/dev/sda1', serials: [] },
    { kind: 'twin', nodes: ['/dev/sda1', '/dev/sdb1'] },
    { kind: 'renamed', node: '/dev/sda1', found: poolName('x') },
    { kind: 'no-pool', node: '/dev/sda' },
  ]
  for (const reason of reasons) {
    const sentence = describeRefusal(A, reason)
    expect(sentence).toContain('/dev/sda')
    expect(sentence).toContain('offsite-1')
    expect(sentence).not.toContain('\n')
  }
  expect(
    describeAlarm(A, {
      kind: 'shared-serial',
      node: '/dev/sdx1',
      diskSeq: '4',
      serials: [serial('SA')],
      found: { pool: poolName('x'), poolGuid: poolGuid('77') },
    }),
  ).toContain('/dev/sdx1')
})
