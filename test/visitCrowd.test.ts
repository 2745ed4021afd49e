// A disk with thousands of datasets that are none of ours: the visit is as it is without them, and takes no longer to speak of.
// On real ZFS, with 200: test/vm/long/hostile.test.ts.
import { expect, test } from 'vitest'
import { expectBackedUp, homeMachine, sources, visitOf } from './fakes/visits.ts'
import { addDataset } from './fakes/zfsState.ts'

const crowd = 8000

test('8,000 datasets of a stranger on the disk: the backup is complete, and nothing is said or done about them', async () => {
  const machine = homeMachine()
  await visitOf(machine, 'offsite-1')
  const { pool } = machine.disk('offsite-1')
  const name = (number: number): string => `offsite-1/-o mountpoint ${number}`
  pool.imported = { altroot: null }
  for (let number = 0; number < crowd; number++) addDataset(machine.state, name(number))
  await machine.pools.exportPool(pool.name, async () => true)
  machine.told.length = 0
  machine.state.calls.length = 0
  const begunMs = performance.now()
  const result = await visitOf(machine, 'offsite-1')
  expect(performance.now() - begunMs).toBeLessThan(60_000)
  expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete', failures: [] } })
  expectBackedUp(machine, 'offsite-1', sources)
  expect(machine.told.length).toBeLessThan(20)
  expect(JSON.stringify(machine.told)).not.toContain('-o mountpoint')
  expect(machine.state.calls.length).toBeLessThan(60)
  for (const number of [0, crowd - 1]) expect(pool.datasets.has(name(number))).toBe(true)
}, 120_000)
