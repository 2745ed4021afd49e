// What is backed up and what is not: datasets that are left out, and snapshots of the user's own.
import { expect } from 'vitest'
import {
  fingerprintOf,
  lookElsewhere,
  mountCopy,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  takeAway,
  travelled,
  visitWith,
} from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'

const excluded = [
  'tank/scratch',
  'tank/scratch/deep',
  'tank/scratch/deep/deeper',
  'tank/vm/db/swap',
  'tank/vm/web/swap',
  'tank/vm/web/swap/inner',
]
/** As close to a pattern as a name can be without matching it. */
const nearly = ['tank/scratch2', 'tank/vm', 'tank/vm/db', 'tank/vm/swap', 'tank/vm/web', 'tank/vm/web/swap2']

scenario('excluded datasets (exact, wildcard, and everything below) are not on the disk', async (s) => {
  const home = await setUpHome(s, {
    settings: { sources: [{ dataset: 'tank', exclude: ['tank/scratch', 'tank/vm/*/swap'] }] },
  })
  const { nas, disk } = home
  await nas.script(`
    for name in ${[...nearly, ...excluded.slice(1)].sort().join(' ')}; do
      zfs create "$name"
      echo "file of $name" > "/$name/file.txt"
    done
    zpool sync tank
  `)
  await startService(nas)
  await visitWith(home, disk)

  const wanted = (await datasetsUnder(nas, 'tank')).filter((name) => !excluded.includes(`tank${name}`))
  expect(wanted.map((name) => `tank${name}`)).toEqual(expect.arrayContaining(nearly))
  expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
    outcome: 'complete',
    datasets: { total: wanted.length, sent: wanted.length, unchanged: 0, failed: 0 },
  })
  const snapshots = await snapshotsUnder(nas, 'tank')
  expect(snapshots).toHaveLength(wanted.length)
  const files = await fingerprintOf(
    nas,
    '/tank',
    excluded.map((name) => name.slice('tank/'.length)),
  )
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    expect(await datasetsUnder(elsewhere, `${root}/tank`)).toEqual(wanted)
    expect(await snapshotsUnder(elsewhere, `${root}/tank`)).toEqual(snapshots)
    expect(await fingerprintOf(elsewhere, await mountCopy(elsewhere, `${root}/tank`))).toBe(files)
  })
})

scenario('snapshots: own leaves the snapshots of others at home', async (s) => {
  const home = await setUpHome(s, { settings: { backup: { snapshots: 'own' } } })
  const { nas, disk } = home
  await nas.script("zfs snapshot -r tank@autosnap_1; zfs snapshot 'tank/docs@by hand'")
  await startService(nas)
  await visitWith(home, disk)
  await takeAway(home, disk)
  await nas.script(`
    zfs snapshot -r tank@autosnap_2
    echo more > /tank/docs/more.txt
    zfs snapshot tank/docs@between
    echo 'and more' > '/tank/docs/and more.txt'
    zpool sync tank
  `)
  const { before } = await visitWith(home, disk)
  for (const { MESSAGE } of nas.journal.events({ event: 'dataset-sent', after: before }))
    expect(MESSAGE).toContain('(incremental)')

  const all = (await snapshotsUnder(nas, 'tank')).filter((line) => line.includes('@walkaway_'))
  expect(all).toHaveLength(2 * 7)
  const own = travelled(all, nas, before)
  expect(own).toHaveLength(7 + 1)
  const files = await fingerprintOf(nas, '/tank')
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    expect(await snapshotsUnder(elsewhere, `${root}/tank`)).toEqual(own)
    expect(await fingerprintOf(elsewhere, await mountCopy(elsewhere, `${root}/tank`))).toBe(files)
  })
})

/** Names of the dataset and all below it, with its own path cut off. */
async function datasetsUnder(machine: Machine, dataset: string): Promise<readonly string[]> {
  const { stdout } = await machine.run(['zfs', 'list', '-H', '-r', '-o', 'name', dataset])
  return stdout
    .trim()
    .split('\n')
    .map((name) => name.slice(dataset.length))
}
