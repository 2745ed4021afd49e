import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type HistoryRecord, mergeVisits } from '../src/linux/history.ts'
import { ALTROOT } from '../src/zfs/pool.ts'
import { expectStates, goodVisit, startService, stopTime, tale } from './fakes/service.ts'
import { expectBackedUp, expectTidy, homeMachine } from './fakes/visits.ts'

beforeEach(stopTime)
afterEach(() => {
  vi.useRealTimers()
})

describe('stopping', () => {
  test('during a visit: the pool is exported, nobody is told to take the disk, the next daemon goes on', async () => {
    const machine = homeMachine()
    const past: HistoryRecord[] = []
    const service = await startService(machine, { past })
    const stopped: Promise<void>[] = []
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb !== 'transfer.transfer') return
        machine.state.interference = {}
        stopped.push(service.daemon.stop('SIGTERM'))
      },
    }
    await service.pass(3000)
    expect(stopped).toHaveLength(1)
    await Promise.all(stopped)
    expect(machine.disk('offsite-1').pool.imported).toBeNull()
    expect(tale(machine)).not.toContain('safe-to-remove')
    expect(service.inhibitors()).toBe(0)
    expect(past).toMatchObject([{ outcome: 'interrupted', device: null }])

    const next = await startService(machine, { past })
    await next.pass(3000)
    expect(tale(machine)).toEqual(['daemon-started', ...goodVisit])
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
    await next.daemon.stop('test')
  })

  test('while a disk waits to be released: what walkaway imported is exported, what somebody else did is not', async () => {
    for (const altroot of [ALTROOT, null]) {
      const machine = homeMachine()
      const { pool } = machine.disk('offsite-1')
      if (altroot === null) pool.imported = { altroot }
      pool.busy = true
      const service = await startService(machine)
      await service.pass(5000)
      await expectStates(service, { 'offsite-1': 'not-removable' })
      pool.busy = false
      await service.daemon.stop('SIGTERM')
      expect(pool.imported).toEqual(altroot === null ? { altroot } : null)
      expect(tale(machine)).not.toContain('safe-to-remove')
    }
  })

  test('after a later try released the disk: the next daemon knows that, and the visit counts once', async () => {
    const machine = homeMachine()
    const past: HistoryRecord[] = []
    const { pool } = machine.disk('offsite-1')
    pool.busy = true
    const service = await startService(machine, { past })
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'not-removable' })
    pool.busy = false
    await service.pass(60_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    await service.daemon.stop('test')
    // Noted as released, and once more when that was said.
    expect(past).toMatchObject([{ device: null }, { device: 'boot 1', unsaid: true }, { device: 'boot 1' }])
    expect(mergeVisits(past)).toEqual([past[2]])
    expect(past[2]).not.toHaveProperty('unsaid')

    tale(machine)
    const next = await startService(machine, { past })
    await next.pass(5000)
    await expectStates(next, { 'offsite-1': 'removable' })
    expect(tale(machine)).toEqual(['daemon-started'])
    await next.daemon.stop('test')
  })

  test('while it looks: no visit begins any more, and no timer is left', async () => {
    const machine = homeMachine()
    let stop: (() => Promise<void>) | null = null
    const service = await startService(machine, {
      scan: async (devices) => {
        await stop?.()
        return devices
      },
    })
    await service.pass(1000)
    await expectStates(service, { 'offsite-1': 'arriving' })
    stop = () => service.daemon.stop('SIGTERM')
    await service.pass(120_000)
    expect(machine.story()).not.toContain('disk-arrived')
    expect(machine.state.calls.some(({ verb }) => verb === 'pools.importPool')).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('while the devices are looked at: no visit begins any more', async () => {
    const machine = homeMachine()
    const service = await startService(machine)
    await service.pass(1000)
    const { nameOf } = machine.pools
    // At the second look from now on it has settled.
    let looks = 0
    Object.assign(machine.deps.pools, {
      nameOf: async (...[guid, pool]: Parameters<typeof nameOf>) => {
        if (++looks === 2) await service.daemon.stop('SIGTERM')
        return nameOf(guid, pool)
      },
    })
    await service.pass(10_000)
    expect(looks).toBe(2)
    expect(machine.story()).not.toContain('disk-arrived')
  })
})

describe('starting with a disk plugged in', () => {
  const restarted = async (change: (record: HistoryRecord) => HistoryRecord = (record) => record) => {
    const machine = homeMachine()
    const past: HistoryRecord[] = []
    const first = await startService(machine, { past })
    await first.pass(5000)
    await first.daemon.stop('test')
    tale(machine)
    const service = await startService(machine, { past: past.map(change) })
    await service.pass(70_000)
    return { machine, service }
  }

  test('a finished one stays removable, and nothing is told', async () => {
    const { machine, service } = await restarted()
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(tale(machine)).toEqual(['daemon-started'])
    expect(service.statusLine()).toBe('offsite-1: SAFE TO REMOVE, backup complete')
    await service.unplug('offsite-1')
    expect(tale(machine)).toEqual(['disk-removed'])
    await service.daemon.stop('test')
  })

  test.each<[string, (record: HistoryRecord) => HistoryRecord]>([
    ['another plugging in', (record) => ({ ...record, device: 'boot 99' })],
    ['another boot', (record) => ({ ...record, device: record.device?.replace('boot', 'earlier') ?? null })],
    ['one that was never released', (record) => ({ ...record, device: null })],
    ['one whose backup is not complete', (record) => ({ ...record, outcome: 'partial' })],
  ])('%s gets its visit', async (_, change) => {
    const { machine, service } = await restarted(change)
    expect(tale(machine)).toEqual(['daemon-started', ...goodVisit])
    await service.daemon.stop('test')
  })

  test('one that was complete but not released is not called removable', async () => {
    const machine = homeMachine()
    const past: HistoryRecord[] = []
    machine.disk('offsite-1').holders = ['dd']
    const first = await startService(machine, { past })
    await first.pass(5000)
    await expectStates(first, { 'offsite-1': 'not-removable' })
    await first.daemon.stop('test')
    const service = await startService(machine, { past })
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'not-removable' })
    await service.daemon.stop('test')
  })

  test('one that was finished, and used again until the daemon was killed, is not called removable', async () => {
    const machine = homeMachine()
    const past: HistoryRecord[] = []
    const killed = await startService(machine, { past })
    await killed.pass(5000)
    await expectStates(killed, { 'offsite-1': 'removable' })
    machine.state.interference = {
      before: ({ verb }) => (verb === 'block.release' ? new Promise<void>(() => undefined) : undefined),
    }
    await killed.ask({ version: 1, command: 'run', disk: 'offsite-1' })
    await killed.pass(5000)
    // Exported, but neither flushed nor stopped since.
    expect(machine.disk('offsite-1').pool.imported).toBeNull()
    machine.state.interference = {}
    tale(machine)
    const service = await startService(machine, { past })
    await service.pass(5000)
    expect(tale(machine)).toEqual(['daemon-started', ...goodVisit])
    await service.daemon.stop('test')
  })

  test('a finished one that udev is still busy with stays removable', async () => {
    const machine = homeMachine()
    const past: HistoryRecord[] = []
    const first = await startService(machine, { past })
    await first.pass(5000)
    await first.daemon.stop('test')
    tale(machine)
    let initialized = false
    const service = await startService(machine, {
      past,
      scan: async (devices) => devices.map((device) => ({ ...device, initialized })),
    })
    await service.pass(2000)
    initialized = true
    await service.pass(65_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(tale(machine)).toEqual(['daemon-started'])
    await service.daemon.stop('test')
  })
})
