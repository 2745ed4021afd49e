// The manual pages name every command, option and key that there is, and roff has nothing to complain about.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { eventNames } from '../../src/config/eventNames.ts'
import { renderConfigManual } from '../../src/package/configManual.ts'
import { makeConfigSchema } from '../../src/package/schema.ts'

const root = join(import.meta.dirname, '../..')
const manual = readFileSync(join(root, 'docs/walkaway.1'), 'utf8')
const configManual = renderConfigManual(makeConfigSchema(), { version: '1.2.3', date: '2026-11-23' })
const plain = (roff: string): string => roff.replaceAll('\\-', '-').replaceAll(/\\f[A-Z]|\\&/g, '')

const described = z.object({
  commands: z.array(
    z.object({
      name: z.string(),
      options: z.array(z.string()),
      help: z.string(),
      isGroup: z.boolean(),
    }),
  ),
})
let commands: z.infer<typeof described>['commands']
beforeAll(() => {
  const args = ['--import', 'tsx', 'src/main.ts', 'completion', 'json']
  const stdout = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  commands = described.parse(JSON.parse(stdout)).commands
}, 60_000)

/** From the line with its name to the next entry that is none of its own. */
function entriesOf(name: string): string {
  const [commandPart = ''] = (plain(manual).split('.SH COMMANDS\n')[1] ?? '').split('\n.SH ')
  const entries = commandPart.split(/^\.TP\n/m).filter((entry) => {
    const [line = ''] = entry.split('\n')
    const words = line
      .replace(/^\.[A-Z]+ /, '')
      .replaceAll('"', ' ')
      .trim()
    return ` ${words} `.replaceAll(/\s+/g, ' ').startsWith(` ${name} `)
  })
  return entries.join('\n')
}

test('walkaway(1) describes every command with all its options', () => {
  const missing = commands
    .filter(({ name, isGroup }) => name !== '' && !isGroup)
    .flatMap(({ name, options }) => {
      const entry = entriesOf(name)
      return entry === ''
        ? [name]
        : options.filter((option) => !entry.includes(option)).map((option) => `${name} ${option}`)
    })
  expect(missing).toEqual([])
  expect(commands.length).toBeGreaterThan(10)
})

test('walkaway(1) names every event', () => {
  expect(eventNames.filter((name) => !plain(manual).includes(`\n${name}\n`))).toEqual([])
})

test('the help of every command has examples', () => {
  expect(
    commands.filter(({ help, isGroup }) => !isGroup && !help.includes('Examples:')).map(({ name }) => name),
  ).toEqual([])
})

test('walkaway.yaml(5) names every key of the schema, where it belongs', () => {
  const told = plain(configManual)
  const headings = new Set(told.split('\n').flatMap((line) => /^\.(?:B|SS) (.*)$/.exec(line)?.[1] ?? []))
  for (const key of [
    'sources',
    'sources[].dataset',
    'disks.NAME.poolGuid',
    'disks.NAME.luks.keyFile',
    'keep.disk.monthly',
    'notify[].smtp.passwordFile',
    'notify[], type: ntfy',
    'metrics.textfile',
    'log.level',
  ])
    expect([...headings]).toContain(key)
  const keys = keysOf(makeConfigSchema())
  expect(keys.size).toBeGreaterThan(50)
  const last = new Set([...headings].map((heading) => heading.split('.').at(-1)))
  expect([...keys].filter((key) => !last.has(key))).toEqual([])
})

test('walkaway.yaml(5) shows the form of what is read into something else', () => {
  expect(makeConfigSchema()).toMatchObject({
    properties: { remind: { properties: { quiet: { examples: ['22:00-07:00'] } } } },
  })
  expect(plain(configManual)).toMatch(/remind\.quiet\n.*for example 22:00-07:00/)
  expect(plain(configManual)).toMatch(/remind\.overdue\n.*for example 12h, 30d, 8w, never; default: 30d/)
})

/** Every name of a property, at any depth. */
function keysOf(value: unknown): Set<string> {
  if (typeof value !== 'object' || value === null) return new Set()
  const own =
    'properties' in value && typeof value.properties === 'object' ? Object.keys(value.properties ?? {}) : []
  return new Set([...own, ...Object.values(value).flatMap((below) => [...keysOf(below)])])
}

test('no line of a description becomes a request of roff', () => {
  const page = renderConfigManual(
    { properties: { a: { description: ".SH it's \\fB a -b", properties: { b: { description: "'x" } } } } },
    { version: '1', date: '2026-11-23' },
  )
  expect(page).toContain("\n\\&.SH it's \\efB a \\-b\n")
  expect(page).toContain("\n\\&'x\n")
})

test('roff has nothing to complain about', () => {
  for (const page of [manual, configManual]) {
    const { status, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], {
      input: page,
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  }
})
