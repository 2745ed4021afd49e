// A disk leaves after it may, which is nothing to speak of; and comes again.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, statusOf, visitWith } from '../home.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, messages, said, soonMs } from '../service.ts'

scenario(
  'taken away after safe-to-remove: absent without a complaint; plugged in again: the next visit',
  async (s) => {
    const home = await setUpHome(s)
    const { nas } = home
    const [disk] = home.disks
    if (disk === undefined) throw new Error('no disk')
    await startService(nas)
    const { before, safe } = await visitWith(home, disk)
    await nas.pull(disk.image)
    await nas.journal.waitFor({ event: 'disk-removed', disk: disk.name }, { deadlineMs: soonMs, after: safe })
    expect(await statusOf(nas, disk)).toMatchObject({
      state: 'absent',
      reason: null,
      overdue: false,
      lastVisit: { outcome: 'complete' },
    })

    await nas.script('echo "written while it was away" > /tank/docs/away.txt; zpool sync tank')
    const again = nas.journal.mark()
    await nas.plug(disk.image, { serial: disk.serial, controller: 1, port: 4, wait: false })
    await expectSafe(nas, disk, again)
    expect(messages(said(nas, before, { worse: true }))).toEqual([])
    await expectFullCopy(s, home, disk)
  },
)
