// A disk is pulled in the middle of a transfer, which must harm nothing.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, statusOf } from '../home.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, propertyOf, soonMs, statusLatencyMs } from '../service.ts'
import { plugSlowly, untilPartlyReceived, watchPool, writeBigFile } from '../slowVisit.ts'

scenario('pulled in the middle of a transfer: said, harmless, and completed in another port', async (s) => {
  const home = await setUpHome(s)
  const { nas } = home
  const [disk] = home.disks
  if (disk === undefined) throw new Error('no disk')
  await writeBigFile(nas)
  await startService(nas)
  const watch = watchPool(nas, disk)
  const before = nas.journal.mark()
  await plugSlowly(home, disk, { controller: 0 })
  await untilPartlyReceived(nas, disk)

  await nas.pull(disk.image)
  await nas.journal.waitFor({ event: 'disk-pulled', disk: disk.name }, { deadlineMs: soonMs, after: before })
  const pulled = await statusOf(nas, disk)
  expect(pulled.state).toBe('pulled')
  expect(pulled.reason).toContain('plug it in again')
  expect(await statusLatencyMs(nas)).toBeLessThan(1000)
  await nas.script('echo unharmed > /tank/docs/unharmed.txt; zpool sync tank', { deadlineMs: soonMs })
  const { stdout: pools } = await nas.run(['zpool', 'list', '-H', '-o', 'name,health'], {
    deadlineMs: soonMs,
  })
  expect(pools).toContain('tank\tONLINE')
  await nas.until(['systemctl', 'show', '--property=StatusText', 'walkaway'], {
    deadlineMs: soonMs,
    stdout: (text) => text.includes('plug it in again'),
  })

  const again = nas.journal.mark()
  await nas.plug(disk.image, { serial: disk.serial, controller: 1, port: 2, wait: false })
  const safe = await expectSafe(nas, disk, again)
  await watch.expectNoLie(safe)
  expect(nas.journal.events({ event: 'safe-to-remove', after: before })).toHaveLength(1)
  expect(nas.journal.events({ event: 'disk-pulled', after: before })).toHaveLength(1)
  expect(await statusOf(nas, disk)).toMatchObject({ state: 'removable', reason: null })
  expect(await propertyOf(nas, 'NRestarts')).toBe('0')
  await expectFullCopy(s, home, disk)
})
