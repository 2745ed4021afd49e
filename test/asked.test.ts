// `walkaway run` and `walkaway eject` as the daemon carries them out: what is asked for over the control socket, and that
// no disk is called safe before it was released.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { HistoryRecord } from '../src/linux/history.ts'
import { ALTROOT, READ_ONLY_ALTROOT } from '../src/zfs/pool.ts'
import { expectStates, type Service, startService, stopTime, tale } from './fakes/service.ts'
import { expectBackedUp, expectTidy, homeMachine } from './fakes/visits.ts'

beforeEach(stopTime)
afterEach(() => {
  vi.useRealTimers()
})

const wish = (service: Service, command: 'run' | 'eject', disk = 'offsite-1') =>
  service.ask({ version: 1, command, disk })
const diskOf = async (service: Service) => (await service.status()).disks[0]

/** A daemon that is asked to eject the disk while its second dataset is received. */
async function ejectedInTheMiddle(past: HistoryRecord[] = []) {
  const machine = homeMachine()
  const service = await startService(machine, { past })
  const seen: unknown[] = []
  machine.state.interference = {
    before: async ({ verb, about }) => {
      if (verb !== 'transfer.transfer' || !about.endsWith('/ann')) return
      machine.state.interference = {}
      seen.push(await wish(service, 'eject'))
    },
  }
  await service.pass(5000)
  return { machine, service, seen }
}

describe('eject', () => {
  test('in the middle of a visit: what was sent stays, it is safe, and nothing begins by itself', async () => {
    const { machine, service, seen } = await ejectedInTheMiddle()
    expect(seen).toMatchObject([{ ok: true, status: { disks: [{ state: 'backing-up', ending: true }] } }])
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(await diskOf(service)).toMatchObject({
      ending: false,
      lastComplete: null,
      lastVisit: { outcome: 'interrupted', reason: 'it was ended early by `walkaway eject`' },
    })
    expect(tale(machine)).toEqual([
      'daemon-started',
      'disk-arrived',
      'pool-imported',
      'eject-asked',
      'backup-finished',
      'pool-exported',
      'safe-to-remove',
    ])
    expect(machine.disk('offsite-1')).toMatchObject({ released: true, pool: { imported: null } })

    await service.pass(600_000)
    expect(tale(machine)).toEqual([])

    expect(await wish(service, 'run')).toMatchObject({ ok: true, status: { disks: [{ ending: false }] } })
    await service.pass(5000)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(tale(machine)).toEqual([
      'visit-asked',
      'pool-imported',
      'backup-finished',
      'pool-exported',
      'safe-to-remove',
    ])
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
    await service.daemon.stop('test')
  })

  test('holds over a restart of the daemon, until it is plugged in anew', async () => {
    const past: HistoryRecord[] = []
    const { machine, service } = await ejectedInTheMiddle(past)
    await service.daemon.stop('test')
    tale(machine)
    const next = await startService(machine, { past })
    await next.pass(60_000)
    await expectStates(next, { 'offsite-1': 'removable' })
    expect(tale(machine)).toEqual(['daemon-started'])
    await next.unplug('offsite-1')
    await next.plugIn('offsite-1')
    await next.pass(5000)
    expect((await diskOf(next))?.lastVisit?.outcome).toBe('complete')
    await next.daemon.stop('test')
  })

  test('of a disk that is safe: that is all it says, and nothing is done', async () => {
    const machine = homeMachine()
    const service = await startService(machine)
    await service.pass(5000)
    tale(machine)
    machine.state.calls.length = 0
    expect(await wish(service, 'eject')).toMatchObject({
      ok: true,
      status: { disks: [{ state: 'removable', ending: false }] },
    })
    expect(machine.state.calls.filter(({ verb }) => verb.startsWith('pools.'))).toEqual([])
    expect(tale(machine)).toEqual([])
    await service.daemon.stop('test')
  })

  test.each([
    ['since it was released', true],
    ['before its visit', false],
  ])('releases a pool that somebody else imported %s', async (_, afterwards) => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    if (!afterwards) pool.imported = { altroot: null }
    const service = await startService(machine)
    await service.pass(5000)
    if (afterwards) pool.imported = { altroot: null }
    tale(machine)
    const reply = await wish(service, 'eject')
    // Not before it is proven.
    expect(reply).toMatchObject({ ok: true, status: { disks: [{ state: 'not-removable', ending: true }] } })
    await service.pass(1000)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(pool.imported).toBeNull()
    expect(tale(machine).slice(-3)).toEqual(['eject-asked', 'pool-exported', 'safe-to-remove'])
    await service.daemon.stop('test')
  })

  test('of a pool that somebody uses: says so, and does not call it safe', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    Object.assign(pool, { imported: { altroot: null }, busy: true })
    const service = await startService(machine)
    await service.pass(5000)
    await wish(service, 'eject')
    await service.pass(1000)
    expect(await diskOf(service)).toMatchObject({ state: 'not-removable', ending: false })
    expect((await diskOf(service))?.reason).toContain('in use')
    expect(machine.story()).not.toContain('safe-to-remove')
    await service.daemon.stop('test')
  })

  test('never exports what a restore reads from', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    const service = await startService(machine)
    await service.pass(5000)
    pool.imported = { altroot: READ_ONLY_ALTROOT, readonly: true }
    tale(machine)
    await wish(service, 'eject')
    await service.pass(5000)
    expect((await diskOf(service))?.reason).toContain('a restore reads from it')
    expect(pool.imported).not.toBeNull()
    expect(tale(machine)).not.toContain('safe-to-remove')
    await service.daemon.stop('test')
  })

  test('while an automatic try to release it hangs: done after that', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    Object.assign(pool, { imported: { altroot: ALTROOT }, busy: true })
    const service = await startService(machine)
    await service.pass(5000)
    let asked = false
    machine.state.interference = {
      before: async ({ verb }) => {
        if (verb !== 'pools.exportPool' || asked) return
        asked = true
        await wish(service, 'eject')
        pool.busy = false
      },
    }
    await service.pass(60_000)
    expect(asked).toBe(true)
    await expectStates(service, { 'offsite-1': 'removable' })
    expect(machine.story().filter((kind) => kind === 'safe-to-remove')).toHaveLength(1)
    await service.daemon.stop('test')
  })
})

describe('refused', () => {
  test.each(['run', 'eject'] as const)('%s of a disk that is not there, or is none', async (command) => {
    const machine = homeMachine()
    machine.unplug('offsite-1')
    const service = await startService(machine)
    await service.pass(1000)
    expect(await wish(service, command)).toMatchObject({
      error: { message: 'offsite-1: it is not connected', exitCode: 1 },
    })
    expect(await wish(service, command, 'ofsite-1')).toMatchObject({
      error: { message: 'there is no disk ofsite-1; did you mean offsite-1?', exitCode: 2 },
    })
    await service.daemon.stop('test')
  })

  test('run of a disk that is refused: it stays so, with its reason', async () => {
    const machine = homeMachine()
    machine.disk('offsite-1').pool.lastUser = 'attic'
    const service = await startService(machine)
    await service.pass(5000)
    const calls = machine.state.calls.length
    expect(await wish(service, 'run')).toMatchObject({
      error: { message: expect.stringContaining('attic'), exitCode: 4 },
    })
    await service.pass(5000)
    expect(machine.state.calls.slice(calls).map(({ verb }) => verb)).not.toContain('pools.importPool')
    await service.daemon.stop('test')
  })

  test('eject of a disk that only arrives: no visit begins by that', async () => {
    const machine = homeMachine()
    const service = await startService(machine)
    await service.pass(500)
    await expectStates(service, { 'offsite-1': 'arriving' })
    expect(await wish(service, 'eject')).toMatchObject({ ok: false, error: { exitCode: 1 } })
    await service.daemon.stop('test')
  })
})

test('run while a visit is under way changes nothing about it', async () => {
  const machine = homeMachine()
  const service = await startService(machine)
  machine.state.interference = {
    before: async ({ verb }) => {
      if (verb === 'pools.sync') expect(await wish(service, 'run')).toMatchObject({ ok: true })
    },
  }
  await service.pass(5000)
  expect(machine.story().filter((kind) => kind === 'backup-finished')).toHaveLength(1)
  expect((await diskOf(service))?.lastVisit?.outcome).toBe('complete')
  await service.daemon.stop('test')
})

test('the history of one disk, and of all', async () => {
  const machine = homeMachine()
  machine.addDisk('offsite-2')
  const service = await startService(machine)
  await service.pass(10_000)
  const disksOf = async (disk: string | null) => {
    const reply = await service.ask({ version: 1, command: 'history', disk })
    return 'history' in reply ? reply.history.visits.map((visit) => visit.disk).sort() : reply
  }
  expect(await disksOf(null)).toEqual(['offsite-1', 'offsite-2'])
  expect(await disksOf('offsite-2')).toEqual(['offsite-2'])
  expect(await disksOf('offsite-3')).toMatchObject({ ok: false, error: { exitCode: 2 } })
  await service.daemon.stop('test')
})
