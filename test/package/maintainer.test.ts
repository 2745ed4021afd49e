// The scripts of the Debian package: what becomes of the service, the configuration and the records, in a root folder of their
// own with tools that write down how they were called. A real dpkg runs them in test/vm/long/package.test.ts.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const scripts = join(import.meta.dirname, '../../src/package/debian')
const marker = 'run/walkaway-was-running'
const masked = 'var/lib/systemd/deb-systemd-helper-masked/walkaway.service'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'walkaway-maintainer-'))
  mkdirSync(join(root, 'run/systemd/system'), { recursive: true })
  put('invoked', '')
  for (const tool of ['deb-systemd-helper', 'udevadm', 'journalctl']) put(`tools/${tool}`, '#!/bin/sh\n')
  put('tools/deb-systemd-invoke', `#!/bin/sh\necho "$*" >> ${root}/invoked\n`)
  setActive(false)
})
afterEach(() => rmSync(root, { recursive: true }))

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text, { mode: 0o755 })
}
const setActive = (active: boolean): void =>
  put('tools/systemctl', `#!/bin/sh\ncase "$*" in *is-active*) exit ${active ? 0 : 3};; esac\n`)

function run(script: 'prerm' | 'postinst' | 'postrm', ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('sh', [join(scripts, script), ...args], {
    encoding: 'utf8',
    env: { PATH: `${root}/tools:/usr/bin:/bin`, DPKG_ROOT: root },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}
const invoked = (): readonly string[] =>
  readFileSync(join(root, 'invoked'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')

describe('the service', () => {
  test('is started by an installation', () => {
    run('postinst', 'configure', '')
    expect(invoked()).toEqual(['start walkaway.service'])
  })
  test('that runs is stopped before an upgrade and started after it', () => {
    setActive(true)
    run('prerm', 'upgrade', '0.2.0')
    setActive(false)
    run('postinst', 'configure', '0.1.0')
    expect(invoked()).toEqual(['stop walkaway.service', 'start walkaway.service'])
    expect(existsSync(join(root, marker))).toBe(false)
  })
  test('that does not run is left alone by an upgrade', () => {
    run('prerm', 'upgrade', '0.2.0')
    run('postinst', 'configure', '0.1.0')
    expect(invoked()).toEqual([])
  })
  test('that an older package did not stop is restarted by an upgrade', () => {
    setActive(true)
    run('postinst', 'configure', '0.1.0')
    expect(invoked()).toEqual(['restart walkaway.service'])
  })
  test('runs again when the upgrade comes to nothing', () => {
    setActive(true)
    run('prerm', 'upgrade', '0.2.0')
    run('postinst', 'abort-upgrade', '0.2.0')
    expect(invoked()).toEqual(['stop walkaway.service', 'start walkaway.service'])
    expect(existsSync(join(root, marker))).toBe(false)
  })
  test('is stopped before a removal, and started when it is installed again', () => {
    run('prerm', 'remove')
    put(masked, '')
    run('postinst', 'configure', '0.1.0')
    expect(invoked()).toEqual(['stop walkaway.service', 'start walkaway.service'])
  })
})

describe('what a person has', () => {
  beforeEach(() => {
    put('etc/walkaway/config.yaml', 'sources: []')
    put('var/lib/walkaway/history.jsonl', '')
  })
  test('stays when the package is removed', () => {
    run('postrm', 'remove')
    expect(readdirSync(join(root, 'etc/walkaway'))).toEqual(['config.yaml'])
    expect(readdirSync(join(root, 'var/lib/walkaway'))).toEqual(['history.jsonl'])
  })
  test('goes when it is purged', () => {
    run('postrm', 'purge')
    expect(readdirSync(join(root, 'etc'))).toEqual([])
    expect(readdirSync(join(root, 'var/lib'))).toEqual([])
  })
  test('but no key: it may be the only one of a disk, and that is said', () => {
    put('etc/walkaway/offsite-1.key', 'secret')
    expect(run('postrm', 'purge')).toMatch(/may be the only one of a disk:\noffsite-1\.key\n/)
    expect(readdirSync(join(root, 'etc/walkaway'))).toEqual(['offsite-1.key'])
  })
})
