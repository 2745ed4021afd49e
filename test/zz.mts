import { build } from 'esbuild'
import { startMachine } from '/tmp/bm/test/vm/machine.ts'
const pattern = process.argv[2] ?? ''
const { outputFiles } = await build({ entryPoints: ['/tmp/bm/test/vm/contractInGuest.ts'], bundle: true, write: false, platform: 'node', format: 'esm', target: 'node20',
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" } })
const machine = await startMachine({ layer: 'ready', name: 'contract' })
try {
  await machine.writeFile('/root/contract.mjs', outputFiles[0]!.text)
  const p = machine.start(['node', '/root/contract.mjs', pattern])
  let n = 0
  const t = setInterval(() => { const o = p.stdout(); process.stdout.write(o.slice(n)); n = o.length }, 5000)
  const r = await p.wait({ deadlineMs: 3_000_000 }); clearInterval(t)
  process.stdout.write(p.stdout().slice(n)); console.log(r.exitCode)
} finally { await machine.close() }
