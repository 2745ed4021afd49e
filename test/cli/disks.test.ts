// What `walkaway disks` lists and offers, from devices as udev describes them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { listDisks, type Seen } from '../../src/cli/diskListing.ts'
import { renderDisks, runDisks } from '../../src/cli/disks.ts'
import { entryLines } from '../../src/config/addDisk.ts'
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
import { isSystemPlace, readSystemUse } from '../../src/linux/systemUse.ts'

/** `sdb: A1 | offsite-1 4425 vdev1`: a disk of 4 TB with its serial, and on its first partition a pool and its GUIDs. */
function disk(description: string, changes: Partial<BlockDevice> = {}): readonly BlockDevice[] {
  const [whole = '', contents] = description.split(' | ')
  const [name = '', serialNumber] = whole.split(': ')
  const syspath = `/sys/devices/usb/block/${name}`
  const device: BlockDevice = {
    node: `/dev/${name}`,
    syspath,
    kind: 'disk',
    diskSyspath: syspath,
    diskSeq: '7',
    serials: serialNumber === undefined ? [] : [serial(serialNumber), serial(`wwn-${serialNumber}`)],
    links: [],
    sizeBytes: 4_000_000_000_000n,
    initialized: true,
    removable: true,
    model: 'Elements',
    fsType: '',
    member: null,
    luksUuid: null,
    mapping: null,
    ...changes,
  }
  if (contents === undefined) return [device]
  const [pool = '', guid = '', vdev = ''] = contents.split(' ')
  const part: BlockDevice = {
    ...device,
    node: `/dev/${name}1`,
    syspath: `${syspath}/${name}1`,
    kind: 'partition',
    fsType: 'zfs_member',
    member: { pool: poolName(pool), poolGuid: poolGuid(guid), vdevGuid: vdevGuid(vdev) },
  }
  return [device, part]
}

const offsite1: Disk = {
  name: diskName('offsite-1'),
  serials: [serial('A1')],
  pool: poolName('offsite-1'),
  poolGuid: poolGuid('4425734906477738374'),
  luks: null,
}
const nothing: Seen = {
  devices: [],
  configured: [],
  sourcePools: new Set(),
  system: { syspaths: new Set(), pools: new Set() },
}
const list = (seen: Partial<Seen>) => listDisks({ ...nothing, ...seen })

test('a pool that is not configured is offered under its own name, with the best serial', () => {
  const { disks, offers } = list({ devices: disk('sdb: A1 | offsite-1 4425 1') })
  expect(disks).toMatchObject([
    { node: '/dev/sdb', serial: 'A1', pool: 'offsite-1', poolGuid: '4425', configuredAs: null, note: null },
  ])
  expect(offers).toEqual([
    { name: 'offsite-1', serials: ['A1'], pool: 'offsite-1', poolGuid: '4425', luksUuid: null },
  ])
})

test('a configured disk is named and not offered', () => {
  const devices = disk('sdb: A1 | offsite-1 4425734906477738374 1')
  const { disks, offers } = list({ devices, configured: [offsite1] })
  expect(disks).toMatchObject([{ configuredAs: 'offsite-1', note: null }])
  expect(offers).toEqual([])
})

test.each([
  ['its serial with another pool', 'sdb: A1 | offsite-1 99 1', /another pool GUID.*refused/],
  [
    'its pool under another serial',
    'sdb: B2 | offsite-1 4425734906477738374 1',
    /not name this serial.*refused/,
  ],
  ['its serial without a pool', 'sdb: A1', /offsite-1, but there is no pool/],
])('a disk that is half a configured one is explained and not offered: %s', (_what, device, note) => {
  const { disks, offers } = list({ devices: disk(device), configured: [offsite1] })
  expect(disks).toMatchObject([{ configuredAs: null, note: expect.stringMatching(note) }])
  expect(offers).toEqual([])
})

describe('a LUKS container', () => {
  const uuid = luksUuid('2b1f9a52-52a4-4b8e-9d6c-5c1f5d0f7a11')
  const closed = disk('sdb: A1', { fsType: 'crypto_LUKS', luksUuid: uuid })
  const on = '/sys/devices/usb/block/sdb'
  const opened = [
    ...closed,
    ...disk('dm-0', {
      fsType: 'zfs_member',
      member: { pool: poolName('offsite-1'), poolGuid: offsite1.poolGuid, vdevGuid: vdevGuid('1') },
      mapping: { luksUuid: uuid, name: 'mine', on, ours: false },
    }),
  ]
  const inLuks: Disk = { ...offsite1, luks: { uuid } }

  test('that is closed is shown, with how to see its pool', () => {
    const { disks, offers } = list({ devices: closed })
    expect(disks).toMatchObject([{ node: '/dev/sdb', pool: null, luksUuid: uuid }])
    expect(disks[0]?.note).toContain('cryptsetup open /dev/sdb NAME')
    expect(offers).toEqual([])
  })

  test('that is open is offered with its pool, as the disk that it is on', () => {
    const { disks, offers } = list({ devices: opened })
    expect(disks).toMatchObject([{ node: '/dev/sdb', serial: 'A1', pool: 'offsite-1', luksUuid: uuid }])
    const [offer] = offers
    expect(offer === undefined ? [] : entryLines({ ...offer, keyFile: null }).at(-1)).toBe(
      `  luks: { uuid: ${uuid}, keyFile: /etc/walkaway/offsite-1.luks }`,
    )
  })

  test.each([
    ['closed, and configured', closed, inLuks, { configuredAs: 'offsite-1', note: null }],
    ['open, and configured', opened, inLuks, { configuredAs: 'offsite-1', note: null }],
    [
      'closed, and not in the configuration of its disk',
      closed,
      offsite1,
      { configuredAs: null, note: expect.stringContaining('refused') },
    ],
    [
      'open, and not in the configuration of its disk',
      opened,
      offsite1,
      { configuredAs: null, note: expect.stringContaining('refused') },
    ],
    [
      'configured, and its pool is on the disk itself',
      disk('sdb: A1 | offsite-1 4425734906477738374 1'),
      inLuks,
      { configuredAs: null, note: expect.stringContaining('on the disk itself') },
    ],
  ])('%s', (_, devices, configured, expected) => {
    const { disks, offers } = list({ devices, configured: [configured] })
    expect(disks).toMatchObject([expected])
    expect(offers).toEqual([])
  })
})

test('the disks of one pool become one entry with a list', () => {
  const devices = [...disk('sdb: A1 | both 5 1'), ...disk('sdc: B2 | both 5 2')]
  const { offers } = list({ devices })
  expect(offers).toEqual([
    { name: 'both', serials: ['A1', 'B2'], pool: 'both', poolGuid: '5', luksUuid: null },
  ])
})

test('two copies of a disk are told apart from a pool of two disks, and neither is offered', () => {
  const devices = [...disk('sdb: A1 | offsite 5 1'), ...disk('sdc: B2 | offsite 5 1')]
  const { disks, offers } = list({ devices })
  expect(disks.map(({ note }) => note)).toEqual([
    expect.stringContaining('/dev/sdc'),
    expect.stringContaining('/dev/sdb'),
  ])
  expect(offers).toEqual([])
})

test('two pools of one name get two names, and a configured name is not given again', () => {
  const devices = [...disk('sdb: A1 | offsite-1 5 1'), ...disk('sdc: B2 | offsite-1 6 2')]
  const configured = [{ ...offsite1, serials: [serial('Z9')] }]
  expect(list({ devices, configured }).offers.map(({ name }) => name)).toEqual(['offsite-1-2', 'offsite-1-3'])
})

test.each([
  ['mounted', { syspaths: new Set(['/sys/devices/usb/block/sda/sda1']), pools: new Set<string>() }],
  ['in a mounted pool', { syspaths: new Set<string>(), pools: new Set(['rpool']) }],
])('a disk of the running system is not shown: %s', (_how, system) => {
  const { disks, offers, systemDisks } = list({ devices: disk('sda: S1 | rpool 8 1'), system })
  expect({ disks, offers, systemDisks }).toEqual({ disks: [], offers: [], systemDisks: 1 })
})

test('a pool of the sources is shown and not offered', () => {
  const { disks, offers } = list({ devices: disk('sda: S1 | tank 8 1'), sourcePools: new Set(['tank']) })
  expect(disks).toMatchObject([{ pool: 'tank', note: 'a pool of the sources' }])
  expect(offers).toEqual([])
})

test.each([
  ['empty', disk('sdb: A1'), /^empty/],
  ['another file system', disk('sdb: A1', { fsType: 'ext4' }), /carries ext4/],
  [
    'partitions without anything known',
    [
      ...disk('sdb: A1'),
      ...disk('sdb1: A1', { kind: 'partition', diskSyspath: '/sys/devices/usb/block/sdb' }),
    ],
    /has partitions/,
  ],
  ['not identified yet', disk('sdb: A1', { initialized: false }), /udev/],
])('a disk without a pool is explained: %s', (_what, devices, note) => {
  expect(list({ devices }).disks).toMatchObject([{ pool: null, note: expect.stringMatching(note) }])
})

test('a pool on a disk without a serial is shown and not offered', () => {
  const { disks, offers } = list({ devices: disk('sdb | offsite 5 1', { serials: [] }) })
  expect(disks).toMatchObject([{ serial: null, note: expect.stringContaining('no serial') }])
  expect(offers).toEqual([])
})

test('an empty slot of a card reader is no disk', () => {
  expect(list({ devices: disk('sdb: A1', { sizeBytes: 0n }) }).disks).toEqual([])
})

test('disks come in their natural order', () => {
  const devices = ['sdaa: 3', 'nvme0n10: 2', 'nvme0n2: 1'].flatMap((text) => disk(text))
  expect(list({ devices }).disks.map(({ node }) => node)).toEqual([
    '/dev/nvme0n2',
    '/dev/nvme0n10',
    '/dev/sdaa',
  ])
})

test('the lines can be pasted: odd names are quoted, numbers are as they are', () => {
  const entry = { name: 'off site', serials: ['00123'], pool: 'off site', poolGuid: '18446744073709551615' }
  expect(entryLines({ ...entry, keyFile: null })).toEqual([
    '"off site":',
    '  serial: 00123',
    '  pool: "off site"',
    '  poolGuid: 18446744073709551615',
  ])
  expect(entryLines({ ...entry, keyFile: null, serials: ['A 1', 'B2'] })[1]).toBe('  serial: ["A 1", B2]')
})

test('the text has the table, the lines, and what to do with them; no colours unless wanted', () => {
  const listing = list({ devices: disk('sdb: A1 | offsite-1 4425 1', { model: 'El\x1b[2Jements' }) })
  const look = { colour: false, columns: 80, configFile: '/etc/walkaway/config.yaml' }
  const text = renderDisks(listing, look)
  expect(text).not.toContain('\x1b')
  expect(text).toMatch(/\/dev\/sdb +4 TB +.* A1 +offsite-1 +4425 +not configured yet/)
  expect(text).toContain('\n  offsite-1:\n    serial: A1\n    pool: offsite-1\n    poolGuid: 4425\n')
  expect(renderDisks(listing, { ...look, colour: true })).toContain('\x1b[32m')
  expect(renderDisks(list({}), look)).toBe('No disk that carries a pool or could.\n')
})

const folder = mkdtempSync(join(tmpdir(), 'walkaway-disks-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function run({ configText, json }: { readonly configText: string | null; readonly json: boolean }) {
  const configFile = join(folder, `${configText?.length ?? 'missing'}.yaml`)
  if (configText !== null) writeFileSync(configFile, configText, { mode: 0o600 })
  const said = { out: '', err: '' }
  const append = (where: 'out' | 'err', text: string) => {
    said[where] += text
  }
  const exitCode = await runDisks({
    json,
    configFile,
    stdout: { write: (text) => append('out', text) },
    stderr: { write: (text) => append('err', text) },
    scan: async () => disk('sdb: A1 | offsite-1 4425734906477738374 1'),
    readUse: async () => nothing.system,
  })
  return { exitCode, ...said }
}

test('what is pasted is then configured', async () => {
  const before = await run({ configText: null, json: false })
  expect(before).toMatchObject({ exitCode: 0, err: '' })
  const pasted = before.out.split('\n').filter((line) => line.startsWith('  '))
  const configText = `sources: [{ dataset: tank }]\ndisks:\n${pasted.join('\n')}\n`
  const after = await run({ configText, json: true })
  expect(after.err).toBe('')
  expect(JSON.parse(after.out)).toMatchObject({
    version: 1,
    disks: [{ configuredAs: 'offsite-1', sizeBytes: 4e12 }],
    offers: [],
  })
})

test('a broken configuration does not keep the disks from being listed', async () => {
  const { exitCode, out, err } = await run({ configText: 'disks: [', json: false })
  expect(exitCode).toBe(0)
  expect(err).toContain('walkaway config check')
  expect(out).toContain('/dev/sdb')
})

test.each([
  ['/', true],
  ['/boot/efi', true],
  ['/var/lib/docker', true],
  ['/home', true],
  ['/home/me/usb', false],
  ['/media/usb', false],
  ['/mnt', false],
  ['/bootleg', false],
])('the system lives at %s: %s', (mountpoint, expected) => {
  expect(isSystemPlace(mountpoint)).toBe(expected)
})

test('what this machine stands on can be read', async () => {
  const { syspaths } = await readSystemUse()
  for (const syspath of syspaths) expect(syspath).toMatch(/^\/sys\/devices\//)
})
