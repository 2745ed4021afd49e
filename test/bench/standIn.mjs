// Answers at the control socket as a daemon with two idle disks would, so that `walkaway status` has something to show.
import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { parentPort } from 'node:worker_threads'

const folder = '/run/walkaway'
const path = `${folder}/control.sock`
const disk = {
  name: 'offsite-1',
  pool: 'offsite-1',
  poolGuid: '4425734906477738374',
  serials: ['WD-WX52D91A0001'],
  state: 'absent',
  since: null,
  reason: null,
  overdue: false,
  dueBy: null,
  lastComplete: null,
  lastVisit: null,
  ending: false,
  progress: null,
}
const status = {
  version: 1,
  host: 'nas',
  daemon: { version: '0.1.0', startedAt: new Date().toISOString() },
  disks: [disk, { ...disk, name: 'offsite-2', pool: 'offsite-2' }],
  undelivered: [],
}
mkdirSync(folder, { recursive: true })
const server = createServer((client) => {
  client.on('error', () => client.destroy())
  client.once('data', () => client.end(`${JSON.stringify({ version: 1, ok: true, status })}\n`))
})
server.listen(path, () => parentPort.postMessage('listening'))
process.on('exit', () => rmSync(path, { force: true }))
