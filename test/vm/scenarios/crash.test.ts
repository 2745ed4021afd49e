// The daemon dies, at rest and in the middle of a transfer; what it left is taken over and finished.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, statusOf, visitWith } from '../home.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, killDaemon, propertyOf, soonMs } from '../service.ts'
import { plugSlowly, untilPartlyReceived, watchPool, writeBigFile } from '../slowVisit.ts'

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

scenario(
  'killed in the middle of a transfer: takes over the pool that it left imported and completes',
  async (s) => {
    const home = await setUpHome(s)
    const { nas } = home
    const [disk] = home.disks
    if (disk === undefined) throw new Error('no disk')
    await writeBigFile(nas)
    await startService(nas)
    const watch = watchPool(nas, disk)
    const before = nas.journal.mark()
    await plugSlowly(home, disk)
    await untilPartlyReceived(nas, disk)

    const restarted = await killDaemon(nas)
    expect(nas.journal.events({ event: ['pool-exported', 'safe-to-remove'], after: before })).toEqual([])
    await nas.usb.throttle(disk.image, 0)
    const safe = await expectSafe(nas, disk, restarted)
    await watch.expectNoLie(safe)
    const takenOver = nas.journal.events({ event: 'pool-imported', after: restarted })
    expect(takenOver.map((entry) => entry['MESSAGE']).join()).toMatch(/still imported/)
    const sent = nas.journal.events({ event: 'dataset-sent', after: restarted })
    expect(sent.map((entry) => entry['MESSAGE']).join('\n')).toMatch(/tank\/photos sent \(resumed\)/)
    expect(await propertyOf(nas, 'NRestarts')).toBe('1')
    await expectFullCopy(s, home, disk)
  },
)
