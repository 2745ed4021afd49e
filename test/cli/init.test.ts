// `walkaway init` on the fake machine: what is refused is left as it was; what is made is a backup disk that the
// configuration knows; what fails half-way says what was done.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type InitMachine, type InitOptions, runInit } from '../../src/cli/init.ts'
import { loadConfig } from '../../src/config/load.ts'
import { type BlockDevice, datasetName } from '../../src/core/model.ts'
import type { NewPool } from '../../src/core/newPool.ts'
import { BadInput } from '../../src/errors.ts'
import type { DiskContents } from '../../src/linux/contents.ts'
import { deviceOf } from '../fakes/luks.ts'
import type { Machine } from '../fakes/machine.ts'
import { homeMachine } from '../fakes/visits.ts'

const text = '# mine\nsources: [dataset: tank] # all\ndisks: # none yet\n'
const blank: DiskContents = {
  physicalSectorBytes: 512,
  rotational: true,
  discards: false,
  partitionTable: null,
  parts: [],
}

let folder: string
let configFile: string
let machine: Machine
let node: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-init-'))
  configFile = join(folder, 'config.yaml')
  writeFileSync(configFile, text, { mode: 0o640 })
  chmodSync(configFile, 0o640)
  machine = homeMachine()
  machine.unplug('offsite-1')
  machine.state.pools.delete('offsite-1')
  addBlank('new')
  node = `/dev/sd${machine.disk('new').seq}`
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A disk that is plugged in, with nothing on it. */
function addBlank(name: string): void {
  machine.addDisk(name)
  machine.state.pools.delete(name)
}

const devicesOf = (): readonly BlockDevice[] =>
  [...machine.disks.values()].flatMap((disk) => {
    const [whole, partition] = deviceOf(disk)
    if (whole === undefined || partition === undefined) return []
    const named = { ...whole, links: [disk.pool.link.replace('-part1', '')] }
    return machine.state.pools.has(disk.pool.name) ? [named, partition] : [named]
  })

type Asked = Partial<Omit<InitOptions, 'machine' | 'stdin'>> & {
  /** At a terminal; without it there is none. */
  readonly typed?: string
  readonly parts?: Partial<InitMachine>
}
async function init({ typed, parts = {}, ...asked }: Asked = {}) {
  let stdout = ''
  let stderr = ''
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined })
  stdin.end(typed)
  const code = await runInit({
    devices: [node],
    name: 'offsite-1',
    yesErase: [],
    encrypt: false,
    configFile,
    stdin,
    interrupted: new AbortController().signal,
    socket: join(folder, 'no-daemon.sock'),
    stdout: { write: (more) => (stdout += more) },
    stderr: { write: (more) => (stderr += more) },
    ...asked,
    machine: {
      zfs: machine.zfs,
      pools: machine.pools,
      block: {
        ...machine.block,
        holders: async () => [],
        leadsTo: async (link, of) => devicesOf().some((one) => one.node === of && one.links.includes(link)),
      },
      scan: async () => devicesOf(),
      readUse: async () => ({ syspaths: new Set(), pools: new Set() }),
      readContents: async () => blank,
      ...parts,
    },
  })
  return { code, stdout, stderr }
}
const serial = 'serial of new'
const made = () => machine.state.calls.filter(({ verb }) => verb === 'pools.createPool')
const configured = async () => {
  const loaded = await loadConfig({ file: configFile })
  if (loaded.kind === 'rejected') throw new Error(loaded.mistakes.map(({ message }) => message).join('\n'))
  return loaded.config.disks
}
function expectUntouched(): void {
  expect(made()).toEqual([])
  expect(readFileSync(configFile, 'utf8')).toBe(text)
}

describe('a backup disk is made', () => {
  test('its serial typed: the pool is there, let go of, and configured; the file keeps its comments and its mode', async () => {
    const { code, stdout } = await init({ typed: `${serial}\n` })
    expect(code).toBe(0)
    const pool = machine.state.pools.get('offsite-1')
    expect(pool).toMatchObject({ imported: null, link: machine.disk('new').pool.link })
    expect(await configured()).toMatchObject([
      { name: 'offsite-1', serials: [serial], pool: 'offsite-1', poolGuid: pool?.guid, keyFile: null },
    ])
    expect(readFileSync(configFile, 'utf8')).toContain(text)
    expect(statSync(configFile).mode & 0o777).toBe(0o640)
    expect(stdout).toContain('nothing is on it')
    expect(stdout).toContain('systemctl start walkaway')
    expect(machine.disk('new').released).toBe(true)
  })

  test('by its serial, in a script; what is on it is shown', async () => {
    const parts = [{ node: `${node}1`, type: 'part', sizeBytes: 5, fsType: 'ext4', label: 'photos' }]
    const readContents = async () => ({ ...blank, partitionTable: 'gpt', parts })
    const { code, stdout } = await init({ devices: [serial], yesErase: [serial], parts: { readContents } })
    expect(code).toBe(0)
    expect(stdout).toMatch(/ext4 "photos"/)
  })

  test('of a disk with an old pool: that pool is gone, and its name is free', async () => {
    machine.addDisk('offsite-9')
    const old = machine.disk('offsite-9')
    const { code } = await init({
      devices: [`/dev/sd${old.seq}`],
      name: 'offsite-9',
      yesErase: ['serial of offsite-9'],
    })
    expect(code).toBe(0)
    expect(machine.state.pools.get('offsite-9')?.guid).not.toBe(old.pool.guid)
  })

  test('two disks become a mirror, each with its serial typed', async () => {
    addBlank('other')
    const devices = [node, `/dev/sd${machine.disk('other').seq}`]
    expect(await init({ devices, typed: `${serial}\nserial of new\n` })).toMatchObject({ code: 4 })
    expectUntouched()
    expect(await init({ devices, typed: `${serial}\nserial of other\n` })).toMatchObject({ code: 0 })
    expect(await configured()).toMatchObject([{ serials: [serial, 'serial of other'] }])
  })

  test.each([
    [[5, 5], false],
    [[5, 6], true],
  ])('ZFS takes empty disks of sizes %j for a mirror, forced: %s', async ([one, other], forced) => {
    addBlank('other')
    const plans: NewPool[] = []
    const createPool = async (plan: NewPool) => {
      plans.push(plan)
      return machine.pools.createPool(plan)
    }
    const sizeOf = (device: BlockDevice) => BigInt((device.node === node ? one : other) ?? 0)
    const { code } = await init({
      devices: [node, `/dev/sd${machine.disk('other').seq}`],
      yesErase: [serial, 'serial of other'],
      parts: {
        pools: { ...machine.pools, createPool },
        scan: async () => devicesOf().map((device) => ({ ...device, sizeBytes: sizeOf(device) })),
      },
    })
    expect([code, plans.map(({ overwrite }) => overwrite)]).toEqual([0, [forced]])
  })

  test('a pool of that name is elsewhere: it gets another one', async () => {
    machine.addPool('offsite-1')
    expect(await init({ yesErase: [serial] })).toMatchObject({ code: 0 })
    expect(await configured()).toMatchObject([{ name: 'offsite-1', pool: 'offsite-1-2' }])
  })

  test('encrypted: the key is for its owner alone, and the person is told to copy it', async () => {
    const keyFile = join(folder, 'offsite-1.key')
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'pools.createPool') machine.state.keyFiles.set(keyFile, readFileSync(keyFile, 'utf8'))
      },
    }
    const { code, stdout } = await init({ encrypt: true, yesErase: [serial] })
    expect(code).toBe(0)
    expect(statSync(keyFile).mode & 0o777).toBe(0o600)
    const key = readFileSync(keyFile, 'utf8')
    expect(key).toMatch(/^[0-9a-f]{64}\n$/)
    expect(stdout).not.toContain(key.trim())
    expect(stdout).toContain('Keep a copy')
    expect(await configured()).toMatchObject([{ keyFile }])
    expect(machine.state.pools.get('offsite-1')?.datasets.get('offsite-1')).toMatchObject({
      encrypted: true,
      key: { loaded: false },
    })
  })

  test('smaller than what the sources hold: a warning', async () => {
    machine.write('tank/home', 2 ** 41)
    const { code, stderr } = await init({ yesErase: [serial] })
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/hold about 2.1 TB, more than the 1 TB of/),
    })
  })

  test('what only snapshots hold counts as far as it would be backed up', async () => {
    machine.write('tank/home', 2 ** 41)
    const [home] = [...(machine.state.pools.get('tank')?.datasets.values() ?? [])].filter(
      ({ name }) => name === 'tank/home',
    )
    if (home === undefined) throw new Error('the machine of this test has no such dataset')
    await machine.zfs.snapshotSet([datasetName('tank/home')], 'before')
    home.content = []
    expect((await init({ yesErase: [serial] })).stderr).toMatch(/hold about 2.1 TB, more than the 1 TB of/)

    machine.state.pools.delete('offsite-1')
    writeFileSync(configFile, `${text}backup: { snapshots: own }\n`)
    expect(await init({ yesErase: [serial] })).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('refused, and nothing is changed', () => {
  const use = (syspaths: readonly string[]) => async () => ({
    syspaths: new Set(syspaths),
    pools: new Set<string>(),
  })
  const withScan = (change: (device: BlockDevice) => BlockDevice) => ({
    scan: async () => devicesOf().map(change),
  })
  test.each<[string, () => Partial<InitMachine>, RegExp]>([
    [
      'the system disk',
      () => ({ readUse: use([`/sys/devices/usb/${node.slice(5)}`]) }),
      /running system stands on it/,
    ],
    [
      'a mounted disk',
      () => ({ block: { ...machine.block, holders: async () => ['mounted at /mnt'] } }),
      /in use: mounted at \/mnt/,
    ],
    ['without a serial', () => withScan((device) => ({ ...device, serials: [] })), /no serial/],
    ['not identified', () => withScan((device) => ({ ...device, initialized: false })), /in a moment/],
    [
      'held by the kernel',
      () => ({
        block: {
          ...machine.block,
          holders: async () => [],
          release: async () => ({ kind: 'held', holders: ['the kernel: a pool or mapping on it is in use'] }),
        },
      }),
      /in use by the kernel/,
    ],
  ])('%s', async (_what, parts, why) => {
    const { code, stderr } = await init({ yesErase: [serial], parts: parts() })
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringMatching(why) })
    expectUntouched()
  })

  test('a member of an imported pool, of a source, and a disk of the configuration', async () => {
    const old = machine.addDisk('old')
    const about = { devices: [`/dev/sd${old.seq}`], yesErase: ['serial of old'] }
    old.pool.imported = { altroot: null }
    expect(await init(about)).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/pool old, which is imp/),
    })
    writeFileSync(configFile, 'sources: [dataset: old/data]\n')
    expect(await init(about)).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/old, which is backed up/),
    })
    old.pool.imported = null
    expect(await init(about)).toMatchObject({ code: 4, stderr: expect.stringMatching(/as the sources do/) })
    for (const disk of [
      'serial: serial of old, pool: x, poolGuid: 1',
      `serial: Z, pool: x, poolGuid: ${old.pool.guid}`,
    ]) {
      writeFileSync(configFile, `sources: [dataset: tank]\ndisks: { known: { ${disk} } }\n`)
      expect(await init(about)).toMatchObject({ code: 4, stderr: expect.stringMatching(/already, as known/) })
    }
    expect(made()).toEqual([])
  })

  test.each([
    ['another serial typed', { typed: 'serial of old\n' }, /not the serial/],
    ['nothing typed', { typed: '' }, /not the serial/],
    ['no terminal', {}, /--yes-erase serial of new/],
    ['another serial given', { yesErase: ['serial of old'] }, /not the serial of/],
  ])('%s', async (_what, asked, why) => {
    const { code, stderr } = await init(asked)
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringMatching(why) })
    expectUntouched()
  })

  test('another disk under the same name by the time the serial is typed', async () => {
    let looks = 0
    const scan = async () => {
      const seq = machine.disk('new').seq ?? 0
      return devicesOf().map((device) =>
        looks++ > 0 && device.diskSeq === String(seq) ? { ...device, diskSeq: '77' } : device,
      )
    }
    expect(await init({ typed: `${serial}\n`, parts: { scan } })).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/not the disk any more/),
    })
    expectUntouched()
  })

  test('a link that leads to another disk by the time the serial is typed', async () => {
    let asked = 0
    const block = { ...machine.block, holders: async () => [], leadsTo: async () => asked++ === 0 }
    expect(await init({ typed: `${serial}\n`, parts: { block } })).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/does not lead to .* any more/),
    })
    expectUntouched()
  })

  test('another disk with its serial: what is typed would not tell which one is meant', async () => {
    addBlank('twin')
    const twin = machine.disk('twin').seq
    const serials = devicesOf().find((device) => device.node === node)?.serials ?? []
    const scan = async () =>
      devicesOf().map((device) => (device.diskSeq === String(twin) ? { ...device, serials } : device))
    const { code, stderr } = await init({ yesErase: [serial], parts: { scan } })
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/has the serial .*, too/) })
    expectUntouched()
  })

  test('interrupted at the question', async () => {
    const controller = new AbortController()
    controller.abort()
    expect(await init({ typed: `${serial}\n`, interrupted: controller.signal })).toMatchObject({ code: 4 })
    expectUntouched()
  })
})

describe('bad usage', () => {
  test.each<[string, Asked]>([
    ['no name', { name: null }],
    ['a name that cannot be one', { name: '-x' }],
    ['no such disk', { devices: ['/dev/nothing'] }],
    ['the same disk twice', { devices: ['/dev/sd2', '/dev/sd2'] }],
    ['three disks', { devices: ['a', 'b', 'c'] }],
  ])('%s', async (_what, asked) => {
    await expect(init({ yesErase: [serial], ...asked })).rejects.toThrow(BadInput)
    expectUntouched()
  })

  test('a link that two disks have', async () => {
    addBlank('other')
    const link = '/dev/disk/by-uuid/1'
    const scan = async () => devicesOf().map((device) => ({ ...device, links: [...device.links, link] }))
    await expect(init({ devices: [link], yesErase: [serial], parts: { scan } })).rejects.toThrow(
      /is a name of/,
    )
    expectUntouched()
  })

  test('the disk of the example has a key, and this one has none', async () => {
    const keyFile = join(folder, 'a.key')
    writeFileSync(keyFile, 'k', { mode: 0o600 })
    const example = `serial: WD-WX52D91A0001, pool: offsite-1, poolGuid: 4425734906477738374, keyFile: ${keyFile}`
    writeFileSync(configFile, `sources: [dataset: tank]\ndisks: { offsite-1: { ${example} } }\n`)
    await expect(init({ yesErase: [serial] })).rejects.toThrow(/would not stand/)
    expect(made()).toEqual([])
  })

  test('a configuration with mistakes, or none: before anything is done', async () => {
    for (const broken of ['sources: []\n', null]) {
      if (broken === null) rmSync(configFile)
      else writeFileSync(configFile, broken)
      await expect(init({ yesErase: [serial] })).rejects.toThrow(BadInput)
    }
    expect(made()).toEqual([])
  })

  test('a key file that is there already is not overwritten', async () => {
    writeFileSync(join(folder, 'offsite-1.key'), 'of another disk')
    await expect(init({ encrypt: true, yesErase: [serial] })).rejects.toThrow(BadInput)
    expect(readFileSync(join(folder, 'offsite-1.key'), 'utf8')).toBe('of another disk')
    expectUntouched()
  })

  test('without a device: what there is, and why not', async () => {
    machine.addDisk('busy').pool.imported = { altroot: null }
    rmSync(configFile)
    const { code, stdout } = await init({ devices: [] })
    expect(code).toBe(2)
    expect(stdout).toMatch(/serial of new +could be used/)
    expect(stdout).toMatch(/serial of busy +no: it belongs to the pool busy/)
  })
})

describe('a failure half-way is told', () => {
  test('no pool was made: no key is left, the configuration is as it was', async () => {
    // The fake reads no real files, so ZFS does not find the key.
    const { code, stderr } = await init({ encrypt: true, yesErase: [serial] })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/no pool was made: .*key/) })
    expect(existsSync(join(folder, 'offsite-1.key'))).toBe(false)
    expect(readFileSync(configFile, 'utf8')).toBe(text)
  })

  test('the disk is pulled as soon as the pool is made: nothing is exported, and it is said how to go on', async () => {
    machine.state.interference = {
      after: ({ verb }) => {
        const pool = machine.state.pools.get('offsite-1')
        if (verb !== 'pools.createPool' || pool === undefined) return
        machine.disk('new').seq = null
        pool.present = false
      },
    }
    const { code, stderr } = await init({ yesErase: [serial] })
    expect(code).toBe(1)
    expect(stderr).toMatch(/was made, but the disk was not let go of.*walkaway adopt \S+ --name offsite-1/)
    expect(machine.state.wedged).toBe(false)
    expect(machine.state.pools.get('offsite-1')?.imported).not.toBeNull()
    expect(readFileSync(configFile, 'utf8')).toBe(text)
  })

  test('the configuration changed meanwhile in a way that has no place for it: the lines are printed', async () => {
    machine.state.interference = {
      after: ({ verb }) => {
        if (verb === 'pools.createPool') writeFileSync(configFile, 'sources: []\n')
      },
    }
    const { code, stdout } = await init({ yesErase: [serial] })
    expect(code).toBe(1)
    expect(stdout).toContain(`  poolGuid: ${machine.state.pools.get('offsite-1')?.guid}`)
    expect(readFileSync(configFile, 'utf8')).toBe('sources: []\n')
  })
})
