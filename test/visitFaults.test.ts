// Something happens at each single step of a visit: the step fails or never ends, the disk is pulled, the service is
// told to stop. Whatever the visit makes of it, it must be honest, and the next visit must complete the backup.

import { describe, expect, test } from 'vitest'
import type { VisitResult } from '../src/core/diskState.ts'
import { EndVisit } from '../src/endVisit.ts'
import { DeadlineExceeded } from '../src/errors.ts'
import { type Machine, none, turn } from './fakes/machine.ts'
import { expectBackedUp, expectHonest, expectTidy, homeMachine, sources, visitOf } from './fakes/visits.ts'
import { addDataset, type FakeCall, failed } from './fakes/zfsState.ts'

/**
 * First visit: everything is new. Second visit: increments, a new dataset, old bookmarks to tidy up. Pruning visit: old
 * snapshots to destroy on both sides. Visit of an encrypted disk: its key is loaded first. Scrubbing
 * visit: the first of a disk, with a scrub at its end.
 */
const beginnings = {
  first: async (): Promise<Machine> => homeMachine(),
  second: async (): Promise<Machine> => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    for (const source of sources) machine.write(source, 100)
    addDataset(machine.state, 'tank/new')
    machine.state.calls.length = 0
    return machine
  },
  pruning: async (): Promise<Machine> => {
    const machine = await beginnings.second()
    await visitOf(machine, 'offsite-1')
    machine.keep = { disk: { ...none, last: 1 }, source: { ...none, last: 1 } }
    machine.state.calls.length = 0
    return machine
  },
  encrypted: async (): Promise<Machine> => homeMachine({ encrypted: true, keyFile: '/keys/right' }),
  scrubbing: async (): Promise<Machine> => {
    const machine = homeMachine()
    machine.scrubEveryMs = 1000 * 3_600_000
    return machine
  },
} as const
const visits = Object.keys(beginnings) as (keyof typeof beginnings)[]

interface Fault {
  readonly machine: Machine
  readonly controller: AbortController
  readonly call: FakeCall
}

/** How many steps such a visit has when nothing happens. */
async function countSteps(begin: () => Promise<Machine>): Promise<number> {
  const machine = await begin()
  expect((await visitOf(machine, 'offsite-1')).report.outcome).toBe('complete')
  return machine.state.calls.length
}

interface Told {
  readonly machine: Machine
  readonly result: VisitResult
  /** The step at which it happened; undefined: the visit had ended before. */
  readonly call: FakeCall | undefined
}

/** One visit for each step; `act` runs just before that step, or just after it. */
async function* atEachStep(
  begin: () => Promise<Machine>,
  when: 'before' | 'after',
  act: (fault: Fault) => void,
): AsyncGenerator<Told> {
  const steps = await countSteps(begin)
  expect(steps).toBeGreaterThan(20)
  for (let step = 0; step < steps; step++) {
    const machine = await begin()
    const controller = new AbortController()
    let seen = 0
    let at: FakeCall | undefined
    const hook = (call: FakeCall): void => {
      if (seen++ !== step) return
      at = call
      act({ machine, controller, call })
    }
    machine.state.interference = when === 'before' ? { before: hook } : { after: hook }
    const result = await visitOf(machine, 'offsite-1', { signal: controller.signal })
    machine.state.interference = {}
    yield { machine, result, call: at }
  }
}

async function expectNextVisitCompletes(machine: Machine): Promise<void> {
  const next = await visitOf(machine, 'offsite-1')
  expect(next).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
  expectHonest(machine, 'offsite-1', next)
  expectBackedUp(machine, 'offsite-1')
  expectTidy(machine, 'offsite-1')
}

/** What the runner does when it sees that the device is gone: the visit is ended and the pool reopened. */
async function notice({ machine, controller }: Fault): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await turn()
  controller.abort(new EndVisit('device-gone'))
  await machine.pools.reopen(machine.disk('offsite-1').pool.name).catch((error: unknown) => {
    expect(error).toBeInstanceOf(Error)
  })
}

describe.each(visits)('the %s visit', (which) => {
  const begin = beginnings[which]

  test.each(['before', 'after'] as const)('the disk is pulled %s each step', async (when) => {
    const noticed: Promise<void>[] = []
    const pull = (fault: Fault): void => {
      fault.machine.unplug('offsite-1')
      noticed.push(notice(fault))
    }
    for await (const { machine, result, call } of atEachStep(begin, when, pull)) {
      await Promise.all(noticed.splice(0))
      // Steps that fail by themselves have nothing after them.
      if (when === 'after' && call === undefined) continue
      const step = `${call?.verb} ${call?.about}: ${result.kind}`
      if (machine.state.wedged) {
        // No program can help it: the disk went between its last sign of life and the command that wrote to it.
        expect(`${when} ${call?.verb}`).toMatch(/^after block\.(isSameDevice|readable)$/)
        expect(result.kind, step).toMatch(/^(stuck|pulled)$/)
        continue
      }
      expect(machine.story(), step).not.toContain('safe-to-remove')
      expect(machine.story(), step).not.toContain('dataset-failed')
      if (when === 'before' || call?.verb !== 'block.release')
        expect(result.kind, step).toMatch(/^(gone|pulled)$/)
      expect(result.kind === 'gone', step).toBe(
        machine.disk('offsite-1').pool.imported === null && result.kind !== 'released',
      )
      if (result.report.outcome === 'complete') expectBackedUp(machine, 'offsite-1')
      machine.plugIn('offsite-1')
      await expectNextVisitCompletes(machine)
    }
  })

  test('the service is told to stop at each step', async () => {
    const stop = ({ controller }: Fault): void => controller.abort(new EndVisit('stopping'))
    for await (const { machine, result, call } of atEachStep(begin, 'before', stop)) {
      const step = `${call?.verb} ${call?.about}`
      expect(result.kind, step).toBe(call?.verb === 'block.release' ? 'released' : 'stopped')
      expect(machine.disk('offsite-1').pool.imported, step).toBeNull()
      expectHonest(machine, 'offsite-1', result)
      await expectNextVisitCompletes(machine)
    }
  })

  test('each step of ZFS fails', async () => {
    const fail = ({ call }: Fault): void => {
      if (!call.verb.startsWith('block.')) throw failed('other', 'no luck today')
    }
    for await (const { machine, result } of atEachStep(begin, 'before', fail)) {
      expectHonest(machine, 'offsite-1', result)
      expect(['released', 'not-released', 'stuck']).toContain(result.kind)
      await expectNextVisitCompletes(machine)
    }
  })

  test('each step of ZFS is done but its answer is lost', async () => {
    const lose = ({ call }: Fault): void => {
      if (!call.verb.startsWith('block.')) throw failed('other', 'no luck today')
    }
    for await (const { machine, result } of atEachStep(begin, 'after', lose)) {
      expectHonest(machine, 'offsite-1', result)
      await expectNextVisitCompletes(machine)
    }
  })

  test('each step of ZFS does not end', async () => {
    const hang = ({ call }: Fault): void => {
      if (!call.verb.startsWith('block.')) throw new DeadlineExceeded(call.verb, 1000)
    }
    for await (const { machine, result } of atEachStep(begin, 'before', hang)) {
      expectHonest(machine, 'offsite-1', result)
      expect(['released', 'stuck']).toContain(result.kind)
      await expectNextVisitCompletes(machine)
    }
  })
})
