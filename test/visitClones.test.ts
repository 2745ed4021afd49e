// Clones: sent as such where the disk has, or gets, their origin; otherwise in full, and said. Promoted on either side:
// nothing is destroyed for it.
import { describe, expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import { type Machine, none } from './fakes/machine.ts'
import { newPool, restoreOn } from './fakes/restores.ts'
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
import { addClone, addDataset, addSnapshot, failed, promote } from './fakes/zfsState.ts'

const how = (machine: Machine): Readonly<Record<string, string>> =>
  Object.fromEntries(
    machine.told.flatMap((event) =>
      event.kind === 'dataset-sent' ? [[event.dataset, event.missingOrigin?.because ?? event.how]] : [],
    ),
  )
const notes = (machine: Machine): readonly string[] =>
  machine.told.flatMap((event) => (event.kind === 'plan-made' ? event.notes : []))
/** Whose snapshot a copy is a clone of; null: it is none. */
const originOnDisk = (machine: Machine, source: string): string | null => {
  const { origin } = datasetOf(machine, `offsite-1/nas/${source}`)
  const owner = [...machine.disk('offsite-1').pool.datasets.values()].find(
    ({ snapshots }) => origin !== null && snapshots.includes(origin),
  )
  return owner === undefined || origin === null ? null : `${owner.name}@${origin.name}`
}
const guidsOnDisk = (machine: Machine): readonly bigint[] =>
  [...machine.disk('offsite-1').pool.datasets.values()].flatMap(({ snapshots }) =>
    snapshots.map(({ guid }) => guid),
  )

/** tank/home/ann@before, and tank/a of it with something written: its name sorts before its origin's. */
function cloneMachine(): Machine {
  const machine = homeMachine()
  addSnapshot(machine.state, datasetOf(machine, 'tank/home/ann'), 'before')
  machine.write('tank/home/ann', 100)
  addClone(machine.state, 'tank/home/ann@before', 'tank/a')
  machine.write('tank/a', 7)
  return machine
}
const all = [...sources, 'tank/a']

async function complete(machine: Machine): Promise<void> {
  machine.told.length = 0
  expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
}

describe('a clone is sent as one', () => {
  test('at the first visit, after its origin, which travels whatever keep.disk says', async () => {
    const machine = cloneMachine()
    machine.keep = { disk: { ...none, last: 1 }, source: none }
    await complete(machine)
    expect(how(machine)).toMatchObject({ 'tank/home/ann': 'incremental', 'tank/a': 'clone' })
    expect(originOnDisk(machine, 'tank/a')).toBe('offsite-1/nas/tank/home/ann@before')
    expect(notes(machine)).toEqual([])
    expectBackedUp(machine, 'offsite-1', all)
    expectTidy(machine, 'offsite-1', all)
  })

  test('its origin is on the disk from before', async () => {
    const machine = homeMachine()
    await complete(machine)
    const [newest = ''] = snapshotsOf(machine, 'tank/home')
    addClone(machine.state, `tank/home@${newest}`, 'tank/a')
    await complete(machine)
    expect(how(machine)).toEqual({ 'tank/a': 'clone' })
    expect(originOnDisk(machine, 'tank/a')).toBe(`offsite-1/nas/tank/home@${newest}`)
  })

  test('its origin is newer than the base, though nothing was written before it: the origin travels', async () => {
    const machine = homeMachine()
    await complete(machine)
    addSnapshot(machine.state, datasetOf(machine, 'tank/home'), 'before')
    addClone(machine.state, 'tank/home@before', 'tank/a')
    await complete(machine)
    expect(how(machine)).toMatchObject({ 'tank/a': 'clone' })
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/home')).toContain('before')
  })

  test("its origin is not walkaway's own, and only those are wanted: the origin travels", async () => {
    const machine = cloneMachine()
    const config = machine.config({ backup: { ...machine.config().backup, snapshots: 'own' } })
    await visitOf(machine, 'offsite-1', { config })
    expect(how(machine)).toMatchObject({ 'tank/a': 'clone' })
  })

  test('only what was written in it is estimated and sent', async () => {
    const machine = cloneMachine()
    await complete(machine)
    const sent = machine.told.find((event) => event.kind === 'dataset-sent' && event.dataset === 'tank/a')
    expect(sent).toMatchObject({ sentBytes: 7 })
    expect(machine.told).toContainEqual(expect.objectContaining({ kind: 'plan-made', estimatedBytes: 3107 }))
  })

  test('a clone of a clone, with snapshots of its own', async () => {
    const machine = cloneMachine()
    for (const name of ['one', 'two']) {
      machine.write('tank/a', 1)
      addSnapshot(machine.state, datasetOf(machine, 'tank/a'), name)
    }
    addClone(machine.state, 'tank/a@one', 'tank/0')
    await complete(machine)
    expect(how(machine)).toMatchObject({ 'tank/0': 'clone' })
    expect(originOnDisk(machine, 'tank/0')).toBe('offsite-1/nas/tank/a@one')
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/a').slice(0, 2)).toEqual(['one', 'two'])
    expectBackedUp(machine, 'offsite-1', [...all, 'tank/0'])
    machine.write('tank/0', 5)
    await complete(machine)
    expect(how(machine)).toEqual({ 'tank/0': 'incremental' })
  })

  test('encrypted: raw, with its origin', async () => {
    const machine = homeMachine()
    addDataset(machine.state, 'tank/secret', { encrypted: true })
    addSnapshot(machine.state, datasetOf(machine, 'tank/secret'), 'before')
    addClone(machine.state, 'tank/secret@before', 'tank/a')
    await complete(machine)
    expect(how(machine)).toMatchObject({ 'tank/a': 'clone' })
    expect(datasetOf(machine, 'offsite-1/nas/tank/a').encrypted).toBe(true)
  })

  test('interrupted, and resumed as a clone', async () => {
    const machine = cloneMachine()
    await interruptAt(machine, 'offsite-1/nas/tank/a')
    expect(datasetOf(machine, 'offsite-1/nas/tank/a').partial).not.toBeNull()
    machine.write('tank/a', 3)
    machine.told.length = 0
    await complete(machine)
    const sent = machine.told.flatMap((event) =>
      event.kind === 'dataset-sent' && event.dataset === 'tank/a' ? [event.how] : [],
    )
    expect(sent).toEqual(['resumed', 'incremental'])
    expect(originOnDisk(machine, 'tank/a')).toBe('offsite-1/nas/tank/home/ann@before')
    expectBackedUp(machine, 'offsite-1', all)
  })
})

describe('a clone is sent in full, and it is said why', () => {
  test('its origin is not among what is backed up', async () => {
    const machine = cloneMachine()
    const config = machine.config({
      sources: [{ dataset: datasetName('tank'), place: 'tank', exclude: ['tank/home'] }],
    })
    await visitOf(machine, 'offsite-1', { config })
    expect(how(machine)).toMatchObject({ 'tank/a': 'not-backed-up' })
    expect(notes(machine)).toEqual([
      'the clone tank/a is sent in full: its origin tank/home/ann@before is not among what is backed up',
    ])
    expect(originOnDisk(machine, 'tank/a')).toBeNull()
  })

  test('its origin was given up on the disk before', async () => {
    const machine = homeMachine()
    addSnapshot(machine.state, datasetOf(machine, 'tank/home'), 'before')
    machine.keep = { disk: { ...none, last: 1 }, source: none }
    await complete(machine)
    addClone(machine.state, 'tank/home@before', 'tank/a')
    await complete(machine)
    expect(how(machine)).toMatchObject({ 'tank/a': 'not-on-disk' })
    expectBackedUp(machine, 'offsite-1', all)
  })

  test('its origin lies below it', async () => {
    const machine = homeMachine()
    addSnapshot(machine.state, datasetOf(machine, 'tank/home'), 'before')
    addClone(machine.state, 'tank/home@before', 'tank/a')
    await machine.zfs.rename({
      from: datasetName('tank/home'),
      to: datasetName('tank/a/b'),
      type: 'filesystem',
    })
    await complete(machine)
    expect(how(machine)).toMatchObject({ 'tank/a': 'comes-later' })
  })

  test('its origin was below what is to come below it: both would wait for each other', async () => {
    const machine = homeMachine()
    await complete(machine)
    const rename = (from: string, to: string) =>
      machine.zfs.rename({ from: datasetName(from), to: datasetName(to), type: 'filesystem' })
    await rename('tank/home/ann', 'tank/zoe')
    const [newest = ''] = snapshotsOf(machine, 'tank/zoe')
    addClone(machine.state, `tank/zoe@${newest}`, 'tank/b')
    await rename('tank/home', 'tank/b/home')
    await complete(machine)
    expect(how(machine)).toEqual({ 'tank/b': 'comes-later' })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/b', 'tank/b/home', 'tank/zoe'])
  })

  test('its origin could not be sent: it does not suffer from that', async () => {
    const machine = cloneMachine()
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'offsite-1/nas/tank/home/ann')
          throw new Error('out of luck')
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home/ann'])
    expect(how(machine)).toMatchObject({ 'tank/a': 'not-on-disk' })
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home', 'tank/a'])
  })
})

describe('pruning leaves the origin of a clone', () => {
  test('on the disk and on the source, and tries nothing', async () => {
    const machine = cloneMachine()
    machine.keep = { disk: { ...none, last: 1 }, source: { ...none, last: 1 } }
    for (let visit = 0; visit < 3; visit++) {
      for (const source of all) machine.write(source, 10)
      await complete(machine)
      expect(machine.told).not.toContainEqual(
        expect.objectContaining({ kind: 'pruned', left: expect.arrayContaining([expect.anything()]) }),
      )
    }
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/home/ann')).toHaveLength(2)
    expect(snapshotsOf(machine, 'offsite-1/nas/tank/home/ann')).toContain('before')
    expect(originOnDisk(machine, 'tank/a')).toBe('offsite-1/nas/tank/home/ann@before')
    expectBackedUp(machine, 'offsite-1', all)
  })

  test('also of one that failed, so that it can still be sent as a clone', async () => {
    const machine = cloneMachine()
    machine.keep = { disk: { ...none, last: 1 }, source: none }
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'offsite-1/nas/tank/a')
          throw failed('io-error', 'I/O error')
      },
    }
    expect((await visitOf(machine, 'offsite-1')).report.outcome).toBe('partial')
    machine.state.interference = {}
    await complete(machine)
    expect(how(machine)).toEqual({ 'tank/a': 'clone' })
  })
})

describe('promoted', () => {
  test('on the source between visits: both go on with increments', async () => {
    const machine = cloneMachine()
    await complete(machine)
    promote(machine.state, 'tank/a')
    for (const source of all) machine.write(source, 10)
    const before = guidsOnDisk(machine)
    await complete(machine)
    expect(how(machine)).toMatchObject({ 'tank/home/ann': 'incremental', 'tank/a': 'incremental' })
    expect(guidsOnDisk(machine)).toEqual(expect.arrayContaining([...before]))
    expectBackedUp(machine, 'offsite-1', all)
    expectTidy(machine, 'offsite-1', all)
  })

  async function promotedAtTheState(): Promise<Machine> {
    const machine = homeMachine()
    await complete(machine)
    const [newest = ''] = snapshotsOf(machine, 'tank/home')
    addClone(machine.state, `tank/home@${newest}`, 'tank/a')
    machine.write('tank/a', 7)
    await complete(machine)
    promote(machine.state, 'tank/a')
    for (const source of all) machine.write(source, 10)
    return machine
  }

  test('on the source, with the very snapshot that the disk has newest: a conflict that says whose the base is now; promoted again it goes on', async () => {
    const machine = await promotedAtTheState()
    expect(datasetOf(machine, 'tank/home').origin).not.toBeNull()
    const before = guidsOnDisk(machine)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home'])
    expect(report.failures[0]?.reason).toMatch(
      /belongs to tank\/a by now: it was promoted .*; nothing was changed: zfs promote tank\/home on the source/,
    )
    expect(guidsOnDisk(machine)).toEqual(expect.arrayContaining([...before]))
    promote(machine.state, 'tank/home')
    await complete(machine)
    expectBackedUp(machine, 'offsite-1', all)
  })

  test('by hand on the disk: a conflict that says where the snapshots went; promoted back it goes on', async () => {
    const machine = homeMachine()
    await complete(machine)
    const [newest = ''] = snapshotsOf(machine, 'tank/home')
    addClone(machine.state, `tank/home@${newest}`, 'tank/a')
    await complete(machine)
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: null }
    promote(machine.state, 'offsite-1/nas/tank/a')
    pool.imported = null
    const before = guidsOnDisk(machine)
    machine.write('tank/home', 10)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures).toEqual([
      {
        dataset: 'tank/home',
        reason: expect.stringMatching(
          /they went to offsite-1\/nas\/tank\/a, .*; nothing was changed: zfs promote offsite-1\/nas\/tank\/home on the disk/,
        ),
      },
    ])
    expect(guidsOnDisk(machine)).toEqual(expect.arrayContaining([...before]))
    pool.imported = { altroot: null }
    promote(machine.state, 'offsite-1/nas/tank/home')
    pool.imported = null
    await complete(machine)
    expectBackedUp(machine, 'offsite-1', all)
  })

  test('the old dataset was replaced by its clone (promoted, destroyed, renamed): followed, nothing sent again', async () => {
    const machine = homeMachine()
    await complete(machine)
    const [newest = ''] = snapshotsOf(machine, 'tank/home/ann')
    addClone(machine.state, `tank/home/ann@${newest}`, 'tank/new')
    promote(machine.state, 'tank/new')
    machine.state.pools.get('tank')?.datasets.delete('tank/home/ann')
    machine.write('tank/new', 10)
    await complete(machine)
    expect(how(machine)).toEqual({ 'tank/new': 'incremental' })
  })
})

test('a backup that is a clone on the disk is restored whole', async () => {
  const machine = cloneMachine()
  await complete(machine)
  newPool(machine)
  expect(await restoreOn(machine, { dataset: 'tank/a', to: 'new/a' })).toMatchObject({ code: 0 })
  const back = datasetOf(machine, 'new/a')
  expect(back.snapshots.at(-1)?.content).toEqual(datasetOf(machine, 'tank/a').content)
  expect(back.origin).toBeNull()
})
