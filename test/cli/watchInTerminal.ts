// Run inside a terminal: `walkaway status --watch` of the daemon behind this socket, at a time that stands still.
import { runWatch } from '../../src/cli/watch.ts'
import { now } from './statuses.ts'

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
const exitCode = await runWatch({
  json: false,
  interrupted: interrupted.signal,
  stdout: process.stdout,
  socket: process.argv[2] ?? '',
  stateFolder: '/nonexistent',
  configFile: '/nonexistent/config.yaml',
  pollMs: 200,
  now: () => now,
})
process.stdout.write(`ended with ${exitCode}\n`)
