// The bundled program, started from a folder with nothing else in it, as it is installed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bundle, bundleProgram } from '../../src/package/bundle.ts'

const root = join(import.meta.dirname, '../..')
let bundle: Bundle
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-bundle-'))
  bundle = await bundleProgram({ root, entry: 'src/main.ts' })
  for (const [name, contents] of bundle.files) writeFileSync(join(folder, name), contents)
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true }))

function start(...args: readonly string[]) {
  const options = { encoding: 'utf8', cwd: folder, env: { PATH: process.env['PATH'] } } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'main.mjs'), ...args], options)
  return { exitCode: status, stdout, stderr }
}

test('it starts, and knows its version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect(start('--version')).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' })
})

test.each([['daemon'], ['status'], ['disks'], ['config', 'check']])('%s %s explains itself', (...command) => {
  const { exitCode, stdout, stderr } = start(...command, '--help')
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(stdout).toContain(`Usage: walkaway ${command.join(' ')}`)
})

test('it takes the example configuration', () => {
  const { exitCode, stdout } = start('config', 'check', join(root, 'config.example.yaml'))
  expect(stdout).toContain('ok')
  expect(exitCode).toBe(0)
})

test('bad usage ends with 2', () => {
  expect(start('stauts')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('status') })
})

test('a command loads only what it needs', () => {
  const loaded = new Set<string>()
  const load = (name: string): void => {
    const contents = bundle.files.get(name)
    if (loaded.has(name) || contents === undefined) return
    loaded.add(name)
    const code = Buffer.from(contents).toString()
    for (const match of code.matchAll(/^(?:import|\} from)[^;]*?"\.\/([^"]+)";$/gm)) load(match[1] ?? '')
  }
  load('main.mjs')
  const whole = [...bundle.files.values()].reduce((sum, contents) => sum + contents.length, 0)
  const atStart = [...loaded].reduce((sum, name) => sum + (bundle.files.get(name)?.length ?? 0), 0)
  expect(bundle.files.size).toBeGreaterThan(4)
  expect(atStart).toBeLessThan(whole / 3)
})

test('it names the licence of everything in it', () => {
  const names = bundle.licences.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['commander', 'execa', 'yaml', 'zod']))
  for (const { name, text } of bundle.licences) expect(text, name).not.toBe('Licence: undefined')
})

test('the same sources give the same bytes', async () => {
  const again = await bundleProgram({ root, entry: 'src/main.ts' })
  expect([...again.files.keys()]).toEqual([...bundle.files.keys()])
  for (const [name, contents] of again.files) {
    expect(Buffer.compare(contents, bundle.files.get(name) ?? Buffer.alloc(0)), name).toBe(0)
  }
}, 60_000)
