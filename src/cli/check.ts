// `walkaway check [--json]`: for monitoring. Asks the daemon; without one, judges what the history of visits knows by the
// configuration. Its exit codes are those of monitoring plugins, also when something goes wrong with the check itself.
import { askStatus } from '../control/client.ts'
import { messageOf } from '../errors.ts'
import {
  checkInJson,
  type Finding,
  judge,
  notChecked,
  offlineWords,
  renderCheck,
  verdicts,
} from './checkText.ts'
import { controlSocket, stateDirectory } from './places.ts'
import type { Output } from './words.ts'

export interface CheckOptions {
  readonly json: boolean
  readonly configFile: string
  readonly stdout: Output
  readonly socket?: string
  readonly stateFolder?: string
  readonly now?: () => Date
}

/** A plugin that takes longer than 10 s is given up by most monitoring systems. */
const deadlineMs = 5_000

/** Returns the exit code: 0 ok, 1 warning, 2 critical, 3 unknown. Never throws. */
export async function runCheck(options: CheckOptions): Promise<0 | 1 | 2 | 3> {
  const { json, stdout, now = () => new Date() } = options
  const { finding, daemon } = await find(options, now()).catch((error: unknown) => ({
    finding: notChecked(withHint(error)),
    daemon: true,
  }))
  stdout.write(json ? checkInJson(finding, daemon) : renderCheck(finding, now()))
  return verdicts[finding.verdict]
}

function withHint(error: unknown): string {
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined
  return typeof hint === 'string' ? `${messageOf(error)}; ${hint}` : messageOf(error)
}

async function find(
  options: CheckOptions,
  now: Date,
): Promise<{ readonly finding: Finding; readonly daemon: boolean }> {
  const { configFile, socket = controlSocket, stateFolder = stateDirectory } = options
  const reply = await askStatus(socket, { version: 1, command: 'status' }, { deadlineMs })
  if (!('kind' in reply)) {
    if (!reply.ok) return { finding: notChecked(reply.error.message), daemon: true }
    const { disks, undelivered } = reply.status
    return { finding: judge(disks, { undelivered, unknown: null, now }), daemon: true }
  }
  // What reads it is loaded late: while the daemon runs it is not needed.
  const { recall } = await import('./remembered.ts')
  const { disks, visits, problem } = await recall({ stateFolder, configFile }, now)
  const unknown = offlineWords(visits, problem)
  return { finding: judge(disks, { undelivered: null, unknown, now }), daemon: false }
}
