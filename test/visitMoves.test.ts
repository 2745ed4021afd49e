// Copies that are not where they belong: sources that were renamed, made again or destroyed, and copies that cannot be
// continued. Nothing on the disk is ever destroyed for it.
import { describe, expect, test } from 'vitest'
import type { Config } from '../src/config.ts'
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
import { addDataset, addSnapshot, type FakeSnapshot, failed } from './fakes/zfsState.ts'

const onDisk = (machine: Machine): readonly string[] =>
  [...machine.disk('offsite-1').pool.datasets.keys()].sort()
const guidsOnDisk = (machine: Machine): readonly bigint[] =>
  [...machine.disk('offsite-1').pool.datasets.values()].flatMap(({ snapshots }) =>
    snapshots.map(({ guid }) => guid),
  )
const how = (machine: Machine): readonly string[] =>
  machine.told.flatMap((event) => (event.kind === 'dataset-sent' ? [`${event.dataset} ${event.how}`] : []))
const notes = (machine: Machine): string =>
  machine.told.flatMap((event) => (event.kind === 'plan-made' ? event.notes : [])).join('; ')

/** On the source, as a person does it. */
async function rename(machine: Machine, from: string, to: string): Promise<void> {
  await machine.zfs.rename({ from: datasetName(from), to: datasetName(to), type: 'filesystem' })
}
const settingAside = (machine: Machine): Config =>
  machine.config({ backup: { ...machine.config().backup, onConflict: 'set-aside' } })

/** Somebody took a snapshot of the copy: it has one that the source does not know. */
function diverge(machine: Machine, name: string): FakeSnapshot {
  const { pool } = machine.disk('offsite-1')
  pool.imported = { altroot: null }
  const snapshot = addSnapshot(machine.state, datasetOf(machine, `offsite-1/nas/${name}`), 'by-hand')
  pool.imported = null
  return snapshot
}

describe('a source that was renamed', () => {
  test('is followed on the disk, and nothing is sent', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    await rename(machine, 'tank/home', 'tank/people')
    machine.told.length = 0
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'complete', sentBytes: 0, datasets: { unchanged: 3 } })
    expect(onDisk(machine).slice(2)).toEqual([
      'offsite-1/nas/tank',
      'offsite-1/nas/tank/people',
      'offsite-1/nas/tank/people/ann',
    ])
    expect(notes(machine)).toBe('tank/people is the renamed offsite-1/nas/tank/home')
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/people', 'tank/people/ann'])
    expectTidy(machine, 'offsite-1', ['tank', 'tank/people', 'tank/people/ann'])
  })

  test('with a parent and a child of other names: parents first', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    await rename(machine, 'tank/home/ann', 'tank/home/bob')
    await rename(machine, 'tank/home', 'tank/people')
    machine.write('tank/people/bob', 7)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'complete', sentBytes: 7, datasets: { sent: 1, unchanged: 2 } })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/people', 'tank/people/bob'])
  })

  test('into a new dataset: that is sent first', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    addDataset(machine.state, 'tank/new')
    await rename(machine, 'tank/home/ann', 'tank/new/ann')
    machine.told.length = 0
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'complete', datasets: { sent: 1, unchanged: 3 } })
    expect(how(machine)).toEqual(['tank/new full'])
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home', 'tank/new', 'tank/new/ann'])
    expectTidy(machine, 'offsite-1', ['tank', 'tank/home', 'tank/new', 'tank/new/ann'])
  })

  test('whose new place is taken is a conflict, and nothing is moved', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.state.pools.get('tank')?.datasets.delete('tank/home/ann')
    addDataset(machine.state, 'tank/other')
    await visitOf(machine, 'offsite-1')
    machine.state.pools.get('tank')?.datasets.delete('tank/other')
    await rename(machine, 'tank/home', 'tank/other')
    const before = onDisk(machine)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', failures: [{ dataset: 'tank/other' }] })
    expect(onDisk(machine)).toEqual(before)
  })

  test('is not looked for among the copies of another machine, which may have the same snapshots', async () => {
    const machine = homeMachine()
    const of = (host: string) =>
      machine.config({ backup: { ...machine.config().backup, into: `backups/${host}` } })
    await visitOf(machine, 'offsite-1', { config: of('other') })
    const before = onDisk(machine)
    // As if all of it were a replica of what the other machine has.
    expect(await visitOf(machine, 'offsite-1', { config: of('nas') })).toMatchObject({
      report: { outcome: 'complete', datasets: { sent: 3 } },
    })
    expect(onDisk(machine)).toEqual(expect.arrayContaining([...before]))
  })

  test('whose old name is still there, only not backed up any more, is sent afresh', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const replica = addDataset(machine.state, 'tank/replica')
    const original = datasetOf(machine, 'tank/home/ann')
    replica.snapshots = [...original.snapshots]
    replica.content = original.content
    const config = machine.config({
      sources: [{ dataset: datasetName('tank'), place: 'tank', exclude: ['tank/home/ann'] }],
    })
    machine.told.length = 0
    const { report } = await visitOf(machine, 'offsite-1', { config })
    expect(report).toMatchObject({ outcome: 'complete' })
    expect(how(machine)).toContain('tank/replica full')
    expect(onDisk(machine)).toContain('offsite-1/nas/tank/home/ann')
  })

  test('in the middle of its first stream: it is resumed where it was', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home/ann', 5000)
    await interruptAt(machine, 'offsite-1/nas/tank/home/ann')
    await rename(machine, 'tank/home', 'tank/people')
    machine.told.length = 0
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(how(machine)).toContain('tank/people/ann resumed')
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/people', 'tank/people/ann'])
  })

  test('that cannot be moved on the disk fails with what is below it; the next visit does it', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    await rename(machine, 'tank/home', 'tank/people')
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.rename') throw failed('busy', 'dataset is busy')
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/people', 'tank/people/ann'])
    machine.state.interference = {}
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/people', 'tank/people/ann'])
  })
})

describe('a source that is gone', () => {
  test('dataset destroyed on the source: kept on the disk, and named', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const before = guidsOnDisk(machine)
    machine.state.pools.get('tank')?.datasets.delete('tank/home/ann')
    machine.told.length = 0
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(notes(machine)).toBe('not on the source any more, kept: offsite-1/nas/tank/home/ann')
    expect(guidsOnDisk(machine)).toEqual(before)
  })

  test('as a whole, because its pool is not there: nobody says that its datasets are gone', async () => {
    const machine = homeMachine()
    machine.addPool('more')
    const more = { dataset: datasetName('more'), place: 'more', exclude: [] }
    const config = machine.config({ sources: [...machine.config().sources, more] })
    await visitOf(machine, 'offsite-1', { config })
    const pool = machine.state.pools.get('more')
    if (pool !== undefined) pool.imported = null
    machine.told.length = 0
    await visitOf(machine, 'offsite-1', { config })
    expect(notes(machine)).toBe('')
  })
})

describe('a copy that cannot be continued', () => {
  test('is left as it is, and the reason says what to do', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const { guid } = diverge(machine, 'tank/home')
    machine.write('tank/home', 5)
    const before = guidsOnDisk(machine)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', failures: [{ dataset: 'tank/home' }] })
    expect(report.failures[0]?.reason).toContain(`@by-hand, GUID ${guid}`)
    expect(report.failures[0]?.reason).toContain('set-aside')
    expect(guidsOnDisk(machine)).toEqual(before)
  })

  test('is set aside if that is wanted: sent afresh, what is below it goes on where it was, nothing is lost', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const { guid } = diverge(machine, 'tank/home')
    machine.write('tank/home/ann', 5)
    const before = guidsOnDisk(machine)
    machine.told.length = 0
    const { report } = await visitOf(machine, 'offsite-1', { config: settingAside(machine) })
    expect(report).toMatchObject({ outcome: 'complete', failures: [], datasets: { sent: 2, unchanged: 1 } })
    expect([...how(machine)].sort()).toEqual([
      'tank/home full',
      'tank/home incremental',
      'tank/home/ann incremental',
    ])
    const aside = onDisk(machine).find((name) =>
      /^offsite-1\/nas\/tank\/home_diverged_\d{8}T\d{6}Z$/.test(name),
    )
    expect(aside).toBeDefined()
    expect(datasetOf(machine, aside ?? '').snapshots.at(-1)?.guid).toBe(guid)
    expect(guidsOnDisk(machine)).toEqual(expect.arrayContaining([...before]))
    expect(notes(machine)).toMatch(/tank\/home is set aside as .*_diverged_/)
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')

    machine.told.length = 0
    const again = await visitOf(machine, 'offsite-1', { config: settingAside(machine) })
    expect(again).toMatchObject({ report: { outcome: 'complete', sentBytes: 0 } })
    expect(notes(machine)).toBe('')
  })

  test('is set aside, then the visit is stopped: the next one finds everything again', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    diverge(machine, 'tank/home')
    const config = settingAside(machine)
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'offsite-1/nas/tank/home')
          throw new Error('out of luck')
      },
    }
    const first = await visitOf(machine, 'offsite-1', { config })
    expect(first.report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home', 'tank/home/ann'])
    machine.state.interference = {}
    machine.told.length = 0
    expect(await visitOf(machine, 'offsite-1', { config })).toMatchObject({ report: { outcome: 'complete' } })
    expect(how(machine).filter((sent) => sent.startsWith('tank/home/ann'))).toEqual([])
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('half received is no conflict: it is resumed, not set aside', async () => {
    const machine = homeMachine()
    await interruptAt(machine, 'offsite-1/nas/tank/home')
    await visitOf(machine, 'offsite-1', { config: settingAside(machine) })
    expect(onDisk(machine).filter((name) => name.includes('_diverged_'))).toEqual([])
    expectBackedUp(machine, 'offsite-1')
  })

  test.each([
    [
      'a source that was rolled back',
      'target-newer',
      (machine: Machine) => {
        const tank = datasetOf(machine, 'tank')
        tank.snapshots = tank.snapshots.slice(0, 1)
        tank.bookmarks = []
      },
    ],
    [
      'a dataset that was re-created under the same name',
      'no snapshot',
      (machine: Machine) => {
        const tank = datasetOf(machine, 'tank')
        tank.snapshots = []
        tank.bookmarks = []
      },
    ],
  ] as const)('%s: set aside, too', async (_, __, change) => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    for (const source of sources) machine.write(source, 5)
    await visitOf(machine, 'offsite-1')
    change(machine)
    const before = guidsOnDisk(machine)
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'partial' } })
    expect(guidsOnDisk(machine)).toEqual(before)
    expect(await visitOf(machine, 'offsite-1', { config: settingAside(machine) })).toMatchObject({
      report: { outcome: 'complete', failures: [] },
    })
    expect(guidsOnDisk(machine)).toEqual(expect.arrayContaining([...before]))
    expectBackedUp(machine, 'offsite-1')
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/home')).toHaveLength(2)
  })
})

test('target modified: the newest snapshot of a copy was destroyed by hand; said as a conflict, nothing is changed', async () => {
  const machine = homeMachine()
  await visitOf(machine, 'offsite-1')
  machine.write('tank/home', 5)
  await visitOf(machine, 'offsite-1')
  const copy = datasetOf(machine, 'offsite-1/nas/tank/home')
  copy.snapshots = copy.snapshots.slice(0, 1)
  const { report } = await visitOf(machine, 'offsite-1')
  expect(report.failures).toEqual([
    {
      dataset: 'tank/home',
      reason: expect.stringMatching(/was changed after .*; nothing was changed: roll/),
    },
  ])
  expect(copy.snapshots).toHaveLength(1)
})
