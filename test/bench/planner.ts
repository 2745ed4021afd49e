// The planner alone, on this computer, without ZFS: `tsx test/bench/planner.ts`. 1,000 datasets with 1,000 snapshots each.
import type { Dataset, Snapshot } from '../../src/core/model.ts'
import { datasetName, snapshotGuid } from '../../src/core/model.ts'
import { arrange } from '../../src/core/placement.ts'
import { planReplication } from '../../src/core/replication.ts'
import { keptOnDisk } from '../../src/core/retention.ts'
import { createLocalCalendar } from '../../src/linux/localCalendar.ts'
import { print } from './figures.ts'

const DATASETS = 1000
const SNAPSHOTS = 1000
const policy = { last: 3, hourly: 0, daily: 14, weekly: 8, monthly: 24, yearly: 10 }

function makeDataset(name: string, number: number, snapshots: number): Dataset {
  const dataset = datasetName(name)
  const taken = Array.from({ length: snapshots }, (_, at): Snapshot => {
    const creation = new Date(Date.UTC(2026, 0, 1) + at * 3_600_000)
    const stamp = creation.toISOString().replace(/[-:]/g, '').slice(0, 15)
    const guid = snapshotGuid(String(10n ** 18n + BigInt(number * SNAPSHOTS + at)))
    const sizes = { writtenBytes: 4096n, referencedBytes: 1_000_000n, clones: [] }
    return {
      dataset,
      name: `walkaway_${stamp}Z`,
      guid,
      createtxg: BigInt(at + 1),
      creation,
      holds: 0,
      ...sizes,
    }
  })
  const point = {
    type: 'filesystem',
    encrypted: false,
    resumeToken: null,
    origin: null,
    bookmarks: [],
  } as const
  return { name: dataset, guid: String(number), ...point, snapshots: taken }
}

const numbers = Array.from({ length: DATASETS }, (_, number) => number)
const sources = numbers.map((number) => makeDataset(`tank/d${number}`, number, SNAPSHOTS))
for (const [what, onDiskCount] of [
  ['three weeks behind', SNAPSHOTS / 2],
  ['nothing on the disk', 0],
] as const) {
  const onDisk =
    onDiskCount === 0
      ? []
      : numbers.map((number) => makeDataset(`disk/nas/tank/d${number}`, number, onDiskCount))
  const calendar = createLocalCalendar()
  const startedAt = performance.now()
  const { tasks } = arrange({
    tasks: sources.map((source) => ({ source, targetName: datasetName(`disk/nas/${source.name}`) })),
    onDisk,
    sourceOf: (place) => place.replace(/^disk\/nas\//, ''),
    exists: () => true,
    inTheWay: () => null,
    stamp: '20261122T210000Z',
  })
  let steps = 0
  for (const { source, target } of tasks) {
    const goal = source.snapshots.at(-1)
    if (goal === undefined) throw new Error('a dataset without snapshots')
    const plan = planReplication({
      source,
      goal,
      target,
      partial: null,
      carry: 'all',
      keptOnDisk: (candidates) =>
        keptOnDisk({ onDisk: target?.snapshots ?? [], candidates, policy, calendar }),
      poolGuid: '17',
      writtenSinceBase: null,
      goalMustTravel: false,
      origin: null,
      origins: new Set(),
      inherited: [],
    })
    if (plan.kind === 'steps') steps += plan.steps.length
  }
  const seconds = (performance.now() - startedAt) / 1000
  const peakMb = process.resourceUsage().maxRSS / 1024
  print(
    `${DATASETS} datasets with ${SNAPSHOTS} snapshots, ${what}: ${steps} steps planned in ${seconds.toFixed(2)} s, at most ${peakMb.toFixed(0)} MB in all`,
  )
}
