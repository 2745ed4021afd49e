// walkaway as a service of the machine: its unit and rule are sound, its configuration may be missing or wrong, it is
// one of its kind, and what it says during a visit is true and can be read aloud.
import { expect } from 'vitest'
import { configure, setUpHome, startService, statusOf, visitDeadlineMs } from '../home.ts'
import { scenario } from '../scenario.ts'
import { messages, propertyOf, said, showService, soonMs, unit } from '../service.ts'

const file = '/etc/walkaway/config.yaml'

const wrong = `sources:
  - dataset: tank
    exlude: [tank/scratch]
disks:
  offsite-1:
    serial: WD1
    pool: offsite-1
    poolGuid: not-a-number
  offsite-2:
    serial: WD1
    pool: offsite-2
    poolGuid: 12345
backup:
  parallel: -2
`
/** Where each mistake is, and what its line must say. */
const mistakes: readonly (readonly [position: string, word: RegExp])[] = [
  ['3:5', /exlude.*exclude/],
  ['8:15', /poolGuid/],
  ['10:13', /WD1/],
  ['14:13', /parallel/],
]

scenario(
  'a missing configuration is quiet, a wrong one is a readable failure, a broken reload changes nothing',
  async (s) => {
    const nas = await s.startMachine({ layer: 'installed' })
    const before = nas.journal.mark()
    await nas.run(['systemctl', 'start', 'walkaway'])
    expect(await showService(nas, 'ActiveState', 'Result', 'ConditionResult')).toEqual({
      ActiveState: 'inactive',
      Result: 'success',
      ConditionResult: 'no',
    })
    await nas.settleJournal()
    expect(messages(said(nas, before, { worse: true }))).toEqual([])

    await nas.writeFile(file, wrong, { mode: '0600' })
    const failing = nas.journal.mark()
    expect(
      (await nas.run(['systemctl', 'start', 'walkaway'], { reject: false, deadlineMs: soonMs })).exitCode,
    ).not.toBe(0)
    expect(
      await showService(nas, 'ActiveState', 'SubState', 'Result', 'ExecMainStatus', 'NRestarts'),
    ).toEqual({
      ActiveState: 'failed',
      SubState: 'failed',
      Result: 'exit-code',
      ExecMainStatus: '2',
      NRestarts: '0',
    })
    const rejected = await nas.journal.waitFor(
      { event: 'config-rejected' },
      { deadlineMs: soonMs, after: failing },
    )
    expect(rejected['PRIORITY']).toBe('3')
    const check = await nas.run(['walkaway', 'config', 'check'], { reject: false })
    expect(check.exitCode).toBe(2)
    expect(check.stdout).toBe('')
    for (const [position, word] of mistakes) {
      const line = check.stderr.split('\n').find((text) => text.startsWith(`${file}:${position}: `))
      expect(line, `${position} in ${check.stderr}`).toMatch(word)
      expect(rejected['MESSAGE']).toContain(line)
    }
    expect(check.stderr.trimEnd().split('\n')).toHaveLength(mistakes.length)

    const disk = { name: 'offsite-1', serial: 'WD1', pool: 'offsite-1', poolGuid: '4425734906477738374' }
    await configure(nas, [disk])
    const started = nas.journal.mark()
    await nas.run(['systemctl', 'reset-failed', 'walkaway'])
    await startService(nas)
    await nas.journal.waitFor({ event: 'daemon-started' }, { deadlineMs: soonMs, after: started })
    const pid = await propertyOf(nas, 'MainPID')

    await nas.writeFile(file, wrong, { mode: '0600' })
    await nas.run(['systemctl', 'reload', 'walkaway'])
    const kept = await nas.journal.waitFor(
      { event: 'config-rejected' },
      { deadlineMs: soonMs, after: started },
    )
    for (const [position] of mistakes) expect(kept['MESSAGE']).toContain(`${file}:${position}: `)
    expect((await statusOf(nas, disk)).state).toBe('absent')
    await nas.until(['systemctl', 'is-active', 'walkaway'], {
      deadlineMs: soonMs,
      stdout: (text) => text === 'active\n',
    })

    const second = await nas.run(['walkaway', 'daemon'], { reject: false, deadlineMs: soonMs })
    expect(second.exitCode).toBe(2)
    await configure(nas, [
      disk,
      { ...disk, name: 'offsite-2', serial: 'WD2', pool: 'offsite-2', poolGuid: '12345' },
    ])
    const twice = await nas.run(['walkaway', 'daemon'], { reject: false, deadlineMs: soonMs })
    expect(twice.exitCode).toBe(1)
    expect(`${twice.stdout}${twice.stderr}`).toMatch(/another walkaway daemon is running/)
    expect(`${twice.stdout}${twice.stderr}`).not.toMatch(/\bat .*:\d+:\d+|watching/)

    const repaired = nas.journal.mark()
    await nas.run(['systemctl', 'reload', 'walkaway'])
    await nas.journal.waitFor({ event: 'config-reloaded' }, { deadlineMs: soonMs, after: repaired })
    await nas.until(['walkaway', 'status', '--json'], {
      deadlineMs: soonMs,
      stdout: (text) => text.includes('offsite-2'),
    })
    expect(await showService(nas, 'MainPID', 'NRestarts', 'ActiveState')).toEqual({
      MainPID: pid,
      NRestarts: '0',
      ActiveState: 'active',
    })
  },
)

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
    await nas.run(['udevadm', 'verify', rule])
    await nas.run(['test', '-s', '/usr/share/man/man1/walkaway.1.gz'])

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
    while (!over) shown.add(await propertyOf(nas, 'StatusText'))
    await ended
    const during = [...shown].filter((text) =>
      /^offsite-1: (importing|looking|sending|reading|exporting)/.test(text),
    )
    expect(during.length, [...shown].join('\n')).toBeGreaterThan(0)
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
