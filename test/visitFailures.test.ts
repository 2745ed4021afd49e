import { describe, expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import { DeadlineExceeded, Refused } from '../src/errors.ts'
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
import { addDataset, failed } from './fakes/zfsState.ts'

describe('one failure stays one', () => {
  test('a dataset that cannot be sent', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'offsite-1/nas/tank/home/ann')
          throw new Error('out of luck')
      },
    }
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({
      kind: 'released',
      report: {
        outcome: 'partial',
        datasets: { total: 3, sent: 2, unchanged: 0, failed: 1 },
        failures: [{ dataset: 'tank/home/ann', reason: 'out of luck' }],
      },
    })
    machine.state.interference = {}
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('a new parent that fails: its children are not tried', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'offsite-1/nas/tank/home')
          throw new Error('out of luck')
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map((failure) => failure.dataset).toSorted()).toEqual([
      'tank/home',
      'tank/home/ann',
    ])
    expect(machine.state.calls.some(({ about }) => about === 'offsite-1/nas/tank/home/ann')).toBe(false)
    expect(report.failures.find(({ dataset }) => dataset === 'tank/home/ann')?.reason).toBe(
      'not tried: tank/home, which is above it, is not on the disk',
    )
  })

  test('a parent that fails but is there from before: a new child is sent all the same', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    addDataset(machine.state, 'tank/home/ben')
    machine.write('tank/home', 10)
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'offsite-1/nas/tank/home')
          throw new Error('out of luck')
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map((failure) => failure.dataset)).toEqual(['tank/home'])
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann', 'tank/home/ben'])
  })

  test('a dataset whose snapshot cannot be held', async () => {
    const machine = homeMachine()
    const { hold } = machine.zfs
    machine.deps.zfs.holdBelow = async () => {
      throw failed('no-space', 'out of space')
    }
    machine.deps.zfs.hold = async (tag, paths) => {
      const refused = paths.filter((path) => path.startsWith('tank/home/ann@'))
      await hold(
        tag,
        paths.filter((path) => !refused.includes(path)),
      )
      return new Map(refused.map((path) => [path, new Refused('out of space')]))
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({
      outcome: 'partial',
      failures: [{ dataset: 'tank/home/ann', reason: 'out of space' }],
    })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home'])
  })

  test('a dataset of which ZFS cannot say what was written is sent; the others are known to be unchanged', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    for (const name of sources) datasetOf(machine, name).snapshots = []
    const { writtenSince } = machine.zfs
    machine.deps.zfs.writtenSince = async (questions) => {
      if (questions.some(({ from }) => from.dataset === 'tank/home')) throw failed('io-error', 'I/O error')
      return writtenSince(questions)
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      report: { outcome: 'complete', datasets: { sent: 1, unchanged: 2 } },
    })
    expectBackedUp(machine, 'offsite-1')
  })

  test('a copy of which nothing can be read but that it has no base', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    Object.assign(datasetOf(machine, 'tank/home/ann'), { snapshots: [], bookmarks: [] })
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'zfs.properties' && about.endsWith('/ann')) throw failed('io-error', 'I/O error')
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', failures: [{ dataset: 'tank/home/ann' }] })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home'])
  })

  test('a source whose pool stops answering: its dataset fails in the end, the others at once, the disk is released', async () => {
    const machine = homeMachine()
    machine.addPool('pond')
    machine.write('pond', 1000)
    const pond = { dataset: datasetName('pond'), place: 'pond', exclude: [] }
    const config = machine.config({ sources: [...machine.config().sources, pond] })
    const tank = machine.state.pools.get('tank')
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb !== 'transfer.transfer' || about !== 'offsite-1/nas/tank') return
        setImmediate(() => Object.assign(tank ?? {}, { suspended: true }))
      },
    }
    const { kind, report } = await visitOf(machine, 'offsite-1', { config })
    expect(kind).toBe('released')
    expect(report).toMatchObject({ outcome: 'partial', datasets: { sent: 1, failed: 3 } })
    expect(report.failures.find(({ dataset }) => dataset === 'tank')?.reason).toContain('tank is suspended')
    expectBackedUp(machine, 'offsite-1', ['pond'])
    if (tank !== undefined) tank.suspended = false
    machine.state.interference = {}
    await visitOf(machine, 'offsite-1', { config })
    expectBackedUp(machine, 'offsite-1', [...sources, 'pond'])
  })

  test('a stream that stands still for long, though its pool answers', async () => {
    const machine = homeMachine()
    const { transfer } = machine.transfer
    machine.deps.transfer.transfer = async (request) => {
      if (request.receive.target !== 'offsite-1/nas/tank/home/ann') return transfer(request)
      await new Promise((_, reject) =>
        request.signal.addEventListener('abort', () => reject(request.signal.reason)),
      )
      throw new Error('it should have been ended')
    }
    const { kind, report } = await visitOf(machine, 'offsite-1')
    expect([kind, report.outcome]).toEqual(['released', 'partial'])
    expect(report.failures).toEqual([
      { dataset: 'tank/home/ann', reason: expect.stringMatching(/nothing of it was sent for 1 h/) },
    ])
  })

  test('a source that is missing', async () => {
    const machine = homeMachine()
    const [first] = machine.config().sources
    const gone = { dataset: datasetName('pond'), place: 'pond', exclude: [] }
    const config = machine.config({ sources: [...(first === undefined ? [] : [first]), gone] })
    expect(await visitOf(machine, 'offsite-1', { config })).toMatchObject({
      kind: 'released',
      report: {
        outcome: 'partial',
        datasets: { total: 4, sent: 3, failed: 1 },
        failures: [{ dataset: 'pond' }],
      },
    })
    const none = machine.config({ sources: [gone] })
    expect(await visitOf(machine, 'offsite-1', { config: none })).toMatchObject({
      kind: 'released',
      report: { outcome: 'failed', datasets: { total: 1, sent: 0, failed: 1 } },
    })
  })

  test('a source pool that cannot be read, or not be snapshotted, does not stop the other source', async () => {
    for (const broken of ['zfs.observe', 'zfs.snapshotSet']) {
      const machine = homeMachine()
      machine.addPool('pond')
      const pond = { dataset: datasetName('pond'), place: 'pond', exclude: [] }
      const config = machine.config({ sources: [pond, ...machine.config().sources] })
      const { snapshotSet } = machine.zfs
      if (broken === 'zfs.observe')
        machine.state.interference = {
          before: ({ verb, about }) => {
            if (verb === broken && about === 'pond') throw new Error('pool I/O is currently suspended')
          },
        }
      else
        Object.assign(machine.deps.zfs, {
          snapshotSet: async (datasets: Parameters<typeof snapshotSet>[0], name: string) => {
            if (datasets.includes(pond.dataset)) throw new Error('out of space')
            return snapshotSet(datasets, name)
          },
        })
      const { kind, report } = await visitOf(machine, 'offsite-1', { config })
      expect([kind, report.outcome, report.failures.map(({ dataset }) => dataset)]).toEqual([
        'released',
        'partial',
        ['pond'],
      ])
      expect(report.failures[0]?.reason).toMatch(/suspended|out of space/)
      expectBackedUp(machine, 'offsite-1')
    }
  })

  test('a source that appears while the set is taken is not in it, and the backup is not called complete', async () => {
    const machine = homeMachine()
    const pool = machine.addPool('pond', { imported: false })
    const pond = { dataset: datasetName('pond'), place: 'pond', exclude: [] }
    const config = machine.config({ sources: [...machine.config().sources, pond] })
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.snapshotSet') pool.imported = { altroot: null }
      },
    }
    const { report } = await visitOf(machine, 'offsite-1', { config })
    expect(report).toMatchObject({ outcome: 'partial', failures: [{ dataset: 'pond' }] })
  })

  test('a dataset with a name too long for a snapshot of it, or a bookmark, does not stop the others', async () => {
    for (const length of [209, 240, 255]) {
      const machine = homeMachine()
      const long = `tank/${'x'.repeat(length - 5)}`
      addDataset(machine.state, long)
      const { report } = await visitOf(machine, 'offsite-1')
      expect([report.outcome, report.failures.map(({ dataset }) => dataset)]).toEqual(['partial', [long]])
      expect(report.failures[0]?.reason).toContain('too long')
      expectBackedUp(machine, 'offsite-1')
    }
  })

  test('a dataset that does not end fails alone while ZFS answers; otherwise nothing else is tried', async () => {
    for (const wedged of [false, true]) {
      const machine = homeMachine()
      const config = machine.config({ backup: { ...machine.config().backup, parallel: 1 } })
      await visitOf(machine, 'offsite-1', { config })
      for (const name of sources) machine.write(name, 10)
      machine.state.calls.length = 0
      machine.state.interference = {
        before: ({ verb, about }) => {
          if (verb !== 'transfer.transfer' || about !== 'offsite-1/nas/tank') return
          machine.state.wedged = wedged
          throw new DeadlineExceeded('zfs receive', 1000)
        },
      }
      const result = await visitOf(machine, 'offsite-1', { config })
      const verbs = machine.state.calls.map(({ verb }) => verb)
      const failed = verbs.indexOf('transfer.transfer')
      const after = verbs.slice(failed + 1).filter((verb) => !verb.startsWith('block.'))
      if (wedged) {
        expect(result).toMatchObject({ kind: 'stuck', report: { outcome: 'failed' } })
        expect(after).toEqual([])
      } else {
        expect(result).toMatchObject({
          kind: 'released',
          report: { outcome: 'partial', datasets: { failed: 1 } },
        })
        expect(after).toContain('transfer.transfer')
      }
    }
  })

  test('a copy that went its own way is left as it is', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.disk('offsite-1').pool.imported = { altroot: null }
    await machine.zfs.snapshotSet([datasetName('offsite-1/nas/tank/home')], 'stranger')
    machine.disk('offsite-1').pool.imported = null
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', failures: [{ dataset: 'tank/home' }] })
    expect(report.failures[0]?.reason).toMatch(/went its own way.*nothing was changed/)
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/home').at(-1)).toBe('stranger')
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann'])
  })

  test('a new snapshot that is destroyed before it was seen does not count as backed up', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      after: ({ verb }) => {
        if (verb === 'zfs.snapshotSet') datasetOf(machine, 'tank/home/ann').snapshots = []
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      report: {
        outcome: 'partial',
        datasets: { total: 3, sent: 2, failed: 1 },
        failures: [{ dataset: 'tank/home/ann' }],
      },
    })
  })

  test('a dataset that goes while the set is taken: taken anew', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.snapshotSet') machine.state.pools.get('tank')?.datasets.delete('tank/home/ann')
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      report: { outcome: 'complete', datasets: { total: 2 } },
    })
  })

  test('a receive that ends well with something else on the disk than was sent', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      after: ({ verb, about }) => {
        if (verb !== 'transfer.transfer' || about !== 'offsite-1/nas/tank/home') return
        const copy = datasetOf(machine, about)
        copy.snapshots = copy.snapshots.map((snapshot) => ({ ...snapshot, guid: snapshot.guid + 1n }))
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({
      outcome: 'partial',
      datasets: { total: 3, sent: 2, failed: 1 },
      failures: [{ dataset: 'tank/home' }],
    })
    expect(datasetOf(machine, 'tank/home').bookmarks).toHaveLength(1)
  })

  test('a token that cannot be read', async () => {
    const machine = homeMachine()
    await interruptAt(machine, 'offsite-1/nas/tank/home/ann')
    expect(datasetOf(machine, 'offsite-1/nas/tank/home/ann').partial).not.toBeNull()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'transfer.readToken') throw new Error('no such token')
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({
      outcome: 'partial',
      datasets: { total: 3, failed: 1 },
      failures: [{ dataset: 'tank/home/ann' }],
    })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home'])
  })

  test('nothing more is started when ZFS stops answering while it is tidied up', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.release') machine.state.wedged = true
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ kind: 'stuck' })
    const verbs = machine.state.calls.map(({ verb }) => verb).filter((verb) => !verb.startsWith('block.'))
    expect(verbs.at(-1)).toBe('zfs.release')
  })

  test('what cannot be tidied up does not undo a backup that was read back, and is tidied the next time', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.destroyBookmark' || verb === 'zfs.release') throw new Error('no')
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'released',
      report: { outcome: 'complete' },
    })
    machine.state.interference = {}
    await visitOf(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })
})
