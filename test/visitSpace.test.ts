// A disk that has too little room: said before anything is sent where it is certain, and clearly where it was not.
import { describe, expect, test } from 'vitest'
import { EndVisit } from '../src/endVisit.ts'
import { report as nothing } from './core/sightings.ts'
import { type Machine, none } from './fakes/machine.ts'
import {
  datasetOf,
  expectBackedUp,
  expectTidy,
  homeMachine,
  interruptAt,
  snapshotsOf,
  visitOf,
} from './fakes/visits.ts'
import { failed } from './fakes/zfsState.ts'

const sentTo = (calls: readonly { readonly verb: string; readonly about: string }[]): readonly string[] =>
  calls.flatMap(({ verb, about }) => (verb === 'transfer.transfer' ? [about] : []))

const setOn = (machine: Machine, dataset: string, property: string, value: string): void => {
  datasetOf(machine, dataset).properties.set(property, { value, source: 'local' })
}

describe('a disk with too little room', () => {
  test('a dataset that certainly does not fit fails at once, with how much is missing; the others go on', async () => {
    const machine = homeMachine()
    machine.write('tank/home/ann', 15_000_000)
    machine.disk('offsite-1').pool.availableBytes = 3_000_000n
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', datasets: { sent: 2, failed: 1 } })
    expect(report.failures).toEqual([
      {
        dataset: 'tank/home/ann',
        reason: expect.stringMatching(/about 15 MB are needed, 3 MB are free; about 12 MB are missing/),
      },
    ])
    expect(report.space).toMatchObject({ missingBytes: 12_001_000 })
    expect(sentTo(machine.state.calls)).not.toContain('offsite-1/nas/tank/home/ann')
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home'])
  })

  test.each<[name: string, sent: boolean, change: (machine: Machine) => void]>([
    [
      'what the disk can still compress is tried',
      true,
      (machine) => setOn(machine, 'tank/home/ann', 'compression', 'off'),
    ],
    [
      'what nobody compresses is not tried',
      false,
      (machine) => {
        setOn(machine, 'tank/home/ann', 'compression', 'off')
        setOn(machine, 'offsite-1', 'compression', 'off')
      },
    ],
    [
      'what the disk may have already is tried',
      true,
      (machine) => setOn(machine, 'offsite-1', 'dedup', 'on'),
    ],
    [
      'what was too large, and is gone when it is looked at, has not failed',
      false,
      (machine) => {
        machine.state.interference = {
          before: ({ verb, about }) => {
            if (verb === 'zfs.properties' && about === 'tank/home/ann') throw failed('not-found', 'gone')
          },
        }
      },
    ],
  ])('%s', async (name, sent, change) => {
    const machine = homeMachine()
    machine.write('tank/home/ann', 15_000_000)
    machine.disk('offsite-1').pool.availableBytes = 3_000_000n
    change(machine)
    await visitOf(machine, 'offsite-1')
    const tried = sent || name.includes('gone')
    expect(sentTo(machine.state.calls).includes('offsite-1/nas/tank/home/ann')).toBe(tried)
  })

  test('what the disk keeps free for its place counts', async () => {
    const machine = homeMachine()
    machine.write('tank/home/ann', 15_000_000)
    machine.disk('offsite-1').pool.availableBytes = 3_000_000n
    await visitOf(machine, 'offsite-1', {
      config: machine.config({ backup: { ...machine.config().backup, parallel: 1 } }),
    })
    expect(sentTo(machine.state.calls)).not.toContain('offsite-1/nas/tank/home/ann')
    setOn(machine, 'offsite-1/nas', 'available', '15000000')
    setOn(machine, 'offsite-1/nas/tank/home', 'available', '15000000')
    await visitOf(machine, 'offsite-1')
    expect(sentTo(machine.state.calls)).toContain('offsite-1/nas/tank/home/ann')
  })

  test('an increment is measured as one', async () => {
    const machine = homeMachine()
    machine.write('tank', 4_000_000)
    await visitOf(machine, 'offsite-1')
    machine.disk('offsite-1').pool.availableBytes = 1_000_000n
    machine.write('tank', 10)
    machine.write('tank/home', 5_000_000)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home'])
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann'])
  })

  test('target full mid-receive: the reason says how much is missing, nothing of it stays in the way', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const before = datasetOf(machine, 'offsite-1/nas/tank/home').snapshots
    machine.write('tank', 800_000)
    machine.write('tank/home', 900_000)
    machine.disk('offsite-1').pool.availableBytes = 1_000_000n
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', datasets: { sent: 1, unchanged: 1, failed: 1 } })
    expect(report.failures).toEqual([
      {
        dataset: 'tank/home',
        reason: expect.stringMatching(/^the disk is full: about .* of it did not fit$/),
      },
    ])
    expect(report.space?.missingBytes).toBeGreaterThan(200_000)
    expect(datasetOf(machine, 'offsite-1/nas/tank/home').snapshots).toEqual(before)
    expect(datasetOf(machine, 'offsite-1/nas/tank/home').partial).toBeNull()
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann'])

    machine.disk('offsite-1').pool.availableBytes = 1n << 40n
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })
})

test('what filled the disk is free again, late, before the next dataset is sent', async () => {
  const machine = homeMachine()
  await visitOf(machine, 'offsite-1')
  machine.write('tank', 800_000)
  machine.write('tank/home', 900_000)
  machine.write('tank/home/ann', 150_000)
  machine.disk('offsite-1').pool.availableBytes = 1_000_000n
  const config = machine.config({ backup: { ...machine.config().backup, parallel: 1 } })
  const { report } = await visitOf(machine, 'offsite-1', { config })
  expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home'])
  expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann'])
})

test('told to stop while it waits for that', async () => {
  const machine = homeMachine()
  await visitOf(machine, 'offsite-1')
  machine.write('tank', 800_000)
  machine.write('tank/home', 900_000)
  machine.disk('offsite-1').pool.availableBytes = 1_000_000n
  const end = new AbortController()
  machine.state.interference = {
    after: ({ verb }) => {
      if (verb === 'zfs.abortReceive') end.abort(new EndVisit('stopping'))
    },
  }
  const result = await visitOf(machine, 'offsite-1', { signal: end.signal })
  expect(result).toMatchObject({ kind: 'stopped', report: { outcome: 'interrupted' } })
})

/** Everything in the dataset is replaced by this much new data. */
function rewrite(machine: Machine, dataset: string, bytes: number): void {
  datasetOf(machine, dataset).content = []
  machine.write(dataset, bytes)
}

/** Backed up three times, each time with another million bytes in tank/home; then the disk has so much room. */
async function fullMachine(availableBytes: bigint): Promise<Machine> {
  const machine = homeMachine()
  for (let visit = 0; visit < 3; visit++) {
    rewrite(machine, 'tank/home', 1_000_000)
    await visitOf(machine, 'offsite-1')
  }
  machine.disk('offsite-1').pool.availableBytes = availableBytes
  machine.keep = { disk: { ...none, last: 1 }, source: none }
  rewrite(machine, 'tank/home', 1_500_000)
  machine.told.length = 0
  machine.phases.length = 0
  return machine
}
const home = 'offsite-1/nas/tank/home'
const pruned = (machine: Machine) => machine.told.filter(({ kind }) => kind === 'pruned')

describe('a full disk with something to thin', () => {
  test('old snapshots go first, what they took is waited for, then everything is sent', async () => {
    const machine = await fullMachine(200_000n)
    const base = snapshotsOf(machine, home).at(-1)
    let seen: readonly string[] = []
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb !== 'transfer.transfer') return
        seen = snapshotsOf(machine, home)
        expect(machine.disk('offsite-1').pool.availableBytes).toBeGreaterThan(1_500_000n)
      },
    }
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'complete',
      failures: [],
      space: { missingBytes: 0 },
    })
    expect(seen).toEqual([base])
    expect(pruned(machine)).toMatchObject([
      { why: 'to-make-room', onDisk: 2, onSource: 0, left: [] },
      { why: 'given-up', onDisk: 1 },
    ])
    expect(machine.phases.slice(0, 4)).toEqual(['importing', 'backing-up', 'pruning', 'backing-up'])
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('not when there is room: pruning comes after the backup was read back', async () => {
    const machine = await fullMachine(2_000_000n)
    await visitOf(machine, 'offsite-1')
    expect(pruned(machine)).toMatchObject([{ why: 'given-up', onDisk: 3 }])
  })

  test('not for what would not fit all the same: it fails, the old snapshots stay until after the backup', async () => {
    const machine = await fullMachine(200_000n)
    rewrite(machine, 'tank/home', 20_000_000)
    machine.write('tank', 10)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', space: { missingBytes: 19_800_000 } })
    expect(report.failures).toMatchObject([
      { dataset: 'tank/home', reason: expect.stringContaining('19.8 MB are missing') },
    ])
    expect(snapshotsOf(machine, home)).toHaveLength(3)
    expect(pruned(machine)).not.toContainEqual(expect.objectContaining({ why: 'to-make-room' }))
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann'])
  })

  test('nothing goes without a policy, from a copy that is in conflict, or that is half received', async () => {
    const unruled = await fullMachine(200_000n)
    unruled.keep = { disk: none, source: none }
    await visitOf(unruled, 'offsite-1')
    expect(snapshotsOf(unruled, home)).toHaveLength(3)

    const conflict = await fullMachine(200_000n)
    Object.assign(datasetOf(conflict, 'tank/home'), { snapshots: [], bookmarks: [] })
    rewrite(conflict, 'tank', 1_000_000)
    await visitOf(conflict, 'offsite-1')
    expect(snapshotsOf(conflict, home)).toHaveLength(3)

    const partial = await fullMachine(200_000n)
    partial.disk('offsite-1').pool.availableBytes = 10_000_000n
    await interruptAt(partial, home)
    partial.disk('offsite-1').pool.availableBytes = 200_000n
    const before = snapshotsOf(partial, home)
    partial.told.length = 0
    await visitOf(partial, 'offsite-1')
    expect(snapshotsOf(partial, home)).toEqual(expect.arrayContaining([...before]))
    expect(pruned(partial)).not.toContainEqual(expect.objectContaining({ why: 'to-make-room' }))
  })

  test('what is held stays, and what cannot be destroyed is told; the rest is sent', async () => {
    const machine = await fullMachine(200_000n)
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.destroySnapshots') throw failed('other', 'no luck today')
      },
    }
    rewrite(machine, 'tank', 100_000)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', datasets: { failed: 1 } })
    expect(pruned(machine)[0]).toMatchObject({ why: 'to-make-room', left: ['zfs: no luck today'] })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann'])
  })

  test('the copy of a dataset that was renamed since is thinned under the name that it still has', async () => {
    const machine = await fullMachine(200_000n)
    const renamed = datasetOf(machine, 'tank/home')
    const tank = machine.state.pools.get('tank')
    const ann = datasetOf(machine, 'tank/home/ann')
    for (const [from, to, dataset] of [
      ['tank/home', 'tank/people', renamed],
      ['tank/home/ann', 'tank/people/ann', ann],
    ] as const) {
      tank?.datasets.delete(from)
      dataset.name = to
      tank?.datasets.set(to, dataset)
    }
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expect(pruned(machine)[0]).toMatchObject({ why: 'to-make-room', onDisk: 2 })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/people', 'tank/people/ann'])
  })

  test('told to stop while it waits: the visit ends, the rest is done another time', async () => {
    const machine = await fullMachine(200_000n)
    const end = new AbortController()
    machine.state.interference = {
      after: ({ verb }) => {
        if (verb === 'zfs.destroySnapshots') end.abort(new EndVisit('stopping'))
      },
    }
    const result = await visitOf(machine, 'offsite-1', { signal: end.signal })
    expect(result).toMatchObject({ kind: 'stopped', report: { outcome: 'interrupted' } })
    expect(sentTo(machine.state.calls.slice(-8))).toEqual([])
    machine.state.interference = {}
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete' })
  })

  test('the disk is pulled before it: nothing is destroyed, nothing hangs', async () => {
    const machine = await fullMachine(200_000n)
    machine.state.interference = {
      after: ({ verb }) => {
        if (verb === 'zfs.propertiesBelow') machine.unplug('offsite-1')
      },
    }
    expect((await visitOf(machine, 'offsite-1')).report.outcome).toBe('interrupted')
    expect(machine.state.wedged).toBe(false)
    expect(pruned(machine)).toEqual([])
    machine.state.interference = {}
  })
})

test('the forecast goes into the report: full in about so many visits', async () => {
  const machine = homeMachine()
  const sizeBytes = 2 ** 40
  const past = [50, 60, 70].map((percent) => ({
    ...nothing({}),
    outcome: 'complete' as const,
    space: { allocatedBytes: (sizeBytes * percent) / 100, sizeBytes, missingBytes: 0, fullInVisits: null },
  }))
  machine.disk('offsite-1').pool.availableBytes = (1n << 40n) / 5n
  expect((await visitOf(machine, 'offsite-1', { past })).report.space).toMatchObject({ fullInVisits: 2 })
})
