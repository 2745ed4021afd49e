// What a person hears of a visit from beginning to end: the last word is never another order than what is to be done.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Channel } from '../../src/config.ts'
import { isWanted } from '../../src/notify/choice.ts'
import { composeMessage } from '../../src/notify/words.ts'
import { examples } from '../fakes/eventExamples.ts'
import type { Machine } from '../fakes/machine.ts'
import { expectStates, type Service, startService, stopTime } from '../fakes/service.ts'
import { homeMachine } from '../fakes/visits.ts'

beforeEach(stopTime)
afterEach(() => {
  vi.useRealTimers()
})

const phone: Channel = { type: 'ntfy', on: null, url: 'https://ntfy.example.org/x', token: null, click: null }
const heard = ({ told }: Machine): readonly string[] =>
  told.filter((event) => isWanted(phone, event)).map((event) => composeMessage(event, 'nas').title)

/** Calls it when the first dataset is being sent. */
const whileSending = (machine: Machine, act: () => Promise<void> | void): void => {
  machine.state.interference = {
    before: async ({ verb }) => {
      if (verb !== 'transfer.transfer') return
      machine.state.interference = {}
      await act()
    },
  }
}
/** Its first command hangs until this is called. */
function hangWhileSending(machine: Machine): () => void {
  let letGo: () => void = () => undefined
  whileSending(machine, () => new Promise<void>((resolve) => (letGo = resolve)))
  return () => letGo()
}

const defaultsOf = (channel: Channel): readonly string[] => {
  const wanted = Object.values(examples('why'))
    .flat()
    .filter((event) => isWanted(channel, event))
  return [...new Set(wanted.map(({ kind }) => kind))].toSorted()
}

const planned = expect.stringMatching(/^offsite-1: do NOT unplug it, /)

test('all goes well', async () => {
  const machine = homeMachine()
  const service = await startService(machine)
  await service.pass(5000)
  expect(heard(machine)).toEqual([planned, 'offsite-1: take it away, backup complete'])
  await service.daemon.stop('test')
})

test('pulled out: to plug it in again is the last word', async () => {
  const machine = homeMachine()
  const service = await startService(machine)
  const letGo = hangWhileSending(machine)
  await service.pass(3000)
  await service.unplug('offsite-1')
  letGo()
  await service.pass(60_000)
  await expectStates(service, { 'offsite-1': 'pulled' })
  expect(machine.story()).toContain('backup-finished')
  expect(heard(machine)).toEqual([planned, 'offsite-1: PLUG IT IN AGAIN, backup NOT finished'])
})

test('it hangs: that it hangs is the last word', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  const service = await startService(machine)
  whileSending(machine, () => void setImmediate(() => (pool.suspended = true)))
  await service.pass(3000)
  await service.pass(180_000)
  await expectStates(service, { 'offsite-1': 'stuck' })
  expect(machine.story()).toContain('backup-finished')
  expect(heard(machine)).toEqual([planned, 'offsite-1: it HANGS and needs you, NOT released'])
})

test('its pool cannot be imported: that it was refused is the only word', async () => {
  const machine = homeMachine()
  machine.disk('offsite-1').pool.lastUser = 'other'
  const service = await startService(machine)
  await service.pass(60_000)
  await expectStates(service, { 'offsite-1': 'refused' })
  expect(machine.story()).toContain('backup-finished')
  expect(heard(machine)).toEqual(['offsite-1: refused, NOT backed up'])
})

test('walkaway is stopped: no word is promised that does not come', async () => {
  const machine = homeMachine()
  const service: Service = await startService(machine)
  let stopped: Promise<void> | null = null
  whileSending(machine, () => {
    stopped = service.daemon.stop('SIGTERM')
  })
  await service.pass(5000)
  await stopped
  const last = machine.told.filter((event) => isWanted(phone, event)).at(-1)
  expect(last).toMatchObject({ kind: 'backup-finished', standing: 'stopping' })
  expect(heard(machine)).toEqual([planned, 'offsite-1: backup unfinished, do NOT unplug it yet'])
  expect(last && composeMessage(last, 'nas').body).not.toContain('You will be told')
})

test('pulled out when its backup was complete: that is not taken back', async () => {
  const machine = homeMachine()
  machine.disk('offsite-1').pool.busy = true
  const service = await startService(machine)
  await service.pass(5000)
  await expectStates(service, { 'offsite-1': 'not-removable' })
  await service.unplug('offsite-1')
  await service.pass(5000)
  expect(heard(machine)).toEqual([
    planned,
    'offsite-1: do NOT unplug it, still in use',
    'offsite-1: PLUG IT IN AGAIN, it was NOT released yet',
  ])
})

test('by default a person hears all that asks for a hand or says that none is needed', () => {
  expect(defaultsOf(phone)).toEqual([
    'backup-finished',
    'backup-incomplete',
    'config-rejected',
    'disk-overdue',
    'disk-pulled',
    'disk-refused',
    'disk-stuck',
    'disk-unused',
    'not-safe-to-remove',
    'nothing-offsite',
    'plan-made',
    'safe-to-remove',
    'take-disk-away',
  ])
})

test('by default a check hears the beginning and the end of every visit', () => {
  expect(defaultsOf({ type: 'healthchecks', on: null, url: 'https://hc.example.org/x' })).toEqual([
    'backup-finished',
    'disk-arrived',
    'disk-refused',
    'disk-stuck',
    'visit-asked',
  ])
})
