// Disks arrive in all the ways in which they do: two at once, before the service, before the machine, imported by
// somebody else, in the middle of a crowd.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, statusOf } from '../home.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, messages, said, soonMs } from '../service.ts'

scenario('two disks plugged in at once: both complete, each is safe to remove once', async (s) => {
  const home = await setUpHome(s, { disks: 2 })
  const { nas, disks } = home
  await startService(nas)
  const before = nas.journal.mark()
  await Promise.all(disks.map(({ image, serial }) => nas.plug(image, { serial, wait: false })))
  await Promise.all(disks.map((disk) => expectSafe(nas, disk, before)))

  for (const disk of disks) {
    const { state, lastVisit } = await statusOf(nas, disk)
    expect(state).toBe('removable')
    expect(lastVisit).toMatchObject({ outcome: 'complete', datasets: { total: 7, sent: 7, failed: 0 } })
  }
  expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
  expect(messages(said(nas, before, { worse: true }))).toEqual([])

  for (const disk of disks) await expectFullCopy(s, home, disk)
  for (const disk of disks) {
    await nas.journal.waitFor(
      { event: 'disk-removed', disk: disk.name },
      { deadlineMs: soonMs, after: before },
    )
    for (const event of ['disk-arrived', 'backup-finished', 'safe-to-remove', 'disk-removed'])
      expect(nas.journal.events({ event, disk: disk.name, after: before }), event).toHaveLength(1)
  }
})

scenario(
  'a disk that is there when the service starts, and when the machine boots, is backed up to',
  async (s) => {
    const home = await setUpHome(s)
    const { nas } = home
    const [disk] = home.disks
    if (disk === undefined) throw new Error('no disk')
    await nas.plug(disk.image, { serial: disk.serial })
    const start = nas.journal.mark()
    await startService(nas)
    await expectSafe(nas, disk, start)
    expect(messages(said(nas, start, { worse: true }))).toEqual([])

    await nas.script('echo "written in between" > /tank/docs/between.txt; zpool sync tank')
    const boot = nas.journal.mark()
    await nas.reboot()
    await expectSafe(nas, disk, boot)
    expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
      outcome: 'complete',
      datasets: { total: 7 },
    })
    expect(
      nas.journal
        .events({ event: 'dataset-sent', after: boot })
        .map((entry) => entry['MESSAGE'])
        .join('\n'),
    ).toMatch(/tank\/docs sent \(incremental\)/)
    await expectFullCopy(s, home, disk)
  },
)
