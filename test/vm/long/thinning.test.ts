// Far more snapshots on the source than the disk would keep: what would be pruned there at once never travels.
import { expect } from 'vitest'
import { lookElsewhere, setUpHome, snapshotsUnder, startService, takeAway, visitWith } from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'

/** Snapshots `@s1001` and so on of tank/docs, each with something new in it: by name as by age. */
const snapshotMany = (nas: Machine, first: number, last: number): Promise<string> =>
  nas.script(
    `for number in $(seq ${first} ${last}); do
       echo "$number" >> /tank/docs/diary.txt
       zfs snapshot "tank/docs@s$number"
     done`,
    { deadlineMs: 900_000 },
  )

scenario('400 snapshots on the source of which keep.disk wants 20: only those are sent', async (s) => {
  const home = await setUpHome(s, { settings: { keep: { disk: { last: 20 } } } })
  const { nas, disk } = home
  await snapshotMany(nas, 1001, 1400)
  await startService(nas)
  const first = await visitWith(home, disk)
  // Had one more arrived, it would have been pruned.
  expect(nas.journal.events({ event: 'pruned', after: first.before })).toEqual([])
  await takeAway(home, disk)

  await snapshotMany(nas, 1401, 1430)
  const second = await visitWith(home, disk)
  const sent = nas.journal.events({ event: 'dataset-sent', after: second.before })
  for (const { MESSAGE } of sent) expect(MESSAGE).toContain('tank/docs sent (incremental)')
  const [pruned, ...others] = nas.journal.events({ event: 'pruned', after: second.before })
  expect(others).toEqual([])
  expect(pruned?.['MESSAGE']).toContain('20 old snapshots destroyed on the disk')

  const onSource = await snapshotsUnder(nas, 'tank/docs')
  const own = onSource.filter((line) => line.startsWith('@walkaway_')).slice(-1)
  const newest = onSource.filter((line) => line.startsWith('@s')).slice(-19)
  expect(newest[0]).toMatch(/^@s1412\t/)
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    expect(await snapshotsUnder(elsewhere, `${root}/tank/docs`)).toEqual([...newest, ...own])
  })
})
