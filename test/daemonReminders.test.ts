import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Config } from '../src/config.ts'
import { datasetName } from '../src/core/model.ts'
import type { Notes } from '../src/core/reminders.ts'
import type { HistoryRecord } from '../src/linux/history.ts'
import type { Machine } from './fakes/machine.ts'
import {
  expectStates,
  type Service,
  type ServiceOptions,
  startService,
  stopTime,
  tale,
} from './fakes/service.ts'
import { homeMachine } from './fakes/visits.ts'

beforeEach(stopTime)
afterEach(() => {
  vi.useRealTimers()
})

const hourMs = 3_600_000
const dayMs = 24 * hourMs

const configOf = (machine: Machine): Config => {
  const config = machine.config()
  return {
    ...config,
    disks: config.disks.map((disk) => ({ ...disk, overdueMs: 30 * dayMs })),
    remind: { overdueMs: 30 * dayMs, takeAwayMs: 12 * hourMs, quiet: null },
  }
}
const start = (machine: Machine, options: ServiceOptions = {}): Promise<Service> =>
  startService(machine, { ...options, config: configOf(machine) })

/** Sets the clock, and waits for the next regular look. */
const setClock = async (machine: Machine, service: Service, byMs: number): Promise<void> => {
  machine.now = new Date(machine.now.getTime() + byMs)
  await service.pass(65_000)
}

const twoDisks = (): Machine => {
  const machine = homeMachine()
  machine.addDisk('offsite-2')
  return machine
}

test('the clock goes 40 days ahead: a disk that is away is overdue, in the status too; its visit ends it', async () => {
  const machine = homeMachine()
  const service = await start(machine)
  await service.pass(5000)
  await service.unplug('offsite-1')
  tale(machine)
  await setClock(machine, service, 40 * dayMs)
  expect(machine.told).toMatchObject([{ kind: 'disk-overdue', disk: 'offsite-1', place: 'away' }])
  expect((await service.status()).disks[0]).toMatchObject({ overdue: true })
  await setClock(machine, service, 3 * dayMs)
  expect(machine.told).toHaveLength(1)
  tale(machine)

  await service.plugIn('offsite-1')
  await service.pass(65_000)
  await expectStates(service, { 'offsite-1': 'removable' })
  expect((await service.status()).disks[0]).toMatchObject({ overdue: false })
  expect(tale(machine)).not.toContain('disk-overdue')
  await service.daemon.stop('test')
})

test('a finished disk is left in: told after 12 hours, over a restart and once; taken away: silence', async () => {
  const machine = homeMachine()
  const past: HistoryRecord[] = []
  const reminded: { notes: Notes } = { notes: new Map() }
  const first = await start(machine, { past, reminded })
  await first.pass(5000)
  await setClock(machine, first, 11 * hourMs)
  expect(tale(machine)).not.toContain('take-disk-away')
  await first.daemon.stop('test')
  machine.now = new Date(machine.now.getTime() + 2 * hourMs)
  tale(machine)

  const second = await start(machine, { past, reminded })
  await second.pass(130_000)
  await expectStates(second, { 'offsite-1': 'removable' })
  expect(tale(machine)).toEqual(['daemon-started', 'take-disk-away'])
  await second.daemon.stop('test')
  tale(machine)

  const third = await start(machine, { past, reminded })
  await setClock(machine, third, 20 * hourMs)
  expect(tale(machine)).toEqual(['daemon-started'])
  await setClock(machine, third, 4 * hourMs)
  expect(tale(machine)).toEqual(['take-disk-away'])
  await third.unplug('offsite-1')
  await setClock(machine, third, 5 * dayMs)
  expect(tale(machine)).toEqual(['disk-removed'])
  await third.daemon.stop('test')
})

test('somebody imports its pool right before: it is not safe to remove, and nobody is told to take it', async () => {
  const machine = homeMachine()
  const service = await start(machine)
  await service.pass(5000)
  await expectStates(service, { 'offsite-1': 'removable' })
  tale(machine)
  const { nameOf } = machine.pools
  // The look finds it released; it is imported while the look ends.
  let looks = 0
  Object.assign(machine.deps.pools, {
    nameOf: async (...asked: Parameters<typeof nameOf>) => {
      const name = await nameOf(...asked)
      if (++looks === 1) machine.disk('offsite-1').pool.imported = { altroot: null }
      return name
    },
  })
  await setClock(machine, service, 13 * hourMs)
  expect(looks).toBeGreaterThan(1)
  expect(tale(machine)).toEqual(['not-safe-to-remove'])
  await service.daemon.stop('test')
})

test('a visit begins while it is noted what is to be said: nobody is told to take the disk', async () => {
  const machine = homeMachine()
  let service: Service | null = null
  let isDue = false
  const noting = async (): Promise<void> => {
    if (!isDue) return
    isDue = false
    await service?.ask({ version: 1, command: 'run', disk: 'offsite-1' })
  }
  service = await start(machine, { noting })
  await service.pass(5000)
  await expectStates(service, { 'offsite-1': 'removable' })
  tale(machine)
  isDue = true
  await setClock(machine, service, 13 * hourMs)
  const told = tale(machine)
  expect(told).toContain('visit-asked')
  expect(told).not.toContain('take-disk-away')
  await service.daemon.stop('test')
})

test('both disks at home: nothing is offsite; one is taken away: that is over', async () => {
  const machine = twoDisks()
  const service = await start(machine)
  await service.pass(10_000)
  await expectStates(service, { 'offsite-1': 'removable', 'offsite-2': 'removable' })
  tale(machine)
  await setClock(machine, service, 13 * hourMs)
  expect(machine.told.filter(({ kind }) => kind === 'nothing-offsite')).toMatchObject([
    { disks: ['offsite-1', 'offsite-2'] },
  ])
  expect(tale(machine).toSorted()).toEqual(['nothing-offsite', 'take-disk-away'])
  await service.unplug('offsite-2')
  await setClock(machine, service, 25 * hourMs)
  expect(tale(machine)).toEqual(['disk-removed', 'take-disk-away'])
  await service.daemon.stop('test')
})

test('a backup that is not complete is said again a day later, while the disk is there', async () => {
  const machine = homeMachine()
  const service = await start(machine)
  machine.state.interference = {
    before: ({ verb, about }) => {
      if (verb === 'transfer.transfer' && about.includes(datasetName('tank/home'))) throw new Error('no')
    },
  }
  await service.pass(10_000)
  await expectStates(service, { 'offsite-1': 'removable' })
  expect((await service.status()).disks[0]?.lastVisit?.outcome).not.toBe('complete')
  tale(machine)
  await setClock(machine, service, 25 * hourMs)
  expect(tale(machine)).toEqual(['backup-incomplete'])
  await service.unplug('offsite-1')
  await setClock(machine, service, 25 * hourMs)
  expect(tale(machine)).toEqual(['disk-removed'])
  await service.daemon.stop('test')
})

describe('what was reminded of', () => {
  test('is noted before it is said: a crash in between does not say it twice', async () => {
    const machine = homeMachine()
    const reminded: { notes: Notes } = { notes: new Map() }
    const service = await start(machine, { reminded })
    await service.pass(5000)
    const { told } = machine
    let notedFirst: boolean | null = null
    const push = told.push.bind(told)
    told.push = (...events) => {
      if (events.some(({ kind }) => kind === 'take-disk-away'))
        notedFirst = [...reminded.notes.values()].some(({ times }) => times === 1)
      return push(...events)
    }
    await setClock(machine, service, 13 * hourMs)
    expect(notedFirst).toBe(true)
    await service.daemon.stop('test')
  })

  test('is written slowly: the machine is looked at all the same', async () => {
    const machine = homeMachine()
    const service = await start(machine, { noting: () => new Promise<void>(() => undefined) })
    await service.pass(70_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    await service.unplug('offsite-1')
    await expectStates(service, { 'offsite-1': 'absent' })
    await service.daemon.stop('test')
  })

  test('cannot be written: it is said all the same, once, and that is a warning, once', async () => {
    const machine = homeMachine()
    const service = await start(machine, { reminded: Object.freeze({ notes: new Map() }) })
    await service.pass(5000)
    tale(machine)
    await setClock(machine, service, 13 * hourMs)
    await service.pass(300_000)
    expect(tale(machine)).toEqual(['take-disk-away'])
    expect(service.warnings).toHaveLength(1)
    await service.daemon.stop('test')
  })
})

test('a daemon that stops reminds of nothing any more, and one that waits sets no timer for it', async () => {
  const machine = homeMachine()
  const service = await start(machine)
  await service.pass(5000)
  const timers = vi.getTimerCount()
  await service.pass(300_000)
  expect(vi.getTimerCount()).toBeLessThanOrEqual(timers)
  tale(machine)
  machine.now = new Date(machine.now.getTime() + 13 * hourMs)
  await service.daemon.stop('test')
  await service.pass(130_000)
  expect(tale(machine)).toEqual(['daemon-stopping'])
})
