// Is the service installed, on, and does it answer? Are udev and the rule in place, and does the clock go right?

import type { Stats } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { groupId } from '../../config/groups.ts'
import { BadInput, DeadlineExceeded, messageOf } from '../../errors.ts'
import { isGone } from '../../linux/sysfs.ts'
import { controlSocket } from '../places.ts'
import { type Check, ok, problem, type Shared, type Verdict, warning } from './surroundings.ts'

const deadlineMs = 10_000

/** `KEY=value` lines, as systemctl and timedatectl print them. */
export const parseAssignments = (stdout: string): ReadonlyMap<string, string> =>
  new Map(
    stdout
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )

const unitKeys = ['LoadState', 'ActiveState', 'UnitFileState', 'NeedDaemonReload'] as const

/** Without a configuration systemd does not start it, and says nothing of that (ConditionPathExists). */
const waits = warning('waits for the configuration', null)

export function judgeService(
  unit: ReadonlyMap<string, string>,
  { unconfigured }: Pick<Shared, 'unconfigured'>,
): readonly Verdict[] {
  const [loaded, active, enabled, needsReload] = unitKeys.map((key) => unit.get(key) ?? '')
  if (loaded === 'not-found')
    return [problem('walkaway.service is not installed', 'apt install --reinstall walkaway')]
  if (loaded === 'masked') return [problem('walkaway.service is masked', 'systemctl unmask --now walkaway')]
  const verdicts: Verdict[] = []
  if (enabled !== 'enabled')
    verdicts.push(
      problem(`it does not start at boot (${enabled || 'not enabled'})`, 'systemctl enable walkaway'),
    )
  if (needsReload === 'yes')
    verdicts.push(warning('its unit file was changed and is not in force', 'systemctl daemon-reload'))
  if (active === 'failed')
    verdicts.push(
      problem('it has failed', 'journalctl -u walkaway -n 50 says why; then: systemctl restart walkaway'),
    )
  else if (active === 'inactive' || active === 'deactivating')
    verdicts.push(unconfigured ? waits : problem('it does not run', 'systemctl start walkaway'))
  else if (active !== 'active')
    verdicts.push(warning(`it is ${active || 'in an unknown state'}`, 'systemctl status walkaway'))
  return verdicts.length === 0 ? [ok('runs, and starts at boot')] : verdicts
}

/** Of `timedatectl show`; the newest visit tells of a clock that was set back. */
export function judgeClock(
  time: ReadonlyMap<string, string>,
  { now, newestVisit }: { readonly now: Date; readonly newestVisit: Date | null },
): readonly Verdict[] {
  const verdicts: Verdict[] = []
  if (newestVisit !== null && newestVisit > now)
    verdicts.push(
      problem(
        `the clock says ${now.toISOString()}, and the last visit ended at ${newestVisit.toISOString()}: it is slow`,
        'timedatectl set-ntp true, or set it by hand: date -s',
      ),
    )
  // Whoever keeps it right: the kernel says so itself (adjtimex), for chrony and ntpd as well.
  if (time.get('NTPSynchronized') !== 'yes')
    verdicts.push(
      time.get('NTP') === 'yes'
        ? warning('the clock is not synchronised yet', 'timedatectl timesync-status')
        : warning(
            'the clock is not synchronised over the network',
            'apt install systemd-timesyncd; timedatectl set-ntp true',
          ),
    )
  return verdicts.length === 0 ? [ok('synchronised')] : verdicts
}

/** `group`: the gid that the configuration gives it to. */
export function judgeSocketFile(
  { mode, uid, gid }: Pick<Stats, 'mode' | 'uid' | 'gid'>,
  group: number | null,
): readonly Verdict[] {
  const restart = 'systemctl restart walkaway'
  const reload = 'systemctl reload walkaway'
  if (uid !== 0 || (mode & 0o007) !== 0)
    return [problem(`${controlSocket} can be used by others than root and its group`, restart)]
  return gid === (group ?? 0)
    ? []
    : [warning(`${controlSocket} does not belong to the group that control.group names`, reload)]
}

const ruleName = '90-walkaway.rules'
const reinstall = 'apt install --reinstall walkaway'

export const serviceChecks: readonly Check[] = [
  {
    name: 'udev',
    async look({ root, engineFault }) {
      if ((await statOf(`${root}/run/udev/control`)) === null)
        return [problem('systemd-udevd does not run: no disk is noticed', 'systemctl start systemd-udevd')]
      const fault = engineFault()
      return fault === null
        ? [ok('runs')]
        : [warning(`runs, but is watched through udevadm: node-udev cannot be used (${fault})`, reinstall)]
    },
  },
  {
    name: 'udev rule',
    async look({ root }) {
      // The one in /etc counts; a link to /dev/null there switches the rule off.
      const own = await lstatOf(`${root}/etc/udev/rules.d/${ruleName}`)
      if (own !== null)
        return [
          warning(
            `/etc/udev/rules.d/${ruleName} stands before the rule of this version`,
            `rm /etc/udev/rules.d/${ruleName} && udevadm control --reload`,
          ),
        ]
      for (const folder of ['/usr/lib', '/lib', '/usr/local/lib'])
        if ((await statOf(`${root}${folder}/udev/rules.d/${ruleName}`)) !== null) return [ok('in place')]
      return [warning('missing: desktops may ask what to do with a backup disk', reinstall)]
    },
  },
  {
    name: 'service',
    async look({ run }, shared) {
      const args = ['show', 'walkaway.service', `--property=${unitKeys.join(',')}`]
      const { stdout } = await run('systemctl', args, { deadlineMs })
      return judgeService(parseAssignments(stdout), shared)
    },
  },
  {
    name: 'socket',
    async look({ root, askStatus, version }, { config, unconfigured }) {
      try {
        const reply = await askStatus()
        if ('kind' in reply)
          return [unconfigured ? waits : problem('the daemon does not listen', 'systemctl start walkaway')]
        if (!reply.ok)
          return [problem(`the daemon answers: ${reply.error.message}`, 'systemctl restart walkaway')]
        const running = reply.status.daemon.version
        const file = await statOf(`${root}${controlSocket}`)
        const verdicts = [
          ...(running === version
            ? []
            : [warning(`the daemon is ${running}, this is ${version}`, 'systemctl restart walkaway')]),
          ...(file === null ? [] : judgeSocketFile(file, await groupOf(config?.control.group ?? null))),
        ]
        return verdicts.length === 0 ? [ok('the daemon answers')] : verdicts
      } catch (error) {
        if (error instanceof BadInput) return [warning(error.message, error.hint ?? null)]
        if (error instanceof DeadlineExceeded)
          return [problem(messageOf(error), 'journalctl -u walkaway -n 50; systemctl restart walkaway')]
        throw error
      }
    },
  },
  {
    name: 'clock',
    async look({ run, now, history }) {
      const args = ['show', '--property=NTP,NTPSynchronized']
      const time = parseAssignments((await run('timedatectl', args, { deadlineMs })).stdout)
      // What cannot be read of the past is told by another check.
      const visits = await history.read().then(
        (read) => read.visits,
        () => [],
      )
      const newestVisit = visits.reduce<Date | null>(
        (newest, { finishedAt }) => (newest === null || finishedAt > newest ? finishedAt : newest),
        null,
      )
      return judgeClock(time, { now: now(), newestVisit })
    },
  },
]

/** A group that is not there is a mistake of the configuration, and told there. */
const groupOf = (name: string | null): Promise<number | null> => groupId(name).catch(() => null)

/** Null: it is not there. */
const statOf = (path: string): Promise<Stats | null> => stat(path).catch(unlessGone)
const lstatOf = (path: string): Promise<Stats | null> => lstat(path).catch(unlessGone)
function unlessGone(error: unknown): null {
  if (isGone(error)) return null
  throw error
}
