// `npm run test:matrix [-- NAME ...]`: the scenarios of `npm run test:vm`, or those that are named, on every system of
// variant.ts, and a table. `--on SYSTEM` (again and again, if you like): on that one only.
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeImage } from './image.ts'
import { chosenVariant, type Variant, variants } from './variant.ts'

const root = join(import.meta.dirname, '..', '..')
const resultsOf = (project: string): string => join(root, 'build', 'test-results', `${project}.json`)

interface Row {
  readonly versions: readonly string[]
  readonly passed: number
  readonly failed: readonly string[]
  readonly exitCode: number
  readonly minutes: number
}

interface Report {
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
  }[]
}

/** What vitest wrote of one project; null: it did not run. */
function readReport(project: string): Report | null {
  try {
    return JSON.parse(readFileSync(resultsOf(project), 'utf8'))
  } catch {
    return null
  }
}

async function tryOn(variant: Variant, names: readonly string[]): Promise<Row> {
  process.env['WALKAWAY_MACHINE'] = variant.name
  const { versions } = await makeImage()
  const began = performance.now()
  for (const project of ['vm', 'long']) rmSync(resultsOf(project), { force: true })
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', 'test/vm/run.ts', 'vm', ...names], {
    cwd: root,
    stdio: 'inherit',
  })
  const reports = ['vm', 'long'].flatMap((project) => readReport(project) ?? [])
  return {
    versions: readFileSync(versions, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\S+ /, '')),
    passed: reports.reduce((sum, { numPassedTests }) => sum + numPassedTests, 0),
    failed: reports
      .flatMap(({ testResults }) => testResults)
      .filter((file) => file.status !== 'passed')
      .flatMap(({ name, assertionResults }) => {
        const titles = assertionResults.filter((test) => test.status === 'failed').map(({ title }) => title)
        return titles.length > 0 ? titles : [name]
      }),
    exitCode: status ?? 1,
    minutes: (performance.now() - began) / 60_000,
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { on: { type: 'string', multiple: true } },
})
const asked = values.on?.map(chosenVariant) ?? variants
const rows: Row[] = []
for (const variant of asked) rows.push(await tryOn(variant, positionals))

const lines = rows.map(({ versions, passed, failed, exitCode, minutes }) => {
  const verdict =
    exitCode === 0 && failed.length === 0 ? 'passed' : `FAILED: ${failed.join('; ') || exitCode}`
  return `| ${versions.join(' | ')} | ${passed} | ${verdict} | ${Math.round(minutes)} min |`
})
process.stdout.write(
  [
    '',
    '| Debian | Linux | OpenZFS | systemd | Node | passed | | took |',
    '|---|---|---|---|---|---|---|---|',
    ...lines,
  ]
    .join('\n')
    .concat('\n'),
)
process.exitCode = rows.some(({ exitCode, failed }) => exitCode !== 0 || failed.length > 0) ? 1 : 0
