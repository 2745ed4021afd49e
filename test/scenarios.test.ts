// What the suites of other tools show of replication, as visits on the in-memory ZFS: those that no other file has by name.
import { describe, expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import type { Machine } from './fakes/machine.ts'
import {
  datasetOf,
  expectBackedUp,
  expectTidy,
  homeMachine,
  interruptAt,
  snapshotsOf,
  sources,
  visitOf,
} from './fakes/visits.ts'
import { addDataset, addSnapshot } from './fakes/zfsState.ts'

const home = 'offsite-1/nas/tank/home'
const ann = `${home}/ann`

async function complete(machine: Machine, datasets: readonly string[] = sources): Promise<void> {
  machine.told.length = 0
  expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
  expectBackedUp(machine, 'offsite-1', datasets)
  expectTidy(machine, 'offsite-1', datasets)
}
const sent = (machine: Machine, dataset: string): readonly string[] =>
  machine.told.flatMap((event) =>
    event.kind === 'dataset-sent' && event.dataset === dataset ? [event.how] : [],
  )
/** What somebody does with the disk by hand. */
function byHand(machine: Machine, act: () => void): void {
  const { pool } = machine.disk('offsite-1')
  pool.imported = { altroot: null }
  act()
  pool.imported = null
}

describe('replication basics', () => {
  test('empty target, first run: the same snapshots by GUID, and the same contents', async () => {
    const machine = homeMachine()
    for (const name of ['a', 'b']) {
      machine.write('tank/home', 5)
      addSnapshot(machine.state, datasetOf(machine, 'tank/home'), name)
    }
    await complete(machine)
    const [source, copy] = [datasetOf(machine, 'tank/home'), datasetOf(machine, home)]
    const seen = ({ snapshots }: typeof source) =>
      snapshots.map(({ name, guid, content }) => ({ name, guid, content }))
    expect(seen(copy)).toEqual(seen(source))
  })

  test('all in sync, run again: nothing is sent', async () => {
    const machine = homeMachine()
    await complete(machine)
    await complete(machine)
    expect(machine.story()).not.toContain('dataset-sent')
  })

  test('zvol source: received as a volume', async () => {
    const machine = homeMachine()
    addDataset(machine.state, 'tank/volume', { type: 'volume' })
    machine.write('tank/volume', 100)
    await complete(machine, [...sources, 'tank/volume'])
    expect(datasetOf(machine, 'offsite-1/nas/tank/volume').type).toBe('volume')
  })

  test('zvol onto an existing filesystem: a clear reason, nothing destroyed', async () => {
    const machine = homeMachine()
    addDataset(machine.state, 'tank/x')
    await complete(machine)
    machine.state.pools.get('tank')?.datasets.delete('tank/x')
    addDataset(machine.state, 'tank/x', { type: 'volume' })
    const before = datasetOf(machine, 'offsite-1/nas/tank/x').snapshots
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures).toEqual([
      {
        dataset: 'tank/x',
        reason: expect.stringMatching(/the disk has a filesystem of this name; nothing was changed/),
      },
    ])
    expect(datasetOf(machine, 'offsite-1/nas/tank/x').snapshots).toEqual(before)
  })

  test('target exists with data but no snapshots: refused', async () => {
    const machine = homeMachine()
    byHand(machine, () => {
      for (const name of ['offsite-1/nas', 'offsite-1/nas/tank', home]) addDataset(machine.state, name)
      machine.write(home, 5)
    })
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.find(({ dataset }) => dataset === 'tank/home')?.reason).toMatch(
      /did not come from a backup \(it has no snapshots\); nothing was changed/,
    )
    expect(datasetOf(machine, home).content).toHaveLength(1)
  })
})

describe('base selection', () => {
  test('a dataset, a snapshot and a bookmark named "0"', async () => {
    const machine = homeMachine()
    const zero = addDataset(machine.state, 'tank/0')
    addSnapshot(machine.state, zero, '0')
    const { name, guid, createtxg, creation } = addSnapshot(machine.state, zero, '00')
    zero.bookmarks.push({ name: '0', guid, createtxg, creation })
    await complete(machine, [...sources, 'tank/0'])
    machine.write('tank/0', 5)
    await complete(machine, [...sources, 'tank/0'])
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/0').slice(0, 2)).toEqual(['0', name])
  })

  test('same snapshot name, different GUID on both sides: told, nothing destroyed', async () => {
    const machine = homeMachine()
    await complete(machine)
    const name = snapshotsOf(machine, home).at(-1) ?? ''
    const source = datasetOf(machine, 'tank/home')
    source.snapshots = []
    source.bookmarks = []
    addSnapshot(machine.state, source, name)
    machine.write('tank/home', 5)
    const before = datasetOf(machine, home).snapshots
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures).toEqual([
      {
        dataset: 'tank/home',
        reason: expect.stringContaining('no longer has a snapshot or bookmark in common'),
      },
    ])
    expect(datasetOf(machine, home).snapshots).toEqual(before)
  })

  test('snapshots out of creation order (clock set back): all travel, by createtxg', async () => {
    const machine = homeMachine()
    await complete(machine)
    const clock = machine.state.now
    for (const [day, name] of [3, 1, 2].entries()) {
      machine.state.now = () => new Date(Date.UTC(2020, 0, name))
      machine.write('tank/home', 5)
      addSnapshot(machine.state, datasetOf(machine, 'tank/home'), `of day ${day}`)
    }
    machine.state.now = clock
    await complete(machine)
    expect(snapshotsOf(machine, home).slice(1, 4)).toEqual(['of day 0', 'of day 1', 'of day 2'])
  })

  test('a common snapshot that would not travel itself is a base all the same', async () => {
    const machine = homeMachine()
    addSnapshot(machine.state, datasetOf(machine, 'tank/home'), 'by-hand')
    await complete(machine)
    byHand(machine, () => {
      const copy = datasetOf(machine, home)
      copy.snapshots = copy.snapshots.filter(({ name }) => name === 'by-hand')
    })
    machine.write('tank/home', 5)
    const config = machine.config({ backup: { ...machine.config().backup, snapshots: 'own' } })
    expect((await visitOf(machine, 'offsite-1', { config })).report).toMatchObject({
      outcome: 'complete',
      sentBytes: 5,
    })
  })

  test('completion message lost (crash between receive and tidying): converges, nothing twice', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'pools.sync') throw new Error('power cut')
      },
    }
    expect((await visitOf(machine, 'offsite-1')).report.outcome).toBe('failed')
    machine.state.interference = {}
    await complete(machine)
    expect(machine.story()).not.toContain('dataset-sent')
    expect(snapshotsOf(machine, home)).toHaveLength(1)
  })

  test('bookmarks and holds of visits that were broken off: cleaned, exactly one bookmark left', async () => {
    const machine = homeMachine()
    for (let times = 0; times < 3; times++) await interruptAt(machine, ann)
    expect(datasetOf(machine, 'tank/home/ann').bookmarks.length).toBeGreaterThan(1)
    await complete(machine)
    // Its twin aside: the snapshots of the visits before hold the same.
    const left = datasetOf(machine, 'tank/home/ann').bookmarks.filter(({ name }) => !name.endsWith('_same'))
    expect(left).toHaveLength(1)
    for (const source of sources)
      for (const { tags } of datasetOf(machine, source).snapshots) expect([...tags]).toEqual([])
  })

  test('snapshot renamed on the source: found by its GUID, nothing is sent again', async () => {
    const machine = homeMachine()
    await complete(machine)
    const source = datasetOf(machine, 'tank/home')
    source.snapshots = source.snapshots.map((snapshot) => ({ ...snapshot, name: 'renamed' }))
    source.bookmarks = []
    machine.write('tank/home', 5)
    await complete(machine)
    expect(sent(machine, 'tank/home')).toEqual(['incremental'])
  })
})

describe('interruption and resume', () => {
  test('receive broken off in the middle of an increment: resumed', async () => {
    const machine = homeMachine()
    await complete(machine)
    for (const source of sources) machine.write(source, 100)
    await interruptAt(machine, ann)
    await complete(machine)
    expect(sent(machine, 'tank/home/ann')[0]).toBe('resumed')
  })

  test('a token for a snapshot of another dataset: dropped, not completed', async () => {
    const machine = homeMachine()
    await interruptAt(machine, ann)
    const token = datasetOf(machine, ann).partial
    datasetOf(machine, ann).partial = null
    machine.disk('offsite-1').pool.datasets.delete(ann)
    await complete(machine)
    machine.write('tank/home', 5)
    datasetOf(machine, home).partial = token
    await complete(machine)
    expect(sent(machine, 'tank/home')).toEqual(['incremental'])
  })

  test('a child that is half received, in a tree: it is resumed, and the others are as they were', async () => {
    const machine = homeMachine()
    await interruptAt(machine, ann)
    await complete(machine)
    expect(sent(machine, 'tank/home/ann')).toEqual(['resumed', 'incremental'])
    expect(snapshotsOf(machine, ann)).toEqual(snapshotsOf(machine, 'tank/home/ann'))
  })
})

describe('properties and encryption', () => {
  test('quota, mountpoint and shares of the source: not in force on the disk, over increments either', async () => {
    const machine = homeMachine()
    const set = { quota: '4096', mountpoint: '/home', sharenfs: 'on', canmount: 'on' }
    for (const [name, value] of Object.entries(set))
      datasetOf(machine, 'tank/home').properties.set(name, { value, source: 'local' })
    for (let visit = 0; visit < 2; visit++) {
      await complete(machine)
      const { properties } = datasetOf(machine, home)
      for (const name of ['quota', 'mountpoint', 'sharenfs']) expect(properties.has(name), name).toBe(false)
      expect(properties.get('canmount')).toEqual({ value: 'noauto', source: 'local' })
      machine.write('tank/home', 5)
    }
  })

  test('encrypted source, key unloaded: sent raw', async () => {
    const machine = homeMachine()
    const secret = addDataset(machine.state, 'tank/secret', { encrypted: true })
    machine.write('tank/secret', 5)
    if (secret.key !== null) secret.key.loaded = false
    await complete(machine, [...sources, 'tank/secret'])
    expect(datasetOf(machine, 'offsite-1/nas/tank/secret').encrypted).toBe(true)
  })

  test('a dataset that was encrypted since (made anew): the plain copy is not mixed with it', async () => {
    const machine = homeMachine()
    addDataset(machine.state, 'tank/x')
    await complete(machine)
    machine.state.pools.get('tank')?.datasets.delete('tank/x')
    addDataset(machine.state, 'tank/x', { encrypted: true })
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures).toEqual([
      {
        dataset: 'tank/x',
        reason: expect.stringContaining('the source is encrypted and the copy on the disk is not'),
      },
    ])
  })

  test('other names with spaces and odd characters', async () => {
    const machine = homeMachine()
    const odd = 'tank/my files: 100_percent-v1.0'
    await machine.zfs.snapshotSet([datasetName('tank')], 'a b:c')
    addDataset(machine.state, odd)
    await complete(machine, [...sources, odd])
  })
})
