// The service is stopped in the middle of a transfer; at its next start it goes on.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService } from '../home.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, showService, soonMs, unit } from '../service.ts'
import { plugSlowly, untilPartlyReceived, watchPool, writeBigFile } from '../slowVisit.ts'

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
