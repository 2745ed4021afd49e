// Which mirror the machine's image is built from: read from this computer's apt sources in all the ways they are written.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { debianMirror } from './vm/image.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function apt(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'walkaway-apt-'))
  folders.push(root)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text.replaceAll('ROOT', root))
  }
  return root
}

const stanza = (uri: string, suites: string, more = '') =>
  `Types: deb\n# a comment\nURIs: ${uri}\nSuites: ${suites}\nComponents: main contrib\n${more}`

test.each<[string, Readonly<Record<string, string>>]>([
  [
    'sources.list',
    { 'sources.list': '# old\ndeb-src http://b/debian bookworm main\ndeb http://a/debian bookworm main\n' },
  ],
  [
    'options in brackets',
    { 'sources.list': 'deb [arch=amd64 signed-by=/k.gpg] http://a/debian trixie main contrib' },
  ],
  ['deb822', { 'sources.list.d/debian.sources': stanza('http://a/debian', 'bookworm bookworm-updates') }],
  [
    'security and third parties come first',
    {
      'sources.list.d/a-node.sources': stanza('http://node/', 'nodistro'),
      'sources.list.d/b-tool.list': 'deb http://tool/ tool-bookworm main\n',
      'sources.list.d/debian.sources': `${stanza('http://s/', 'bookworm-security')}\n\n${stanza('http://a/debian', 'bookworm')}`,
    },
  ],
  [
    'a stanza that is switched off',
    {
      'sources.list.d/debian.sources': `${stanza('http://off/', 'sid', 'Enabled: no\n')}\n${stanza('http://a/debian', 'sid')}`,
    },
  ],
  [
    'a list of mirrors, as cloud images have it',
    {
      'sources.list.d/debian.sources': stanza('mirror+file://ROOT/mirrors.list', 'bookworm'),
      'mirrors.list': 'http://a/debian\tpriority:1\nhttp://b/debian\n',
    },
  ],
  [
    'a file of no known kind is left out',
    { 'sources.list.d/x.disabled': 'deb http://x/ sid main', 'sources.list': 'deb http://a/debian sid main' },
  ],
])('%s', (_, files) => {
  expect(debianMirror(apt(files))).toBe('http://a/debian')
})

test('no Debian archive is an error that says where it was looked for', () => {
  const root = apt({ 'sources.list': 'deb http://ubuntu/ noble main' })
  expect(() => debianMirror(root)).toThrow(`${root}/sources.list`)
})
