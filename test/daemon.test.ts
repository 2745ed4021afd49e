import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { diskName, poolGuid, serial } from '../src/core/model.ts'
import type { Reloaded } from '../src/daemon.ts'
import { UnreadableAnswer } from '../src/errors.ts'
import { READ_ONLY_ALTROOT } from '../src/zfs/pool.ts'
import { deviceOf } from './fakes/luks.ts'
import { expectStates, goodVisit, startService, stopTime, tale } from './fakes/service.ts'
import { expectBackedUp, expectTidy, homeMachine } from './fakes/visits.ts'

beforeEach(stopTime)
afterEach(() => {
  vi.useRealTimers()
})

describe('the life of a disk', () => {
  test('plugged in, backed up, taken away, and again', async () => {
    const machine = homeMachine()
    machine.unplug('offsite-1')
    const service = await startService(machine)
    expect(tale(machine)).toEqual(['daemon-started'])
    expect(service.notified).toEqual(['ready'])
    await service.pass(120_000)
    await expectStates(service, { 'offsite-1': 'absent' })
    expect(service.statusLine()).toBe('waiting for a backup disk')

    for (let round = 0; round < 2; round++) {
      await service.plugIn('offsite-1')
      await expectStates(service, { 'offsite-1': 'arriving' })
      await service.pass(3000)
      await expectStates(service, { 'offsite-1': 'removable' })
      expect(service.statusLine()).toBe('offsite-1: SAFE TO REMOVE, backup complete')
      expect(tale(machine)).toEqual(goodVisit)
      expectBackedUp(machine, 'offsite-1')
      expectTidy(machine, 'offsite-1')
      expect(service.inhibitors()).toBe(0)

      await service.pass(600_000)
      expect(tale(machine)).toEqual([])

      await service.unplug('offsite-1')
      await expectStates(service, { 'offsite-1': 'absent' })
      expect(tale(machine)).toEqual(['disk-removed'])
    }
    expect((await service.status()).disks[0]).toMatchObject({
      lastVisit: { outcome: 'complete' },
      overdue: false,
      progress: null,
    })
    expect(service.warnings).toEqual([])
    await service.daemon.stop('test')
  })

  test('two disks at once, one of them pulled: the other one is not disturbed', async () => {
    const machine = homeMachine()
    machine.addDisk('offsite-2')
    for (const name of ['offsite-1', 'offsite-2']) machine.unplug(name)
    const service = await startService(machine)
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb !== 'transfer.transfer' || !about.startsWith('offsite-2')) return
        machine.state.interference = {}
        void service.unplug('offsite-2')
      },
    }
    await service.plugIn('offsite-1')
    await service.plugIn('offsite-2')
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'removable', 'offsite-2': 'pulled' })
    const kinds = (disk: string) =>
      machine.told.flatMap((event) => ('disk' in event && event.disk === disk ? [event.kind] : []))
    expect(kinds('offsite-1').filter((kind) => goodVisit.includes(kind))).toEqual(goodVisit)
    expect(kinds('offsite-2')).toContain('disk-pulled')
    expect(kinds('offsite-2')).not.toContain('safe-to-remove')
    expect(machine.state.wedged).toBe(false)

    await service.plugIn('offsite-2')
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'removable', 'offsite-2': 'removable' })
    expectBackedUp(machine, 'offsite-2')
    expectTidy(machine, 'offsite-2')
    await service.daemon.stop('test')
  })

  test('a copy beside it: refused once, not touched; when the copy goes, the visit begins', async () => {
    const machine = homeMachine()
    let copies = 1
    const others = () => (copies === 0 ? [] : deviceOf({ ...machine.disk('offsite-1'), seq: 77 }))
    const service = await startService(machine, { others })
    await service.pass(300_000)
    await expectStates(service, { 'offsite-1': 'refused' })
    expect(tale(machine)).toEqual(['daemon-started', 'disk-refused'])
    expect(machine.state.calls.some(({ verb }) => verb === 'pools.importPool')).toBe(false)
    copies = 0
    await service.pass(65_000)
    expect(tale(machine)).toEqual(goodVisit)
    await service.daemon.stop('test')
  })

  test('a pool in use is tried again until it is free', async () => {
    const machine = homeMachine()
    machine.disk('offsite-1').pool.busy = true
    const service = await startService(machine)
    await service.pass(100_000)
    await expectStates(service, { 'offsite-1': 'not-removable' })
    expect(tale(machine)).toEqual([
      'daemon-started',
      'disk-arrived',
      'pool-imported',
      'backup-finished',
      'not-safe-to-remove',
    ])
    machine.disk('offsite-1').pool.busy = false
    await service.pass(300_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(tale(machine)).toEqual(['pool-exported', 'safe-to-remove'])
    await service.daemon.stop('test')
  })

  test('imported by hand under another name: it is not safe to remove any more', async () => {
    const machine = homeMachine()
    const service = await startService(machine)
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'removable' })
    const { pool } = machine.disk('offsite-1')
    // As `zpool import offsite-1 blue` leaves it.
    machine.state.pools.delete('offsite-1')
    machine.state.pools.set('blue', Object.assign(pool, { name: 'blue', imported: { altroot: null } }))
    tale(machine)
    await service.pass(65_000)
    await expectStates(service, { 'offsite-1': 'not-removable' })
    expect(tale(machine).filter((kind) => kind === 'not-safe-to-remove')).toHaveLength(1)
    await service.daemon.stop('test')
  })

  test('imported since the last look (`walkaway restore`): no answer says that it is safe', async () => {
    const machine = homeMachine()
    const service = await startService(machine)
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'removable' })
    tale(machine)
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: READ_ONLY_ALTROOT, readonly: true }
    await expectStates(service, { 'offsite-1': 'not-removable' })
    expect(tale(machine)).toEqual(['not-safe-to-remove'])
    pool.imported = null
    await service.pass(65_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(tale(machine)).toEqual(['safe-to-remove'])
    await service.daemon.stop('test')
  })

  test('a stranger with a pool of that name, imported by hand: the word that it is safe stands', async () => {
    const machine = homeMachine()
    const service = await startService(machine)
    await service.pass(5000)
    tale(machine)
    const own = machine.disk('offsite-1').pool
    machine.state.pools.delete('offsite-1')
    machine.addPool('offsite-1')
    machine.state.pools.set('offsite-1 on its disk', own)
    await service.pass(130_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    await service.unplug('offsite-1').catch(() => undefined)
    expect(tale(machine)).toEqual(['disk-removed'])
    expect(machine.state.calls.some(({ verb }) => verb === 'pools.reopen')).toBe(false)
    await service.daemon.stop('test')
  })

  test('it comes to rest after the start and after a visit, once each', async () => {
    const machine = homeMachine()
    await machine.unplug('offsite-1')
    const service = await startService(machine)
    await service.pass(29_000)
    expect(service.rests()).toBe(0)
    await service.pass(60_000)
    expect(service.rests()).toBe(1)
    await service.plugIn('offsite-1')
    await service.pass(10_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(service.rests()).toBe(1)
    await service.pass(180_000)
    expect(service.rests()).toBe(2)
    await service.daemon.stop('test')
    await service.pass(60_000)
    expect(service.rests()).toBe(2)
  })

  test('a clock that is set back does not keep it waiting', async () => {
    const machine = homeMachine()
    machine.disk('offsite-1').pool.busy = true
    const service = await startService(machine)
    await service.pass(20_000)
    machine.disk('offsite-1').pool.busy = false
    machine.now = new Date(0)
    await service.pass(65_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    await service.daemon.stop('test')
  })
})

describe('looking', () => {
  test('a scan that cannot be read is not "all disks removed"', async () => {
    const machine = homeMachine()
    let readable = true
    const service = await startService(machine, {
      scan: async (devices) => {
        if (!readable) throw new UnreadableAnswer('udev says nothing')
        return devices
      },
    })
    await service.pass(5000)
    tale(machine)
    readable = false
    await service.pass(130_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(tale(machine)).toEqual([])
    expect(service.warnings).not.toEqual([])
    readable = true
    await service.unplug('offsite-1')
    expect(tale(machine)).toEqual(['disk-removed'])
    await service.daemon.stop('test')
  })

  test('an event that was missed is made up for by the next regular look', async () => {
    const machine = homeMachine()
    machine.unplug('offsite-1')
    const service = await startService(machine)
    machine.plugIn('offsite-1')
    await service.pass(65_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    await service.daemon.stop('test')
  })

  test('a disk whose state cannot be read does not keep the others from being looked at', async () => {
    const machine = homeMachine()
    machine.addDisk('offsite-2')
    const { nameOf } = machine.pools
    Object.assign(machine.deps.pools, {
      nameOf: async (...[guid, pool]: Parameters<typeof nameOf>) => {
        if (pool === 'offsite-1') throw new UnreadableAnswer('a state nobody knows')
        return nameOf(guid, pool)
      },
    })
    const service = await startService(machine)
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'absent', 'offsite-2': 'removable' })
    expect(service.warnings.join()).toContain('offsite-1')
    await service.daemon.stop('test')
  })
})

describe('reading the configuration again', () => {
  test('during a visit: it goes on undisturbed', async () => {
    const machine = homeMachine()
    const service = await startService(machine)
    const reloaded: Promise<void>[] = []
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'transfer.transfer' && reloaded.length === 0) reloaded.push(service.daemon.reload())
      },
    }
    await service.pass(5000)
    await Promise.all(reloaded)
    expect(tale(machine).filter((kind) => kind !== 'config-reloaded')).toEqual([
      'daemon-started',
      ...goodVisit,
    ])
    expect(service.notified).toEqual(['ready', 'reloading', 'ready'])
    await service.daemon.stop('test')
  })

  test('a disk that gets another name during its visit is not visited twice at once, and stays removable', async () => {
    const machine = homeMachine()
    const before = machine.config()
    const config = { ...before, disks: before.disks.map((disk) => ({ ...disk, name: diskName('blue') })) }
    const service = await startService(machine, {
      config: before,
      reload: async () => ({ kind: 'ok', config }),
    })
    let letGo: () => void = () => undefined
    const hanging = new Promise<void>((resolve) => {
      letGo = resolve
    })
    machine.state.interference = {
      before: async ({ verb }) => {
        if (verb !== 'transfer.transfer') return
        machine.state.interference = {}
        await hanging
      },
    }
    await service.pass(3000)
    await service.daemon.reload()
    await service.pass(65_000)
    await expectStates(service, { 'offsite-1': 'backing-up' })
    expect(machine.disk('offsite-1').pool.imported).not.toBeNull()
    letGo()
    await service.pass(130_000)
    await expectStates(service, { blue: 'removable' })
    expect(tale(machine)).toEqual([
      'daemon-started',
      'disk-arrived',
      'pool-imported',
      'config-reloaded',
      'backup-finished',
      'pool-exported',
      'safe-to-remove',
    ])
    await service.daemon.stop('test')
  })

  test('a new disk under the name of a dead one has no history', async () => {
    const machine = homeMachine()
    const before = machine.config()
    const disks = before.disks.map((disk) => ({
      ...disk,
      poolGuid: poolGuid('4711'),
      serials: [serial('new')],
    }))
    const service = await startService(machine, {
      config: before,
      reload: async () => ({ kind: 'ok', config: { ...before, disks } }),
    })
    await service.pass(5000)
    expect((await service.status()).disks[0]?.lastComplete).not.toBeNull()
    await service.unplug('offsite-1')
    await service.daemon.reload()
    await service.pass(1000)
    expect((await service.status()).disks[0]).toMatchObject({
      poolGuid: '4711',
      lastComplete: null,
      lastVisit: null,
    })
    await service.daemon.stop('test')
  })

  test('asked over the socket: a new disk is known at once, and a broken file is refused with its mistakes', async () => {
    const machine = homeMachine()
    machine.unplug('offsite-1')
    let reloaded: Reloaded = { kind: 'ok', config: machine.config() }
    const service = await startService(machine, {
      config: { ...machine.config(), disks: [] },
      reload: async () => reloaded,
    })
    await expectStates(service, {})
    const reply = await service.ask({ version: 1, command: 'reload' })
    expect(reply).toMatchObject({ ok: true, status: { disks: [{ name: 'offsite-1', state: 'absent' }] } })
    reloaded = { kind: 'rejected', mistakes: ['1:1: no', '2:1: nor this'] }
    expect(await service.ask({ version: 1, command: 'reload' })).toMatchObject({
      ok: false,
      error: { message: '1:1: no\n2:1: nor this', exitCode: 2 },
    })
    await expectStates(service, { 'offsite-1': 'absent' })
    await service.daemon.stop('test')
  })

  test('asked twice at once: what was read last is in force, however long the first reading took', async () => {
    const machine = homeMachine()
    machine.unplug('offsite-1')
    const config = machine.config()
    let first: () => void = () => undefined
    const slow = new Promise<void>((resolve) => {
      first = resolve
    })
    const readings = [
      async (): Promise<Reloaded> => {
        await slow
        return { kind: 'ok', config: { ...config, disks: [] } }
      },
      async (): Promise<Reloaded> => ({ kind: 'ok', config }),
    ]
    const service = await startService(machine, {
      config: { ...config, disks: [] },
      reload: async () => readings.shift()?.() ?? { kind: 'ok', config },
    })
    const both = [service.daemon.reload(), service.ask({ version: 1, command: 'reload' })]
    await service.pass(500)
    first()
    await Promise.all(both)
    await expectStates(service, { 'offsite-1': 'absent' })
    await service.daemon.stop('test')
  })

  test('whatever goes wrong with it: the service is ready again, and goes on as before', async () => {
    const machine = homeMachine()
    const service = await startService(machine, { reload: () => Promise.reject(new Error('EIO')) })
    await service.daemon.reload()
    expect(machine.told.find(({ kind }) => kind === 'config-rejected')).toMatchObject({ mistakes: ['EIO'] })
    expect(service.notified).toEqual(['ready', 'reloading', 'ready'])
    await service.daemon.stop('test')
  })

  test('a broken file: what was in force stays so', async () => {
    const machine = homeMachine()
    const service = await startService(machine, {
      reload: async () => ({ kind: 'rejected', mistakes: ['1:1: no'] }),
    })
    await service.daemon.reload()
    await service.pass(5000)
    expect(tale(machine)).toEqual(['daemon-started', 'config-rejected', ...goodVisit])
    expect(service.notified).toEqual(['ready', 'reloading', 'ready'])
    await service.daemon.stop('test')
  })

  test('a disk that is not in the file any more is not touched, even while it arrives', async () => {
    const machine = homeMachine()
    const config = { ...machine.config(), disks: [] }
    const service = await startService(machine, {
      config: machine.config(),
      reload: async () => ({ kind: 'ok', config }),
    })
    await service.pass(1000)
    await expectStates(service, { 'offsite-1': 'arriving' })
    await service.daemon.reload()
    await service.pass(65_000)
    await expectStates(service, {})
    expect(tale(machine)).toEqual(['daemon-started', 'config-reloaded'])
    await service.daemon.stop('test')
  })

  test('a disk whose entry was corrected is used from then on, and what is known of it stays known', async () => {
    const machine = homeMachine()
    const good = machine.config()
    let config = good
    const service = await startService(machine, { config, reload: async () => ({ kind: 'ok', config }) })
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'removable' })
    const { lastComplete } = (await service.status()).disks[0] ?? {}
    expect(lastComplete).toBeTruthy()

    config = { ...good, disks: good.disks.map((disk) => ({ ...disk, poolGuid: poolGuid('1') })) }
    await service.daemon.reload()
    await service.pass(65_000)
    await expectStates(service, { 'offsite-1': 'refused' })
    // Nothing is known of a disk with that pool.
    expect((await service.status()).disks[0]?.lastComplete).toBeNull()

    config = { ...good, disks: good.disks.map((disk) => ({ ...disk, serials: [...disk.serials] })) }
    await service.daemon.reload()
    await service.pass(65_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect((await service.status()).disks[0]?.lastComplete).toBe(lastComplete)
    await service.daemon.stop('test')
  })

  test('a new disk', async () => {
    const machine = homeMachine()
    const config = machine.config()
    const other = machine.addDisk('offsite-2')
    expect(other.disk.serials).toEqual([serial('serial of offsite-2')])
    const service = await startService(machine, {
      config,
      reload: async () => ({ kind: 'ok', config: machine.config() }),
    })
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'removable' })
    await service.daemon.reload()
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'removable', 'offsite-2': 'removable' })
    await service.daemon.stop('test')
  })
})
