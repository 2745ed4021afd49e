// The daemon dies, at rest and in the middle of a transfer; what it left is taken over and finished.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService } from '../home.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, killDaemon, propertyOf } from '../service.ts'
import { plugSlowly, untilPartlyReceived, watchPool, writeBigFile } from '../slowVisit.ts'

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
