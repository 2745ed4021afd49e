// The bundled program, started from a folder with nothing else in it, as it is installed.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bundle, bundleProgram } from '../../src/package/bundle.ts'

const root = join(import.meta.dirname, '../..')
let bundle: Bundle
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-bundle-'))
  bundle = await bundleProgram({ root })
  for (const [name, contents] of bundle.files) writeFileSync(join(folder, name), contents)
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true }))

function start(...args: readonly string[]) {
  const options = { encoding: 'utf8', cwd: folder, env: { PATH: process.env['PATH'] } } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'main.cjs'), ...args], options)
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

test('bad usage of the plugin for monitoring is unknown, not critical, and is told on stdout', () => {
  for (const args of [['--jsn'], ['one', 'too many'], ['--\x1b|']]) {
    const { exitCode, stdout } = start('check', ...args)
    expect(exitCode).toBe(3)
    expect(stdout).toMatch(/^WALKAWAY UNKNOWN - [^|\n]+\n$/)
    expect(stdout).not.toContain('\x1b')
  }
  expect(start('check', '--help')).toMatchObject({ exitCode: 0, stderr: '' })
})

test('what is typed is not repeated to the terminal as it is', () => {
  for (const args of [
    ['\x1b[31mstatus'],
    ['plan', '\x1b[31mx', '--config', join(root, 'config.example.yaml')],
  ]) {
    const { exitCode, stderr } = start(...args)
    expect(exitCode).toBe(2)
    expect(stderr).toContain('\\x1b[31m')
    expect(stderr).not.toContain('\x1b')
  }
})

test('an empty WALKAWAY_CONFIG is none', () => {
  const { stdout } = spawnSync(process.execPath, [join(folder, 'main.cjs'), '--help'], {
    encoding: 'utf8',
    env: { WALKAWAY_CONFIG: '' },
  })
  expect(stdout).toContain('/etc/walkaway/config.yaml')
})

test('a mistake that a command in another file notices ends with 2', () => {
  const { exitCode, stderr } = start('plan', 'ofsite-1', '--config', join(root, 'config.example.yaml'))
  expect(exitCode).toBe(2)
  expect(stderr).toContain('offsite-1')
})

test('a reader that is slow gets everything', () => {
  const file = join(folder, 'many.yaml')
  const keys = Array.from({ length: 5000 }, (_, at) => `unknown-key-number-${at}: 1`)
  writeFileSync(file, keys.join('\n'))
  const { exitCode, stderr } = start('config', 'check', file)
  expect(exitCode).toBe(2)
  expect(stderr).toContain('unknown-key-number-4999')
})

test('help and status are loaded in one file, and without what only others need', () => {
  const alone = join(folder, 'alone')
  mkdirSync(alone)
  copyFileSync(join(folder, 'main.cjs'), join(alone, 'main.cjs'))
  const startAlone = (...args: readonly string[]) =>
    spawnSync(process.execPath, [join(alone, 'main.cjs'), ...args], { encoding: 'utf8', env: {} })
  expect(startAlone('--help')).toMatchObject({ status: 0, stderr: '' })
  // Whether a daemon runs on this computer or not: it was asked, and only what is said without one is elsewhere.
  const { status, stderr } = startAlone('status')
  if (status !== 0) expect(stderr).toMatch(/Cannot find module .*remembered\.mjs/)
  const sizes = [...bundle.files].map(([name, { length }]) => ({ name, length }))
  const whole = sizes.reduce((sum, { length }) => sum + length, 0)
  expect(sizes.length).toBeGreaterThan(4)
  expect(sizes.find(({ name }) => name === 'main.cjs')?.length).toBeLessThan(whole / 5)
})

test('it names the licence of everything in it', () => {
  const names = bundle.licences.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['commander', 'execa', 'yaml', 'zod']))
  for (const { name, text } of bundle.licences) expect(text, name).not.toBe('Licence: undefined')
})

test('the same sources give the same bytes', async () => {
  const again = await bundleProgram({ root })
  expect([...again.files.keys()]).toEqual([...bundle.files.keys()])
  for (const [name, contents] of again.files) {
    expect(Buffer.compare(contents, bundle.files.get(name) ?? Buffer.alloc(0)), name).toBe(0)
  }
}, 60_000)
