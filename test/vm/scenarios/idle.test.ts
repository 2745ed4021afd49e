// The daemon dies while it has nothing to do.
import { expect } from 'vitest'
import { setUpHome, startService, statusOf, visitWith } from '../home.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, killDaemon, propertyOf, soonMs } from '../service.ts'

scenario(
  'killed while idle: restarted; killed with a finished disk plugged in: it stays removable',
  async (s) => {
    const home = await setUpHome(s)
    const { nas } = home
    const [disk] = home.disks
    if (disk === undefined) throw new Error('no disk')
    await startService(nas)
    await killDaemon(nas)
    expect(await propertyOf(nas, 'NRestarts')).toBe('1')
    const { before } = await visitWith(home, disk)
    const { stdout: snapshots } = await nas.run(['zfs', 'list', '-H', '-t', 'snapshot', '-o', 'name'])

    const killed = await killDaemon(nas)
    await nas.until(['walkaway', 'status'], { deadlineMs: soonMs, stdout: (text) => /remove/i.test(text) })
    const status = await statusOf(nas, disk)
    expect(status).toMatchObject({ state: 'removable', lastVisit: { outcome: 'complete' } })
    expect(status['since']).toBe(status.lastVisit?.['finishedAt'])
    await nas.run(['udevadm', 'trigger', '--settle', '--subsystem-match=block', '--action=change'])
    expect((await statusOf(nas, disk)).state).toBe('removable')

    await nas.pull(disk.image)
    await nas.journal.waitFor(
      { event: 'disk-removed', disk: disk.name },
      { deadlineMs: soonMs, after: killed },
    )
    expect(nas.journal.events({ after: killed }).map((entry) => entry['WALKAWAY_EVENT'])).toEqual([
      'disk-removed',
    ])
    expect((await nas.run(['zfs', 'list', '-H', '-t', 'snapshot', '-o', 'name'])).stdout).toBe(snapshots)
    expect(nas.journal.events({ event: 'safe-to-remove', after: before })).toHaveLength(1)
    await expectFullCopy(s, home, disk)
  },
)
