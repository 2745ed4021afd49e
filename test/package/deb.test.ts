// The Debian package from the outside, as dpkg-deb shows it.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listFiles, type PackageParts, strippedModule, writeDeb } from '../../src/package/deb.ts'

const root = join(import.meta.dirname, '../..')
const epochSeconds = 1_790_000_000
const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0
const apache = `                              Apache License
                        Version 2.0, January 2004

   TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION

   Copyright [yyyy] [name of copyright owner]
   Copyright 2022 ehmicky <ehmicky@gmail.com>`
const parts: PackageParts = {
  root,
  version: '1.2.3',
  bundle: {
    files: new Map([
      ['main.cjs', Buffer.from('console.log("hello")\n')],
      ['status-ABC.mjs', Buffer.from('export {}\n')],
    ]),
    licences: [
      { name: 'human-signals', version: '8.0.0', text: apache },
      { name: 'pino', version: '10.0.0', text: 'MIT, of pino' },
    ],
  },
  udevModule: Buffer.from('native\0GLIBC_2.2.5\0GLIBC_2.14\0GLIBCXX_3.4.21\0'),
  udevLicence: [],
  catalog: 'the catalog\n',
  configSchema: '{}\n',
  configManual: '.TH WALKAWAY.YAML 5\n',
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-deb-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const dpkgDeb = (...args: readonly string[]) => execFileSync('dpkg-deb', args, { encoding: 'utf8' })
const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

describe.runIf(hasDpkg)('the .deb', () => {
  let deb: string
  beforeAll(() => {
    deb = writeDeb(parts, { outFolder: join(folder, 'one'), epochSeconds })
  })

  test('holds each file where a Debian user looks for it, owned by root', () => {
    const lines = dpkgDeb('--contents', deb).trim().split('\n')
    const entries = lines.map((line) => {
      const [mode = '', owner = '', , , , path = ''] = line.split(/\s+/)
      return { mode, owner, path }
    })
    expect(new Set(entries.map(({ owner }) => owner))).toEqual(new Set(['root/root']))
    const files = entries.filter(({ path }) => !path.endsWith('/'))
    expect(files.map(({ mode, path }) => `${mode} ${path}`).sort()).toEqual([
      '-rw-r--r-- ./usr/lib/systemd/catalog/walkaway.catalog',
      '-rw-r--r-- ./usr/lib/systemd/system/walkaway.service',
      '-rw-r--r-- ./usr/lib/udev/rules.d/90-walkaway.rules',
      '-rw-r--r-- ./usr/lib/walkaway/main.cjs',
      '-rw-r--r-- ./usr/lib/walkaway/status-ABC.mjs',
      '-rw-r--r-- ./usr/lib/walkaway/udev.node',
      '-rw-r--r-- ./usr/share/bash-completion/completions/walkaway',
      '-rw-r--r-- ./usr/share/doc/walkaway/CHANGELOG.md.gz',
      '-rw-r--r-- ./usr/share/doc/walkaway/changelog.gz',
      '-rw-r--r-- ./usr/share/doc/walkaway/comparison.md',
      '-rw-r--r-- ./usr/share/doc/walkaway/copyright',
      '-rw-r--r-- ./usr/share/doc/walkaway/examples/config.example.yaml',
      '-rw-r--r-- ./usr/share/doc/walkaway/journals.md',
      '-rw-r--r-- ./usr/share/doc/walkaway/restore.md',
      '-rw-r--r-- ./usr/share/doc/walkaway/threat-model.md',
      '-rw-r--r-- ./usr/share/doc/walkaway/troubleshooting.md',
      '-rw-r--r-- ./usr/share/fish/vendor_completions.d/walkaway.fish',
      '-rw-r--r-- ./usr/share/man/man1/walkaway.1.gz',
      '-rw-r--r-- ./usr/share/man/man5/walkaway.yaml.5.gz',
      '-rw-r--r-- ./usr/share/walkaway/config.schema.json',
      '-rw-r--r-- ./usr/share/zsh/vendor-completions/_walkaway',
      '-rwxr-xr-x ./usr/bin/walkaway',
    ])
    const folders = entries.filter(({ path }) => path.endsWith('/'))
    expect(new Set(folders.map(({ mode }) => mode))).toEqual(new Set(['drwxr-xr-x']))
    expect(folders.map(({ path }) => path)).toContain('./etc/walkaway/')
  })

  test('names what it needs', () => {
    expect(dpkgDeb('--field', deb, 'Version').trim()).toBe('1.2.3')
    const depends = dpkgDeb('--field', deb, 'Depends')
    for (const name of ['nodejs (>= 20.19)', 'zfsutils-linux', 'udev', 'sg3-utils', 'libc6 (>= 2.14),']) {
      expect(depends).toContain(name)
    }
    // Only for disks whose pool lies in a LUKS container.
    expect(dpkgDeb('--field', deb, 'Recommends').trim()).toBe('cryptsetup-bin')
  })

  test('has right checksums and maintainer scripts that a shell can read', () => {
    const tree = join(folder, 'tree')
    dpkgDeb('--raw-extract', deb, tree)
    const check = spawnSync('md5sum', ['--check', '--quiet', 'DEBIAN/md5sums'], { cwd: tree })
    expect(check.status).toBe(0)
    for (const script of ['postinst', 'prerm', 'postrm']) {
      expect(spawnSync('sh', ['-n', join(tree, 'DEBIAN', script)]).status, script).toBe(0)
    }
  })

  test('is the same, byte for byte, when it is built again, under any umask and elsewhere', () => {
    const before = process.umask(0o077)
    try {
      const again = writeDeb(parts, { outFolder: join(folder, 'two'), epochSeconds })
      expect(hash(again)).toBe(hash(deb))
    } finally {
      process.umask(before)
    }
  })

  test('leaves nothing but itself', () => {
    expect(readdirSync(join(folder, 'one'))).toEqual([expect.stringMatching(/^walkaway_1\.2\.3_\w+\.deb$/)])
  })
})

test('the licences of what is bundled are in the copyright file', () => {
  const copyright = listFiles(parts, epochSeconds).find(({ path }) => path.endsWith('/copyright'))?.contents
  expect(copyright).toContain('walkaway contributors')
  expect(copyright).toContain('MIT, of pino')
  // Debian has this one for all packages.
  expect(copyright).toContain('Copyright 2022 ehmicky')
  expect(copyright).toContain('/usr/share/common-licenses/Apache-2.0')
  expect(copyright).not.toContain('TERMS AND CONDITIONS')
})

test('without the native module the package has none', () => {
  expect(strippedModule(join(folder, 'not-there.node'))).toBeNull()
  expect(listFiles({ ...parts, udevModule: null }, epochSeconds).map(({ path }) => path)).not.toContain(
    '/usr/lib/walkaway/udev.node',
  )
})
