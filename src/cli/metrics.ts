// `walkaway metrics`: what metrics.textfile of the configuration writes, on stdout; for who scrapes in another way.
import { askStatus } from '../control/client.ts'
import { oneLine } from '../linux/oneLine.ts'
import { renderMetrics } from '../metrics.ts'
import { controlSocket, stateDirectory } from './places.ts'
import type { Output } from './words.ts'

export interface MetricsOptions {
  readonly configFile: string
  readonly stdout: Output
  readonly stderr: Output
  readonly socket?: string
  readonly stateFolder?: string
  readonly now?: () => Date
}

const deadlineMs = 5_000

/** Returns the exit code: 0; 3 when the daemon is not running; what the daemon says when it refuses. Throws what `askStatus` throws. */
export async function runMetrics(options: MetricsOptions): Promise<number> {
  const { configFile, stdout, stderr, socket = controlSocket, stateFolder = stateDirectory } = options
  const reply = await askStatus(socket, { version: 1, command: 'status' }, { deadlineMs })
  if ('kind' in reply) {
    // What reads it is loaded late: while the daemon runs it is not needed.
    const { recall } = await import('./remembered.ts')
    const now = (options.now ?? (() => new Date()))()
    const { disks, problem } = await recall({ stateFolder, configFile }, now)
    stderr.write('walkaway: the daemon is not running; this is what the history of visits knows\n')
    if (problem !== null) stderr.write(`walkaway: ${problem}\n`)
    stdout.write(renderMetrics({ daemon: null, disks, undelivered: [] }))
    return 3
  }
  if (!reply.ok) {
    stderr.write(`walkaway: ${oneLine(reply.error.message)}\n`)
    return reply.error.exitCode
  }
  stdout.write(renderMetrics(reply.status))
  return 0
}
