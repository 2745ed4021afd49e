// `npm run test:vm [-- NAME ...]`: makes what is missing, then runs the scenarios. NAME is a part of a file's name or of a
// scenario's title, in either project. The first argument is the vitest project: vm or long.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Chosen, chooseScenarios, folders, type Project, type ScenarioFile } from './choose.ts'

const [first, ...names] = process.argv.slice(2)
const asked: Project = first === 'long' ? 'long' : 'vm'
const options = names.filter((name) => name.startsWith('-'))
const wanted = names.filter((name) => !name.startsWith('-'))

const filesOf = (project: Project): readonly ScenarioFile[] => {
  const folder = join(import.meta.dirname, folders[project])
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => ({ project, name, text: readFileSync(join(folder, name), 'utf8') }))
}
const choice = chooseScenarios(asked, wanted, [...filesOf('vm'), ...filesOf('long')])
if (choice.kind === 'unknown') {
  const folder = (project: Project): string => `test/vm/${folders[project]}`
  console.error(
    `no scenario is called ${choice.names.map((name) => JSON.stringify(name)).join(' or ')}: ` +
      `neither a file in ${folder('vm')} or ${folder('long')} nor a title in one`,
  )
  process.exit(2)
}

// Takes minutes when the image is missing: not before the names are known to be right.
await import('./prepare.ts')

const root = join(import.meta.dirname, '..', '..')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

function run({ project, files, titles }: Chosen): number {
  const pattern = titles.map((title) => title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  const { status } = spawnSync(
    process.execPath,
    [
      ...[vitest, 'run', '--config', 'test/vitest.config.ts', '--project', project],
      ...(pattern === '' ? [] : ['--testNamePattern', pattern]),
      ...options,
      ...files.map((name) => join(folders[project], name)),
    ],
    { cwd: root, stdio: 'inherit' },
  )
  return status ?? 1
}
process.exit(Math.max(...choice.runs.map(run)))
