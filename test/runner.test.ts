import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { expectStates, goodVisit, startService, stopTime, tale } from './fakes/service.ts'
import { expectBackedUp, expectTidy, homeMachine } from './fakes/visits.ts'

beforeEach(stopTime)
afterEach(() => {
  vi.useRealTimers()
})

test('plugged in again while its last visit waits for it: its pool is revived, and only then the next one waits', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  const service = await startService(machine)
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
  await service.unplug('offsite-1')
  await expectStates(service, { 'offsite-1': 'pulled' })
  expect(pool.suspended).toBe(true)
  expect((await service.status()).disks[0]?.progress).toBeNull()
  machine.state.calls.length = 0

  await service.plugIn('offsite-1')
  await service.pass(10_000)
  await expectStates(service, { 'offsite-1': 'importing' })
  expect(pool.suspended).toBe(false)
  expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('zfs.snapshotSet')

  letGo()
  await service.pass(3000)
  await expectStates(service, { 'offsite-1': 'removable' })
  const told = tale(machine)
  expect(told.filter((kind) => kind === 'disk-pulled' || kind === 'safe-to-remove')).toEqual([
    'disk-pulled',
    'safe-to-remove',
  ])
  expect(service.inhibitors()).toBe(0)
  expectBackedUp(machine, 'offsite-1')
  expectTidy(machine, 'offsite-1')
  await service.daemon.stop('test')
})

test('told to stop while a visit waits for a disk that was pulled out: it is not waited for until it is back', async () => {
  const machine = homeMachine()
  const service = await startService(machine)
  machine.state.interference = {
    before: ({ verb }) => (verb === 'transfer.transfer' ? new Promise<void>(() => undefined) : undefined),
  }
  await service.pass(3000)
  await service.unplug('offsite-1')
  await expectStates(service, { 'offsite-1': 'pulled' })
  let stopped = false
  void service.daemon.stop('SIGTERM').then(() => {
    stopped = true
  })
  await service.pass(30_000)
  expect(stopped).toBe(false)
  await service.pass(15_000)
  expect(stopped).toBe(true)
})

test('plugged in again while ZFS is still made to notice that it was pulled: one command at a time', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  pool.busy = true
  const service = await startService(machine)
  await service.pass(5000)
  await expectStates(service, { 'offsite-1': 'not-removable' })
  let letGo: () => void = () => undefined
  const hanging = new Promise<void>((resolve) => {
    letGo = resolve
  })
  machine.state.interference = {
    before: ({ verb }) => (verb === 'pools.reopen' ? hanging : undefined),
  }
  await service.unplug('offsite-1')
  await expectStates(service, { 'offsite-1': 'pulled' })
  pool.busy = false
  machine.state.calls.length = 0

  await service.plugIn('offsite-1')
  await service.pass(10_000)
  await expectStates(service, { 'offsite-1': 'importing' })
  expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('pools.imported')
  letGo()
  await service.pass(5000)
  await expectStates(service, { 'offsite-1': 'removable' })
  expectBackedUp(machine, 'offsite-1')
  await service.daemon.stop('test')
})

test('pulled, and ZFS was faster to notice: that it cannot be made to notice again is worth no line', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  const service = await startService(machine)
  machine.state.interference = {
    before: ({ verb }) => (verb === 'transfer.transfer' ? new Promise<void>(() => undefined) : undefined),
  }
  await service.pass(3000)
  pool.suspended = true
  await service.unplug('offsite-1')
  await expectStates(service, { 'offsite-1': 'pulled' })
  expect(machine.state.calls.at(-1)?.verb).toBe('pools.reopen')
  expect(service.warnings).toEqual([])
})

test('its disk hangs though it is plugged in: told once; plugged in again, the backup goes on', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  const service = await startService(machine)
  machine.state.interference = {
    before: ({ verb }) => {
      if (verb !== 'transfer.transfer') return
      machine.state.interference = {}
      setImmediate(() => {
        pool.suspended = true
      })
    },
  }
  await service.pass(3000)
  await service.pass(180_000)
  await expectStates(service, { 'offsite-1': 'stuck' })
  expect((await service.status()).disks[0]?.reason).toContain('does not answer')
  expect(tale(machine)).toEqual([
    'daemon-started',
    'disk-arrived',
    'pool-imported',
    'disk-stuck',
    'backup-finished',
  ])
  expect(machine.state.wedged).toBe(false)

  await service.unplug('offsite-1')
  await service.pass(5000)
  await service.plugIn('offsite-1')
  await service.pass(10_000)
  await expectStates(service, { 'offsite-1': 'removable' })
  expect(tale(machine)).toEqual(goodVisit)
  expectBackedUp(machine, 'offsite-1')
  expectTidy(machine, 'offsite-1')
  await service.daemon.stop('test')
})

test('imported by somebody while its visit is written down: nobody is told to take it', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  const service = await startService(machine, {
    at: async (moment) => {
      if (moment === 'recorded') pool.imported = { altroot: null }
    },
  })
  await service.pass(10_000)
  await expectStates(service, { 'offsite-1': 'not-removable' })
  expect((await service.status()).disks[0]?.reason).toContain('imported by somebody else')
  expect(tale(machine)).not.toContain('safe-to-remove')
  await service.daemon.stop('test')
  expect(pool.imported).toEqual({ altroot: null })
})

test('while a visit runs, its phase and how far it is can be seen', async () => {
  const machine = homeMachine()
  const service = await startService(machine)
  const seen: unknown[] = []
  machine.state.interference = {
    before: async ({ verb, about }) => {
      const [disk] = (await service.status()).disks
      if (verb === 'pools.importPool' || verb === 'pools.sync' || verb === 'pools.exportPool')
        seen.push([verb, disk?.state, disk?.progress?.phase])
      if (verb === 'transfer.transfer' && about.endsWith('/ann'))
        seen.push([verb, disk?.state, disk?.progress?.dataset])
    },
  }
  await service.pass(3000)
  expect(seen).toEqual([
    ['pools.importPool', 'importing', 'importing'],
    ['transfer.transfer', 'backing-up', 'tank/home'],
    ['pools.sync', 'verifying', 'verifying'],
    ['pools.exportPool', 'exporting', 'exporting'],
  ])
  expect((await service.status()).disks[0]).toMatchObject({
    state: 'removable',
    progress: null,
    reason: null,
  })
  await service.daemon.stop('test')
})

test('told to stop in its last step: what is finished is said, and nothing is left running', async () => {
  const machine = homeMachine()
  const service = await startService(machine)
  const stopped: Promise<void>[] = []
  machine.state.interference = {
    before: ({ verb }) => {
      if (verb === 'block.release') stopped.push(service.daemon.stop('SIGTERM'))
    },
  }
  await service.pass(3000)
  await Promise.all(stopped)
  expect(tale(machine).filter((kind) => goodVisit.includes(kind))).toEqual(goodVisit)
  expect(vi.getTimerCount()).toBe(0)
})

test('a pool that only another machine may use: refused once, and nothing is tried again until it is replugged', async () => {
  const machine = homeMachine()
  machine.disk('offsite-1').pool.lastUser = 'attic'
  const service = await startService(machine)
  await service.pass(300_000)
  await expectStates(service, { 'offsite-1': 'refused' })
  expect((await service.status()).disks[0]?.reason).toContain('attic')
  expect(tale(machine)).toEqual(['daemon-started', 'disk-arrived', 'backup-finished', 'disk-refused'])
  machine.disk('offsite-1').pool.lastUser = null
  await service.unplug('offsite-1')
  await service.plugIn('offsite-1')
  await service.pass(3000)
  expect(tale(machine)).toEqual(goodVisit)
  await service.daemon.stop('test')
})

test('a history that cannot be written is a warning and nothing else', async () => {
  const machine = homeMachine()
  const service = await startService(machine, { recorded: { kind: 'failed', reason: 'the disk is full' } })
  await service.pass(3000)
  await expectStates(service, { 'offsite-1': 'removable' })
  expect((await service.status()).disks[0]?.lastComplete).not.toBeNull()
  expect(service.warnings.join()).toContain('the disk is full')
  await service.daemon.stop('test')
})
