// What a visit prunes, on the disk and on the source, and what it leaves alone whatever goes wrong.
import { describe, expect, test } from 'vitest'
import { datasetName, type Outcome } from '../src/core/model.ts'
import type { KeepPolicy } from '../src/core/retention.ts'
import { EndVisit } from '../src/endVisit.ts'
import { DeadlineExceeded } from '../src/errors.ts'
import { type Machine, none } from './fakes/machine.ts'
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
import { failed } from './fakes/zfsState.ts'

interface Keep {
  readonly disk?: Partial<KeepPolicy>
  readonly source?: Partial<KeepPolicy>
}

/** A machine that was backed up this often without a policy, and has one from now on. */
async function machineWith(keep: Keep, visits = 4): Promise<Machine> {
  const machine = homeMachine()
  for (let visit = 0; visit < visits; visit++) await complete(machine)
  machine.keep = { disk: { ...none, ...keep.disk }, source: { ...none, ...keep.source } }
  machine.told.length = 0
  machine.state.calls.length = 0
  return machine
}

async function complete(machine: Machine, name = 'offsite-1'): Promise<void> {
  for (const source of sources) machine.write(source, 10)
  expect(await visitOf(machine, name)).toMatchObject({ report: { outcome: 'complete', failures: [] } })
  expectBackedUp(machine, name)
  expectTidy(machine, name)
}

const pruned = (machine: Machine) => machine.told.filter(({ kind }) => kind === 'pruned')
const counts = (machine: Machine, dataset = 'tank') => ({
  disk: snapshotsOf(machine, `offsite-1/nas/${dataset}`).length,
  source: snapshotsOf(machine, dataset).length,
})
const destroys = (machine: Machine): number =>
  machine.state.calls.filter(({ verb }) => verb === 'zfs.destroySnapshots').length

describe('a visit prunes', () => {
  test('nothing without policies: no command, no word, no phase', async () => {
    const machine = await machineWith({})
    await complete(machine)
    expect(counts(machine)).toEqual({ disk: 5, source: 5 })
    expect([destroys(machine), pruned(machine)]).toEqual([0, []])
    expect(machine.phases).not.toContain('pruning')
  })

  test('nothing when the policies give nothing up: no command, no word', async () => {
    const machine = await machineWith({ disk: { last: 9 }, source: { last: 9 } })
    await complete(machine)
    expect([destroys(machine), pruned(machine)]).toEqual([0, []])
  })

  test('the source in the visit that completes an interrupted one, whose holds are released by then', async () => {
    const machine = await machineWith({ source: { last: 2 } })
    for (const source of sources) machine.write(source, 500)
    await interruptAt(machine, 'offsite-1/nas/tank/home')
    expect(datasetOf(machine, 'tank/home').snapshots.some(({ tags }) => tags.size > 0)).toBe(true)
    await complete(machine)
    for (const source of sources) expect(counts(machine, source).source).toBe(2)
  })

  test('both sides by their own policies, each in one command, and says how much', async () => {
    const machine = await machineWith({ disk: { last: 3 }, source: { last: 2 } })
    await complete(machine)
    for (const source of sources) expect(counts(machine, source)).toEqual({ disk: 3, source: 2 })
    expect(pruned(machine)).toMatchObject([{ onDisk: 6, onSource: 9, left: [] }])
    expect(destroys(machine)).toBe(2)
    const order = machine.story().filter((kind) => /verified|pruned|finished|exported/.test(kind))
    expect(order).toEqual(['verified', 'pruned', 'backup-finished', 'pool-exported'])
    expect(machine.phases.slice(-4)).toEqual(['backing-up', 'verifying', 'pruning', 'exporting'])
  })

  test('one side alone', async () => {
    const disk = await machineWith({ disk: { last: 1 } })
    await complete(disk)
    expect(counts(disk)).toEqual({ disk: 1, source: 5 })
    const source = await machineWith({ source: { last: 1 } })
    await complete(source)
    expect(counts(source)).toEqual({ disk: 5, source: 1 })
  })

  test('nothing more at the next visit but what became old since', async () => {
    const machine = await machineWith({ disk: { last: 3 }, source: { last: 2 } })
    await complete(machine)
    machine.told.length = 0
    await complete(machine)
    expect(pruned(machine)).toMatchObject([{ onDisk: 3, onSource: 3 }])
  })

  test('in batches, with a look at the disk before each', async () => {
    const machine = homeMachine()
    for (let at = 0; at < 250; at++) await machine.zfs.snapshotSet([datasetName('tank')], `by-hand-${at}`)
    await complete(machine)
    machine.keep = { disk: { ...none, last: 1 }, source: none }
    const looks: string[] = []
    machine.state.interference = { before: ({ verb }) => void looks.push(verb) }
    await complete(machine)
    expect(pruned(machine)).toMatchObject([{ onDisk: 253 }])
    const at = looks.indexOf('zfs.destroySnapshots')
    expect(looks.slice(at - 1, at + 5)).toEqual(
      Array.from({ length: 3 }, () => ['block.isSameDevice', 'zfs.destroySnapshots']).flat(),
    )
  })
})

describe('never pruned', () => {
  test('what walkaway did not take, on the source', async () => {
    const machine = await machineWith({ source: { last: 1 } }, 2)
    await machine.zfs.snapshotSet(sources.map(datasetName), 'autosnap_daily')
    await machine.zfs.snapshotSet(sources.map(datasetName), 'walkaway_by_hand')
    for (let visit = 0; visit < 3; visit++) await complete(machine)
    for (const source of sources) {
      const left = snapshotsOf(machine, source)
      expect(left.slice(0, -1)).toEqual(['autosnap_daily', 'walkaway_by_hand'])
      expect(left).toHaveLength(3)
    }
  })

  test('held snapshot: skipped, on both sides', async () => {
    const machine = await machineWith({ disk: { last: 1 }, source: { last: 1 } })
    const [oldest] = snapshotsOf(machine, 'tank')
    await machine.pools.importPool({
      guid: machine.disk('offsite-1').pool.guid,
      pool: machine.disk('offsite-1').pool.name,
      links: [machine.disk('offsite-1').pool.link],
    })
    await machine.zfs.hold('mine', [`tank@${oldest}`, `offsite-1/nas/tank@${oldest}`])
    await complete(machine)
    expect(snapshotsOf(machine, 'tank')).toContain(oldest)
    expect(snapshotsOf(machine, 'offsite-1/nas/tank')).toContain(oldest)
    expect(counts(machine)).toEqual({ disk: 2, source: 2 })
    expect(pruned(machine)).toMatchObject([{ left: [] }])
  })

  test('a snapshot that is held at the last moment: told, and nobody else stays for it', async () => {
    const machine = await machineWith({ disk: { last: 1 } })
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.destroySnapshots')
          datasetOf(machine, 'offsite-1/nas/tank').snapshots[0]?.tags.add('somebody')
      },
    }
    await complete(machine)
    expect(counts(machine)).toMatchObject({ disk: 2 })
    expect(pruned(machine)).toMatchObject([{ onDisk: 11, left: ['1 held'] }])
  })

  test('what took the name of a snapshot in the meantime', async () => {
    const machine = await machineWith({ source: { last: 1 } })
    machine.state.interference = {
      before: ({ verb }) => {
        const [first] = datasetOf(machine, 'tank').snapshots
        if (verb === 'zfs.destroySnapshots' && first !== undefined)
          datasetOf(machine, 'tank').snapshots[0] = { ...first, guid: 42n }
      },
    }
    await complete(machine)
    expect(datasetOf(machine, 'tank').snapshots.map(({ guid }) => guid)).toContain(42n)
  })

  test('the copy of a dataset that failed, and the dataset itself', async () => {
    const machine = await machineWith({ disk: { last: 1 }, source: { last: 1 } })
    machine.write('tank', 10)
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'offsite-1/nas/tank') throw failed('other', 'no luck')
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'partial' } })
    expect(counts(machine, 'tank')).toEqual({ disk: 4, source: 5 })
    expect(counts(machine, 'tank/home')).toEqual({ disk: 1, source: 1 })
  })

  test('the copy of a dataset that is gone from the source', async () => {
    const machine = await machineWith({ disk: { last: 1 } })
    machine.state.pools.get('tank')?.datasets.delete('tank/home/ann')
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/home/ann')).toHaveLength(4)
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/home')).toHaveLength(1)
  })

  test('a source that was destroyed and made anew since the look', async () => {
    const machine = await machineWith({ disk: { last: 1 }, source: { last: 1 } })
    machine.state.interference = {
      after: ({ verb, about }) => {
        const tank = machine.state.pools.get('tank')
        const old = tank?.datasets.get('tank/home/ann')
        if (verb === 'zfs.destroySnapshots' && about === 'offsite-1' && old !== undefined)
          tank?.datasets.set(old.name, { ...old, guid: 42n })
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(counts(machine, 'tank/home/ann').source).toBe(5)
    expect(counts(machine, 'tank/home').source).toBe(1)
  })

  test('what a disk that was pulled in the middle of a transfer goes on from', async () => {
    const machine = await machineWith({ disk: { last: 1 }, source: { last: 1 } })
    machine.addDisk('offsite-2')
    await complete(machine, 'offsite-2')
    await complete(machine)
    machine.write('tank/home/ann', 10)
    await interruptAt(machine, 'offsite-1/nas/tank/home/ann')
    for (let visit = 0; visit < 3; visit++) await complete(machine, 'offsite-2')
    machine.told.length = 0
    await complete(machine)
    expect(machine.told).toContainEqual(
      expect.objectContaining({ kind: 'dataset-sent', dataset: 'tank/home/ann', how: 'resumed' }),
    )
    await complete(machine)
    expect(counts(machine, 'tank/home/ann')).toEqual({ disk: 1, source: 1 })
  })
})

describe('pruning that goes wrong leaves the backup complete', () => {
  const keep = { disk: { last: 1 }, source: { last: 1 } }

  test.each<[name: string, error: () => Error]>([
    ['fails', () => failed('other', 'no luck today')],
    ['does not end', () => new DeadlineExceeded('zfs program', 1000)],
  ])('when it %s: told, and done at the next visit', async (_, error) => {
    const machine = await machineWith(keep)
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.destroySnapshots') throw error()
      },
    }
    await complete(machine)
    expect(pruned(machine)).toMatchObject([{ onDisk: 0, onSource: 0, left: [error().message] }])
    expect(destroys(machine)).toBe(1)
    machine.state.interference = {}
    await complete(machine)
    expect(counts(machine)).toEqual({ disk: 1, source: 1 })
  })

  test('when the source cannot be looked at again: nothing of it is destroyed', async () => {
    const machine = await machineWith(keep)
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'zfs.observe' && about === 'tank' && destroys(machine) > 0)
          throw failed('other', 'no luck')
      },
    }
    await complete(machine)
    expect(counts(machine)).toEqual({ disk: 1, source: 5 })
    expect(pruned(machine)).toMatchObject([{ onDisk: 12, onSource: 0, left: ['zfs: no luck'] }])
  })

  test.each<[name: string, act: (machine: Machine, end: AbortController) => void, outcome: Outcome]>([
    ['the service is told to stop', (_, end) => end.abort(new EndVisit('stopping')), 'complete'],
    ['the disk is pulled', (machine) => machine.unplug('offsite-1'), 'complete'],
  ])('when %s before it begins: nothing on the disk is touched', async (_, act, outcome) => {
    const machine = await machineWith({ disk: { last: 1 } })
    const end = new AbortController()
    machine.state.interference = {
      after: ({ verb }) => {
        if (verb === 'zfs.release') act(machine, end)
      },
    }
    expect((await visitOf(machine, 'offsite-1', { signal: end.signal })).report.outcome).toBe(outcome)
    expect(destroys(machine)).toBe(0)
    expect(machine.state.wedged).toBe(false)
    expect(pruned(machine)).toEqual([])
  })
})
