// The properties of an encrypted copy: what is set again, and that a real shell, following the text on the disk, does
// exactly what walkaway does.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { assignmentsFrom, rawFunction, rawLine } from '../../src/core/rawRestore.ts'
import { parseReceived } from '../../src/zfs/parse.ts'

vi.setConfig({ testTimeout: 120_000 })

let folder = ''
const stub = (name: string, ...lines: readonly string[]): void =>
  writeFileSync(join(folder, name), `#!/bin/sh\ncd '${folder}' || exit\n${lines.join('\n')}\n`, {
    mode: 0o755,
  })
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-raw-'))
  stub(
    'zfs',
    `printf '%s\\0' "$@" >"said-$1"`,
    'case $1 in',
    '  get) cat answer; exit "$(cat code)" ;;',
    '  send) echo the stream ;;',
    '  receive) cat >stream ;;',
    'esac',
  )
  stub('zpool', `printf '%s\\0' "$@" >said-zpool`, 'cat altroot')
})
afterAll(() => rmSync(folder, { recursive: true }))

const said = (verb: string): readonly string[] =>
  readFileSync(join(folder, `said-${verb}`), 'utf8')
    .split('\0')
    .slice(0, -1)

/** Follows the text in a shell where `zfs get` gives this answer. Returns its exit code. */
function follow(answer: string, { altroot = '-', code = 0 } = {}): number | null {
  for (const verb of ['send', 'receive', 'get', 'zpool'])
    rmSync(join(folder, `said-${verb}`), { force: true })
  writeFileSync(join(folder, 'answer'), answer)
  writeFileSync(join(folder, 'altroot'), `${altroot}\n`)
  writeFileSync(join(folder, 'code'), `${code}`)
  const line = rawLine("usb/na s/it's@s 1", '"$TO"/back')
  const script = [
    ...rawFunction,
    "TO='new pool'; p=mine",
    line,
    'code=$?',
    '[ "$p" = mine ] || exit 99',
    'exit $code',
  ]
  const env = { PATH: `${folder}:${process.env['PATH']}` }
  return spawnSync('sh', ['-euc', script.join('\n')], { env, encoding: 'utf8' }).status
}
/** What the receive was told to set. */
const options = (): readonly string[] => said('receive').slice(2, -1)
const asOptions = (answer: string, altroot: string | null): readonly string[] =>
  Object.entries(assignmentsFrom(parseReceived(answer), altroot)).flatMap(([name, value]) => [
    '-o',
    `${name}=${value}`,
  ])

const answer = [
  'type\t-',
  'quota\t0',
  'compression\tgzip',
  'mountpoint\t/run/alt/srv/my  "own" $HOME',
  'canmount\ton',
  'keylocation\tfile:///key',
  'volsize\t10',
  'readonly\toff',
  "org:note\tit's  `mine` $(id) \\n",
  '  * second\tline ',
  '',
  'readonly\ton',
  'walkaway:source\ttank',
  'still tank',
  'org:none\t-',
  'org:empty\t',
  'org:last\ta=b',
  '',
].join('\n')

test('a shell sends the copy raw and sets what it received, but nothing that is set otherwise or cannot be', () => {
  expect(follow(answer, { altroot: '/run/alt' })).toBe(0)
  expect(said('get')).toEqual(['get', '-Hp', '-o', 'property,received', 'all', "usb/na s/it's"])
  expect(said('zpool')).toEqual(['get', '-H', '-o', 'value', 'altroot', 'usb'])
  expect(said('send')).toEqual(['send', '-w', "usb/na s/it's@s 1"])
  expect(said('receive')).toEqual([
    ...[
      'receive',
      '-u',
      '-o',
      'compression=gzip',
      '-o',
      'mountpoint=/srv/my  "own" $HOME',
      '-o',
      'canmount=on',
    ],
    ...['-o', 'readonly=off', '-o', "org:note=it's  `mine` $(id) \\n\n  * second\tline \n\nreadonly\ton"],
    ...['-o', 'org:empty=', '-o', 'org:last=a=b', 'new pool/back'],
  ])
  expect(readFileSync(join(folder, 'stream'), 'utf8')).toBe('the stream\n')
  expect(options()).toEqual(asOptions(answer, '/run/alt'))
})

test('a mountpoint loses the altroot and nothing else', () => {
  for (const [altroot, shown, mountpoint] of [
    ['-', '/srv', '/srv'],
    ['/', '/srv', '/srv'],
    ['/mnt', '/mnt/srv', '/srv'],
    ['/mnt', '/mnt', '/'],
    ['-', '/', '/'],
    ['/mnt', 'none', 'none'],
    ['/mnt', 'legacy', 'legacy'],
  ] as const) {
    const text = `type\t-\nmountpoint\t${shown}\n`
    expect(follow(text, { altroot })).toBe(0)
    expect(options()).toEqual(['-o', `mountpoint=${mountpoint}`])
    expect(asOptions(text, altroot === '-' ? null : altroot)).toEqual(options())
  }
})

test('nothing received: nothing is set; no answer: nothing is sent', () => {
  expect(follow('type\t-\nmountpoint\t-\n')).toBe(0)
  expect(said('receive')).toEqual(['receive', '-u', 'new pool/back'])
  for (const [text, code] of [
    ['', 0],
    ['type\t-\n', 1],
  ] as const) {
    expect(follow(text, { code })).not.toBe(0)
    expect(() => said('send')).toThrow()
  }
})

test('whatever was received, the shell and walkaway set the same', () => {
  const native = fc.constantFrom('compression', 'readonly', 'quota', 'mountpoint', 'sharenfs', 'keyformat')
  const user = fc.constantFrom('org:note', 'com.sun:auto-snapshot', 'a:b-c_d', 'walkaway:mode', 'x:')
  const piece = fc.constantFrom(
    'a',
    'B',
    ' ',
    '\t',
    '\n',
    '$',
    '"',
    "'",
    '\\',
    '*',
    '=',
    '-',
    ':',
    '`',
    'ü',
    '%s',
  )
  const value = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
  const rows = fc.tuple(
    fc.uniqueArray(fc.tuple(native, fc.constantFrom('-', 'on', '/a b', '/m/x')), {
      selector: ([name]) => name,
    }),
    fc.uniqueArray(fc.tuple(user, value), { selector: ([name]) => name }),
  )
  fc.assert(
    fc.property(rows, ([natives, users]) => {
      const all = [['type', '-'], ...natives, ...users, ['z:end', 'x']]
      const text = all.map((row) => `${row.join('\t')}\n`).join('')
      expect(follow(text, { altroot: '/m' })).toBe(0)
      expect(options()).toEqual(asOptions(text, '/m'))
    }),
    { numRuns: 60 },
  )
})

test('other shells read it, too', () => {
  for (const shell of ['bash', 'dash'])
    execFileSync('sh', ['-c', `! command -v ${shell} >/dev/null || ${shell} -n`], {
      input: rawFunction.join('\n'),
    })
  expect(rawFunction.join('\n')).toMatch(/^[\x20-\x7e\n]*$/)
})
