// A person steps in: a disk is wanted in the middle of a transfer, its visit is asked for again, a pool that was imported by
// hand is released.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, statusOf, visitDeadlineMs } from '../home.ts'
import { diskLink } from '../machine.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, soonMs } from '../service.ts'
import { plugSlowly, untilPartlyReceived, watchPool, writeBigFile } from '../slowVisit.ts'

scenario(
  'eject, run and history: the disk is given early, the visit goes on when it is asked for',
  async (s) => {
    const home = await setUpHome(s)
    const { nas, disk } = home
    // It takes a while until the command has been started, let alone has been heard.
    await writeBigFile(nas, { sizeMb: 150 })
    await startService(nas)
    const watch = watchPool(nas, disk)
    const before = nas.journal.mark()
    await plugSlowly(home, disk)
    await untilPartlyReceived(nas, disk)

    const walkaway = (...argv: readonly string[]) =>
      nas.run(['walkaway', ...argv], { deadlineMs: visitDeadlineMs, reject: false })
    const ejected = await walkaway('eject', disk.name)
    expect(ejected).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('SAFE TO REMOVE') })
    await watch.expectNoLie(await expectSafe(nas, disk, before, 'interrupted'))
    expect(await statusOf(nas, disk)).toMatchObject({
      state: 'removable',
      lastComplete: null,
      lastVisit: { outcome: 'interrupted' },
    })
    expect(await walkaway('eject', disk.name)).toMatchObject({ exitCode: 0 })

    const restarted = nas.journal.mark()
    await nas.run(['systemctl', 'restart', 'walkaway'], { deadlineMs: soonMs })
    await nas.until(['walkaway', 'status', '--json'], {
      deadlineMs: soonMs,
      stdout: (text) => text.includes('"removable"'),
    })
    expect(nas.journal.events({ event: 'disk-arrived', after: restarted })).toEqual([])

    await nas.usb.throttle(disk.image, 0)
    const asked = nas.journal.mark()
    expect(await walkaway('run', disk.name)).toMatchObject({ exitCode: 0 })
    await expectSafe(nas, disk, asked)
    const sent = nas.journal.events({ event: 'dataset-sent', after: asked })
    expect(sent.map((entry) => entry['MESSAGE']).join('\n')).toMatch(/tank\/photos sent \(resumed\)/)
    const { stdout } = await walkaway('history', disk.name, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      visits: [{ outcome: 'interrupted' }, { outcome: 'complete' }],
    })

    await nas.run(['zpool', 'import', '-N', '-d', diskLink(disk.serial, 1), disk.poolGuid])
    expect((await statusOf(nas, disk)).state).toBe('not-removable')
    const byHand = nas.journal.mark()
    expect(await walkaway('eject', disk.name)).toMatchObject({ exitCode: 0 })
    await expectSafe(nas, disk, byHand)
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
    expect(await walkaway('eject', 'ofsite-1')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`did you mean ${disk.name}?`),
    })
    await expectFullCopy(s, home, disk)
  },
)
