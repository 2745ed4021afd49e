// `walkaway status [--json]`: asks the daemon. Without a daemon, what the history of visits
// knows of the configured disks, and exit code 3.
import { askStatus } from '../control/client.ts'
import { oneLine } from '../linux/oneLine.ts'
import { jsonText } from './jsonText.ts'
import { controlSocket, stateDirectory } from './places.ts'
import { daemonAway, renderRemembered, renderStatus } from './statusText.ts'
import { lookOf, type Output } from './words.ts'

export interface StatusOptions {
  readonly json: boolean
  readonly configFile: string
  readonly stdout: Output
  readonly stderr: Output
  readonly socket?: string
  readonly stateFolder?: string
  readonly now?: () => Date
}

const deadlineMs = 5_000

/** Returns the exit code: 0; 3 when the daemon is not running; what the daemon says when it refuses. */
export async function runStatus(options: StatusOptions): Promise<number> {
  const { json, stdout, stderr, socket = controlSocket, now = () => new Date() } = options
  const reply = await askStatus(socket, { version: 1, command: 'status' }, { deadlineMs })
  if ('kind' in reply) return tellOffline(options)
  if (!reply.ok) {
    stderr.write(`walkaway: ${oneLine(reply.error.message)}\n`)
    return reply.error.exitCode
  }
  stdout.write(json ? jsonText(reply.status) : renderStatus(reply.status, { ...lookOf(stdout), now: now() }))
  return 0
}

async function tellOffline({
  json,
  configFile,
  stdout,
  stderr,
  stateFolder = stateDirectory,
  now = () => new Date(),
}: StatusOptions): Promise<3> {
  // Loaded late: while the daemon runs nothing of it is needed.
  const { offlineAnswer, recall } = await import('./remembered.ts')
  for (const line of daemonAway) stderr.write(`${line}\n`)
  const { disks, problem } = await recall({ stateFolder, configFile }, now())
  if (problem !== null) stderr.write(`${problem}\n`)
  stdout.write(
    json ? jsonText(offlineAnswer(disks)) : renderRemembered(disks, { ...lookOf(stdout), now: now() }),
  )
  return 3
}
