// What npm gets, started as npm starts it, makes a service below another root; and what is refused on this machine itself.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import {
  planServiceFiles,
  type ServiceParts,
  whyNotAService,
  whyNotThisSystemd,
} from '../../src/cli/serviceFiles.ts'
import { writeNpmFiles } from '../../src/package/npm.ts'
import { gatherParts } from '../../src/package/parts.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let folder: string
let program: string
let root: string
beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'walkaway-npm-')))
  program = join(folder, 'dist', 'main.cjs')
  writeNpmFiles(await gatherParts(join(import.meta.dirname, '../..'), 1_790_000_000), join(folder, 'dist'))
})
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => {
  root = mkdtempSync(join(folder, 'root-'))
})

const install = (...args: readonly string[]) =>
  spawnSync(process.execPath, [program, 'install-service', ...args], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  })
const filesBelow = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length))
    .sort()

test('below another root everything is written, and the unit starts this very program', () => {
  const { status, stdout, stderr } = install('--root', root)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(filesBelow(root)).toEqual([
    '/usr/local/lib/systemd/catalog/walkaway.catalog',
    '/usr/local/lib/systemd/system/walkaway.service',
    '/usr/local/lib/udev/rules.d/90-walkaway.rules',
    '/usr/local/share/bash-completion/completions/walkaway',
    '/usr/local/share/doc/walkaway/examples/config.example.yaml',
    '/usr/local/share/fish/vendor_completions.d/walkaway.fish',
    '/usr/local/share/man/man1/walkaway.1',
    '/usr/local/share/man/man5/walkaway.yaml.5',
    '/usr/local/share/walkaway/config.schema.json',
    '/usr/local/share/zsh/site-functions/_walkaway',
  ])
  for (const path of filesBelow(root)) {
    expect(stdout).toContain(`${join(root, path)} written`)
    expect(statSync(join(root, path)).mode & 0o777).toBe(0o644)
  }
  const unit = readFileSync(join(root, '/usr/local/lib/systemd/system/walkaway.service'), 'utf8')
  expect(unit).toMatch(new RegExp(`^ExecStart=${realpathSync(process.execPath)} ${program} daemon$`, 'm'))
  expect(unit).not.toContain('/usr/bin/walkaway')
  expect(
    readFileSync(join(root, '/usr/local/share/doc/walkaway/examples/config.example.yaml'), 'utf8'),
  ).toMatch(/^# yaml-language-server: \$schema=\/usr\/local\/share\/walkaway\/config\.schema\.json$/m)
  // As npm starts it: by its first line.
  expect(readFileSync(program, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  expect(execFileSync(process.execPath, [program, '--version'], { encoding: 'utf8' })).toMatch(
    /^\d+\.\d+\.\d+\n$/,
  )
})

test('twice is once, and removing it leaves the configuration', () => {
  install('--root', root)
  expect(install('--root', root).status).toBe(0)
  execFileSync('mkdir', ['-p', join(root, 'etc/walkaway')])
  execFileSync('touch', [join(root, 'etc/walkaway/config.yaml')])
  expect(install('--root', root, '--uninstall').status).toBe(0)
  expect(filesBelow(root)).toEqual(['/etc/walkaway/config.yaml'])
  expect(install('--root', root, '--uninstall').status).toBe(0)
})

test('a dry run names every file and writes none', () => {
  const { status, stdout } = install('--dry-run', '--root', root)
  expect(status).toBe(0)
  expect(stdout).toContain(`${root}/usr/local/lib/systemd/system/walkaway.service would be written\n`)
  expect(filesBelow(root)).toEqual([])
})

// The program of this test is in /tmp, where no service of a machine may be.
test.runIf(process.getuid?.() === 0 && !existsSync('/usr/lib/systemd/system/walkaway.service'))(
  'a program in a place of others is not made a service of the machine',
  () => {
    const { status, stderr } = install()
    expect(status).toBe(2)
    expect(stderr).toContain("is a person's own")
    expect(existsSync('/usr/local/lib/systemd/system/walkaway.service')).toBe(false)
  },
)

test('what comes from elsewhere than npm says so', () => {
  const copy = join(folder, 'without')
  execFileSync('cp', ['-r', join(folder, 'dist'), copy])
  rmSync(join(copy, 'share'), { recursive: true })
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(copy, 'main.cjs'), 'install-service', '--dry-run'],
    {
      encoding: 'utf8',
    },
  )
  expect(status).toBe(2)
  expect(stderr).toContain('was not installed by npm')
})

const parts: ServiceParts = {
  'walkaway.service': 'ExecStart=/usr/bin/walkaway daemon\n',
  '90-walkaway.rules': '',
  'walkaway.catalog': '',
  'walkaway.1': '',
  'walkaway.yaml.5': '',
  'config.schema.json': '',
  'config.example.yaml': '',
}

test('a path that systemd would read as something else is quoted', () => {
  const start = (...program: readonly string[]) => planServiceFiles(parts, program)[0]?.contents
  expect(start('/usr/bin/node', '/opt/w/main.cjs')).toBe('ExecStart=/usr/bin/node /opt/w/main.cjs daemon\n')
  expect(start('/opt/my node', '/opt/$x/%h/"a".mjs')).toBe(
    'ExecStart="/opt/my node" "/opt/$$x/%%h/\\"a\\".mjs" daemon\n',
  )
})

test('what others can change is no service', () => {
  expect(whyNotAService(['/usr/bin/node', '/opt/w/main.cjs'], [])).toBeNull()
  expect(whyNotAService(['/root/.nvm/node', '/opt/w/main.cjs'], [])).toContain('/root/.nvm/node')
  expect(whyNotAService(['/usr/bin/node', '/opt/w/main.cjs'], ['/opt'])).toContain('/opt can be changed')
})

test('a systemd that does not know what the unit asks of it is named', () => {
  expect(whyNotThisSystemd('systemd 257 (257.9-1~deb13u1)\n+PAM +AUDIT\n')).toBeNull()
  expect(whyNotThisSystemd('systemd 252 (252.39-1~deb12u1)\n')).toBeNull()
  expect(whyNotThisSystemd('systemd 249 (249.11-0ubuntu3)\n')).toContain('this machine has systemd 249')
  expect(whyNotThisSystemd('')).toContain('something else')
})
