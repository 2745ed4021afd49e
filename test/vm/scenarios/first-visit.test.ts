// The main job: an empty disk is plugged in and gets everything, then only what changed.
import { expect } from 'vitest'
import {
  expectSafe,
  fingerprintOf,
  lookElsewhere,
  mountCopy,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  travelled,
  visitWith,
} from '../home.ts'
import { scenario } from '../scenario.ts'

scenario('first visit into an empty pool: every dataset and every byte is on the disk', async (s) => {
  const home = await setUpHome(s)
  const { nas } = home
  const [disk] = home.disks
  if (disk === undefined) throw new Error('no disk')
  await startService(nas)
  const { before } = await visitWith(home, disk)

  const told = nas.journal.events({ after: before, disk: disk.name }).map((entry) => entry['WALKAWAY_EVENT'])
  expect(told.filter((event) => event !== 'dataset-sent')).toEqual([
    'disk-arrived',
    'pool-imported',
    'snapshot-taken',
    'plan-made',
    'verified',
    'backup-finished',
    'pool-exported',
    'safe-to-remove',
  ])
  expect(told.filter((event) => event === 'dataset-sent')).toHaveLength(7)
  const status = await statusOf(nas, disk)
  expect(status).toMatchObject({ state: 'removable', overdue: false, progress: null })
  expect(status.lastVisit).toMatchObject({
    outcome: 'complete',
    datasets: { total: 7, sent: 7, unchanged: 0, failed: 0 },
  })
  expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')

  const snapshots = await snapshotsUnder(nas, 'tank')
  const files = await fingerprintOf(nas, '/tank')
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    expect(await snapshotsUnder(elsewhere, `${root}/tank`)).toEqual(snapshots)
    expect(await fingerprintOf(elsewhere, await mountCopy(elsewhere, `${root}/tank`))).toBe(files)
  })
})

scenario('second visit is incremental: the bytes sent are near the bytes changed', async (s) => {
  const home = await setUpHome(s)
  const { nas } = home
  const [disk] = home.disks
  if (disk === undefined) throw new Error('no disk')
  await startService(nas)
  const first = await visitWith(home, disk)
  await nas.pull(disk.image)
  await nas.journal.waitFor(
    { event: 'disk-removed', disk: disk.name },
    { deadlineMs: 30_000, after: first.safe },
  )

  const changedBytes = 3 * 1024 * 1024
  await nas.script(
    `head -c ${changedBytes} /dev/urandom > /tank/photos/new.jpg; rm '/tank/docs/letter 07.txt'; zpool sync tank`,
  )
  const before = nas.journal.mark()
  await nas.plug(disk.image, { serial: disk.serial })
  await expectSafe(nas, disk, before)

  const { lastVisit } = await statusOf(nas, disk)
  expect(lastVisit?.['datasets']).toEqual({ total: 7, sent: 2, unchanged: 5, failed: 0 })
  const sentBytes = Number(lastVisit?.['sentBytes'])
  expect(sentBytes).toBeGreaterThan(changedBytes)
  expect(sentBytes).toBeLessThan(changedBytes * 1.2)
  const sent = nas.journal.events({ event: 'dataset-sent', after: before })
  expect(sent.map((entry) => entry['WALKAWAY_DATASET']).sort()).toEqual(['tank/docs', 'tank/photos'])
  for (const { MESSAGE } of sent) expect(MESSAGE).toContain('incremental')

  const snapshots = travelled(await snapshotsUnder(nas, 'tank'), nas, before)
  const files = await fingerprintOf(nas, '/tank')
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    expect(await snapshotsUnder(elsewhere, `${root}/tank`)).toEqual(snapshots)
    expect(await fingerprintOf(elsewhere, await mountCopy(elsewhere, `${root}/tank`))).toBe(files)
  })
})
