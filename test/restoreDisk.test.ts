// A disk that `walkaway restore` uses as somebody else has imported it.
import { describe, expect, test } from 'vitest'
import { locateDisk } from '../src/core/restoreDisk.ts'
import { ImportRefused, KeyRefused } from '../src/errors.ts'
import { openDisk } from '../src/restore.ts'
import { track } from './fakes/luks.ts'
import type { Machine } from './fakes/machine.ts'
import { homeMachine } from './fakes/visits.ts'

test('is there as long as its pool is at work', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  pool.imported = { altroot: null }
  const disk = await openDisk(
    { kind: 'imported', pool: pool.name, guid: pool.guid },
    { luksKeyFile: null },
    machine.deps,
  )
  const seen = [await disk.isPresent()]
  pool.suspended = true
  seen.push(await disk.isPresent())
  pool.suspended = false
  pool.imported = null
  seen.push(await disk.isPresent())
  expect(seen).toEqual([true, false, false])
})

describe('in a LUKS container', () => {
  const openOf = (machine: Machine) => machine.disk('offsite-1').container?.mappings.map(({ name }) => name)
  async function located(machine: Machine, { configured = true, wanted = 'offsite-1' } = {}) {
    const found = locateDisk({
      wanted,
      configured: configured ? [machine.disk('offsite-1').disk] : [],
      imported: await machine.pools.imported(),
      devices: await machine.deps.scan(),
    })
    return found
  }
  async function reachable(machine: Machine, options = {}) {
    const found = await located(machine, options)
    if (found.kind === 'nowhere') throw new Error(found.sentence)
    return found
  }

  test('is opened with the key file of the configuration, read-only, and closed again', async () => {
    const machine = homeMachine({ luks: '/keys/right' })
    const disk = await openDisk(await reachable(machine), { luksKeyFile: '/keys/right' }, machine.deps)
    expect(machine.disk('offsite-1').pool.imported).toMatchObject({ readonly: true })
    expect(await disk.isPresent()).toBe(true)
    expect(openOf(machine)).toHaveLength(1)
    await disk.close()
    expect([machine.disk('offsite-1').pool.imported, openOf(machine)]).toEqual([null, []])
  })

  test.each([
    ['a wrong key', '/keys/wrong'],
    ['no key', null],
  ])('with %s it stays closed', async (_, luksKeyFile) => {
    const machine = homeMachine({ luks: '/keys/right' })
    await expect(openDisk(await reachable(machine), { luksKeyFile }, machine.deps)).rejects.toBeInstanceOf(
      KeyRefused,
    )
    expect(openOf(machine)).toEqual([])
  })

  test('whose pool cannot be imported is closed again', async () => {
    const machine = homeMachine({ luks: '/keys/right' })
    machine.disk('offsite-1').pool.lastUser = 'elsewhere'
    const opening = openDisk(await reachable(machine), { luksKeyFile: '/keys/right' }, machine.deps)
    await expect(opening).rejects.toBeInstanceOf(ImportRefused)
    expect(openOf(machine)).toEqual([])
  })

  test('on a machine without a configuration it has to be open, and stays so', async () => {
    const machine = homeMachine({ luks: '/keys/right' })
    expect(await located(machine, { configured: false })).toMatchObject({
      kind: 'nowhere',
      sentence: expect.stringMatching(/open that first: cryptsetup open \/dev\/sd\d+p1 NAME/),
    })
    const { seq, container } = machine.disk('offsite-1')
    container?.mappings.push({ dm: 9, name: 'mine', on: seq, ours: false, users: [] })
    Object.assign(machine.disk('offsite-1').pool, { link: '/dev/mapper/mine' })
    track(machine.disk('offsite-1'))
    const found = await reachable(machine, { configured: false })
    const disk = await openDisk(found, { luksKeyFile: null }, machine.deps)
    await disk.close()
    expect([machine.disk('offsite-1').pool.imported, openOf(machine)]).toEqual([null, ['mine']])
  })
})
