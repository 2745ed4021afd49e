// The contract against the in-memory ZFS. Against the real one: test/vm/long/contract.test.ts.
import { test } from 'vitest'
import { cases, type World } from '../contract.ts'
import { receiveByHand } from '../fakes/replica.ts'
import { createFakeZfs } from '../fakes/zfs.ts'
import {
  addClone,
  addDataset,
  bytesOf,
  destroySnapshot,
  failed,
  findDataset,
  promote,
  remember,
  requireDataset,
  requireSnapshot,
  usablePool,
} from '../fakes/zfsState.ts'

function makeWorld(): World {
  const fake = createFakeZfs()
  const source = fake.addPool('source')
  const disk = fake.addPool('offsite 1', { imported: false })
  return {
    zfs: fake.zfs,
    pools: fake.pools,
    transfer: fake.transfer,
    source: source.name,
    keyFiles: { right: '/keys/right', wrong: '/keys/wrong', hex: '/keys/hex' },
    disk: { pool: disk.name, guid: disk.guid, links: [disk.link] },
    hand: {
      create: async (dataset, options) => {
        addDataset(fake.state, dataset, options)
      },
      write: async (dataset, bytes) => fake.write(dataset, bytes),
      rename: async (from, to) => {
        const [dataset, found] = [
          requireDataset(fake.state, from.split('@', 1)[0] ?? ''),
          requireSnapshot(fake.state, from),
        ]
        const renamed = { ...found, name: to.split('@')[1] ?? '' }
        dataset.snapshots = dataset.snapshots.map((snapshot) => (snapshot === found ? renamed : snapshot))
        for (const each of usablePool(fake.state, from).datasets.values())
          if (each.origin === found) each.origin = renamed
        remember(fake.state, {
          kind: 'snapshot-renamed',
          txg: fake.state.nextId(),
          dataset: dataset.name,
          from: found.name,
          to: renamed.name,
        })
      },
      clone: async (snapshot, dataset) => {
        addClone(fake.state, snapshot, dataset)
      },
      promote: async (dataset) => promote(fake.state, dataset),
      receive: async (stream) => receiveByHand(fake.state, stream),
      destroy: async (path) => {
        const [name = '', snapshot] = path.split('@')
        if (snapshot === undefined) {
          const found = findDataset(fake.state, name)
          if (found === null) return
          const pool = usablePool(fake.state, name)
          pool.datasets.delete(name)
          pool.freeingBytes += BigInt(bytesOf(found.content))
          return
        }
        if (requireSnapshot(fake.state, path).tags.size > 0)
          throw failed('busy', `cannot destroy '${path}': dataset is busy`)
        destroySnapshot(fake.state, requireDataset(fake.state, name), requireSnapshot(fake.state, path))
      },
    },
  }
}

for (const { name, run } of cases) test(name, () => run(makeWorld()))
