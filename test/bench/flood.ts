// `npm run bench:flood`: 100,000 messages of rubbish to the control socket, 200 clients at once, on this computer. The server has
// a process of its own, whose memory is looked at after each fifth.
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createControlServer } from '../../src/control/server.ts'
import { print } from './figures.ts'

const rounds = 5
const messagesARound = 20_000
const clients = 200
/** The first round fills caches and compiles code; after it there is nothing left to grow. */
const mostGrowth = 1.15

const [socket] = process.argv.slice(2)
if (socket === undefined) process.exitCode = await measure()
else await serve(socket)

async function serve(path: string): Promise<void> {
  await createControlServer({
    path,
    answer: () => ({ version: 1, ok: true, history: { version: 1, visits: [] } }),
    onProblem: (problem) => {
      throw problem
    },
  })
  process.send?.('listening')
}

async function measure(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'walkaway-flood-'))
  const path = join(folder, 'control.sock')
  const server = fork(fileURLToPath(import.meta.url), [path])
  try {
    await once(server, 'message')
    const resident: number[] = []
    for (let round = 0; round < rounds; round++) {
      const client = join(import.meta.dirname, 'floodClient.mjs')
      const args = [client, path, messagesARound, clients, round + 1].map(String)
      const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      if (stdout === '') throw new Error(stderr)
      if (server.exitCode !== null) throw new Error('the server is gone')
      resident.push(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]))
      print(`round ${round + 1}: ${stdout.trim()}, ${resident.at(-1)} kB resident`)
    }
    const growth = Math.max(...resident.slice(1)) / (resident[0] ?? 0)
    print(
      `memory after the later rounds against the first: ${growth.toFixed(2)} (target: below ${mostGrowth})`,
    )
    return growth < mostGrowth ? 0 : 1
  } finally {
    server.kill()
    rmSync(folder, { recursive: true })
  }
}
