// Disks whose pool lies in a LUKS container, and disks that only look like one.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { identify, type Sighting } from '../../src/core/identity.ts'
import {
  type BlockDevice,
  type Disk,
  diskName,
  luksUuid,
  poolGuid,
  poolName,
  serial,
  vdevGuid,
} from '../../src/core/model.ts'

const uuid = luksUuid('0B9C5A5E-5d0e-4c53-9c5b-2f6a8f1c7e11')
const otherUuid = luksUuid('77777777-5d0e-4c53-9c5b-2f6a8f1c7e11')
const guid = '4425734906477738374'
const plain: Disk = {
  name: diskName('offsite-1'),
  serials: [serial('SA')],
  pool: poolName('offsite-1'),
  poolGuid: poolGuid(guid),
  luks: null,
}
const inLuks: Disk = { ...plain, luks: { uuid } }

interface Shape {
  readonly serial?: string
  readonly container?: string
  /** `guid/vdev/name`, on its first partition. */
  readonly pool?: string
  /** The container, or the pool, is on the disk itself. */
  readonly whole?: boolean
}

const base = (node: string, syspath: string, serials: readonly string[]): BlockDevice => ({
  node,
  syspath,
  kind: 'disk',
  diskSyspath: syspath,
  diskSeq: node,
  serials: serials.map(serial),
  links: [`/dev/disk/by-id/usb-${node.slice(5)}`],
  sizeBytes: 1000n,
  initialized: true,
  removable: true,
  model: '',
  fsType: '',
  member: null,
  luksUuid: null,
  mapping: null,
})
function memberOf(pool: string | undefined): BlockDevice['member'] {
  if (pool === undefined) return null
  const [id = '', vdev = '', name = 'offsite-1'] = pool.split('/')
  return { pool: poolName(name), poolGuid: poolGuid(id), vdevGuid: vdevGuid(vdev) }
}

function plug(
  name: string,
  { serial: number = 'SA', container, pool, whole = false }: Shape,
): readonly BlockDevice[] {
  const disk = base(`/dev/${name}`, `/sys/${name}`, [number])
  const contents = {
    fsType: container === undefined ? 'zfs_member' : 'crypto_LUKS',
    luksUuid: container === undefined ? null : luksUuid(container),
    member: memberOf(pool),
  }
  if (whole) return [{ ...disk, ...contents }]
  return [
    disk,
    { ...disk, node: `/dev/${name}1`, syspath: `/sys/${name}/${name}1`, kind: 'partition', ...contents },
  ]
}

/** What is open of a container. `on`: a kernel name; null: that disk was pulled out. */
function open(
  number: number,
  on: string | null,
  {
    pool,
    container = uuid,
    initialized = true,
  }: { readonly pool?: string; readonly container?: string; readonly initialized?: boolean } = {},
): readonly BlockDevice[] {
  const dm = base(`/dev/dm-${number}`, `/sys/dm-${number}`, [])
  const name = `walkaway-${container}`
  const carrier = on === null ? null : /\d$/.test(on) ? `/sys/${on.slice(0, -1)}/${on}` : `/sys/${on}`
  return [
    {
      ...dm,
      initialized,
      fsType: pool === undefined ? '' : 'zfs_member',
      member: memberOf(pool),
      mapping: { luksUuid: luksUuid(container), name, on: carrier, ours: true },
    },
  ]
}

const short = (sighting: Sighting | undefined): string => {
  switch (sighting?.kind) {
    case 'settling':
      return `settling ${sighting.because}`
    case 'refused':
      return `refused ${sighting.reason.kind}`
    case 'present':
      return `present ${sighting.vdevs.map(({ node, luks, vdevGuid: vdev }) => `${node} ${luks ?? vdev}`).join(' ')}`
    default:
      return sighting?.kind ?? 'no answer'
  }
}
const seen = (disk: Disk, devices: readonly BlockDevice[]): string =>
  short(identify([disk], devices).get(disk.name))

const right = `${guid}/11`
const container = { container: uuid }
const present = `present /dev/sda1 ${uuid}`

describe('a disk whose pool is configured in a container', () => {
  test.each<[string, readonly (readonly BlockDevice[])[], string]>([
    ['closed', [plug('sda', container)], present],
    ['on the whole disk', [plug('sda', { ...container, whole: true })], `present /dev/sda ${uuid}`],
    ['open, with the right pool', [plug('sda', container), open(0, 'sda1', { pool: right })], present],
    [
      'open twice, and one shows something else',
      [plug('sda', container), open(0, 'sda1', { pool: right }), open(1, 'sda1', { pool: '77/7' })],
      'refused other-pool',
    ],
    [
      'open twice, and one shows no pool',
      [plug('sda', container), open(0, 'sda1', { pool: right }), open(1, 'sda1')],
      'settling no-pool',
    ],
    [
      'open, and udev has not looked inside',
      [plug('sda', container), open(0, 'sda1', { initialized: false })],
      'settling udev',
    ],
    ['open, nothing inside', [plug('sda', container), open(0, 'sda1')], 'settling no-pool'],
    // A copy of the disk in a file: a loop device is no disk, but it is there.
    [
      'closed, and a copy is open',
      [plug('sda', container), open(0, 'loop0', { pool: right })],
      'refused foreign-serial',
    ],
    ['away, and a copy is open', [open(0, 'loop0', { pool: right })], 'refused foreign-serial'],
    [
      'closed, and open when it was pulled out',
      [plug('sda', container), open(0, null, { pool: right })],
      present,
    ],
    [
      'open, another pool inside',
      [plug('sda', container), open(0, 'sda1', { pool: '77/7' })],
      'refused other-pool',
    ],
    [
      'open, the pool has another name',
      [plug('sda', container), open(0, 'sda1', { pool: `${right}/x` })],
      'refused renamed',
    ],
    ['another container', [plug('sda', { container: otherUuid })], 'refused other-luks'],
    [
      'another container that is open, with the right pool',
      [plug('sda', { container: otherUuid }), open(0, 'sda1', { pool: right, container: otherUuid })],
      'refused not-in-luks',
    ],
    ['another serial', [plug('sda', { ...container, serial: 'SX' })], 'refused foreign-serial'],
    ['the pool on the disk itself', [plug('sda', { pool: right })], 'refused not-in-luks'],
    ['another pool on it', [plug('sda', { pool: '77/7' })], 'refused other-pool'],
    ['nothing on it', [plug('sda', {})], 'settling no-pool'],
    ['not connected', [plug('sdx', { serial: 'SX', pool: '77/7' })], 'absent'],
    ['a copy', [plug('sda', container), plug('sdb', { ...container, serial: 'SB' })], 'refused twin'],
    [
      'a copy that is open',
      [plug('sda', container), plug('sdb', { ...container, serial: 'SB' }), open(0, 'sdb1', { pool: right })],
      'refused twin',
    ],
    [
      'a copy of what is inside, on another disk',
      [plug('sda', container), open(0, 'sda1', { pool: right }), plug('sdb', { serial: 'SB', pool: right })],
      'refused twin',
    ],
    [
      'its pool on another disk, while it is closed',
      [plug('sda', container), plug('sdb', { serial: 'SB', pool: right })],
      'refused foreign-serial',
    ],
    [
      'pulled out while it was open, and back',
      [plug('sdb', container), open(0, null, { pool: right })],
      `present /dev/sdb1 ${uuid}`,
    ],
    ['pulled out while it was open', [open(0, null, { pool: right })], 'absent'],
  ])('%s', (_, devices, expected) => {
    expect(seen(inLuks, devices.flat())).toBe(expected)
    expect(seen(inLuks, devices.flat().toReversed())).toBe(expected)
  })
})

describe('a disk without a container in the configuration', () => {
  test.each<[string, readonly (readonly BlockDevice[])[], string]>([
    ['a container on it, closed', [plug('sda', container)], 'refused in-luks'],
    [
      'a container on it, open',
      [plug('sda', container), open(0, 'sda1', { pool: right })],
      'refused in-luks',
    ],
    [
      'its pool, and a container on another disk',
      [plug('sda', { pool: right }), plug('sdb', { ...container, serial: 'SB' })],
      'present /dev/sda1 11',
    ],
    [
      'what is left of a disk that was pulled out',
      [plug('sda', { pool: right }), open(0, null, { pool: right })],
      'present /dev/sda1 11',
    ],
  ])('%s', (_, devices, expected) => {
    expect(seen(plain, devices.flat())).toBe(expected)
  })
})

test('whether it is open or closed, a disk that is refused for something else is told once', () => {
  const closed = identify([inLuks], plug('sda', container)).get(inLuks.name)
  const opened = identify([inLuks], [...plug('sda', container), ...open(0, 'sda1', { pool: right })]).get(
    inLuks.name,
  )
  expect(closed).toEqual(opened)
})

describe('whatever is plugged in', () => {
  const disks = ['sda', 'sdb', 'sdc'] as const
  const contents = fc.constantFrom<Shape>(
    {},
    container,
    { ...container, whole: true },
    { container: otherUuid },
    { pool: right },
    { pool: '77/7' },
  )
  const shapes = fc.array(fc.tuple(contents, fc.constantFrom('SA', 'SB')), { maxLength: disks.length })
  const mappings = fc.array(
    fc.tuple(
      fc.constantFrom('sda', 'sda1', 'sdb1', 'sdc', null),
      fc.constantFrom(right, '77/7', undefined),
      fc.constantFrom(uuid, otherUuid),
      fc.boolean(),
    ),
    { maxLength: 2 },
  )
  const machines = fc
    .tuple(shapes, mappings)
    .map(([plugged, opened]) => [
      ...plugged.flatMap(([shape, number], at) => plug(disks[at] ?? 'sda', { ...shape, serial: number })),
      ...opened.flatMap(([on, pool, of, initialized], at) =>
        open(at, on, { container: of, initialized, ...(pool !== undefined && { pool }) }),
      ),
    ])

  test('the order of the devices does not matter', () => {
    fc.assert(
      fc.property(machines, (devices) => {
        expect(identify([inLuks, { ...plain, name: diskName('b') }], devices.toReversed())).toEqual(
          identify([inLuks, { ...plain, name: diskName('b') }], devices),
        )
      }),
    )
  })

  test('present: under its serial, the one container of that UUID, and nothing else inside than its pool', () => {
    let seenPresent = 0
    fc.assert(
      fc.property(machines, (devices) => {
        const sighting = identify([inLuks], devices).get(inLuks.name)
        if (sighting?.kind !== 'present') return
        seenPresent++
        const [vdev, ...others] = sighting.vdevs
        expect(others).toEqual([])
        const carrier = devices.find(({ node }) => node === vdev.node)
        expect(devices.filter(({ luksUuid: found }) => found === uuid)).toEqual([carrier])
        expect(carrier?.serials).toContain('SA')
        expect(vdev).toMatchObject({ luks: uuid, vdevGuid: null, diskSeq: carrier?.diskSeq })
        for (const device of devices) {
          if (
            device.mapping !== null &&
            device.mapping.on === carrier?.syspath &&
            device.mapping.luksUuid === uuid
          )
            expect([device.member?.poolGuid, device.initialized]).toEqual([guid, true])
          // Its pool, if it is anywhere, is inside; or in what answers nothing any more.
          else if (device.member?.poolGuid === guid)
            expect(devices.some(({ syspath }) => syspath === device.mapping?.on)).toBe(false)
        }
      }),
      { numRuns: 3000 },
    )
    expect(seenPresent).toBeGreaterThan(0)
  })

  test('a disk without a container in the configuration is never present in one', () => {
    fc.assert(
      fc.property(machines, (devices) => {
        const sighting = identify([plain], devices).get(plain.name)
        if (sighting?.kind !== 'present') return
        for (const { node, luks } of sighting.vdevs) {
          expect(luks).toBeNull()
          expect(devices.find((device) => device.node === node)).toMatchObject({
            mapping: null,
            luksUuid: null,
          })
        }
      }),
      { numRuns: 2000 },
    )
  })
})
