// Monitoring on a real machine: the file for node_exporter gets out of the service's sandbox, and the check is right with the
// daemon and without it.
import { expect } from 'vitest'
import { setUpHome, startService, visitDeadlineMs, visitWith } from '../home.ts'
import { scenario } from '../scenario.ts'
import { soonMs } from '../service.ts'

const folder = '/var/lib/prometheus/node-exporter'

scenario('check, metrics and status --watch, with the daemon and without it', async (s) => {
  const textfile = `${folder}/walkaway.prom`
  const home = await setUpHome(s, { settings: { metrics: { textfile } } })
  const { nas, disk } = home
  await nas.run(['mkdir', '-p', folder])
  await startService(nas)
  await visitWith(home, disk)

  const metricsSay = (text: string) =>
    nas.until(['cat', textfile], { deadlineMs: soonMs, stdout: (found) => found.includes(text) })
  await metricsSay(`walkaway_disk_state{disk="${disk.name}",state="removable"} 1\n`)
  await metricsSay('walkaway_disk_last_complete_timestamp_seconds')
  expect((await nas.run(['stat', '-c', '%a', textfile])).stdout).toBe('644\n')

  const walkaway = (...argv: readonly string[]) =>
    nas.run(['walkaway', ...argv], { deadlineMs: visitDeadlineMs, reject: false })
  expect(await walkaway('check')).toMatchObject({
    exitCode: 0,
    stderr: '',
    stdout: expect.stringMatching(/^WALKAWAY OK - offsite-1: complete backup .* \| offsite-1_age=\d+s;.*\n$/),
  })
  const { stdout } = await nas.run(
    ['timeout', '--signal=INT', '--preserve-status', '30', 'walkaway', 'status', '--watch'],
    { deadlineMs: visitDeadlineMs },
  )
  expect(stdout).toMatch(/^\d\d:\d\d:\d\d offsite-1: SAFE TO REMOVE\n$/)

  await nas.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: soonMs })
  await metricsSay('walkaway_up 0\n')
  expect(await walkaway('check')).toMatchObject({
    exitCode: 3,
    stdout: expect.stringContaining(
      'WALKAWAY UNKNOWN - the daemon is not running (from the history of 1 visit)',
    ),
  })
})
