// A missing or wrong configuration, a broken reload, a second daemon.
import { expect } from 'vitest'
import { configure, startService, statusOf } from '../home.ts'
import { scenario } from '../scenario.ts'
import { messages, propertyOf, said, showService, soonMs } from '../service.ts'

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
