// The daemon dies or is stopped, at rest and in the middle of a transfer; what it left is taken over and finished.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, statusOf, visitWith } from '../home.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, killDaemon, propertyOf, showService, soonMs, unit } from '../service.ts'
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

scenario(
  'stopped in the middle of a transfer: ends cleanly, exports, and goes on at the next start',
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

    const stopping = nas.journal.mark()
    await nas.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 95_000 })
    expect(await showService(nas, 'ActiveState', 'Result', 'ExecMainStatus')).toEqual({
      ActiveState: 'inactive',
      Result: 'success',
      ExecMainStatus: '0',
    })
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
    expect(nas.journal.entries({ unit, after: stopping, message: /timed out|Killing process/ })).toEqual([])
    const finished = await nas.journal.waitFor(
      { event: 'backup-finished' },
      { deadlineMs: soonMs, after: before },
    )
    expect(finished['WALKAWAY_OUTCOME']).toBe('interrupted')
    expect(nas.journal.events({ event: 'daemon-stopping', after: before })).toHaveLength(1)
    expect(nas.journal.events({ event: 'pool-exported', after: before })).toHaveLength(1)
    expect(nas.journal.events({ event: 'safe-to-remove', after: before })).toEqual([])

    await nas.usb.throttle(disk.image, 0)
    const started = nas.journal.mark()
    await startService(nas)
    const safe = await expectSafe(nas, disk, started)
    await watch.expectNoLie(safe)
    const sent = nas.journal.events({ event: 'dataset-sent', after: started })
    expect(sent.map((entry) => entry['MESSAGE']).join('\n')).toMatch(/tank\/photos sent \(resumed\)/)
    await expectFullCopy(s, home, disk)
  },
)
