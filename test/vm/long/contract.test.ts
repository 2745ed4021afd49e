// The contract of zfs/ on a real kernel: what the unit tests believe of the in-memory ZFS is true of this one too.
import { build } from 'esbuild'
import { expect } from 'vitest'
import { cases } from '../../contract.ts'
import { scenario } from '../scenario.ts'

scenario(
  'contract: the real ZFS keeps every promise that the in-memory one makes',
  async ({ startMachine }) => {
    const { outputFiles } = await build({
      entryPoints: [`${import.meta.dirname}/../contractInGuest.ts`],
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
    })
    const machine = await startMachine({ layer: 'ready' })
    await machine.writeFile('/root/contract.mjs', outputFiles[0]?.text ?? '')
    const { stdout } = await machine.run(['node', '/root/contract.mjs'], { deadlineMs: 5_400_000 })
    const results: readonly { readonly name: string; readonly error: string | null }[] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(results.filter(({ error }) => error !== null)).toEqual([])
    expect(results.map(({ name }) => name)).toEqual(cases.map(({ name }) => name))
  },
  { timeoutMs: 5_500_000 },
)
