// Visits to disks whose pool is encrypted: with its key all is as ever, without it nothing is sent and the disk is let go.

import { describe, expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import {
  datasetOf,
  expectBackedUp,
  expectHonest,
  expectTidy,
  homeMachine,
  sources,
  visitOf,
} from './fakes/visits.ts'
import { addDataset, encryptionRootOf } from './fakes/zfsState.ts'

const right = { encrypted: true, keyFile: '/keys/right' } as const

describe('an encrypted disk', () => {
  test('with its key: everything is stored encrypted, and the key goes with the pool', async () => {
    const machine = homeMachine(right)
    addDataset(machine.state, 'tank/secret', { encrypted: true })
    const keys: (boolean | undefined)[] = []
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'transfer.transfer') keys.push(datasetOf(machine, 'offsite-1').key?.loaded)
      },
    }
    for (let visits = 0; visits < 2; visits++) {
      const result = await visitOf(machine, 'offsite-1')
      expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete', failures: [] } })
      expectHonest(machine, 'offsite-1', result)
      expectTidy(machine, 'offsite-1')
      for (const source of sources) machine.write(source, 10)
    }
    expect(new Set(keys)).toEqual(new Set([true]))
    expect(datasetOf(machine, 'offsite-1').key?.loaded).toBe(false)
    const rootOf = (name: string) => encryptionRootOf(machine.state, datasetOf(machine, name))?.name
    machine.disk('offsite-1').pool.imported = { altroot: null }
    for (const source of sources) expect(rootOf(`offsite-1/nas/${source}`)).toBe('offsite-1')
    expect(rootOf('offsite-1/nas/tank/secret')).toBe('offsite-1/nas/tank/secret')
    expect(machine.story()).not.toContain('key-not-needed')
  })

  test.each([
    [
      'a wrong key',
      { encrypted: true, keyFile: '/keys/wrong' },
      /\/keys\/wrong is not that of offsite-1; right key/,
    ],
    [
      'no key file there',
      { encrypted: true, keyFile: '/keys/none' },
      /\/keys\/none is not there; right file/,
    ],
    ['no key file configured', { encrypted: true }, /offsite-1 is encrypted, and no key file .*: keyFile/],
  ])(
    'with %s: nothing is sent, the disk is let go of, and it is said what to do',
    async (_, options, why) => {
      const machine = homeMachine(options)
      const result = await visitOf(machine, 'offsite-1')
      expect(result).toMatchObject({ kind: 'released', report: { outcome: 'failed', sentBytes: 0 } })
      expect(result.report.reason).toMatch(why)
      expect(result.report.reason).toMatch(/plug the disk in again$/)
      expectHonest(machine, 'offsite-1', result)
      const verbs = machine.state.calls.map(({ verb }) => verb)
      expect(verbs).not.toContain('transfer.transfer')
      expect(verbs).not.toContain('zfs.snapshotSet')
      expect([...machine.disk('offsite-1').pool.datasets.keys()]).toEqual(['offsite-1'])
    },
  )

  test('that ZFS says has its key, and has not: nothing is sent', async () => {
    const machine = homeMachine(right)
    machine.state.interference = {
      after: ({ verb }) => {
        const { key } = datasetOf(machine, 'offsite-1')
        if (verb === 'zfs.loadKey' && key !== null) key.loaded = false
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'released',
      report: { outcome: 'failed', reason: expect.stringContaining('ZFS does not have it') },
    })
  })

  test('whose key somebody has loaded needs no file', async () => {
    const machine = homeMachine({ encrypted: true })
    machine.disk('offsite-1').pool.imported = { altroot: null }
    await machine.zfs.loadKey(datasetName('offsite-1'), '/keys/right')
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'not-released',
      report: { outcome: 'complete' },
    })
    expect(datasetOf(machine, 'offsite-1').key?.loaded).toBe(true)
  })
})

describe('a disk that is not encrypted as a whole', () => {
  test('with a key file: a warning, and a complete backup', async () => {
    const machine = homeMachine({ keyFile: '/keys/right' })
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(machine.story()).toContain('key-not-needed')
    expectBackedUp(machine, 'offsite-1')
  })

  test('where the backups go to a dataset that is: its key is loaded', async () => {
    const machine = homeMachine({ keyFile: '/keys/right' })
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: null }
    addDataset(machine.state, 'offsite-1/vault', { encrypted: true })
    await machine.pools.exportPool(pool.name, async () => true)
    const config = machine.config({ backup: { ...machine.config().backup, into: 'vault/of/nas' } })
    for (let visits = 0; visits < 2; visits++)
      expect(await visitOf(machine, 'offsite-1', { config })).toMatchObject({
        kind: 'released',
        report: { outcome: 'complete' },
      })
    expect(datasetOf(machine, 'offsite-1/vault/of/nas/tank').snapshots).toHaveLength(1)
    expect(datasetOf(machine, 'offsite-1/vault').key?.loaded).toBe(false)
  })
})
