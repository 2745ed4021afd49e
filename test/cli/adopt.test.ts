// `walkaway adopt` on the fake machine: what a disk has of the sources is found by GUID, the first visit is foretold, and
// nothing is written to the disk.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type AdoptOptions, runAdopt } from '../../src/cli/adopt.ts'
import { loadConfig } from '../../src/config/load.ts'
import { BadInput } from '../../src/errors.ts'
import { READ_ONLY_ALTROOT } from '../../src/zfs/pool.ts'
import type { Machine } from '../fakes/machine.ts'
import { datasetOf, homeMachine, snapshotsOf, sources, visitOf } from '../fakes/visits.ts'

const text = 'sources: [dataset: tank]\nbackup: { into: nas } # here\n'
let folder: string
let configFile: string
let machine: Machine
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-adopt-'))
  configFile = join(folder, 'config.yaml')
  writeFileSync(configFile, text, { mode: 0o600 })
  machine = homeMachine()
})
afterEach(() => rmSync(folder, { recursive: true }))

async function adopt(asked: Partial<AdoptOptions> = {}) {
  let stdout = ''
  let stderr = ''
  machine.state.calls.length = 0
  const code = await runAdopt({
    device: `/dev/sd${machine.disk('offsite-1').seq}`,
    name: 'old one',
    keyFile: null,
    dryRun: false,
    configFile,
    socket: join(folder, 'no-daemon.sock'),
    interrupted: new AbortController().signal,
    stdout: { write: (more) => (stdout += more) },
    stderr: { write: (more) => (stderr += more) },
    machine: {
      ...machine.deps,
      readUse: async () => ({ syspaths: new Set(), pools: new Set() }),
    },
    ...asked,
  })
  return { code, stdout, stderr }
}
const pool = () => machine.disk('offsite-1').pool
const unchanged = (): void => {
  expect(readFileSync(configFile, 'utf8')).toBe(text)
  expect(pool().imported).toBeNull()
}

test('an older copy is found, what the first visit sends is told, the disk is configured and as it was', async () => {
  await visitOf(machine, 'offsite-1')
  machine.write('tank/home', 500)
  const before = structuredClone([...pool().datasets])
  let imported: unknown = null
  machine.state.interference = {
    after: ({ verb }) => {
      if (verb === 'pools.importPool') imported = pool().imported
    },
  }
  const { code, stdout } = await adopt()
  expect(code).toBe(0)
  expect(imported).toEqual({ altroot: READ_ONLY_ALTROOT, readonly: true })
  expect(stdout).toMatch(/tank\/home: offsite-1\/nas\/tank\/home has 1 snapshot in common/)
  expect(stdout).toMatch(/would send 1 dataset, about 500 B; 2 up to date/)
  expect([...pool().datasets]).toEqual(before)
  expect(pool().imported).toBeNull()
  const loaded = await loadConfig({ file: configFile })
  expect(loaded).toMatchObject({
    kind: 'ok',
    config: {
      disks: [
        { name: 'old one', serials: ['serial of offsite-1'], pool: 'offsite-1', poolGuid: pool().guid },
      ],
    },
  })
  expect(readFileSync(configFile, 'utf8')).toContain(text)
})

test('what its first visit needs is bookmarked before another disk can have it pruned', async () => {
  await visitOf(machine, 'offsite-1')
  const names = (source: string) => datasetOf(machine, source).bookmarks.map(({ name }) => name)
  // As a disk that somebody filled by hand.
  for (const source of sources) datasetOf(machine, source).bookmarks.splice(0)
  await adopt({ dryRun: true })
  expect(sources.flatMap(names)).toEqual([])
  expect(await adopt()).toMatchObject({ code: 0, stderr: '' })

  machine.addDisk('offsite-2', {})
  const none = { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 }
  const config = { ...machine.config(), keep: { disk: { ...none, last: 0 }, source: none } }
  const base = snapshotsOf(machine, 'tank')
  for (const size of [500, 600]) {
    machine.write('tank/home', size)
    await visitOf(machine, 'offsite-2', { config })
  }
  expect(snapshotsOf(machine, 'tank')).not.toContain(base[0])
  const { report } = await visitOf(machine, 'offsite-1', { config })
  expect(report).toMatchObject({ outcome: 'complete', datasets: { total: 3, failed: 0 } })
})

test('a copy in another place is found and said to be there', async () => {
  const elsewhere = machine.config({
    backup: { into: 'copies', snapshots: 'all', parallel: 2, onConflict: 'stop' },
  })
  await visitOf(machine, 'offsite-1', { config: elsewhere })
  const { stdout } = await adopt()
  expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
    /offsite-1\/copies\/tank has 1 snapshot in common with it.*looks for it at offsite-1\/nas\/tank,/,
  )
  expect(stdout).toMatch(/would send 3 datasets/)
})

test('a draft of the configuration that somebody keeps beside it stays', async () => {
  const draft = `${configFile}.new`
  writeFileSync(draft, 'mine')
  expect(await adopt()).toMatchObject({ code: 0 })
  expect(readFileSync(draft, 'utf8')).toBe('mine')
})

test('a pool that has nothing of the sources: everything would be sent', async () => {
  const { code, stdout } = await adopt()
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/nothing on it has a snapshot/) })
  expect(stdout).toMatch(/would send 3 datasets/)
})

test('--dry-run changes nothing', async () => {
  expect(await adopt({ dryRun: true })).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/would send 3 datasets/),
  })
  unchanged()
})

test('a pool that somebody has imported is looked at and left imported', async () => {
  pool().imported = { altroot: null }
  const { code, stdout } = await adopt()
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/zpool export offsite-1/) })
  expect(pool().imported).toEqual({ altroot: null })
})

test('an encrypted pool wants its key file', async () => {
  machine.addDisk('locked', { encrypted: true })
  const device = 'serial of locked'
  const { stdout } = await adopt({ device, dryRun: true })
  expect(stdout).toContain('--key-file')
  const keyFile = join(folder, 'key')
  writeFileSync(keyFile, 'right', { mode: 0o600 })
  expect(await adopt({ device, keyFile })).toMatchObject({ code: 0 })
  expect(await loadConfig({ file: configFile })).toMatchObject({ config: { disks: [{ keyFile }] } })
})

test('refused: configured already, of another machine, one of two copies', async () => {
  pool().lastUser = 'desk'
  expect(await adopt()).toMatchObject({ code: 4, stderr: expect.stringMatching(/machine desk/) })
  unchanged()
  const entry = `{ serial: serial of offsite-1, pool: offsite-1, poolGuid: ${pool().guid} }`
  writeFileSync(configFile, `${text}disks: { one: ${entry} }\n`)
  expect(await adopt()).toMatchObject({ code: 4, stderr: expect.stringMatching(/already, as one/) })
  expect(machine.state.calls.filter(({ verb }) => verb === 'pools.importPool')).toEqual([])
})

test('bad usage: a name that is taken, no pool, no such disk', async () => {
  writeFileSync(configFile, `${text}disks: { old one: { serial: S, pool: p, poolGuid: 1 } }\n`)
  await expect(adopt()).rejects.toThrow(BadInput)
  await expect(adopt({ device: '/dev/nothing' })).rejects.toThrow(BadInput)
  expect(machine.state.calls.filter(({ verb }) => verb === 'pools.importPool')).toEqual([])
  expect(await adopt({ device: null })).toMatchObject({ code: 2 })
})

test('a pool may have the name of that of another disk: their GUIDs differ', async () => {
  writeFileSync(configFile, `${text}disks: { other: { serial: S, pool: offsite-1, poolGuid: 1 } }\n`)
  expect(await adopt()).toMatchObject({ code: 0 })
  const loaded = await loadConfig({ file: configFile })
  expect(loaded.kind === 'ok' && loaded.config.disks.map((disk) => disk.pool)).toEqual([
    'offsite-1',
    'offsite-1',
  ])
})

test('a disk in a LUKS container: it is said how it gets into the configuration', async () => {
  machine = homeMachine({ luks: '/keys/right' })
  await expect(adopt()).rejects.toMatchObject({
    message: expect.stringContaining('LUKS container'),
    hint: expect.stringMatching(/cryptsetup open \/dev\/sd\d+p1 NAME; then walkaway disks/),
  })
  const { seq, container } = machine.disk('offsite-1')
  container?.mappings.push({ dm: 0, name: 'mine', on: seq, ours: false, users: [] })
  expect(await adopt()).toMatchObject({ code: 4, stderr: expect.stringContaining('walkaway disks') })
  unchanged()
})

test('a key file that would have the whole configuration refused', async () => {
  const keyFile = join(folder, 'key')
  await expect(adopt({ keyFile })).rejects.toThrow(/does not exist/)
  writeFileSync(keyFile, 'right', { mode: 0o600 })
  chmodSync(keyFile, 0o644)
  await expect(adopt({ keyFile })).rejects.toThrow(/everybody can read/)
  unchanged()
})

test('a pool that cannot be let go of again is not configured', async () => {
  machine.state.interference = {
    after: ({ verb }) => {
      if (verb === 'pools.importPool') pool().busy = true
    },
  }
  expect(await adopt()).toMatchObject({ code: 1, stderr: expect.stringMatching(/could not be exported/) })
  expect(readFileSync(configFile, 'utf8')).toBe(text)
  expect(datasetOf(machine, 'tank').snapshots).toEqual([])
})

test.each(['pools.imported', 'pools.importPool', 'zfs.observe', 'pools.usage', 'pools.exportPool'])(
  'interrupted at %s: the disk is let go of, nothing is changed, and that is said',
  async (at) => {
    const controller = new AbortController()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === at) controller.abort()
      },
    }
    expect(await adopt({ interrupted: controller.signal })).toEqual({
      code: 1,
      stdout: at === 'pools.exportPool' ? expect.stringContaining('would send') : '',
      stderr: 'walkaway: interrupted; nothing was changed\n',
    })
    unchanged()
  },
)

test('interrupted, and the pool is in use: it is said that the disk has to stay', async () => {
  const controller = new AbortController()
  pool().busy = true
  machine.state.interference = {
    before: ({ verb }) => {
      if (verb === 'zfs.observe') controller.abort()
    },
  }
  const { code, stderr } = await adopt({ interrupted: controller.signal })
  expect([code, stderr]).toEqual([1, expect.stringMatching(/offsite-1 could not be exported again/)])
})
