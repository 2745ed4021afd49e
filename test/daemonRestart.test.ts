import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type HistoryRecord, mergeVisits } from '../src/linux/history.ts'
import { ALTROOT } from '../src/zfs/pool.ts'
import type { Machine } from './fakes/machine.ts'
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

  test('one that was finished, and imported by somebody until the daemon was killed, is not called removable', async () => {
    const machine = homeMachine()
    const past: HistoryRecord[] = []
    const killed = await startService(machine, { past })
    await killed.pass(5000)
    await expectStates(killed, { 'offsite-1': 'removable' })
    machine.disk('offsite-1').pool.imported = { altroot: null }
    await killed.pass(61_000)
    await expectStates(killed, { 'offsite-1': 'not-removable' })
    vi.clearAllTimers()
    machine.disk('offsite-1').pool.imported = null
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

describe('dying at the end of a visit', () => {
  interface Death {
    readonly machine: Machine
    readonly past: HistoryRecord[]
    /** The steps that came so far. */
    readonly steps: readonly string[]
  }

  /** Lets a visit run; from its export on, its daemon gets no answer any more at this step. */
  const dieAt = async (last: number): Promise<Death> => {
    const machine = homeMachine()
    const past: HistoryRecord[] = []
    const steps: string[] = []
    const at = async (step: string): Promise<void> => {
      if (!machine.told.some(({ kind }) => kind === 'backup-finished') || steps.length > last) return
      steps.push(step)
      if (steps.length > last) await new Promise(() => undefined)
    }
    machine.state.interference = {
      before: ({ verb }) => at(`before ${verb}`),
      after: ({ verb }) => at(`after ${verb}`),
    }
    await (await startService(machine, { past, at })).pass(5000)
    // Nothing of it lives on: what it waits for never comes, and it has no timers.
    vi.clearAllTimers()
    machine.state.interference = {}
    return { machine, past, steps }
  }
  const timesSaid = ({ machine }: Death): number =>
    machine.story().filter((kind) => kind === 'safe-to-remove').length

  const startAgain = async ({ machine, past }: Death): Promise<void> => {
    const service = await startService(machine, { past })
    await service.pass(70_000)
    await expectStates(service, { 'offsite-1': 'removable' })
    await service.daemon.stop('test')
  }

  test('at each step: the next daemon says that the disk is safe to take if nobody has said so, and no other one does', async () => {
    const { steps } = await dieAt(Number.POSITIVE_INFINITY)
    expect(steps).toEqual(
      expect.arrayContaining([
        'before pools.exportPool',
        'after pools.exportPool',
        'after block.release',
        'before it is recorded',
        'recorded',
        'sleep is allowed',
        'said',
      ]),
    )
    const saidTwice: number[] = []
    for (let last = 0; last < steps.length; last++) {
      const death = await dieAt(last)
      const where = `${last} ${death.steps.at(-1)}`
      const disk = death.machine.disk('offsite-1')
      const wasSaid = timesSaid(death)
      disk.released &&= wasSaid > 0
      await startAgain(death)
      expect(timesSaid(death), where).toBeGreaterThan(0)
      if (timesSaid(death) > 1) saidTwice.push(last)
      expect([disk.released, disk.pool.imported], where).toEqual([true, null])
      expectBackedUp(death.machine, 'offsite-1')
      const before = timesSaid(death)
      await startAgain(death)
      expect(timesSaid(death), where).toBe(before)
    }
    // Between the word and the note of it: nobody can do both at once, and rather twice than never.
    const word = steps.indexOf('said')
    expect(saidTwice).toEqual([word, steps.indexOf('before it is recorded', word)])
  })

  test('released but not said: it is flushed and stopped again, and there is no other visit', async () => {
    const { steps } = await dieAt(Number.POSITIVE_INFINITY)
    const death = await dieAt(steps.indexOf('recorded'))
    expect(timesSaid(death)).toBe(0)
    const { machine, past } = death
    tale(machine)
    machine.state.calls.length = 0
    machine.disk('offsite-1').released = false
    await startAgain(death)
    expect(tale(machine)).toEqual(['daemon-started', 'safe-to-remove', 'daemon-stopping'])
    expect(machine.disk('offsite-1').released).toBe(true)
    expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('pools.importPool')
    expect(mergeVisits(past)).toMatchObject([{ outcome: 'complete', device: 'boot 1' }])
    expect(mergeVisits(past)[0]?.unsaid).toBeUndefined()
  })

  test('released but not said, and in use by now: it is not called safe before it is free', async () => {
    const { steps } = await dieAt(Number.POSITIVE_INFINITY)
    const { machine, past } = await dieAt(steps.indexOf('recorded'))
    tale(machine)
    machine.disk('offsite-1').holders = ['dd']
    const service = await startService(machine, { past })
    await service.pass(20_000)
    await expectStates(service, { 'offsite-1': 'not-removable' })
    expect(tale(machine)).toEqual(['daemon-started', 'not-safe-to-remove'])
    machine.disk('offsite-1').holders = []
    await service.pass(70_000)
    expect(tale(machine)).toEqual(['safe-to-remove'])
    await service.daemon.stop('test')
  })

  test('released but not said, and taken all the same: nothing is done or said', async () => {
    const { steps } = await dieAt(Number.POSITIVE_INFINITY)
    const { machine, past } = await dieAt(steps.indexOf('recorded'))
    tale(machine)
    machine.unplug('offsite-1')
    machine.state.calls.length = 0
    const service = await startService(machine, { past })
    await service.pass(70_000)
    expect(tale(machine)).toEqual(['daemon-started'])
    expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('block.release')
    await service.daemon.stop('test')
  })

  test('the power was lost: it gets a visit, which says so once', async () => {
    const { steps } = await dieAt(Number.POSITIVE_INFINITY)
    const death = await dieAt(steps.indexOf('recorded'))
    const { machine } = death
    const past = death.past.map((record) => ({ ...record, device: 'earlier boot 1' }))
    tale(machine)
    await startAgain({ ...death, past })
    expect(tale(machine)).toEqual(['daemon-started', ...goodVisit, 'daemon-stopping'])
  })
})
