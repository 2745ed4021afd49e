// Sources that are replicas themselves, kept by hand or by a tool with `zfs receive -F`: what a receive took back is never
// gone on from, and a replica in which nobody writes is backed up visit after visit.
import { describe, expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import { createMachine, type Machine } from './fakes/machine.ts'
import { beginReceive, receiveByHand } from './fakes/replica.ts'
import { datasetOf, expectTidy, snapshotsOf, visitOf } from './fakes/visits.ts'
import { addDataset, addSnapshot, destroySnapshot } from './fakes/zfsState.ts'

const replica = 'tank/r'
const copy = 'offsite-1/nas/tank/r'

/** `far/o`, its replica `tank/r` with @s1, and a disk. */
function replicaMachine(): Machine {
  const machine = createMachine()
  for (const pool of ['tank', 'far']) machine.addPool(pool)
  addDataset(machine.state, 'far/o')
  machine.write('far/o', 1000)
  addSnapshot(machine.state, datasetOf(machine, 'far/o'), 's1')
  receiveByHand(machine.state, { from: null, to: 'far/o@s1', into: replica })
  machine.addDisk('offsite-1')
  return machine
}

/** What was written at the origin comes over. */
function sync(machine: Machine, from: string, to: string, into = replica): void {
  machine.write('far/o', 10)
  addSnapshot(machine.state, datasetOf(machine, 'far/o'), to)
  receiveByHand(machine.state, { from: `far/o@${from}`, to: `far/o@${to}`, into })
}

const config = (machine: Machine, onConflict: 'stop' | 'set-aside' = 'stop') =>
  machine.config({
    sources: [{ dataset: datasetName('tank'), place: 'tank', exclude: [] }],
    backup: { into: 'nas', snapshots: 'all', parallel: 2, onConflict },
  })
const howSent = (machine: Machine): readonly string[] =>
  machine.told.flatMap((event) =>
    event.kind === 'dataset-sent' && event.dataset.includes('/') ? [event.how] : [],
  )
const notesOf = (machine: Machine): string =>
  machine.told.flatMap((event) => (event.kind === 'plan-made' ? event.notes : [])).join('; ')

function expectSameOnDisk(machine: Machine, source = replica, onDisk = copy): void {
  const newest = datasetOf(machine, source).snapshots.at(-1)
  expect(datasetOf(machine, onDisk).snapshots.at(-1)?.content).toEqual(newest?.content)
}

async function complete(machine: Machine): Promise<void> {
  machine.told.length = 0
  const { report } = await visitOf(machine, 'offsite-1', { config: config(machine) })
  expect(report).toMatchObject({ outcome: 'complete', failures: [] })
}

describe('a replica in which something was written, and taken back by the next receive', () => {
  async function takenBack(): Promise<Machine> {
    const machine = replicaMachine()
    machine.write(replica, 5)
    await complete(machine)
    sync(machine, 's1', 's2')
    machine.told.length = 0
    return machine
  }

  test('is a conflict: its copy stays as it is, and the visit says what happened', async () => {
    const machine = await takenBack()
    const before = structuredClone(datasetOf(machine, copy).content)
    const { report } = await visitOf(machine, 'offsite-1', { config: config(machine) })
    expect(report).toMatchObject({ outcome: 'partial', failures: [{ dataset: replica }] })
    expect(report.failures[0]?.reason).toMatch(/the copy on the disk is newer than the source.*receive -F/)
    expect(datasetOf(machine, copy).content).toEqual(before)
    expect(notesOf(machine)).toMatch(/taken back by a receive \(zfs receive -F\).*: tank\/r#walkaway_/)
    expect(howSent(machine)).toEqual([])
  })

  test('is set aside, if that is wanted, and sent afresh', async () => {
    const machine = await takenBack()
    const { report } = await visitOf(machine, 'offsite-1', { config: config(machine, 'set-aside') })
    expect(report).toMatchObject({ outcome: 'complete' })
    expect(howSent(machine)).toContain('full')
    expectSameOnDisk(machine)
    await complete(machine)
    expectTidy(machine, 'offsite-1', ['tank', replica])
  })

  test('is seen under another name, too', async () => {
    const machine = await takenBack()
    await machine.deps.zfs.rename({
      from: datasetName(replica),
      to: datasetName('tank/q'),
      type: 'filesystem',
    })
    const { report } = await visitOf(machine, 'offsite-1', { config: config(machine) })
    expect(notesOf(machine)).toContain('taken back')
    expect(report.failures.map(({ dataset }) => dataset)).not.toContain('tank')
    expect(datasetOf(machine, copy).content).toHaveLength(2)
    // Nothing goes on from the old copy.
    expectSameOnDisk(machine, 'tank/q', 'offsite-1/nas/tank/q')
  })

  test('is not gone on from either when it is taken back during a visit', async () => {
    const machine = replicaMachine()
    machine.write(replica, 5)
    await complete(machine)
    const before = structuredClone(datasetOf(machine, copy).content)
    machine.write(replica, 5)
    let isSynced = false
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb !== 'zfs.hold' || isSynced) return
        isSynced = true
        sync(machine, 's1', 's2')
      },
    }
    const { report } = await visitOf(machine, 'offsite-1', { config: config(machine) })
    expect(isSynced).toBe(true)
    expect(report).toMatchObject({ outcome: 'partial', failures: [{ dataset: replica }] })
    expect(datasetOf(machine, copy).content).toEqual(before)
  })

  test('without a history that reaches back: goes on as ZFS does, and says that it is not known', async () => {
    const machine = await takenBack()
    const tank = machine.state.pools.get('tank')
    if (tank !== undefined) tank.oldestTxg = machine.state.nextId()
    await visitOf(machine, 'offsite-1', { config: config(machine) })
    expect(notesOf(machine)).toContain('the history of tank does not reach back so far')
    expect(notesOf(machine).match(/does not reach back/g)).toHaveLength(1)
    // The mixture that there is to be afraid of.
    expect(datasetOf(machine, copy).content).not.toEqual(
      datasetOf(machine, replica).snapshots.at(-1)?.content,
    )
  })

  test('and a history that cannot be read', async () => {
    const machine = await takenBack()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.eventsSince') throw new Error('no history today')
      },
    }
    await visitOf(machine, 'offsite-1', { config: config(machine) })
    expect(notesOf(machine)).toContain('is not known: no history today')
  })
})

describe('a replica in which nobody writes', () => {
  test('goes on incrementally, visit after visit', async () => {
    const machine = replicaMachine()
    await complete(machine)
    for (let round = 1; round < 5; round++) {
      sync(machine, `s${round}`, `s${round + 1}`)
      await complete(machine)
      expect(howSent(machine)).toContain('incremental')
      expect(howSent(machine)).not.toContain('full')
      expectSameOnDisk(machine)
      expectTidy(machine, 'offsite-1', ['tank', replica])
    }
  })

  test('so it does when the base is destroyed after each receive, as syncoid does it', async () => {
    const machine = replicaMachine()
    await complete(machine)
    for (let round = 1; round < 4; round++) {
      sync(machine, `s${round}`, `s${round + 1}`)
      const dataset = datasetOf(machine, replica)
      const [base] = dataset.snapshots.filter(({ name }) => name === `s${round}`)
      if (base !== undefined) destroySnapshot(machine.state, dataset, base)
      expect(snapshotsOf(machine, replica)).toEqual([`s${round + 1}`])
      await complete(machine)
      expect(howSent(machine)).toEqual(expect.arrayContaining(['incremental']))
      expectSameOnDisk(machine)
    }
  })

  test('so it does with two disks, of which one is away for several receives', async () => {
    const machine = replicaMachine()
    machine.addDisk('offsite-2')
    for (const disk of ['offsite-2', 'offsite-1']) await visitOf(machine, disk, { config: config(machine) })
    for (let round = 1; round < 5; round++) {
      sync(machine, `s${round}`, `s${round + 1}`)
      await complete(machine)
    }
    machine.told.length = 0
    const { report } = await visitOf(machine, 'offsite-2', { config: config(machine) })
    expect(report).toMatchObject({ outcome: 'complete' })
    expect(howSent(machine)).not.toContain('full')
    expectSameOnDisk(machine, replica, 'offsite-2/nas/tank/r')
  })

  test('but not when a receive was under way during the visit: part of it is older than the bookmark', async () => {
    const machine = replicaMachine()
    machine.write('far/o', 10)
    addSnapshot(machine.state, datasetOf(machine, 'far/o'), 's2')
    const end = beginReceive(machine.state, { from: 'far/o@s1', to: 'far/o@s2', into: replica })
    await complete(machine)
    end()
    const before = structuredClone(datasetOf(machine, copy).content)
    const { report } = await visitOf(machine, 'offsite-1', { config: config(machine) })
    expect(report).toMatchObject({ outcome: 'partial', failures: [{ dataset: replica }] })
    expect(datasetOf(machine, copy).content).toEqual(before)
  })
})

test('what hangs on a snapshot costs no look at the history', async () => {
  const machine = replicaMachine()
  await complete(machine)
  machine.write(replica, 5)
  await complete(machine)
  expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('zfs.eventsSince')
})
