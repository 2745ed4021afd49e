// `npm run test:vm [-- NAME ...]`: makes what is missing, then runs the scenarios. NAME is a part of a file's name or of a
// scenario's title. The first argument is the vitest project: vm or long.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import './prepare.ts'

const [project = 'vm', ...names] = process.argv.slice(2)
const folder = project === 'long' ? 'long' : 'scenarios'
const files = readdirSync(join(import.meta.dirname, folder), { recursive: true, encoding: 'utf8' })
const options = names.filter((name) => name.startsWith('-'))
const wanted = names.filter((name) => !name.startsWith('-'))
const inFiles = wanted.filter((name) => files.some((file) => file.includes(name)))
const inTitles = wanted.filter((name) => !inFiles.includes(name))
const titles = inTitles.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')

const root = join(import.meta.dirname, '..', '..')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [
    ...[vitest, 'run', '--config', 'test/vitest.config.ts', '--project', project],
    ...(titles === '' ? [] : ['--testNamePattern', titles]),
    ...options,
    ...inFiles.map((name) => join(folder, name)),
  ],
  { cwd: root, stdio: 'inherit' },
)
process.exit(status ?? 1)
