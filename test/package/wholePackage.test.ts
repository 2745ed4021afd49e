// The package as `npm run package` makes it: two builds are one file, and Debian's own judge of packages finds no fault.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { writeDeb } from '../../src/package/deb.ts'
import { gatherParts } from '../../src/package/parts.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const root = join(import.meta.dirname, '../..')
const epochSeconds = 1_790_000_000
const has = (program: string) => spawnSync(program, ['--version']).status === 0

describe.runIf(has('dpkg-deb'))('the whole package', () => {
  let folder: string
  let deb: string
  const build = async (name: string, seconds = epochSeconds) =>
    writeDeb(await gatherParts(root, seconds), { outFolder: join(folder, name), epochSeconds: seconds })
  const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'walkaway-whole-'))
    deb = await build('one')
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('built again at another time of the day, in another place and under another umask, is the same file', async () => {
    const mask = process.umask(0o027)
    const zone = process.env['TZ']
    process.env['TZ'] = 'Pacific/Kiritimati'
    try {
      expect(hash(await build('two'))).toBe(hash(deb))
    } finally {
      process.umask(mask)
      if (zone === undefined) delete process.env['TZ']
      else process.env['TZ'] = zone
    }
    expect(hash(await build('three', epochSeconds + 86_400))).not.toBe(hash(deb))
  })

  test.runIf(has('lintian'))('lintian finds neither an error nor a warning', () => {
    const { status, stdout } = spawnSync('lintian', ['--fail-on', 'error,warning', '--allow-root', deb], {
      encoding: 'utf8',
    })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })

  test.runIf(has('lintian'))('and would find one', () => {
    const tree = join(folder, 'tree')
    execFileSync('dpkg-deb', ['--raw-extract', deb, tree])
    execFileSync('sed', ['-i', '/^Maintainer:/d', join(tree, 'DEBIAN/control')])
    const worse = join(folder, 'worse.deb')
    execFileSync('dpkg-deb', ['--root-owner-group', '--nocheck', '--build', tree, worse])
    expect(spawnSync('lintian', ['--fail-on', 'error', '--allow-root', worse]).status).not.toBe(0)
  })
})
