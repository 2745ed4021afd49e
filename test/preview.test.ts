// What is previewed is what the next visit does: the same datasets, snapshots and prunings, for random histories. And a look
// changes nothing.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { datasetName } from '../src/core/model.ts'
import { preview } from '../src/preview.ts'
import { type Machine, none } from './fakes/machine.ts'
import { datasetOf, homeMachine, interruptAt, snapshotsOf, sources, visitOf } from './fakes/visits.ts'
import { addClone, addDataset, addSnapshot } from './fakes/zfsState.ts'

const aMinute = 60_000

/** As `visitOf` would begin a minute later; the disk is imported as somebody would by hand, or away. */
async function previewOf(machine: Machine, { away = false }: { readonly away?: boolean } = {}) {
  const { disk, pool } = machine.disk('offsite-1')
  if (!away) pool.imported = { altroot: null }
  const before = everything(machine)
  const calls = machine.state.calls.length
  const now = () => new Date(machine.now.getTime() + aMinute)
  const found = await preview(
    { disk, config: machine.config(), pool: away ? null : pool.name },
    { ...machine.deps, now },
  )
  const reading =
    /^(zfs\.(observe|properties|propertiesBelow|writtenSince|eventsSince|holds)|transfer\.readToken|pools\.(usage|availableBytes))$/
  for (const { verb } of machine.state.calls.slice(calls)) expect(verb).toMatch(reading)
  expect(everything(machine)).toBe(before)
  pool.imported = null
  return found
}
const everything = (machine: Machine): string =>
  JSON.stringify(
    [...machine.state.pools.values()].map(({ datasets, ...pool }) => [pool, [...datasets]]),
    (_, value) =>
      typeof value === 'bigint'
        ? `${value}`
        : value instanceof Set || value instanceof Map
          ? [...value]
          : (value as unknown),
  )

/** Snapshots are taken at the machine's time, by which they are judged. */
function clockedMachine(): Machine {
  const machine = homeMachine()
  machine.state.now = () => machine.now
  return machine
}

const sentIn = (machine: Machine): readonly string[] =>
  [...new Set(machine.told.flatMap((event) => (event.kind === 'dataset-sent' ? [event.dataset] : [])))].sort()

const happenings = [
  'write',
  'write',
  'snapshot',
  'snapshot',
  'forget',
  'forget-all',
  'diverge',
  'hold',
  'create',
  'visit',
] as const
const happening = fc.record({
  kind: fc.constantFrom(...happenings),
  name: fc.constantFrom(...sources, 'tank/new'),
  at: fc.nat({ max: 7 }),
  hours: fc.nat({ max: 40 }),
})
const count = fc.constantFrom(0, 0, 1, 2, 5)
const policy = fc.record({
  last: count,
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
})

const onlyTheLast = { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 } as const
/** A snapshot is sent, another one pruned, a copy that diverged fails: each of them is always among the histories. */
const everyKind = {
  history: (
    [
      ['write', 'tank/home'],
      ['visit', 'tank/home'],
      ['write', 'tank/home'],
      ['visit', 'tank/home'],
      ['write', 'tank/home'],
      ['diverge', 'tank/home/ann'],
    ] as const
  ).map(([kind, name]) => ({ kind, name, at: 0, hours: 30 })),
  disk: onlyTheLast,
  source: onlyTheLast,
}

type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never

async function happen(machine: Machine, { kind, name, at, hours }: Happening): Promise<void> {
  machine.now = new Date(machine.now.getTime() + hours * 3_600_000)
  const exists = machine.state.pools.get('tank')?.datasets.has(name) === true
  if (kind === 'visit') await visitOf(machine, 'offsite-1')
  else if (kind === 'create') {
    if (!exists) addDataset(machine.state, name)
  } else if (exists) {
    const source = datasetOf(machine, name)
    const one = source.snapshots[at % Math.max(1, source.snapshots.length)]
    if (kind === 'write') machine.write(name, at + 1)
    if (kind === 'snapshot') addSnapshot(machine.state, source, `by-hand-${machine.state.nextId()}`)
    if (kind === 'hold') one?.tags.add('mine')
    if (kind === 'forget' && one?.tags.size === 0)
      source.snapshots = source.snapshots.filter((snapshot) => snapshot !== one)
    if (kind === 'forget-all') source.snapshots = source.snapshots.filter(({ tags }) => tags.size > 0)
    const { datasets } = machine.disk('offsite-1').pool
    const copy = datasets.get(`offsite-1/nas/${name}`)
    if (kind === 'diverge' && copy !== undefined && at === 0) {
      machine.disk('offsite-1').pool.imported = { altroot: null }
      addSnapshot(machine.state, copy, `of the disk ${machine.state.nextId()}`)
      machine.disk('offsite-1').pool.imported = null
    }
  }
}

describe('what is previewed is what the next visit does', () => {
  test('whatever happened before', async () => {
    const seen = { sent: 0, gone: 0, failed: 0 }
    const random = fc.record({
      history: fc.array(happening, { maxLength: 20 }),
      disk: policy,
      source: policy,
    })
    await fc.assert(
      fc.asyncProperty(random, async ({ history, ...keep }) => {
        const machine = clockedMachine()
        machine.keep = keep
        for (const each of history) await happen(machine, each)
        const foreseen = await previewOf(machine)
        machine.told.length = 0
        const { report } = await visitOf(machine, 'offsite-1')

        const acting = (action: string) =>
          foreseen.datasets.flatMap((each) => (each.action === action ? [each.dataset] : [])).sort()
        expect(acting('send')).toEqual(sentIn(machine))
        expect(acting('fails')).toEqual(report.failures.map(({ dataset }) => dataset).sort())
        for (const { dataset, target, onDisk, onSource } of foreseen.datasets) {
          const staying = (all: typeof onDisk) =>
            (all ?? []).flatMap(({ name, keep: stays }) => (stays ? [name] : []))
          if (acting('fails').includes(dataset)) continue
          expect(staying(onDisk), target).toEqual(snapshotsOf(machine, target))
          expect(staying(onSource), dataset).toEqual(snapshotsOf(machine, dataset))
        }
        seen.sent += sentIn(machine).length
        seen.failed += report.failures.length
        seen.gone += foreseen.datasets
          .flatMap(({ onDisk }) => onDisk ?? [])
          .filter(({ keep: stays }) => !stays).length
      }),
      { numRuns: 150, examples: [[everyKind]] },
    )
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(0)
  }, 120_000)

  test('holds for a disk that does not come back are named, with what lets go of them', async () => {
    const machine = clockedMachine()
    const other = machine.addDisk('offsite-2').pool
    await visitOf(machine, 'offsite-1')
    datasetOf(machine, 'tank').snapshots[0]?.tags.add(`walkaway:${other.guid}`).add('mine')
    datasetOf(machine, 'tank/home').snapshots[0]?.tags.add('walkaway:12345')
    const { notes, unknown } = await previewOf(machine)
    const [name] = snapshotsOf(machine, 'tank')
    expect(unknown).toEqual([])
    expect(notes).toEqual([
      expect.stringMatching(`^held for offsite-2 .*: tank@${name}; .*zfs release walkaway:${other.guid} `),
      expect.stringMatching(`not configured \\(12345\\).*: tank/home@${name}; `),
    ])
  })

  test('a stream that was broken off: resumed, then on to the newest', async () => {
    const machine = clockedMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home', 500)
    await interruptAt(machine, 'offsite-1/nas/tank/home')
    machine.write('tank/home', 70)
    const { datasets, unknown } = await previewOf(machine)
    const home = datasets.find(({ dataset }) => dataset === 'tank/home')
    expect(home).toMatchObject({ action: 'send', why: expect.stringContaining('was broken off and goes on') })
    expect(home?.steps.map(({ kind }) => kind)).toEqual(['resume', 'incremental'])
    expect(unknown).toEqual([expect.stringContaining('holds')])
    machine.told.length = 0
    await visitOf(machine, 'offsite-1')
    const how = machine.told.flatMap((event) => (event.kind === 'dataset-sent' ? [event.how] : []))
    expect(how).toEqual(['resumed', 'incremental'])
  })

  test('a copy whose dataset is gone is mentioned, one that was renamed is followed', async () => {
    const machine = clockedMachine()
    await visitOf(machine, 'offsite-1')
    machine.state.pools.get('tank')?.datasets.delete('tank/home/ann')
    await machine.zfs.rename({
      from: datasetName('tank/home'),
      to: datasetName('tank/people'),
      type: 'filesystem',
    })
    const { notes, orphans } = await previewOf(machine)
    expect(orphans).toEqual(['offsite-1/nas/tank/people/ann'])
    expect(notes).toEqual([
      'tank/people is the renamed offsite-1/nas/tank/home',
      'not on the source any more, kept: offsite-1/nas/tank/people/ann',
    ])
  })

  test('what does not fit fails; what makes room goes first', async () => {
    const machine = clockedMachine()
    for (let visit = 0; visit < 3; visit++) {
      datasetOf(machine, 'tank/home').content = []
      machine.write('tank/home', 1_000_000)
      await visitOf(machine, 'offsite-1')
    }
    machine.keep = { disk: { ...none, last: 1 }, source: none }
    machine.disk('offsite-1').pool.availableBytes = 200_000n
    machine.write('tank/home', 900_000)
    machine.write('tank', 90_000_000)
    const { datasets } = await previewOf(machine)
    expect(datasets.find(({ dataset }) => dataset === 'tank')).toMatchObject({
      action: 'fails',
      why: expect.stringMatching(/it does not fit on the disk/),
    })
    const home = datasets.find(({ dataset }) => dataset === 'tank/home')
    expect(home?.onDisk?.map(({ keep, because }) => [keep, because[0]])).toEqual([
      [false, 'makes room before anything is sent'],
      [false, 'makes room before anything is sent'],
      [false, 'no rule of keep.disk keeps it'],
      [true, 'last'],
    ])
  })
})

describe('a disk that is away', () => {
  test('what is sent is known by its bookmarks, also when the snapshots are gone; what is on it is not', async () => {
    const machine = clockedMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home', 50)
    addDataset(machine.state, 'tank/new')
    machine.write('tank/new', 700)
    for (const source of sources) datasetOf(machine, source).snapshots = []
    machine.unplug('offsite-1')
    const { knownFrom, unknown, datasets } = await previewOf(machine, { away: true })
    expect(knownFrom).toBe('bookmarks')
    expect(unknown.length).toBeGreaterThan(0)
    expect(
      datasets.map(({ dataset, action, estimatedBytes, onDisk }) => [
        dataset,
        action,
        estimatedBytes,
        onDisk,
      ]),
    ).toEqual([
      ['tank', 'nothing', 0, null],
      ['tank/home', 'send', 50, null],
      ['tank/home/ann', 'nothing', 0, null],
      ['tank/new', 'send', 700, null],
    ])
    machine.plugIn('offsite-1')
    machine.told.length = 0
    await visitOf(machine, 'offsite-1')
    expect(sentIn(machine)).toEqual(['tank/home', 'tank/new'])
  })

  test('a visit that was broken off: from what was read back last, and it says that there may be more', async () => {
    const machine = clockedMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home', 50)
    await interruptAt(machine, 'offsite-1/nas/tank/home')
    const { unknown, datasets } = await previewOf(machine, { away: true })
    expect(unknown).toContainEqual(expect.stringContaining('broken off has sent'))
    expect(datasets.find(({ dataset }) => dataset === 'tank/home')).toMatchObject({
      action: 'send',
      estimatedBytes: 50,
    })
  })

  test("another disk's bookmarks say nothing about it", async () => {
    const machine = clockedMachine()
    machine.addDisk('offsite-2')
    await visitOf(machine, 'offsite-2')
    const { datasets } = await previewOf(machine, { away: true })
    expect(datasets.map(({ steps }) => steps[0]?.kind)).toEqual(['full', 'full', 'full'])
  })
})

test('a source that is not there, or a name that is too long, is told and keeps no other from being planned', async () => {
  const machine = clockedMachine()
  addDataset(machine.state, `tank/${'x'.repeat(240)}`)
  const config = machine.config({
    sources: [
      { dataset: datasetName('tank'), place: 'tank', exclude: [] },
      { dataset: datasetName('gone'), place: 'gone', exclude: [] },
    ],
  })
  const { disk, pool } = machine.disk('offsite-1')
  pool.imported = { altroot: null }
  const { failures, datasets } = await preview({ disk, config, pool: pool.name }, machine.deps)
  expect(failures.map(({ dataset }) => dataset)).toEqual(['gone', `tank/${'x'.repeat(240)}`])
  expect(datasets).toHaveLength(3)
})

test('a clone: from its origin, as the visit then does it', async () => {
  const machine = clockedMachine()
  addSnapshot(machine.state, datasetOf(machine, 'tank/home'), 'before')
  addClone(machine.state, 'tank/home@before', 'tank/a')
  const { datasets } = await previewOf(machine)
  const found = datasets.find(({ dataset }) => dataset === 'tank/a')
  expect(found?.steps[0]).toMatchObject({ kind: 'incremental', from: 'tank/home@before' })
  expect(found?.why).toBe('it is a clone of tank/home@before, which the disk has by then')
  await visitOf(machine, 'offsite-1')
  expect(machine.told).toContainEqual(
    expect.objectContaining({ kind: 'dataset-sent', dataset: 'tank/a', how: 'clone' }),
  )
})
