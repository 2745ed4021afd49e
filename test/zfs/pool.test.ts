// What the pool verbs must never run, and how they judge what they ran. What real pools do is contract.ts.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { poolGuid, poolName } from '../../src/core/model.ts'
import { CommandFailed, DeadlineExceeded, DiskVanished, ImportRefused, PoolBusy } from '../../src/errors.ts'
import type { Run } from '../../src/linux/run.ts'
import { ALTROOT, createPools, type Pools } from '../../src/zfs/pool.ts'

const kstatRoot = mkdtempSync(join(tmpdir(), 'walkaway-kstat-'))
afterAll(() => rmSync(kstatRoot, { recursive: true }))
beforeEach(() => {
  rmSync(kstatRoot, { recursive: true })
  mkdirSync(kstatRoot)
})

const pool = poolName('offsite 1')
const present = async () => true
const kernelHas = (state: string): void => {
  mkdirSync(join(kstatRoot, pool), { recursive: true })
  writeFileSync(join(kstatRoot, pool, 'state'), `${state}\n`)
}
const kernelForgets = (): void => rmSync(join(kstatRoot, pool), { recursive: true })

/** Pools on commands that answer as told: a text, or a failure; `ran` is what was run, a line each. */
function poolsOn(answer: (line: string) => string | Error): {
  readonly pools: Pools
  readonly ran: string[]
} {
  const ran: string[] = []
  const run: Run = async (file, args) => {
    const line = [file, ...args].join(' ')
    ran.push(line)
    const said = answer(line)
    if (typeof said !== 'string') throw said
    return { stdout: said, stderr: '', durationMs: 1 }
  }
  return { pools: createPools({ run, kstatRoot }), ran }
}
const complaint = (stderr: string): CommandFailed =>
  new CommandFailed({ command: ['zpool'], exitCode: 1, signal: null, stderr })

describe('an export', () => {
  test('syncs, looks, exports, and sees that the kernel has let go', async () => {
    kernelHas('ONLINE')
    let looks = 0
    const { pools, ran } = poolsOn((line) => {
      if (line.startsWith('zpool export')) kernelForgets()
      return ''
    })
    await pools.exportPool(pool, async () => {
      looks++
      return true
    })
    expect(ran).toEqual(['zpool sync offsite 1', 'zpool export offsite 1'])
    expect(looks).toBe(2)
  })
  test('unloads the keys first; one that is in use, and no key at all, are for the export to judge', async () => {
    for (const said of [
      '',
      complaint("Key unload error: 'offsite 1/a' is busy."),
      complaint('something new'),
    ]) {
      kernelHas('ONLINE')
      const { pools, ran } = poolsOn((line) => {
        if (line.startsWith('zpool export')) kernelForgets()
        return line.startsWith('zfs') ? said : ''
      })
      await pools.exportPool(pool, present, { unloadKeys: true })
      expect(ran).toEqual(['zpool sync offsite 1', 'zfs unload-key -r offsite 1', 'zpool export offsite 1'])
    }
  })
  test('runs nothing more when the device goes while keys are unloaded, or that does not end', async () => {
    kernelHas('ONLINE')
    let looks = 0
    const gone = poolsOn(() => '')
    const twice = async () => looks++ < 2
    await expect(gone.pools.exportPool(pool, twice, { unloadKeys: true })).rejects.toThrow(DiskVanished)
    expect(gone.ran.at(-1)).toBe('zfs unload-key -r offsite 1')
    const stuck = poolsOn((line) => (line.startsWith('zfs') ? new DeadlineExceeded('zfs unload-key', 1) : ''))
    await expect(stuck.pools.exportPool(pool, present, { unloadKeys: true })).rejects.toThrow(
      DeadlineExceeded,
    )
    expect(stuck.ran.at(-1)).toBe('zfs unload-key -r offsite 1')
  })
  test('of a pool that is not in the kernel is done already', async () => {
    const { pools, ran } = poolsOn(() => '')
    await pools.exportPool(pool, async () => expect.fail('nothing to look at'))
    expect(ran).toEqual([])
  })
  test('runs nothing when the device is gone', async () => {
    kernelHas('ONLINE')
    const { pools, ran } = poolsOn(() => '')
    await expect(pools.exportPool(pool, async () => false)).rejects.toThrow(DiskVanished)
    expect(ran).toEqual([])
  })
  test('runs no export when the device goes during the sync', async () => {
    kernelHas('ONLINE')
    const { pools, ran } = poolsOn(() => '')
    let looks = 0
    await expect(pools.exportPool(pool, async () => looks++ === 0)).rejects.toThrow(DiskVanished)
    expect(ran).toEqual(['zpool sync offsite 1'])
  })
  test('runs nothing on a suspended pool, and no export on one that the sync suspends', async () => {
    kernelHas('SUSPENDED')
    const { pools, ran } = poolsOn(() => '')
    await expect(pools.exportPool(pool, present)).rejects.toThrow(DiskVanished)
    expect(ran).toEqual([])
    kernelHas('ONLINE')
    const later = poolsOn(() => {
      kernelHas('SUSPENDED')
      return ''
    })
    await expect(later.pools.exportPool(pool, present)).rejects.toThrow(DiskVanished)
    expect(later.ran).toEqual(['zpool sync offsite 1'])
  })
  test('is not believed when the kernel still has the pool', async () => {
    kernelHas('ONLINE')
    const { pools } = poolsOn(() => '')
    await expect(pools.exportPool(pool, present)).rejects.toThrow(PoolBusy)
  })
  test('of a busy pool says so; one that hangs says that', async () => {
    kernelHas('ONLINE')
    const busy = poolsOn((line) =>
      line.includes('export') ? complaint("cannot export 'offsite 1': pool is busy") : '',
    )
    await expect(busy.pools.exportPool(pool, present)).rejects.toThrow(PoolBusy)
    const stuck = poolsOn((line) =>
      line.includes('export') ? new DeadlineExceeded('zpool export', 60_000) : '',
    )
    await expect(stuck.pools.exportPool(pool, present)).rejects.toThrow(DeadlineExceeded)
  })
  test('whose look fails runs nothing', async () => {
    kernelHas('ONLINE')
    const { pools, ran } = poolsOn(() => '')
    await expect(pools.exportPool(pool, async () => Promise.reject(new Error('no udev')))).rejects.toThrow(
      'no udev',
    )
    expect(ran).toEqual([])
  })
})

describe('an import', () => {
  const guid = poolGuid('4425734906477738374')
  const what = { guid, pool, links: ['/dev/disk/by-id/a-part1', '/dev/disk/by-id/b-part1'] }
  const listed = `offsite 1\t${guid}\t${ALTROOT}\n`

  test('names the GUID, the devices and nothing else; mounts nothing; never forces', async () => {
    const answers = ['tank\t17\t-\n', '', `tank\t17\t-\n${listed}`]
    const { pools, ran } = poolsOn(() => answers.shift() ?? '')
    expect(await pools.importPool(what)).toEqual({ name: pool, guid, altroot: ALTROOT })
    expect(ran[1]).toBe(
      `zpool import -N -R ${ALTROOT} -o cachefile=none -d /dev/disk/by-id/a-part1 -d /dev/disk/by-id/b-part1 ${guid}`,
    )
  })
  test('is not run when the pool is imported already, or its name is taken', async () => {
    const already = poolsOn(() => listed)
    await already.pools.importPool(what)
    expect(already.ran).toHaveLength(1)
    const taken = poolsOn(() => 'offsite 1\t17\t-\n')
    await expect(taken.pools.importPool(what)).rejects.toThrow(ImportRefused)
    expect(taken.ran).toHaveLength(1)
  })
  test.each([
    "cannot import 'offsite': pool was previously in use from another system.\nLast accessed by attic (hostid=1) at Sat Nov 21 20:00:00 2026\nThe pool can be imported, use 'zpool import -f' to import the pool.",
    "cannot import 'offsite': no such pool available",
    "cannot import 'offsite': one or more devices is currently unavailable",
    "cannot import 'offsite': unsupported version or feature",
  ])('that is refused says at last to plug it in again: %s', async (stderr) => {
    const { pools } = poolsOn((line) =>
      line.startsWith('zpool import')
        ? new CommandFailed({ command: ['zpool'], exitCode: 1, signal: null, stderr })
        : '',
    )
    const refused = await pools.importPool(what).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ImportRefused)
    expect(refused).toMatchObject({ hint: expect.stringMatching(/Then plug the disk in again\.$/) })
  })
  test('is not believed without the GUID in the kernel', async () => {
    const { pools } = poolsOn((line) => (line.startsWith('zpool list') ? 'other\t18\t-\n' : ''))
    await expect(pools.importPool(what)).rejects.toThrow(ImportRefused)
  })
})

describe('what the kernel says', () => {
  test('is read from its file; no folder means no pool', async () => {
    const { pools, ran } = poolsOn(() => '')
    expect(await pools.kernelState(pool)).toBe(null)
    for (const state of ['ONLINE', 'DEGRADED', 'SUSPENDED'] as const) {
      kernelHas(state)
      expect(await pools.kernelState(pool)).toBe(state)
    }
    kernelHas('SOMETHING NEW')
    expect(await pools.kernelState(pool)).toBe('OTHER')
    expect(ran).toEqual([])
  })
  test('no pool at all is an answer, half a line is none', async () => {
    expect(await poolsOn(() => '').pools.imported()).toEqual([])
    await expect(poolsOn(() => 'tank\n').pools.imported()).rejects.toThrow('columns')
    await expect(poolsOn(() => 'tank\t-\t-\n').pools.imported()).rejects.toThrow('number')
  })
  test('ZFS that does not answer is told apart from one that fails', async () => {
    expect(await poolsOn(() => new DeadlineExceeded('zpool list', 1)).pools.answers()).toBe(false)
    expect(await poolsOn(() => '').pools.answers()).toBe(true)
    await expect(
      poolsOn(() => complaint('The ZFS modules are not loaded.')).pools.answers(),
    ).rejects.toThrow()
  })
})

test('a pool is known by its GUID, whatever its name; where the kernel shows none, by its name', async () => {
  const { pools } = poolsOn(() => '')
  const guid = poolGuid('17000000000000000001')
  writeFileSync(join(kstatRoot, 'arcstats'), 'not a pool\n')
  expect(await pools.nameOf(guid, pool)).toBe(null)
  kernelHas('ONLINE')
  expect(await pools.nameOf(guid, pool)).toBe(pool)
  writeFileSync(join(kstatRoot, pool, 'guid'), '4711\n')
  expect(await pools.nameOf(guid, pool)).toBe(null)
  mkdirSync(join(kstatRoot, 'blue'))
  writeFileSync(join(kstatRoot, 'blue', 'guid'), `${guid}\n`)
  expect(await pools.nameOf(guid, pool)).toBe('blue')
})

test('a pool that somebody’s zpool import only looks at is not imported, under whatever name it passes by', async () => {
  const guid = poolGuid('17000000000000000001')
  const look = '$import-ff34256401a38000-offsite-1'
  mkdirSync(join(kstatRoot, look))
  writeFileSync(join(kstatRoot, look, 'guid'), `${guid}\n`)
  const { pools } = poolsOn(() => `${look}\t${guid}\t-\ntank\t12\t-\n`)
  expect(await pools.nameOf(guid, pool)).toBe(null)
  expect((await pools.imported()).map(({ name }) => name)).toEqual(['tank'])
})
