// A daemon with a disk whose pool lies in a LUKS container: from the look at it to the word that it may be taken.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Machine } from './fakes/machine.ts'
import { expectStates, goodVisit, startService, stopTime, tale } from './fakes/service.ts'
import { expectBackedUp, homeMachine } from './fakes/visits.ts'

const name = 'offsite-1'
beforeEach(stopTime)
afterEach(() => void vi.useRealTimers())

const openOf = (machine: Machine) => machine.disk(name).container?.mappings ?? []
const home = (luks = '/keys/right'): Machine => {
  const machine = homeMachine({ luks })
  machine.unplug(name)
  return machine
}
/** Right before the second dataset is sent. */
function pullInTransfer(machine: Machine): Promise<void> {
  let sent = 0
  return new Promise((resolve) => {
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'transfer.transfer' && ++sent === 2) {
          machine.unplug(name)
          resolve()
        }
      },
    }
  })
}

test('plugged in, backed up, closed, may be taken, taken', async () => {
  const machine = home()
  const service = await startService(machine)
  tale(machine)
  await service.plugIn(name)
  await service.pass(5_000)
  await expectStates(service, { [name]: 'removable' })
  expect(tale(machine)).toEqual(goodVisit)
  expect(openOf(machine)).toEqual([])
  await service.unplug(name)
  await expectStates(service, { [name]: 'absent' })
})

test('pulled out in the middle and plugged in again: complete, closed, and told once each', async () => {
  const machine = home()
  const service = await startService(machine)
  const pulled = pullInTransfer(machine)
  await service.plugIn(name)
  await service.pass(2_000)
  await pulled
  await service.unplug(name)
  await service.pass(5_000)
  await expectStates(service, { [name]: 'pulled' })
  machine.state.interference = {}
  tale(machine)
  await service.plugIn(name)
  await service.pass(60_000)
  await expectStates(service, { [name]: 'removable' })
  expect(tale(machine).filter((kind) => kind === 'safe-to-remove' || kind === 'disk-refused')).toEqual([
    'safe-to-remove',
  ])
  expectBackedUp(machine, name)
  expect(openOf(machine)).toEqual([])
})

test('a wrong key: a failed visit, the disk may be taken, and the next plugging in tries again', async () => {
  const machine = home('/keys/wrong')
  const service = await startService(machine)
  for (let tries = 0; tries < 2; tries++) {
    tale(machine)
    await service.plugIn(name)
    await service.pass(10_000)
    await expectStates(service, { [name]: 'removable' })
    expect(tale(machine)).toEqual(['disk-arrived', 'backup-finished', 'safe-to-remove'])
    await service.unplug(name)
    await service.pass(1_000)
  }
})

test('another pool inside: refused, once, and closed', async () => {
  const machine = home()
  Object.assign(machine.disk(name).pool, { guid: '4711' })
  const service = await startService(machine)
  await service.plugIn(name)
  await service.pass(200_000)
  await expectStates(service, { [name]: 'refused' })
  expect(tale(machine).filter((kind) => kind === 'disk-refused')).toHaveLength(1)
  expect(openOf(machine)).toEqual([])
})

test('the service stops in the middle: exported, closed; the next one completes it', async () => {
  const machine = home()
  const service = await startService(machine)
  let stopped: Promise<void> | null = null
  machine.state.interference = {
    before: ({ verb }) => {
      if (verb === 'transfer.transfer') stopped ??= service.daemon.stop('SIGTERM')
    },
  }
  await service.plugIn(name)
  await service.pass(5_000)
  await stopped
  machine.state.interference = {}
  expect(machine.disk(name).pool.imported).toBeNull()
  expect(openOf(machine)).toEqual([])
  const next = await startService(machine)
  await next.pass(10_000)
  await expectStates(next, { [name]: 'removable' })
  expectBackedUp(machine, name)
})
