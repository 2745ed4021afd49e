// How long a person waits for the bundled program, beside what Node itself takes, on this computer. `status` is asked of a
// stand-in for the daemon; without a daemon it reads configuration and history, which has no target.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { bundleProgram } from '../../src/package/bundle.ts'
import { median, print, printSpread } from './figures.ts'

const rounds = 20
const target = 1.5

interface Start {
  readonly name: string
  readonly args: readonly string[]
  readonly exitCode: number
  readonly tookMs: number[]
}

export async function measureStartup(): Promise<void> {
  print(`startup: ${rounds} starts of each, in turn`)
  const folder = mkdtempSync(join(tmpdir(), 'walkaway-startup-'))
  try {
    const { files } = await bundleProgram({ root: join(import.meta.dirname, '../..') })
    for (const [name, contents] of files) writeFileSync(join(folder, name), contents)
    const program = join(folder, 'main.cjs')
    const of = (name: string, args: readonly string[], exitCode = 0): Start => ({
      name,
      args,
      exitCode,
      tookMs: [],
    })
    const empty = of('node -e 0', ['-e', '0'])
    const help = of('walkaway --help', [program, '--help'])
    const status = of('walkaway status', [program, 'status'])
    const offline = of('walkaway status, no daemon', [program, 'status'], 3)
    const daemon = await standIn()
    try {
      for (let round = 0; round < rounds; round++) for (const one of [empty, help, status]) start(one)
    } finally {
      await daemon.terminate()
    }
    for (let round = 0; round < rounds; round++) for (const one of [empty, offline]) start(one)
    for (const { name, tookMs } of [empty, help, status, offline]) printSpread(name, tookMs, 0, ' ms')
    for (const { name, tookMs } of [help, status]) {
      const ratio = median(tookMs) / median(empty.tookMs)
      print(
        `  ${name}: ${ratio.toFixed(2)} times ${empty.name} (target: ${target}): ${ratio <= target ? 'met' : 'NOT met'}`,
      )
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function start({ name, args, exitCode, tookMs }: Start): void {
  const begin = performance.now()
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' })
  tookMs.push(performance.now() - begin)
  if (status !== exitCode) throw new Error(`${name} ended with ${status}, not ${exitCode}`)
}

/** In a thread of its own, because starting a program here waits for its end. */
async function standIn(): Promise<Worker> {
  const worker = new Worker(new URL('./standIn.mjs', import.meta.url))
  await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  return worker
}
