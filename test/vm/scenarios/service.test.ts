// walkaway as a service of the machine: its unit and rule are sound, the machine stays awake for a visit, and what it says
// during one is true and can be read aloud.
import { expect } from 'vitest'
import { setUpHome, startService, visitDeadlineMs } from '../home.ts'
import { scenario } from '../scenario.ts'
import { propertyOf, said, showService, soonMs, unit } from '../service.ts'
import { chosenVariant } from '../variant.ts'

scenario(
  'the service during a visit: watchdog fed, status line true, journal readable as prose, unit and rule sound',
  async (s) => {
    const home = await setUpHome(s)
    const { nas } = home
    const [disk] = home.disks
    if (disk === undefined) throw new Error('no disk')
    const verified = await nas.run(['systemd-analyze', 'verify', '--man=no', unit], { deadlineMs: soonMs })
    expect(verified.stdout + verified.stderr).toBe('')
    const rule = (await nas.run(['sh', '-c', 'ls /usr/lib/udev/rules.d/*walkaway.rules'])).stdout.trim()
    // New in systemd 254.
    if (chosenVariant().suite !== 'bookworm') await nas.run(['udevadm', 'verify', rule])
    await nas.run(['test', '-s', '/usr/share/man/man1/walkaway.1.gz'])
    // 25 of 100: an exposure of 2.5.
    await nas.run(['systemd-analyze', 'security', '--no-pager', '--threshold=25', unit], {
      deadlineMs: soonMs,
    })

    // With so short a watchdog the visit does not get to its end unless it is fed all the while.
    await nas.writeFile('/run/systemd/system/walkaway.service.d/watchdog.conf', '[Service]\nWatchdogSec=20\n')
    await nas.run(['systemctl', 'daemon-reload'])
    const start = nas.journal.mark()
    await startService(nas)
    await nas.until(['systemctl', 'show', '--property=StatusText', unit], {
      deadlineMs: soonMs,
      stdout: (text) => text.includes('waiting for a backup disk'),
    })
    const shown = new Set<string>()
    const inhibited = new Set<string>()
    const lookAtInhibitors = async (): Promise<string> =>
      (await nas.run(['systemd-inhibit', '--list', '--no-legend', '--no-pager'])).stdout
    const before = nas.journal.mark()
    await nas.plug(disk.image, { serial: disk.serial, wait: false })
    const safe = nas.journal.waitFor(
      { event: 'safe-to-remove' },
      { deadlineMs: visitDeadlineMs, after: before },
    )
    let over = false
    const ended = safe.finally(() => {
      over = true
    })
    while (!over) {
      shown.add(await propertyOf(nas, 'StatusText'))
      inhibited.add(await lookAtInhibitors())
    }
    await ended
    const during = [...shown].filter((text) =>
      /^offsite-1: (importing|looking|sending|reading|exporting)/.test(text),
    )
    expect(during.length, [...shown].join('\n')).toBeGreaterThan(0)
    expect([...inhibited].join('\n')).toMatch(
      /^walkaway .*sleep:handle-lid-switch .*backup to offsite-1 is running .*block$/m,
    )
    await nas.until(['systemd-inhibit', '--list', '--no-legend', '--no-pager'], {
      deadlineMs: soonMs,
      stdout: (text) => !text.includes('walkaway'),
    })
    await nas.until(['systemctl', 'show', '--property=StatusText', unit], {
      deadlineMs: soonMs,
      stdout: (text) => text === 'StatusText=offsite-1: SAFE TO REMOVE, backup complete\n',
    })
    expect(await showService(nas, 'NRestarts', 'WatchdogUSec', 'Result')).toEqual({
      NRestarts: '0',
      WatchdogUSec: '20s',
      Result: 'success',
    })

    const lines = said(nas, start)
    expect(lines.length).toBeGreaterThan(15)
    for (const {
      PRIORITY: priority,
      MESSAGE: message = '',
      WALKAWAY_EVENT: event,
      MESSAGE_ID: id,
    } of lines) {
      expect(message).not.toMatch(/undefined|null|NaN|\[object|[{}\n\t]|\berror\b/i)
      expect(message).toMatch(/^\S.{10,400}\S$/)
      expect(['5', '6'], message).toContain(priority)
      if (event !== undefined) expect(id, message).toMatch(/^[0-9a-f]{32}$/)
    }
    const { stdout: asRead } = await nas.run([
      'journalctl',
      '--unit=walkaway',
      '--output=cat',
      '--priority=info',
    ])
    for (const { MESSAGE: message } of nas.journal.events({ after: start }))
      expect(asRead).toContain(`${message}\n`)
    const { stdout: explained } = await nas.run([
      'journalctl',
      '--unit=walkaway',
      '--catalog',
      '--priority=notice',
    ])
    expect(explained).toContain('A backup disk can be taken away')
  },
)
