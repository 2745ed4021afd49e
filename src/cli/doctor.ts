// `walkaway doctor [--notify] [--json]`: each check of the machine in a line with what mends it. Looks only; the one thing
// that it does is to send a test message when it is asked to. Each check has a deadline, and none waits for a suspended pool.
import { existsSync } from 'node:fs'
import { loadConfig } from '../config/load.ts'
import { askStatus } from '../control/client.ts'
import { createHistory } from '../linux/history.ts'
import { loadNodeUdev } from '../linux/nodeUdev.ts'
import { oneLine } from '../linux/oneLine.ts'
import { createRun, type Run } from '../linux/run.ts'
import { createUdev } from '../linux/udev.ts'
import { within } from '../linux/within.ts'
import { version } from '../version.ts'
import { createPools } from '../zfs/pool.ts'
import { createZfs } from '../zfs/zfs.ts'
import { configurationChecks } from './doctor/configuration.ts'
import { diskChecks } from './doctor/disks.ts'
import { serviceChecks } from './doctor/service.ts'
import {
  type Check,
  type Level,
  problem,
  type Shared,
  type Surroundings,
  type Verdict,
} from './doctor/surroundings.ts'
import { failure, findZfsAccess, zfsChecks } from './doctor/zfs.ts'
import { jsonText } from './jsonText.ts'
import { controlSocket, stateDirectory } from './places.ts'
import { indented, type Look, lookOf, type Output, paint, plural } from './words.ts'

export interface DoctorOptions {
  readonly json: boolean
  /** Send a test message by each channel. */
  readonly notify: boolean
  readonly configFile: string
  readonly stdout: Output
  readonly stderr: Output
  /** Left out: the machine's. */
  readonly surroundings?: Surroundings
  readonly deadlineMs?: number
}

interface Finding {
  readonly check: string
  readonly verdicts: readonly Verdict[]
}

/** For one check. A channel has 30 s for a test message. */
const checkDeadlineMs = 45_000
/** For one command that a check runs. */
const commandDeadlineMs = 20_000

/** Returns the exit code: 1 when there is a problem, 0 otherwise, warnings or not. */
export async function runDoctor(options: DoctorOptions): Promise<0 | 1> {
  const { json, stdout, deadlineMs = checkDeadlineMs } = options
  const surroundings = options.surroundings ?? (await surroundingsOf(options))
  const loaded = await within(deadlineMs, surroundings.loadConfig())
  const shared: Shared = {
    access: await findZfsAccess(surroundings),
    config: loaded !== 'late' && loaded.kind === 'ok' ? loaded.config : null,
    unconfigured:
      loaded !== 'late' &&
      loaded.kind === 'rejected' &&
      !existsSync(surroundings.root + surroundings.configFile),
  }
  const findings = await Promise.all(
    checks.map(async (check): Promise<Finding> => {
      const looked = check.look(surroundings, shared).catch((error: unknown) => [failure(error)])
      const verdicts = await within(deadlineMs, looked)
      return { check: check.name, verdicts: verdicts === 'late' ? [tooLate(deadlineMs)] : verdicts }
    }),
  )
  stdout.write(json ? inJson(findings) : renderFindings(findings, lookOf(stdout)))
  return worstOf(findings.flatMap(({ verdicts }) => verdicts)) === 'problem' ? 1 : 0
}

/** In the order in which they are told: what others rest on comes first. */
const checks: readonly Check[] = [...zfsChecks, ...serviceChecks, ...configurationChecks, ...diskChecks]

const tooLate = (deadlineMs: number): Verdict =>
  problem(`this could not be looked at within ${Math.round(deadlineMs / 1000)} s`, 'journalctl -k -n 50')

async function surroundingsOf({ notify, configFile, stderr }: DoctorOptions): Promise<Surroundings> {
  const run = withLimit(createRun(), commandDeadlineMs)
  // In a child of its own: this process must not hang in a driver.
  const onWarning = (text: string): void => void stderr.write(`walkaway: ${text}\n`)
  const udev = await createUdev({ run, onWarning, prefer: 'udevadm' })
  const now = () => new Date()
  return {
    root: '',
    uid: process.getuid?.() ?? 0,
    run,
    zfs: createZfs(run),
    pools: createPools({ run }),
    scan: () => udev.scan(),
    engineFault: () => {
      const native = loadNodeUdev()
      return typeof native === 'string' ? native : null
    },
    history: createHistory(stateDirectory),
    now,
    configFile,
    loadConfig: () => loadConfig({ file: configFile }),
    // All checks begin at once, which is much for a small machine, and who does not answer is to be restarted.
    askStatus: () => askStatus(controlSocket, { version: 1, command: 'status' }, { deadlineMs: 20_000 }),
    version,
    tryChannels: async (config) => {
      if (!notify) return []
      const [{ tryChannel }, { waysFromShell }, { hostname }] = await Promise.all([
        import('../notify/trial.ts'),
        import('../notify/channel.ts'),
        import('node:os'),
      ])
      return Promise.all(
        config.notify.map((channel) => tryChannel(channel, { ...waysFromShell(run), now, host: hostname() })),
      )
    },
  }
}

/** No command of a check may take longer than a person waits. */
const withLimit =
  (run: Run, mostMs: number): Run =>
  (file, args, options) =>
    run(file, args, { ...options, deadlineMs: Math.min(options.deadlineMs, mostMs) })

const levels: readonly Level[] = ['ok', 'warning', 'problem']
const worstOf = (verdicts: readonly Verdict[]): Level =>
  verdicts.reduce<Level>(
    (worst, { level }) => (levels.indexOf(level) > levels.indexOf(worst) ? level : worst),
    'ok',
  )

function inJson(findings: readonly Finding[]): string {
  const checked = findings.map(({ check, verdicts }) => ({
    check,
    level: worstOf(verdicts),
    findings: verdicts,
  }))
  const level = worstOf(findings.flatMap(({ verdicts }) => verdicts))
  return jsonText({ version: 1, level, checks: checked })
}

const colours = { ok: 'green', warning: 'yellow', problem: 'red' } as const

/** A line for each verdict, below it the command that mends it, and in the last line how many of each there are. */
function renderFindings(findings: readonly Finding[], look: Look): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const indent = 'warning'.length + width + 4
  const lines = findings.flatMap(({ check, verdicts }) =>
    verdicts.flatMap(({ level, says, mend }, at) => {
      const [first = '', ...rest] = indented(says, { indent, look })
      const name = (at === 0 ? check : '').padEnd(width)
      return [
        `${paint(level.padEnd('warning'.length), colours[level], look)}  ${name}  ${first.trimStart()}`,
        ...rest,
        // Not broken into lines: it is there to be copied.
        ...(mend === null ? [] : [`${' '.repeat(indent)}-> ${oneLine(mend)}`]),
      ]
    }),
  )
  const verdicts = findings.flatMap((finding) => finding.verdicts)
  const count = (level: Level) => verdicts.filter((verdict) => verdict.level === level).length
  const summary = `${plural(count('problem'), 'problem')}, ${plural(count('warning'), 'warning')}, ${count('ok')} ok`
  return `${[...lines, '', summary].join('\n')}\n`
}
