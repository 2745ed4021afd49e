// Two disks whose pools have one name. The fakes keep pools by their names: to the daemon these two are called `backup`.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type PoolName, poolName } from '../src/core/model.ts'
import { ImportRefused } from '../src/errors.ts'
import type { Machine } from './fakes/machine.ts'
import { type Service, startService, stopTime } from './fakes/service.ts'
import { expectBackedUp, homeMachine } from './fakes/visits.ts'

beforeEach(stopTime)
afterEach(() => {
  vi.useRealTimers()
})

const backup = poolName('backup')
const names = ['offsite-1', 'offsite-2'] as const

async function twins(order: readonly string[] = names): Promise<{ machine: Machine; service: Service }> {
  const machine = homeMachine()
  machine.addDisk('offsite-2')
  for (const name of names) {
    machine.unplug(name)
    Object.assign(machine.disk(name).disk, { pool: backup })
  }
  const { pools } = machine.deps
  const { importPool, kernelState } = pools
  const inKernel = () =>
    names.map((name) => machine.disk(name).pool).filter(({ imported }) => imported !== null)
  const asked: typeof importPool = async (what, options) => {
    if (inKernel().some(({ guid }) => guid !== what.guid))
      throw new ImportRefused('another pool called backup is imported already')
    return importPool(what, options)
  }
  const stateOf = async (name: PoolName) => {
    const [taker] = inKernel()
    return kernelState(name === backup && taker !== undefined ? taker.name : name)
  }
  Object.assign(pools, { importPool: asked, kernelState: stateOf })
  const config = {
    ...machine.config(),
    disks: order.map((name) => ({ ...machine.disk(name).disk, overdueMs: null, keyFile: null, luks: null })),
  }
  const service = await startService(machine, {
    config,
    scan: async (devices) =>
      devices.map((device) =>
        device.member?.pool.startsWith('offsite') === true
          ? { ...device, member: { ...device.member, pool: backup } }
          : device,
      ),
  })
  return { machine, service }
}

const statesOf = async (service: Service): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries((await service.status()).disks.map(({ name, state }) => [name, state]))
const reasonOf = async (service: Service, disk: string): Promise<string | null | undefined> =>
  (await service.status()).disks.find(({ name }) => name === disk)?.reason
const said = (machine: Machine, ...kinds: readonly string[]): readonly string[] =>
  machine.told.flatMap((event) =>
    'disk' in event && kinds.includes(event.kind) ? [`${event.kind} ${event.disk}`] : [],
  )

/** The first one is being sent to until `letGo`, and the second one waits. */
async function whileOneWaits() {
  const { machine, service } = await twins()
  let letGo: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  machine.state.interference = {
    before: async ({ verb, about }) => {
      if (verb === 'transfer.transfer' && about.startsWith('offsite-1')) await held
    },
  }
  await service.plugIn('offsite-1')
  await service.pass(3000)
  await service.plugIn('offsite-2')
  await service.pass(10_000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'backing-up', 'offsite-2': 'importing' })
  expect(await reasonOf(service, 'offsite-2')).toBe(
    'waits for another disk: their pools have one name, backup',
  )
  return { machine, service, letGo: () => letGo() }
}

test('plugged in at once: one after the other, both complete', async () => {
  const { machine, service } = await twins()
  for (const name of names) await service.plugIn(name)
  await service.pass(20_000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'removable', 'offsite-2': 'removable' })
  expect(said(machine, 'pool-imported', 'pool-exported')).toEqual([
    'pool-imported offsite-1',
    'pool-exported offsite-1',
    'pool-imported offsite-2',
    'pool-exported offsite-2',
  ])
  for (const name of names) expectBackedUp(machine, name)
  await service.daemon.stop('test')
})

test('the first one is busy when its visit is over: the second one waits until it is released', async () => {
  const { machine, service } = await twins()
  machine.disk('offsite-1').pool.busy = true
  for (const name of names) await service.plugIn(name)
  await service.pass(20_000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'not-removable', 'offsite-2': 'importing' })
  expect(await reasonOf(service, 'offsite-2')).toBe('waits for offsite-1: their pools have one name, backup')
  machine.disk('offsite-1').pool.busy = false
  await service.pass(600_000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'removable', 'offsite-2': 'removable' })
  expect(await reasonOf(service, 'offsite-2')).toBeNull()
  expect(said(machine, 'disk-refused')).toEqual([])
  await service.daemon.stop('test')
})

test.each([[['offsite-1', 'offsite-2']], [['offsite-2', 'offsite-1']]])(
  'the first one is pulled out and comes back: neither waits for the other for ever (%j)',
  async (order) => {
    const { machine, service } = await twins(order)
    let isFirst = true
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb !== 'transfer.transfer' || !about.startsWith('offsite-1') || !isFirst) return
        isFirst = false
        void service.unplug('offsite-1')
      },
    }
    await service.plugIn('offsite-1')
    await service.pass(1600)
    await service.plugIn('offsite-2')
    await service.pass(20_000)
    expect(await statesOf(service)).toEqual({ 'offsite-1': 'pulled', 'offsite-2': 'importing' })
    await service.plugIn('offsite-1')
    await service.pass(600_000)
    expect(await statesOf(service)).toEqual({ 'offsite-1': 'removable', 'offsite-2': 'removable' })
    for (const name of names) expectBackedUp(machine, name)
    expect(said(machine, 'disk-refused')).toEqual([])
    await service.daemon.stop('test')
  },
)

test('ejected while it waits: it may be taken at once, and nothing of it was imported', async () => {
  const { machine, service, letGo } = await whileOneWaits()
  await service.ask({ version: 1, command: 'eject', disk: 'offsite-2' })
  await service.pass(5000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'backing-up', 'offsite-2': 'removable' })
  expect(said(machine, 'pool-imported', 'safe-to-remove')).toEqual([
    'pool-imported offsite-1',
    'safe-to-remove offsite-2',
  ])
  letGo()
  await service.pass(20_000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'removable', 'offsite-2': 'removable' })
  await service.daemon.stop('test')
  expect(service.inhibitors()).toBe(0)
})

test('unplugged while it waits, and plugged in again: it is served after the first one', async () => {
  const { machine, service, letGo } = await whileOneWaits()
  await service.unplug('offsite-2')
  await service.pass(5000)
  expect(await statesOf(service)).toMatchObject({ 'offsite-2': 'absent' })
  await service.plugIn('offsite-2')
  await service.pass(5000)
  letGo()
  await service.pass(20_000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'removable', 'offsite-2': 'removable' })
  for (const name of names) expectBackedUp(machine, name)
  await service.daemon.stop('test')
})

test('walkaway stops while it waits: nothing of it is imported for that', async () => {
  const { machine, service, letGo } = await whileOneWaits()
  const stopped = service.daemon.stop('SIGTERM')
  letGo()
  await service.pass(2000)
  await stopped
  expect(said(machine, 'pool-imported', 'pool-exported', 'safe-to-remove')).toEqual([
    'pool-imported offsite-1',
    'pool-exported offsite-1',
  ])
  expect(machine.told.filter(({ kind }) => kind === 'backup-finished')).toMatchObject([
    { standing: 'stopping' },
    { standing: 'stopping' },
  ])
})

test('a disk does not wait for another one because its own visit before has just ended', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  const service = await startService(machine)
  let letGo: () => void = () => undefined
  machine.state.interference = {
    before: async ({ verb }) => {
      if (verb !== 'transfer.transfer') return
      machine.state.interference = {}
      await new Promise<void>((resolve) => {
        letGo = resolve
      })
    },
  }
  await service.pass(3000)
  await service.unplug('offsite-1')
  await service.plugIn('offsite-1')
  await service.pass(10_000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'importing' })
  // It was exported in the end, so that the visit that waits for that has to import it.
  pool.imported = null
  letGo()
  await service.pass(20_000)
  expect(await statesOf(service)).toEqual({ 'offsite-1': 'removable' })
  expect(service.warnings.filter((warning) => warning.includes('one name'))).toEqual([])
  await service.daemon.stop('test')
})
