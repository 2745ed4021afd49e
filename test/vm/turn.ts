// How many processes may have machines running at the same time on this computer. More than two emulated machines only
// make each other late, and a scenario that waits here is not late.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, say } from './cache.ts'

const turns = 2
let taken: Promise<void> | undefined

/** Resolves when it is this process's turn, which lasts until it ends, however it ends. Asking twice is fine. */
export function takeTurn(): Promise<void> {
  taken ??= waitForTurn()
  return taken
}

async function waitForTurn(): Promise<void> {
  mkdirSync(cacheFolder(), { recursive: true })
  const locks = Array.from({ length: turns }, (_, number) => join(cacheFolder(), `turn-${number}.lock`))
  const script = `
    told=
    while true; do
      for lock; do exec 9>"$lock"; flock --nonblock 9 && exec sh -c 'echo held; exec cat > /dev/null'; done
      test "$told" || { echo waiting; told=1; }
      sleep 0.5
    done`
  const holder = spawn('sh', ['-c', script, 'sh', ...locks], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    holder.once('error', reject)
    holder.once('exit', (code) => reject(new Error(`flock ended with ${code}`)))
    holder.stdout.on('data', (chunk: Buffer) => {
      if (chunk.includes('waiting')) say('Other machines are running; waiting for a turn ...')
      if (chunk.includes('held')) resolve()
    })
  })
  // It ends with this process, when its standard input does; until then it keeps nobody waiting.
  holder.unref()
  for (const stream of [holder.stdin, holder.stdout])
    if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
}
