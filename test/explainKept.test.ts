// When a disk that explains itself is explained anew: whatever the explanation is made of has changed, or an earlier visit broke
// off. Where nothing has, it is not read (explain.test.ts).
import { expect, test } from 'vitest'
import { mark } from '../src/core/marks.ts'
import { datasetName } from '../src/core/model.ts'
import { EndVisit } from '../src/endVisit.ts'
import type { Machine } from './fakes/machine.ts'
import { datasetOf, homeMachine, snapshotsOf, visitOf } from './fakes/visits.ts'
import { addSnapshot, failed, requireDataset } from './fakes/zfsState.ts'

const said = (machine: Machine, dataset: string, name: string): string | undefined =>
  datasetOf(machine, dataset).properties.get(name)?.value
const home = 'offsite-1/nas/tank/home'

/** Takes the snapshot of its state away, right before that gets its bookmark; a bookmark of somebody else's keeps the base. */
function loseState(machine: Machine, name: string): void {
  const dataset = datasetOf(machine, name)
  dataset.bookmarks = []
  let done = false
  machine.state.interference = {
    before: ({ verb }) => {
      const [base] = dataset.snapshots
      if (done || verb !== 'zfs.bookmarkAll' || base === undefined) return
      done = true
      const { guid, createtxg, creation } = base
      dataset.bookmarks.push({ name: 'mine', guid, createtxg, creation })
      dataset.snapshots = dataset.snapshots.slice(1)
    },
  }
}

test('a dataset that is sent only because its state vanished keeps its limits', async () => {
  const machine = homeMachine()
  datasetOf(machine, 'tank/home').properties.set('quota', { value: '4096', source: 'local' })
  await visitOf(machine, 'offsite-1')
  loseState(machine, 'tank/home')
  const { report } = await visitOf(machine, 'offsite-1')
  expect(report).toMatchObject({ outcome: 'complete', datasets: { sent: 1 } })
  expect(said(machine, home, mark.limits)).toBe('quota=4096')
})

test('a source with another name and the same place: the copy says whose it is now', async () => {
  const machine = homeMachine()
  const placed = (name: string) =>
    machine.config({ sources: [{ dataset: datasetName(name), place: 'data', exclude: [] }] })
  await visitOf(machine, 'offsite-1', { config: placed('tank/home') })
  await machine.zfs.rename({
    from: datasetName('tank/home'),
    to: datasetName('tank/users'),
    type: 'filesystem',
  })
  const { report } = await visitOf(machine, 'offsite-1', { config: placed('tank/users') })
  expect(report).toMatchObject({ outcome: 'complete', datasets: { sent: 0, unchanged: 2 } })
  expect(said(machine, 'offsite-1/nas/data', mark.source)).toBe('tank/users')
})

test('a snapshot that was renamed on the disk: the commands name it as it is', async () => {
  const machine = homeMachine()
  await visitOf(machine, 'offsite-1')
  const copy = datasetOf(machine, home)
  copy.snapshots = copy.snapshots.map((snapshot) => ({ ...snapshot, name: 'by-hand' }))
  expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
  expect(said(machine, home, mark.state)).toBe('by-hand')
  expect(said(machine, 'offsite-1', mark.restore)).toContain('nas/tank/home@by-hand')
})

test('what was half sent in one visit is explained by the next, which need not send it', async () => {
  const machine = homeMachine()
  const ann = `${home}/ann`
  addSnapshot(machine.state, requireDataset(machine.state, 'tank/home/ann'), 'daily')
  let streams = 0
  machine.state.interference = {
    before: ({ verb, about }) => {
      if (verb === 'transfer.transfer' && about === ann && ++streams > 1)
        throw failed('io-error', 'I/O error')
    },
  }
  expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'partial' } })
  expect(snapshotsOf(machine, ann)).toEqual(['daily'])
  machine.state.interference = {}
  expect(await visitOf(machine, 'offsite-1')).toMatchObject({
    report: { outcome: 'complete', datasets: { sent: 0, unchanged: 3 } },
  })
  expect(said(machine, ann, mark.state)).toBe('daily')
  expect(said(machine, 'offsite-1', mark.restore)).toContain('nas/tank/home/ann@daily')
})

test('after a visit that failed in the middle nothing is pruned that the commands name', async () => {
  const machine = homeMachine()
  machine.keep = { ...machine.keep, disk: { ...machine.keep.disk, last: 2 } }
  await visitOf(machine, 'offsite-1')
  // With a bookmark for a base the first snapshot travels alone.
  datasetOf(machine, 'tank/home').snapshots = []
  for (const name of ['b1', 'b2']) {
    machine.write('tank/home', 10)
    addSnapshot(machine.state, requireDataset(machine.state, 'tank/home'), name)
  }
  machine.state.interference = {
    after: ({ verb, about }) => {
      if (verb === 'transfer.transfer' && about === home) throw failed('io-error', 'I/O error')
    },
  }
  expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'partial' } })
  machine.state.interference = {}
  machine.keep = { ...machine.keep, disk: { ...machine.keep.disk, last: 1 } }
  await visitOf(machine, 'offsite-1')
  const named = /nas\/tank\/home@(\S+)/.exec(said(machine, 'offsite-1', mark.restore) ?? '')?.[1]
  expect(snapshotsOf(machine, home)).toContain(named)
})

test('told to stop while what the disk says is read: the reader is ended, and the visit with it', async () => {
  const machine = homeMachine()
  await visitOf(machine, 'offsite-1')
  machine.write('tank/home', 100)
  const controller = new AbortController()
  let letGo = (): void => undefined
  const reading = new Promise<void>((resolve) => {
    letGo = resolve
  })
  machine.state.interference = {
    before: async ({ verb, about }) => {
      if (verb === 'zfs.propertiesBelow' && about === 'offsite-1') await reading
      if (verb === 'transfer.transfer') setImmediate(() => controller.abort(new EndVisit('stopping')))
    },
  }
  // It would never end: what it waits for comes only after it.
  expect(await visitOf(machine, 'offsite-1', { signal: controller.signal })).toMatchObject({
    kind: 'stopped',
  })
  letGo()
})

test('a copy that was sent and is gone when it is read back is named no more', async () => {
  const machine = homeMachine()
  await visitOf(machine, 'offsite-1')
  machine.write('tank/home', 10)
  machine.write('tank/home/ann', 10)
  machine.state.interference = {
    before: ({ verb }) => {
      const { datasets } = machine.disk('offsite-1').pool
      if (verb === 'pools.sync') for (const name of [home, `${home}/ann`]) datasets.delete(name)
    },
  }
  expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'partial' } })
  expect(said(machine, 'offsite-1', mark.restore)).toContain('nas/tank@')
  expect(said(machine, 'offsite-1', mark.restore)).not.toContain('nas/tank/home')
})
