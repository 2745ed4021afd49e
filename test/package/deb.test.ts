// The Debian package from the outside, as dpkg-deb shows it.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listFiles, type PackageParts, strippedModule, writeDeb } from '../../src/package/deb.ts'

const root = join(import.meta.dirname, '../..')
const epochSeconds = 1_790_000_000
const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0
const parts: PackageParts = {
  root,
  version: '1.2.3',
  bundle: {
    files: new Map([
      ['main.cjs', Buffer.from('console.log("hello")\n')],
      ['status-ABC.mjs', Buffer.from('export {}\n')],
    ]),
    licences: [{ name: 'pino', version: '10.0.0', text: 'MIT, of pino' }],
  },
  udevModule: Buffer.from('native'),
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
      '-rw-r--r-- ./usr/share/doc/walkaway/changelog.gz',
      '-rw-r--r-- ./usr/share/doc/walkaway/comparison.md',
      '-rw-r--r-- ./usr/share/doc/walkaway/copyright',
      '-rw-r--r-- ./usr/share/doc/walkaway/examples/config.example.yaml',
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
    for (const name of ['nodejs (>= 20.19)', 'zfsutils-linux', 'udev', 'util-linux', 'sg3-utils']) {
      expect(depends).toContain(name)
    }
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

test.each([
  ['installed', { before: '', active: false, removed: false }, 'start walkaway.service'],
  ['upgraded while it runs', { before: '0.1.0', active: true, removed: false }, 'restart walkaway.service'],
  ['upgraded while it is stopped', { before: '0.1.0', active: false, removed: false }, ''],
  [
    'removed and installed again',
    { before: '0.1.0', active: false, removed: true },
    'start walkaway.service',
  ],
])('%s: what becomes of the service', (_, { before, active, removed }, expected) => {
  const root = mkdtempSync(join(folder, 'root-'))
  const tools = join(root, 'tools')
  for (const path of ['tools', 'run/systemd/system', 'var/lib/systemd/deb-systemd-helper-masked'])
    mkdirSync(join(root, path), { recursive: true })
  if (removed) writeFileSync(join(root, 'var/lib/systemd/deb-systemd-helper-masked/walkaway.service'), '')
  for (const tool of ['deb-systemd-helper', 'udevadm', 'journalctl'])
    writeFileSync(join(tools, tool), '#!/bin/sh\n', { mode: 0o755 })
  const isActive = `case "$*" in *is-active*) exit ${active ? 0 : 3};; esac`
  writeFileSync(join(tools, 'systemctl'), `#!/bin/sh\n${isActive}\n`, { mode: 0o755 })
  writeFileSync(join(tools, 'deb-systemd-invoke'), `#!/bin/sh\necho "$*" >> ${root}/invoked\n`, {
    mode: 0o755,
  })
  writeFileSync(join(root, 'invoked'), '')
  const postinst = join(import.meta.dirname, '../../src/package/debian/postinst')
  const { status, stderr } = spawnSync('sh', [postinst, 'configure', before], {
    encoding: 'utf8',
    env: { PATH: `${tools}:/usr/bin:/bin`, DPKG_ROOT: root },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(readFileSync(join(root, 'invoked'), 'utf8').trim()).toBe(expected)
})

test('the licences of what is bundled are in the copyright file', () => {
  const copyright = listFiles(parts).find(({ path }) => path.endsWith('/copyright'))?.contents
  expect(copyright).toContain('walkaway contributors')
  expect(copyright).toContain('MIT, of pino')
})

test('without the native module the package has none', () => {
  expect(strippedModule(join(folder, 'not-there.node'))).toBeNull()
  expect(listFiles({ ...parts, udevModule: null }).map(({ path }) => path)).not.toContain(
    '/usr/lib/walkaway/udev.node',
  )
})
