// What a visit costs: it grows with what changed, not with the number of datasets (SPEC G12), and a dataset in which
// nothing was written is covered all the same.
import { describe, expect, test } from 'vitest'
import type { Machine } from './fakes/machine.ts'
import { datasetOf, expectBackedUp, expectTidy, homeMachine, sources, visitOf } from './fakes/visits.ts'
import { addDataset, failed } from './fakes/zfsState.ts'

function machineOf(datasets: number): { readonly machine: Machine; readonly names: readonly string[] } {
  const machine = homeMachine()
  const more = Array.from({ length: datasets - sources.length }, (_, i) => `tank/more ${i}`)
  for (const name of more) {
    addDataset(machine.state, name)
    machine.write(name, 100)
  }
  return { machine, names: [...sources, ...more] }
}

/** One visit; returns which verbs of ZFS it used. Each is one process for a pool unless it is told otherwise. */
async function verbsOfVisit(machine: Machine): Promise<readonly string[]> {
  machine.state.calls.length = 0
  const result = await visitOf(machine, 'offsite-1')
  expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete', failures: [] } })
  return machine.state.calls.map(({ verb }) => verb).filter((verb) => !verb.startsWith('block.'))
}

const pruneSource = (machine: Machine, names: readonly string[]): void => {
  for (const name of names) datasetOf(machine, name).snapshots = []
}
const aboutBookmarks = (machine: Machine): readonly string[] =>
  machine.state.calls.flatMap(({ verb, about }) => (verb === 'zfs.destroyBookmarks' ? [about] : []))

describe('a visit in which nothing changed', () => {
  test.each([
    ['with the snapshots of before', () => undefined],
    ['with bookmarks only', pruneSource],
  ] as const)('uses as many processes for 60 datasets as for 3: %s', async (_, meanwhile) => {
    const seen: (readonly string[])[] = []
    for (const datasets of [3, 60]) {
      const { machine, names } = machineOf(datasets)
      await visitOf(machine, 'offsite-1')
      meanwhile(machine, names)
      const before = names.map((name) => [...datasetOf(machine, name).bookmarks])
      machine.told.length = 0
      seen.push(await verbsOfVisit(machine))
      expect(aboutBookmarks(machine)).toEqual([''])
      expect(names.map((name) => datasetOf(machine, name).bookmarks)).toEqual(before)
      expect(machine.told).toContainEqual(
        expect.objectContaining({ kind: 'plan-made', toSend: 0, upToDate: datasets }),
      )
      expectBackedUp(machine, 'offsite-1', names)
      expectTidy(machine, 'offsite-1', names)
    }
    expect(seen[1]).toEqual(seen[0])
    expect(seen[0]).not.toContain('transfer.transfer')
    expect(seen[0]?.length).toBeLessThan(23)
    // With all their snapshots the sources are listed once, and the disk once.
    expect(seen[0]?.filter((verb) => /^zfs\.(observe|propertiesBelow)$/.test(verb))).toHaveLength(2)
  })

  test('counts every dataset as unchanged, visit after visit, on every disk', async () => {
    const { machine, names } = machineOf(5)
    machine.addDisk('offsite-2')
    for (const disk of ['offsite-1', 'offsite-2']) await visitOf(machine, disk)
    for (let round = 0; round < 4; round++)
      for (const disk of ['offsite-1', 'offsite-2']) {
        if (round === 2) pruneSource(machine, names)
        const { report } = await visitOf(machine, disk)
        expect(report).toMatchObject({
          outcome: 'complete',
          sentBytes: 0,
          datasets: { total: 5, sent: 0, unchanged: 5, failed: 0 },
        })
        expectBackedUp(machine, disk, names)
        expectTidy(machine, disk, names)
      }
    for (const name of names) expect(datasetOf(machine, `offsite-1/nas/${name}`).snapshots).toHaveLength(1)
  })
})

describe('a dataset in which something was written', () => {
  test('costs its stream and its old bookmark, and nothing for the others', async () => {
    const seen: number[] = []
    for (const changed of [1, 20]) {
      const { machine, names } = machineOf(40)
      await visitOf(machine, 'offsite-1')
      for (const name of names.slice(0, changed)) machine.write(name, 10)
      const verbs = await verbsOfVisit(machine)
      expect(verbs.filter((verb) => verb === 'transfer.transfer')).toHaveLength(changed)
      expect(aboutBookmarks(machine).join(' ').match(/#/g)).toHaveLength(changed)
      seen.push(verbs.length - changed)
      expectBackedUp(machine, 'offsite-1', names)
      expectTidy(machine, 'offsite-1', names)
    }
    expect(seen[1]).toBe(seen[0])
  })

  test('after many visits without: goes on from the bookmark of then, with the snapshots since', async () => {
    const { machine, names } = machineOf(3)
    for (let round = 0; round < 3; round++) await visitOf(machine, 'offsite-1')
    pruneSource(machine, names)
    await visitOf(machine, 'offsite-1')
    machine.write('tank', 10)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ sentBytes: 10, datasets: { sent: 1, unchanged: 2 } })
    expectBackedUp(machine, 'offsite-1', names)
    expectTidy(machine, 'offsite-1', names)
  })

  test('and rolled back to what the disk has: nothing is sent', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank', 10)
    const tank = datasetOf(machine, 'tank')
    tank.content = tank.snapshots.at(-1)?.content ?? []
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { datasets: { unchanged: 3 } } })
    expectBackedUp(machine, 'offsite-1')
  })
})

describe('what only looks unchanged', () => {
  test('a dataset that was destroyed and made again is a conflict, and the others go on', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.state.pools.get('tank')?.datasets.delete('tank/home/ann')
    addDataset(machine.state, 'tank/home/ann')
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({
      outcome: 'partial',
      datasets: { unchanged: 2, failed: 1 },
      failures: [{ dataset: 'tank/home/ann' }],
    })
  })

  test('a bookmark of which ZFS cannot tell: its dataset is sent', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    pruneSource(machine, sources)
    machine.deps.zfs.writtenSince = async () => new Map()
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { datasets: { sent: 3 } } })
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })

  test('a state that cannot be read back from the disk does not count', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'pools.sync') datasetOf(machine, 'offsite-1/nas/tank/home').snapshots = []
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({
      outcome: 'partial',
      datasets: { unchanged: 2 },
      failures: [{ dataset: 'tank/home' }],
    })
  })

  test('a copy that is gone when it is read back does not count, sent or not', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank/home', 10)
    machine.state.interference = {
      before: ({ verb }) => {
        const { datasets } = machine.disk('offsite-1').pool
        if (verb === 'pools.sync')
          for (const name of ['tank/home', 'tank/home/ann']) datasets.delete(`offsite-1/nas/${name}`)
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home', 'tank/home/ann'])
    machine.state.interference = {}
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expectBackedUp(machine, 'offsite-1')
  })
})

describe('the bookmark that an unchanged dataset needs', () => {
  test('is made when the visit that sent its base did not come so far, or somebody destroyed it', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    for (const name of sources) datasetOf(machine, name).bookmarks = []
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { datasets: { unchanged: 3 } } })
    expectTidy(machine, 'offsite-1')
  })

  test('bookmark name exists with other GUID: another name is taken', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const tank = datasetOf(machine, 'tank')
    tank.bookmarks = tank.bookmarks.map((bookmark) => ({ ...bookmark, guid: 5n }))
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(tank.bookmarks.map(({ name }) => name)).toEqual([expect.stringMatching(/_2$/)])
    expectTidy(machine, 'offsite-1')
  })

  test('that cannot be made fails its dataset only, and nothing of it is sent', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.bookmarkAll') datasetOf(machine, 'tank/home').snapshots = []
      },
    }
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home', 'tank/home/ann'])
  })

  test('of all datasets cannot be made: nothing is sent without them', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.bookmarkAll') throw failed('permission', 'permission denied')
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'failed' } })
    expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('transfer.transfer')
  })
})
