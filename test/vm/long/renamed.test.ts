// Source datasets that were renamed, destroyed, or destroyed and made again under the same name between two visits.
import { expect } from 'vitest'
import { lookElsewhere, setUpHome, snapshotsUnder, startService, takeAway, visitWith } from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'

scenario('dataset renamed, destroyed, re-created under the same name: followed, kept, told', async (s) => {
  const home = await setUpHome(s)
  const { nas, disk } = home
  await startService(nas)
  await visitWith(home, disk)
  const before = await snapshotsUnder(nas, 'tank')
  await takeAway(home, disk)

  await nas.script(`
    zfs rename tank/home tank/users
    zfs destroy -r tank/photos
    zfs destroy -r tank/docs
    zfs create tank/docs
    echo 'another dataset' > /tank/docs/readme.txt
    zpool sync tank
  `)
  const visit = await visitWith(home, disk, { outcome: 'partial' })
  const [plan] = nas.journal.events({ event: 'plan-made', after: visit.before })
  expect(plan?.['MESSAGE']).toContain('tank/users is the renamed offsite-1/nas/tank/home')
  expect(plan?.['MESSAGE']).toContain('not on the source any more, kept: offsite-1/nas/tank/photos')
  const failed = nas.journal.events({ event: 'dataset-failed', after: visit.before })
  expect(failed.map((entry) => entry['WALKAWAY_DATASET'])).toEqual(['tank/docs'])
  expect(failed[0]?.['MESSAGE']).toMatch(
    /no longer has a snapshot or bookmark in common.*nothing was changed/,
  )
  // Nothing was written in what was renamed: only its name on the disk is new.
  const sent = nas.journal.events({ event: 'dataset-sent', after: visit.before })
  expect(
    sent.map((entry) => entry['WALKAWAY_DATASET']).filter((name) => name?.startsWith('tank/users')),
  ).toEqual([])

  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    const after = await snapshotsUnder(elsewhere, `${root}/tank`)
    const moved = before.map((line) => line.replace(/^\/home(?=[/@])/, '/users'))
    expect(after).toEqual(expect.arrayContaining(moved))
    for (const name of ['users', 'users/anna'])
      expect(await readProperty(elsewhere, 'walkaway:source', `${root}/tank/${name}`)).toBe(`tank/${name}`)
    const text = await readProperty(elsewhere, 'walkaway:restore', disk.pool)
    expect(text).toContain(`${root}/tank/users/anna@`)
    expect(text).not.toContain(`${root}/tank/home`)
  })
})

const readProperty = async (machine: Machine, property: string, dataset: string): Promise<string> =>
  (await machine.run(['zfs', 'get', '-H', '-o', 'value', property, dataset])).stdout.trim()
