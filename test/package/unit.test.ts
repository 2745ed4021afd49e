// The unit of the service, as the service manager's own tools judge it.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const unit = join(import.meta.dirname, '../../systemd/walkaway.service')
const folder = mkdtempSync(join(tmpdir(), 'walkaway-unit-'))
afterAll(() => rmSync(folder, { recursive: true }))

const judge = (file: string) =>
  spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', '--threshold=25', file], {
    encoding: 'utf8',
  })
// The first with --offline.
const version = Number(
  /^systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1],
)

test.runIf(version >= 250)('its exposure is at most 2.5, and that of one with a right more is not', () => {
  const same = join(folder, 'walkaway.service')
  copyFileSync(unit, same)
  const { status, stdout } = judge(same)
  expect(status, stdout.slice(-200)).toBe(0)

  const open = readFileSync(unit, 'utf8').replaceAll(
    /^(RestrictAddressFamilies|IPAddressDeny|ProtectProc)=.*$/gm,
    '',
  )
  writeFileSync(same, open)
  expect(judge(same).status).not.toBe(0)
})

test('every setting that is left open is explained', () => {
  const text = readFileSync(unit, 'utf8')
  for (const left of [
    'PrivateDevices',
    'PrivateUsers',
    'PrivateNetwork',
    'ProcSubset',
    'MemoryDenyWriteExecute',
    'User',
  ])
    expect(text).toMatch(new RegExp(`^# .*No ${left}=\\w*: |\\(No ${left}=: `, 'm'))
})
