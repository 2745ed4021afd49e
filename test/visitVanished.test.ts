// What the plan rests on vanishes between the look and the sending: destroyed by a person, by another program or by another
// disk's visit. The dataset is looked at and planned anew, once, in the same visit; one that is gone has not failed.
import { describe, expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import { TransferFailed } from '../src/errors.ts'
import type { Machine } from './fakes/machine.ts'
import {
  datasetOf,
  expectBackedUp,
  expectTidy,
  homeMachine,
  interruptAt,
  sources,
  visitOf,
} from './fakes/visits.ts'
import { addDataset, type FakeCall, failed, isBelow } from './fakes/zfsState.ts'

const home = 'offsite-1/nas/tank/home'
const poolOf = (machine: Machine) => machine.state.pools.get('tank')?.datasets ?? new Map<string, unknown>()
const how = (machine: Machine, dataset = 'tank/home'): readonly string[] =>
  machine.told.flatMap((event) =>
    event.kind === 'dataset-sent' && event.dataset === dataset ? [event.how] : [],
  )
const gone = (machine: Machine): readonly string[] =>
  machine.told.flatMap((event) => (event.kind === 'dataset-gone' ? [event.dataset] : []))

/** Once, right before the first call of this kind. */
function rightBefore(machine: Machine, verb: string, about: string | null, act: () => void): void {
  let done = false
  machine.state.interference = {
    before: (call: FakeCall) => {
      if (done || call.verb !== verb || (about !== null && call.about !== about)) return
      done = true
      act()
    },
  }
}
const forget = (machine: Machine, dataset: string): void => {
  datasetOf(machine, dataset).snapshots = []
}
const destroy = (machine: Machine, name: string): void => {
  for (const each of [...poolOf(machine).keys()].filter((below) => isBelow(name, below)))
    poolOf(machine).delete(each)
}

const rename = (machine: Machine, from: string, to: string): void =>
  void machine.zfs.rename({ from: datasetName(from), to: datasetName(to), type: 'filesystem' })

describe('snapshot destroyed between listing and sending', () => {
  test.each([
    ['while the plan is made', 'zfs.writtenSince', null],
    ['before it is held', 'zfs.hold', null],
    ['before it is bookmarked', 'zfs.bookmarkAll', '3'],
    ['before it is sent', 'transfer.transfer', home],
  ])('the newest, %s: another one is taken and sent', async (_, verb, about) => {
    const machine = homeMachine()
    rightBefore(machine, verb, about, () => forget(machine, 'tank/home'))
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'complete',
      datasets: { total: 3, sent: 3 },
      failures: [],
    })
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('the base: the bookmark takes its place', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home', 50)
    machine.told.length = 0
    rightBefore(machine, 'transfer.transfer', home, () => {
      const source = datasetOf(machine, 'tank/home')
      source.snapshots = source.snapshots.slice(-1)
    })
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', sentBytes: 50 })
    expect(how(machine)).toEqual(['incremental'])
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('the base, and there is nothing else in common: a conflict, nothing destroyed', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home', 50)
    const copy = datasetOf(machine, home).snapshots
    rightBefore(machine, 'transfer.transfer', home, () => {
      const source = datasetOf(machine, 'tank/home')
      source.snapshots = source.snapshots.slice(-1)
      source.bookmarks = []
    })
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures).toEqual([
      {
        dataset: 'tank/home',
        reason: expect.stringContaining('no longer has a snapshot or bookmark in common'),
      },
    ])
    expect(datasetOf(machine, home).snapshots).toEqual(copy)
  })

  test('one of those between: the others travel', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    for (const name of ['one', 'two', 'three']) {
      machine.write('tank/home', 5)
      await machine.zfs.snapshotSet([datasetName('tank/home')], name)
    }
    rightBefore(machine, 'transfer.transfer', home, () => {
      const source = datasetOf(machine, 'tank/home')
      source.snapshots = source.snapshots.filter(({ name }) => name !== 'two')
    })
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expectBackedUp(machine, 'offsite-1')
  })

  test('renamed instead of destroyed: found by its GUID', async () => {
    const machine = homeMachine()
    rightBefore(machine, 'transfer.transfer', home, () => {
      const source = datasetOf(machine, 'tank/home')
      source.snapshots = source.snapshots.map((snapshot) => ({ ...snapshot, name: 'mine now' }))
    })
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expect(datasetOf(machine, home).snapshots.map(({ name }) => name)).toEqual(['mine now'])
  })

  test('again and again: it fails after the second time, and stops no other', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'offsite-1/nas/tank/home/ann')
          forget(machine, 'tank/home/ann')
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home/ann'])
    expect(machine.state.calls.filter(({ about }) => about === 'offsite-1/nas/tank/home/ann')).toHaveLength(3)
    machine.state.interference = {}
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
  })

  test('by the visit of another disk at the same time: both are complete', async () => {
    const machine = homeMachine()
    machine.addDisk('offsite-2')
    machine.keep = { ...machine.keep, source: { ...machine.keep.source, last: 1 } }
    for (let round = 0; round < 4; round++) {
      for (const source of sources) machine.write(source, 10)
      const results = await Promise.all([visitOf(machine, 'offsite-1'), visitOf(machine, 'offsite-2')])
      for (const { report } of results) expect(report).toMatchObject({ outcome: 'complete', failures: [] })
      for (const name of ['offsite-1', 'offsite-2']) expectBackedUp(machine, name)
    }
  })
})

describe('dataset destroyed between listing and sending', () => {
  test.each([
    ['while the plan is made', 'zfs.writtenSince', null],
    ['before it is bookmarked', 'zfs.bookmarkAll', '3'],
    ['before it is sent', 'transfer.transfer', home],
  ])('%s: it counts as gone, not as failed, and so does what was below it', async (_, verb, about) => {
    const machine = homeMachine()
    rightBefore(machine, verb, about, () => destroy(machine, 'tank/home'))
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'complete',
      datasets: { total: 1, sent: 1, failed: 0 },
      failures: [],
    })
    expect(gone(machine)).toEqual(['tank/home', 'tank/home/ann'])
    // No container is made for what is gone as well.
    expect(machine.disk('offsite-1').pool.datasets.has(home)).toBe(false)
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
  })

  test('one of many: the others are done, and what the disk has of it stays', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    for (const source of sources) machine.write(source, 10)
    rightBefore(machine, 'transfer.transfer', `${home}/ann`, () => destroy(machine, 'tank/home/ann'))
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'complete',
      datasets: { total: 2, sent: 2 },
    })
    expect(datasetOf(machine, `${home}/ann`).snapshots).toHaveLength(1)
  })

  test('made anew under its name: gone as well, and the next visit sees that it is another', async () => {
    const machine = homeMachine()
    rightBefore(machine, 'transfer.transfer', `${home}/ann`, () => {
      destroy(machine, 'tank/home/ann')
      addDataset(machine.state, 'tank/home/ann')
    })
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'complete',
      datasets: { total: 2 },
    })
    expect(gone(machine)).toEqual(['tank/home/ann'])
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      report: { outcome: 'complete', datasets: { total: 3 } },
    })
    expectBackedUp(machine, 'offsite-1')
  })

  test('renamed: what is new in it is not on the disk, so the visit is not complete; the next one follows it', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home/ann', 10)
    rightBefore(machine, 'transfer.transfer', `${home}/ann`, () =>
      rename(machine, 'tank/home/ann', 'tank/anna'),
    )
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({
      outcome: 'partial',
      datasets: { total: 3, sent: 0, unchanged: 2, failed: 1 },
      failures: [{ dataset: 'tank/home/ann', reason: expect.stringContaining('renamed to tank/anna') }],
    })
    expect(gone(machine)).toEqual(['tank/home/ann'])
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home', 'tank/anna'])
  })

  test('renamed with what is above it: both are missed, and nothing is called complete on the disk', async () => {
    const machine = homeMachine()
    rightBefore(machine, 'transfer.transfer', home, () => rename(machine, 'tank/home', 'tank/people'))
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', datasets: { total: 3, sent: 1, failed: 2 } })
    expect(datasetOf(machine, 'offsite-1/nas').properties.has('walkaway:complete')).toBe(false)
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/people', 'tank/people/ann'])
  })

  test('renamed to where nothing is backed up: gone, and no failure', async () => {
    const machine = homeMachine()
    const config = machine.config({
      sources: [{ dataset: datasetName('tank'), place: 'tank', exclude: ['tank/trash'] }],
    })
    addDataset(machine.state, 'tank/trash')
    rightBefore(machine, 'transfer.transfer', `${home}/ann`, () =>
      rename(machine, 'tank/home/ann', 'tank/trash/ann'),
    )
    expect((await visitOf(machine, 'offsite-1', { config })).report).toMatchObject({
      outcome: 'complete',
      datasets: { total: 2 },
      failures: [],
    })
  })

  test('with its whole pool, which somebody exported: not complete', async () => {
    const machine = homeMachine()
    const tank = machine.state.pools.get('tank')
    if (tank === undefined) throw new Error('there is no tank')
    rightBefore(machine, 'transfer.transfer', `${home}/ann`, () => {
      tank.imported = null
    })
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'partial',
      datasets: { total: 3, sent: 2, failed: 1 },
      failures: [{ dataset: 'tank/home/ann', reason: expect.stringContaining('no dataset tank') }],
    })
  })

  test('and then nobody can tell whether it was renamed: not complete', async () => {
    const machine = homeMachine()
    rightBefore(machine, 'transfer.transfer', `${home}/ann`, () => {
      destroy(machine, 'tank/home/ann')
      machine.state.interference = {
        before: ({ verb, about }) => {
          if (verb === 'zfs.namesBelow' && about === 'tank') throw failed('io-error', 'I/O error')
        },
      }
    })
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'partial',
      failures: [{ dataset: 'tank/home/ann', reason: expect.stringContaining('could not be read') }],
    })
  })
})

test('a disk that is full and pulled out: nothing is destroyed on it any more', async () => {
  const machine = homeMachine()
  machine.state.interference = {
    before: ({ verb, about }) => {
      if (verb !== 'transfer.transfer' || about !== `${home}/ann`) return
      machine.unplug('offsite-1')
      throw new TransferFailed('receive', 'full', { cause: failed('no-space', 'out of space') })
    },
  }
  expect(await visitOf(machine, 'offsite-1')).toMatchObject({
    kind: 'pulled',
    report: { outcome: 'interrupted' },
  })
  expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('zfs.abortReceive')
})

describe('token lookup races with target destroy', () => {
  test.each([
    ['before the token is read', 'transfer.readToken', null],
    ['after it was read', 'transfer.transfer', `${home}/ann`],
  ])('%s: planned anew, and sent in full', async (_, verb, about) => {
    const machine = homeMachine()
    await interruptAt(machine, `${home}/ann`)
    machine.told.length = 0
    rightBefore(machine, verb, about, () => machine.disk('offsite-1').pool.datasets.delete(`${home}/ann`))
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expect(how(machine, 'tank/home/ann')).toEqual(['full', 'incremental'])
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })
})
