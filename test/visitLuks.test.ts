// Visits to disks whose pool lies in a LUKS container: it is opened for the visit, closed before the disk is let go of, and
// what goes wrong in between leaves neither a lie nor a container open.

import { describe, expect, test } from 'vitest'
import { closeContainer } from '../src/container.ts'
import { mappingName } from '../src/core/container.ts'
import { EndVisit } from '../src/endVisit.ts'
import { CommandFailed, DeadlineExceeded } from '../src/errors.ts'
import { type FakeMapping, track } from './fakes/luks.ts'
import type { Machine } from './fakes/machine.ts'
import { expectBackedUp, expectHonest, expectTidy, homeMachine, releaseOf, visitOf } from './fakes/visits.ts'

const right = { luks: '/keys/right' } as const
const name = 'offsite-1'

const containerOf = (machine: Machine) => {
  const { container } = machine.disk(name)
  if (container === null) throw new Error('it has no container')
  return container
}
const openOf = (machine: Machine): readonly string[] => containerOf(machine).mappings.map((one) => one.name)
const nameOf = (machine: Machine): string => mappingName(containerOf(machine).uuid)
const openedBy = (machine: Machine, fields: Partial<FakeMapping>): void => {
  const { seq } = machine.disk(name)
  const mapping = { dm: 90, name: nameOf(machine), on: seq, ours: true, users: [], ...fields }
  containerOf(machine).mappings.push(mapping)
  track(machine.disk(name))
}
const failing = (verb: string, error: Error) => ({
  before: (call: { readonly verb: string }) => {
    if (call.verb === verb) throw error
  },
})
const failure = new CommandFailed({ command: ['cryptsetup'], exitCode: 1, signal: null, stderr: 'no' })

describe('a disk in LUKS', () => {
  test('is opened, backed up to through its mapping, closed, and then let go of', async () => {
    const machine = homeMachine(right)
    for (let visits = 0; visits < 2; visits++) {
      const result = await visitOf(machine, name)
      expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
      expectHonest(machine, name, result)
      expectTidy(machine, name)
      expect(openOf(machine)).toEqual([])
      machine.write('tank/home', 10)
    }
    const verbs = machine.state.calls.map(({ verb }) => verb)
    const order = ['luks.open', 'pools.importPool', 'pools.exportPool', 'luks.close', 'block.release']
    expect(verbs.filter((verb) => order.includes(verb))).toEqual([...order, ...order])
  })

  test.each([
    ['/keys/wrong', /\/keys\/wrong does not open it; right key/],
    ['/keys/none', /\/keys\/none is not there; right file/],
  ])(
    'with the key file %s: nothing is sent, the disk is let go of, and it is said why',
    async (luks, why) => {
      const machine = homeMachine({ luks })
      const result = await visitOf(machine, name)
      expect(result).toMatchObject({ kind: 'released', report: { outcome: 'failed', sentBytes: 0 } })
      expect(result.report.reason).toMatch(why)
      expectHonest(machine, name, result)
      expect(machine.story()).not.toContain('snapshot-taken')
    },
  )

  test('that somebody else has opened is used, stays open, and is not called safe; an eject closes it', async () => {
    const machine = homeMachine(right)
    Object.assign(machine.disk(name).pool, { link: '/dev/mapper/mine' })
    openedBy(machine, { name: 'mine', ours: false })
    const result = await visitOf(machine, name)
    expect(result).toMatchObject({
      kind: 'not-released',
      report: { outcome: 'complete' },
      reason: expect.stringContaining('mine'),
    })
    expect(machine.disk(name).pool.imported).toBeNull()
    expect(openOf(machine)).toEqual(['mine'])
    const controller = new AbortController()
    controller.abort(new EndVisit('ejected'))
    const ejected = await releaseOf(machine, name, result.report, controller.signal)
    expect(ejected).toMatchObject({ kind: 'released' })
    expect(openOf(machine)).toEqual([])
  })

  test('that a visit before left open is taken over', async () => {
    const machine = homeMachine(right)
    openedBy(machine, {})
    const result = await visitOf(machine, name)
    expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
    expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('luks.open')
    expect(openOf(machine)).toEqual([])
  })

  test.each([
    ['closed', false],
    ['left open by a visit before', true],
  ])('%s, with another pool inside: refused, and closed again', async (_, open) => {
    const machine = homeMachine(right)
    if (open) openedBy(machine, {})
    machine.state.pools.delete(name)
    Object.assign(machine.disk(name).pool, { guid: '4711' })
    const result = await visitOf(machine, name)
    expect(result).toMatchObject({ kind: 'refused', sentence: expect.stringContaining('4711') })
    expect(openOf(machine)).toEqual([])
    expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('pools.importPool')
  })

  test('whose pool was last used by another machine: refused, and closed again', async () => {
    const machine = homeMachine(right)
    machine.disk(name).pool.lastUser = 'elsewhere'
    expect(await visitOf(machine, name)).toMatchObject({ kind: 'refused' })
    expect(openOf(machine)).toEqual([])
  })

  test('whose inside is in use is not called safe; when it is free, it is', async () => {
    const machine = homeMachine(right)
    machine.state.interference = {
      after: ({ verb }) => {
        const [mapping] = containerOf(machine).mappings
        if (verb === 'pools.exportPool' && mapping !== undefined) mapping.users = ['process dd (pid 7)']
      },
    }
    const result = await visitOf(machine, name)
    expect(result).toMatchObject({ kind: 'not-released', reason: expect.stringContaining('dd (pid 7)') })
    machine.state.interference = {}
    const [mapping] = containerOf(machine).mappings
    if (mapping !== undefined) mapping.users = []
    const released = await releaseOf(machine, name, result.report)
    expect(released).toMatchObject({ kind: 'released' })
    expectHonest(machine, name, released)
  })

  test.each([
    [
      'an open that fails',
      failing('luks.open', failure),
      { kind: 'released', report: { outcome: 'failed' } },
    ],
    [
      'an open that hangs',
      failing('luks.open', new DeadlineExceeded('cryptsetup open', 1000)),
      { kind: 'stuck' },
    ],
    [
      'a close that fails',
      failing('luks.close', failure),
      { kind: 'not-released', report: { outcome: 'complete' } },
    ],
    [
      'a close that hangs',
      failing('luks.close', new DeadlineExceeded('cryptsetup close', 1000)),
      { kind: 'stuck' },
    ],
  ])('%s', async (_, interference, expected) => {
    const machine = homeMachine(right)
    machine.state.interference = interference
    const result = await visitOf(machine, name)
    expect(result).toMatchObject(expected)
    expectHonest(machine, name, result)
  })

  test('the service stops: exported and closed', async () => {
    const machine = homeMachine(right)
    const controller = new AbortController()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'transfer.transfer') controller.abort(new EndVisit('stopping'))
      },
    }
    expect(await visitOf(machine, name, { signal: controller.signal })).toMatchObject({ kind: 'stopped' })
    expect(machine.disk(name).pool.imported).toBeNull()
    expect(openOf(machine)).toEqual([])
  })
})

describe('a disk in LUKS that is pulled out', () => {
  /** As the daemon does: the pool notices, and is suspended. */
  async function pullAt(machine: Machine, at: string, nth: number): Promise<void> {
    let seen = 0
    const controller = new AbortController()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb !== at || ++seen !== nth) return
        machine.unplug(name)
        setImmediate(() => controller.abort(new EndVisit('device-gone')))
      },
    }
    const result = await visitOf(machine, name, { signal: controller.signal })
    expectHonest(machine, name, result)
    machine.state.interference = {}
    const { pool } = machine.disk(name)
    if (pool.imported !== null && !pool.suspended) await machine.pools.reopen(pool.name)
  }

  test.each([
    ['before it is opened', 'luks.open', 1],
    ['before its pool is imported', 'pools.importPool', 1],
    ['while it is sent to', 'transfer.transfer', 2],
    ['before the export', 'pools.exportPool', 1],
    ['before it is closed', 'luks.close', 1],
    ['before it is let go of', 'block.release', 1],
  ])('%s: plugged in again it is complete, and nothing is left open', async (_, at, nth) => {
    const machine = homeMachine(right)
    await pullAt(machine, at, nth)
    machine.plugIn(name)
    const result = await visitOf(machine, name)
    expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
    expectHonest(machine, name, result)
    expectBackedUp(machine, name)
    expect(openOf(machine)).toEqual([])
  })

  test('twice, and the daemon was killed while it gave the container its name back', async () => {
    const machine = homeMachine(right)
    await pullAt(machine, 'transfer.transfer', 2)
    machine.plugIn(name)
    let renames = 0
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'luks.rename' && ++renames === 2) throw failure
      },
    }
    expect(await visitOf(machine, name)).toMatchObject({ kind: 'stuck' })
    machine.state.interference = {}
    const result = await visitOf(machine, name)
    expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
    expect(openOf(machine)).toEqual([])
  })

  test('and back with a key that does not open it any more: it waits for a person, and is not called safe', async () => {
    const machine = homeMachine(right)
    await pullAt(machine, 'transfer.transfer', 2)
    machine.plugIn(name)
    const key = machine.state.keyFiles.get('/keys/right') ?? ''
    machine.state.keyFiles.set('/keys/right', 'changed')
    const result = await visitOf(machine, name)
    expect(result).toMatchObject({ kind: 'stuck', reason: expect.stringContaining('does not open it') })
    machine.state.keyFiles.set('/keys/right', key)
    machine.unplug(name)
    machine.plugIn(name)
    expect(await visitOf(machine, name)).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
  })

  test('a visit that ends late closes nothing of the disk as it is plugged in now', async () => {
    const machine = homeMachine(right)
    const before = machine.vdevs(name)
    machine.unplug(name)
    machine.plugIn(name)
    openedBy(machine, {})
    expect(await closeContainer(before, { others: true }, machine.deps)).toBeNull()
    expect(openOf(machine)).toEqual([nameOf(machine)])
    expect(await closeContainer(machine.vdevs(name), { others: false }, machine.deps)).toBeNull()
    expect(openOf(machine)).toEqual([])
  })

  test('for good, and the machine starts anew: the next visit completes it', async () => {
    const machine = homeMachine(right)
    await pullAt(machine, 'transfer.transfer', 2)
    machine.reboot()
    const tank = machine.state.pools.get('tank')
    if (tank !== undefined) tank.imported = { altroot: null }
    machine.plugIn(name)
    expect(await visitOf(machine, name)).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
    expect(openOf(machine)).toEqual([])
  })
})
