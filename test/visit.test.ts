import { describe, expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import { EndVisit } from '../src/endVisit.ts'
import { TransferFailed } from '../src/errors.ts'
import { ZfsFailed } from '../src/zfs/failure.ts'
import type { Machine } from './fakes/machine.ts'
import {
  datasetOf,
  expectBackedUp,
  expectHonest,
  expectTidy,
  homeMachine,
  interruptAt,
  snapshotsOf,
  sources,
  visitOf,
} from './fakes/visits.ts'
import { addDataset, failed } from './fakes/zfsState.ts'

const how = (machine: Machine): readonly string[] =>
  machine.told.flatMap((event) => (event.kind === 'dataset-sent' ? [`${event.dataset} ${event.how}`] : []))

describe('a visit', () => {
  test('the first: everything is sent, read back, exported, released', async () => {
    const machine = homeMachine()
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({
      kind: 'released',
      stopped: true,
      report: {
        outcome: 'complete',
        datasets: { total: 3, sent: 3, unchanged: 0, failed: 0 },
        failures: [],
        reason: null,
      },
    })
    expect(result.report.sentBytes).toBe(3000)
    expect(machine.story().filter((kind) => kind !== 'dataset-sent')).toEqual([
      'pool-imported',
      'snapshot-taken',
      'plan-made',
      'verified',
      'backup-finished',
      'pool-exported',
    ])
    expect(machine.phases).toEqual(['importing', 'backing-up', 'verifying', 'exporting'])
    expectHonest(machine, 'offsite-1', result)
    expectTidy(machine, 'offsite-1')
  })

  test('the snapshots of a visit are one set with one name', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const names = new Set(sources.flatMap((name) => snapshotsOf(machine, name)))
    expect([...names]).toEqual(['walkaway_20261122T210100Z'])
  })

  test('the second: only what changed travels, old bookmarks go', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home', 50)
    machine.told.length = 0
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete', sentBytes: 50 } })
    expect(how(machine)).toEqual(['tank/home incremental'])
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test("other snapshots travel, too, or stay behind when only walkaway's own are wanted", async () => {
    for (const snapshots of ['all', 'own'] as const) {
      const machine = homeMachine()
      const config = machine.config({ backup: { ...machine.config().backup, snapshots } })
      await visitOf(machine, 'offsite-1', { config })
      machine.write('tank', 10)
      await machine.zfs.snapshotSet([datasetName('tank')], 'by-hand')
      await visitOf(machine, 'offsite-1', { config })
      expect(snapshotsOf(machine, 'offsite-1/nas/tank').includes('by-hand')).toBe(snapshots === 'all')
      expectBackedUp(machine, 'offsite-1')
      expectTidy(machine, 'offsite-1')
    }
  })

  test('a new dataset, and a new one below it, come along', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    for (const name of ['tank/new', 'tank/new/child']) addDataset(machine.state, name)
    await visitOf(machine, 'offsite-1')
    expectBackedUp(machine, 'offsite-1', [...sources, 'tank/new', 'tank/new/child'])
  })

  test('what is gone from the source stays on the disk', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.state.pools.get('tank')?.datasets.delete('tank/home/ann')
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      report: { outcome: 'complete', datasets: { total: 2 } },
    })
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/home/ann')).toHaveLength(1)
  })

  test('a source that lies deep gets its parents on the disk made', async () => {
    const machine = homeMachine()
    const config = machine.config({
      sources: [{ dataset: datasetName('tank/home/ann'), place: 'tank/home/ann', exclude: [] }],
      backup: { ...machine.config().backup, into: 'backups/nas' },
    })
    expect(await visitOf(machine, 'offsite-1', { config })).toMatchObject({ report: { outcome: 'complete' } })
    expect(datasetOf(machine, 'offsite-1/backups/nas/tank').properties.get('canmount')?.value).toBe('off')
    expect(snapshotsOf(machine, 'offsite-1/backups/nas/tank/home/ann')).toHaveLength(1)
  })

  test('a part of a source that is configured on its own, before it: the parent is made first all the same', async () => {
    const machine = homeMachine()
    const config = machine.config({
      sources: [
        { dataset: datasetName('tank/home'), place: 'tank/home', exclude: [] },
        { dataset: datasetName('tank'), place: 'tank', exclude: ['tank/home'] },
      ],
    })
    expect(await visitOf(machine, 'offsite-1', { config })).toMatchObject({
      kind: 'released',
      report: { outcome: 'complete' },
    })
    expectBackedUp(machine, 'offsite-1')
  })
})

describe('sources with a gap between them', () => {
  test('a source below what another one excludes: nothing takes the place of what is still to be received', async () => {
    const machine = homeMachine()
    for (const name of ['tank/vm', 'tank/vm/db']) addDataset(machine.state, name)
    const config = machine.config({
      sources: [
        { dataset: datasetName('tank'), place: 'tank', exclude: ['tank/vm'] },
        { dataset: datasetName('tank/vm/db'), place: 'tank/vm/db', exclude: [] },
      ],
    })
    for (let visits = 0; visits < 2; visits++) {
      expect((await visitOf(machine, 'offsite-1', { config })).report).toMatchObject({
        outcome: 'complete',
        failures: [],
      })
      expectBackedUp(machine, 'offsite-1', [...sources, 'tank/vm/db'])
    }
    expect(datasetOf(machine, 'offsite-1/nas/tank/vm').properties.get('canmount')?.value).toBe('off')
  })

  test('a new dataset that lost its snapshot at once keeps its place free for the next visit', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      after: ({ verb }) => {
        if (verb === 'zfs.snapshotSet') datasetOf(machine, 'tank/home').snapshots = []
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', datasets: { total: 3, sent: 1, failed: 2 } })
    machine.state.interference = {}
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expectBackedUp(machine, 'offsite-1')
  })
})

describe('rotation', () => {
  test('two disks in turn, the snapshots between destroyed meanwhile: bookmarks are the bases', async () => {
    const machine = homeMachine()
    machine.addDisk('offsite-2')
    for (let round = 0; round < 3; round++)
      for (const name of ['offsite-1', 'offsite-2']) {
        for (const source of sources) machine.write(source, 10)
        const result = await visitOf(machine, name)
        expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
        expectBackedUp(machine, name)
        expectTidy(machine, name)
        for (const source of sources) datasetOf(machine, source).snapshots = []
      }
    expect(how(machine).filter((sent) => sent.endsWith('full'))).toHaveLength(6)
    for (const source of sources) expect(datasetOf(machine, source).bookmarks).toHaveLength(2)
  })

  test('what is going to be sent is estimated from the bookmark, not from the start', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    for (const source of sources) datasetOf(machine, source).snapshots = []
    machine.write('tank/home', 50)
    machine.told.length = 0
    await visitOf(machine, 'offsite-1')
    expect(machine.told).toContainEqual(expect.objectContaining({ kind: 'plan-made', estimatedBytes: 50 }))
  })

  test('two disks at once', async () => {
    const machine = homeMachine()
    machine.addDisk('offsite-2')
    const results = await Promise.all([visitOf(machine, 'offsite-1'), visitOf(machine, 'offsite-2')])
    for (const result of results)
      expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
    for (const name of ['offsite-1', 'offsite-2']) expectTidy(machine, name)
    expect(snapshotsOf(machine, 'tank')).toHaveLength(2)
  })
})

describe('going on where it was', () => {
  test('a stream that was interrupted is resumed by its token, then the rest follows', async () => {
    const machine = homeMachine()
    await interruptAt(machine, 'offsite-1/nas/tank/home/ann')
    machine.told.length = 0
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete' } })
    expect(how(machine).filter((sent) => sent.startsWith('tank/home/ann'))).toEqual([
      'tank/home/ann resumed',
      'tank/home/ann incremental',
    ])
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('interrupted among snapshots that another tool prunes: what the disk has newest stays as a base', async () => {
    const machine = homeMachine()
    const target = 'offsite-1/nas/tank/home'
    await visitOf(machine, 'offsite-1')
    const names = ['autosnap-1', 'autosnap-2', 'autosnap-3', 'autosnap-4', 'autosnap-5']
    for (const name of names) {
      machine.write('tank/home', 100)
      await machine.zfs.snapshotSet([datasetName('tank/home')], name)
    }
    /** As sanoid does: what is not held goes. */
    const prune = () => {
      const home = datasetOf(machine, 'tank/home')
      home.snapshots = home.snapshots.filter(({ name, tags }) => tags.size > 0 || !names.includes(name))
    }
    for (const reached of ['autosnap-2', 'autosnap-4']) {
      const controller = new AbortController()
      const watch = (): void => {
        if (snapshotsOf(machine, target).includes(reached)) controller.abort(new EndVisit('stopping'))
        else setImmediate(watch)
      }
      machine.state.interference = {
        before: ({ verb, about }) => {
          if (verb !== 'transfer.transfer' || about !== target) return
          machine.state.interference = {}
          setImmediate(watch)
        },
      }
      machine.told.length = 0
      const { report } = await visitOf(machine, 'offsite-1', { signal: controller.signal })
      const sent = new Set(
        machine.told.flatMap((event) => (event.kind === 'dataset-sent' ? [event.dataset] : [])),
      )
      // What was done until then counts, and what was under way does not.
      expect(report).toMatchObject({
        outcome: 'interrupted',
        datasets: { total: 3, sent: sent.size, unchanged: 0, failed: 0 },
      })
      expect(snapshotsOf(machine, target).at(-1)).toBe(reached)
      prune()
    }
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('its snapshot is gone: the token is dropped and it is sent anew', async () => {
    const machine = homeMachine()
    await interruptAt(machine, 'offsite-1/nas/tank/home/ann')
    datasetOf(machine, 'tank/home/ann').snapshots = []
    machine.told.length = 0
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(how(machine)).toContain('tank/home/ann full')
    expectTidy(machine, 'offsite-1')
  })

  test('the receive of before goes on a little after the look: looked at again, and resumed from there', async () => {
    const machine = homeMachine()
    const target = 'offsite-1/nas/tank/home/ann'
    await interruptAt(machine, target)
    const old = datasetOf(machine, target).partial
    await interruptAt(machine, target)
    const later = datasetOf(machine, target).partial
    expect(later?.token).not.toBe(old?.token)
    datasetOf(machine, target).partial = old
    machine.told.length = 0
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === target && datasetOf(machine, target).partial === old)
          datasetOf(machine, target).partial = later
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      report: { outcome: 'complete', failures: [] },
    })
    expect(how(machine)).toContain('tank/home/ann resumed')
    expectTidy(machine, 'offsite-1')
  })

  test('the receive of before still owns the copy for a while: waited for', async () => {
    const machine = homeMachine()
    const target = 'offsite-1/nas/tank/home/ann'
    await interruptAt(machine, target)
    let times = 3
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === target && times-- > 0)
          throw failed('busy', `destination '${target}' is busy`)
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      report: { outcome: 'complete', failures: [] },
    })
    expectTidy(machine, 'offsite-1')
  })

  test('ZFS takes the token but not its stream: it is dropped and the dataset sent anew', async () => {
    const machine = homeMachine()
    const target = 'offsite-1/nas/tank/home/ann'
    await interruptAt(machine, target)
    let refused = 0
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb !== 'transfer.transfer' || about !== target || refused++ > 0) return
        const cause = new ZfsFailed('incompatible-stream', {
          command: ['zfs', 'receive'],
          exitCode: 1,
          signal: null,
          stderr: 'kernel modules must be upgraded to receive this stream.',
        })
        throw new TransferFailed('receive', 'cannot receive resume stream', { cause })
      },
    }
    machine.told.length = 0
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(how(machine)).toContain('tank/home/ann full')
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('every receive is interrupted once and it gets there in the end', async () => {
    const machine = homeMachine()
    for (const source of sources) await interruptAt(machine, `offsite-1/nas/${source}`)
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })
})
