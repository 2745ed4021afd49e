// How long a person waits for the bundled program, beside what Node itself takes. On this computer, without a daemon.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleProgram } from '../../src/package/bundle.ts'
import { median, print, printSpread } from './figures.ts'

const rounds = 20
const target = 1.5

export async function measureStartup(): Promise<void> {
  print(`startup: ${rounds} starts of each, in turn`)
  const folder = mkdtempSync(join(tmpdir(), 'walkaway-startup-'))
  try {
    const { files } = await bundleProgram({ root: join(import.meta.dirname, '../..') })
    for (const [name, contents] of files) writeFileSync(join(folder, name), contents)
    const program = join(folder, 'main.cjs')
    const empty = { name: 'node -e 0', args: ['-e', '0'], exitCodes: [0], tookMs: [] as number[] }
    const help = {
      name: 'walkaway --help',
      args: [program, '--help'],
      exitCodes: [0],
      tookMs: [] as number[],
    }
    const status = {
      name: 'walkaway status',
      args: [program, 'status'],
      exitCodes: [0, 3],
      tookMs: [] as number[],
    }
    for (let round = 0; round < rounds; round++)
      for (const { name, args, exitCodes, tookMs } of [empty, help, status]) {
        const begin = performance.now()
        const { status: exitCode } = spawnSync(process.execPath, args, { stdio: 'ignore' })
        tookMs.push(performance.now() - begin)
        if (exitCode === null || !exitCodes.includes(exitCode))
          throw new Error(`${name} ended with ${exitCode}`)
      }
    printSpread(empty.name, empty.tookMs, 0, ' ms')
    for (const { name, tookMs } of [help, status]) {
      printSpread(name, tookMs, 0, ' ms')
      const ratio = median(tookMs) / median(empty.tookMs)
      print(
        `  ${name}: ${ratio.toFixed(2)} times ${empty.name} (target: ${target}): ${ratio <= target ? 'met' : 'NOT met'}`,
      )
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
