// `walkaway config check` on real files: who may write them, who may read their secrets, and the exit code.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runConfigCheck } from '../../src/cli/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Zfs } from '../../src/zfs/zfs.ts'
import { homeMachine } from '../fakes/visits.ts'

const good = 'sources: [dataset: tank]\ndisks:\n  a: { serial: S1, pool: a, poolGuid: 1 }\n'
const isRoot = process.getuid?.() === 0

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-config-'))
  file = join(folder, 'config.yaml')
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(path: string, content: string | Uint8Array, mode = 0o600): string {
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

async function check(path = file, zfs?: Zfs) {
  let stdout = ''
  let stderr = ''
  const exitCode = await runConfigCheck({
    file: path,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    ...(zfs !== undefined && { zfs }),
  })
  return { exitCode, stdout, stderr }
}

test('a good file: what is in it, exit code 0', async () => {
  write(file, good, 0o644)
  expect(await check()).toEqual({ exitCode: 0, stdout: `${file}: ok: 1 source, 1 disk\n`, stderr: '' })
})

test('a group that is not there keeps the daemon from starting: exit code 2', async () => {
  write(file, `${good}control: { group: no-such-group }\n`)
  const { exitCode, stdout, stderr } = await check()
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
  expect(stderr).toBe(
    `${file}:4:19: there is no group no-such-group on this machine; the name of a group of this machine was expected (groupadd no-such-group)\n`,
  )
})

test('a group that is not there is told together with every other mistake', async () => {
  write(file, `${good}control: { group: no-such-group }\nbakcup: {}\n`)
  const { exitCode, stderr } = await check()
  expect(exitCode).toBe(2)
  expect(stderr).toMatch(/:4:19: there is no group no-such-group.*\n.*:5:1: unknown key `bakcup`/)
})

test('an exclude that matches nothing is a warning where it stands', async () => {
  const machine = homeMachine()
  write(file, 'sources:\n  - dataset: tank\n    exclude: [tank/home, tank/hmoe]\n')
  const { exitCode, stderr } = await check(file, machine.zfs)
  expect(exitCode).toBe(0)
  expect(stderr.split('\n').filter((line) => line.includes('exclude'))).toEqual([
    expect.stringMatching(
      /^\S+config\.yaml:3:26: warning: exclude tank\/hmoe .*matches no dataset; .*expected$/,
    ),
  ])
})

test('a warning does not fail it', async () => {
  write(file, 'sources: [dataset: tank]\ndisks: {}\n')
  const { exitCode, stdout, stderr } = await check()
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${file}: ok: 1 source, 0 disks\n` })
  expect(stderr).toMatch(/^\S+:2:1: warning: no disk is configured/)
})

test('every mistake has a line of its own; exit code 2', async () => {
  write(file, `${good}bakcup: {}\nlog: { level: loud }\n`)
  const { exitCode, stdout, stderr } = await check()
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
  expect(stderr.split('\n').map((line) => line.split(' ')[0])).toEqual([`${file}:4:1:`, `${file}:5:15:`, ''])
})

test.each<[string, () => string, RegExp]>([
  ['a missing file', () => join(folder, 'nowhere.yaml'), /:1:1: there is no such file/],
  ['a directory', () => folder, /:1:1: this is a directory/],
  ['a file below a file', () => join(write(file, good), 'x'), /:1:1: a part of this path is no directory/],
  ['no UTF-8', () => write(file, Buffer.from([0x61, 0xff, 0xfe])), /:1:1: the file is not UTF-8/],
  ['a huge file', () => write(file, `# ${'x'.repeat(2_000_000)}`), /:1:1: the file is larger than 256 kB/],
  [
    'a file that its group can write',
    () => write(file, good, 0o660),
    /:1:1: others than its owner can write/,
  ],
  [
    'a file that everybody can write',
    () => write(file, good, 0o606),
    /:1:1: others than its owner can write/,
  ],
  ['a device', () => '/dev/zero', /:1:1: this is no regular file/],
])('%s is refused', async (_, make, expected) => {
  const { exitCode, stderr } = await check(make())
  expect(exitCode).toBe(2)
  expect(stderr).toMatch(expected)
})

test('a named pipe does not block it', async () => {
  expect(spawnSync('/usr/bin/mkfifo', [file]).status).toBe(0)
  expect((await check()).stderr).toMatch(/:1:1: this is no regular file/)
})

test('a directory where everybody can put another file', async () => {
  const open = join(folder, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  expect((await check(write(join(open, 'config.yaml'), good))).stderr).toMatch(
    /:1:1: everybody can replace the file/,
  )
  chmodSync(open, 0o1777)
  expect((await check(join(open, 'config.yaml'))).exitCode).toBe(0)
})

test('a link to a file in such a directory', async () => {
  const open = join(folder, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  write(join(open, 'config.yaml'), good)
  symlinkSync(join(open, 'config.yaml'), file)
  expect((await check()).stderr).toMatch(/:1:1: everybody can replace the file/)
})

test.runIf(isRoot)('a file of another user is refused', async () => {
  chownSync(write(file, good), 65_534, 65_534)
  expect((await check()).stderr).toMatch(/:1:1: the file belongs to the user with number 65534/)
})

test('what is wrong with the file and what is wrong in it are told together', async () => {
  write(file, `${good}bakcup: {}\n`, 0o666)
  const { stderr } = await check()
  expect(stderr).toMatch(/:1:1: others/)
  expect(stderr).toMatch(/:4:1: unknown key/)
})

test('a secret in a file that everybody can read', async () => {
  const text = `${good}notify: [{ type: ntfy, url: "https://x", token: hunter2 }]\n`
  const { exitCode, stderr } = await check(write(file, text, 0o644))
  expect(exitCode).toBe(2)
  expect(stderr).toMatch(/:4:49: `token` holds a secret, and everybody can read this file/)
  expect(stderr).not.toContain('hunter2')
  expect((await check(write(file, text, 0o640))).exitCode).toBe(0)
})

test.each([
  'https://me:hunter2@x/',
  'https://x/topic?auth=hunter2',
  'https://x/message?a=b&access_token=hunter2',
])('a secret in an address counts as one: %s', async (url) => {
  write(file, `${good}notify: [{ type: webhook, url: "${url}" }]\n`, 0o644)
  const { stderr } = await check()
  expect(stderr).toMatch(/:4:32: `url` holds a secret/)
  expect(stderr).not.toContain('hunter2')
})

test('files with secrets: there, and for the owner alone', async () => {
  const secret = join(folder, 'token')
  write(file, `${good}notify: [{ type: ntfy, url: "https://x", tokenFile: ${secret} }]\n`, 0o644)
  expect((await check()).stderr).toMatch(/:4:53: `tokenFile` names `[^`]+`, which does not exist/)
  write(secret, 'tk', 0o644)
  expect((await check()).stderr).toMatch(/:4:53: .* which everybody can read or write/)
  chmodSync(secret, 0o620)
  expect((await check()).stderr).toMatch(/:4:53: .* which its group can write/)
  chmodSync(secret, 0o640)
  expect((await check()).exitCode).toBe(0)
})

test('the keys of disks are looked at too', async () => {
  const key = write(join(folder, 'key'), 'k', 0o604)
  const uuid = '2b1f9a52-52a4-4b8e-9d6c-5c1f5d0f7a11'
  write(file, good.replace(' }', `, keyFile: ${key}, luks: { uuid: ${uuid}, keyFile: ${folder} } }`))
  const { stderr } = await check()
  expect(stderr).toMatch(/:3:51: `keyFile` names .* everybody can read/)
  expect(stderr).toMatch(/`keyFile` names .* is no regular file/)
})

test('a systemd credential is looked at where there are any, and found in its folder', async () => {
  write(file, good.replace(' }', ', keyFile: credential:offsite }'))
  expect((await check()).exitCode).toBe(0)
  expect(await loadConfig({ file, credentials: folder })).toMatchObject({
    kind: 'rejected',
    mistakes: [{ message: expect.stringMatching(/^`keyFile` names .*offsite.*, which does not exist/) }],
  })
  write(join(folder, 'offsite'), 'x')
  expect(await loadConfig({ file, credentials: folder })).toMatchObject({
    kind: 'ok',
    config: { disks: [{ keyFile: join(folder, 'offsite') }] },
  })
  expect(await loadConfig({ file })).toMatchObject({
    config: { disks: [{ keyFile: '/run/credentials/walkaway.service/offsite' }] },
  })
})

test('{host} is the name that the loader was given', async () => {
  const result = await loadConfig({ file: write(file, good), host: 'nas' })
  expect(result).toMatchObject({ kind: 'ok', config: { backup: { into: 'nas' } } })
})
