// The rules of the house: kept by the sources, and noticed when they are broken.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findViolations } from './architecture/rules.ts'

const src = join(import.meta.dirname, '../src')

test('the sources keep the rules of the house', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  expect(files).toContain('core/model.ts')
  const sources = new Map(files.map((path) => [path, readFileSync(join(src, path), 'utf8')]))
  expect(findViolations(sources)).toEqual([])
})

describe('a broken rule is noticed', () => {
  const house = {
    'core/model.ts': "// Nouns.\nexport type A = 'from'\n",
    'core/plan.ts': "// Plans.\nimport type { A } from './model.ts'\nexport const plan = (a: A): A => a\n",
    'linux/run.ts': "// Runs.\nimport { execa } from 'execa'\nexport const run = execa\n",
    'visit.ts': "// Visits.\nimport { plan } from './core/plan.ts'\nexport const visit = plan\n",
    'main.ts': '// Main.\nprocess.exit(0)\n',
  }
  const withFile = (path: string, text: string) =>
    findViolations(new Map([...Object.entries(house), [path, text]]))

  test('not in this small house', () => {
    expect(findViolations(new Map(Object.entries(house)))).toEqual([])
  })

  test.each([
    [
      'core reads files',
      'core/x.ts',
      "// X.\nimport { readFile } from 'node:fs/promises'",
      /nothing but itself/,
    ],
    ['core uses a package', 'core/x.ts', "// X.\nimport ms from 'pretty-ms'", /nothing but itself/],
    [
      'core looks outside',
      'core/x.ts',
      "// X.\nimport { run } from '../linux/run.ts'",
      /may not import linux\/run/,
    ],
    [
      'core asks for a type outside',
      'core/x.ts',
      "// X.\nimport type {\n  Run,\n} from '../linux/run.ts'",
      /may not/,
    ],
    ['core asks the clock', 'core/x.ts', '// X.\nexport const x = () => Date.now()', /time/],
    [
      'an adapter knows the visit',
      'linux/x.ts',
      "// X.\nimport { visit } from '../visit.ts'",
      /may not import visit/,
    ],
    [
      'an adapter loads the visit late',
      'zfs/x.ts',
      "// X.\nconst { visit } = await import('../visit.ts')",
      /may not/,
    ],
    [
      'an adapter passes the visit on',
      'control/x.ts',
      "// X.\nexport { visit } from '../visit.ts'",
      /may not/,
    ],
    ['an adapter loads it for its effect', 'control/x.ts', "// X.\nimport '../visit.ts'", /may not/],
    ['somebody imports main', 'cli/x.ts', "// X.\nimport { main } from '../main.ts'", /may not import main/],
    ['somebody else exits', 'cli/x.ts', '// X.\nprocess.exit(1)', /only main/],
    ['somebody else starts programs', 'cli/x.ts', "// X.\nimport { execa } from 'execa'", /linux\/run/],
    ['a shell', 'linux/x.ts', '// X.\nexport const x = { shell: true }', /no shell/],
    ['a shell by name', 'linux/x.ts', "// X.\nexport const x = { shell: '/bin/sh' }", /no shell/],
    ['tests in the program', 'cli/x.ts', "// X.\nimport { fake } from '../../test/fakes/zfs.ts'", /not part/],
    ['a barrel', 'zfs/index.ts', "// X.\nexport * from './zfs.ts'", /barrel/],
    ['a folder of everything', 'utils/x.ts', '// X.\nexport const x = 1', /says nothing/],
    ['a new part', 'cloud/x.ts', '// X.\nexport const x = 1', /give it its arrows/],
    ['a default export', 'cli/x.ts', '// X.\nexport default 1', /names/],
    ['no header', 'cli/x.ts', 'export const x = 1', /begins with/],
    ['a long file', 'cli/x.ts', `// X.\n${'export {}\n'.repeat(401)}`, /longer/],
  ])('%s', (_what, path, text, expected) => {
    expect(withFile(path, text).join('\n')).toMatch(expected)
  })

  test('a cycle', () => {
    const sources = new Map([
      ['core/a.ts', "// A.\nimport { b } from './b.ts'"],
      ['core/b.ts', "// B.\nimport { c } from './c.ts'"],
      ['core/c.ts', "// C.\nimport { a } from './a.ts'"],
    ])
    expect(findViolations(sources)).toEqual(['cycle: core/a.ts -> core/b.ts -> core/c.ts -> core/a.ts'])
  })

  test.each([
    ['a cycle of types alone', 'core/model.ts', "// M.\nimport type { plan } from './plan.ts'"],
    ['words in comments', 'core/x.ts', "// X.\n// import { run } from '../linux/run.ts'; process.exit(1)"],
    [
      'a string with the word from',
      'core/x.ts',
      "// X.\nexport const x = 'from'\nexport const y = ['../main.ts']",
    ],
    ['an exit code', 'cli/x.ts', '// X.\nprocess.exitCode = 1'],
  ])('but not %s', (_what, path, text) => {
    expect(withFile(path, text)).toEqual([])
  })
})
