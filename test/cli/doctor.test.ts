// `walkaway doctor` on a machine of its own: a folder as its root, programs that answer from a table, an in-memory ZFS.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { judgeHolds } from '../../src/cli/doctor/disks.ts'
import { judgeClock, judgeService, parseAssignments } from '../../src/cli/doctor/service.ts'
import type { Surroundings } from '../../src/cli/doctor/surroundings.ts'
import { judgeZfs } from '../../src/cli/doctor/zfs.ts'
import { runDoctor } from '../../src/cli/doctor.ts'
import { loadConfig } from '../../src/config/load.ts'
import { parseConfig } from '../../src/config.ts'
import { datasetName } from '../../src/core/model.ts'
import { CommandFailed } from '../../src/errors.ts'
import { createFakeZfs, type FakeZfs } from '../fakes/zfs.ts'

const configText = `
sources: [{ dataset: tank }]
disks:
  offsite-1: { serial: A1, pool: offsite-1, poolGuid: 4425734906477738374 }
notify: [{ type: wall }]
`
let root: string
let fake: FakeZfs
let answers: Map<string, string>
let changes: Partial<Surroundings>

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'walkaway-doctor-'))
  fake = createFakeZfs()
  fake.addPool('tank')
  changes = {}
  answers = new Map([
    ['zfs version', 'zfs-2.3.9-1\nzfs-kmod-2.3.9-1\n'],
    ['systemctl show', 'LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n'],
    ['timedatectl show', 'NTP=yes\nNTPSynchronized=yes\n'],
  ])
  for (const path of [
    '/sys/module/zfs/version',
    '/dev/zfs',
    '/run/udev/control',
    '/usr/lib/udev/rules.d/90-walkaway.rules',
    '/proc/spl/kstat/zfs/tank/state',
  ])
    put(path, path.endsWith('version') ? '2.3.9-1\n' : 'ONLINE\n')
  for (const name of [
    'zpool',
    'udevadm',
    'sg_start',
    'logger',
    'systemd-notify',
    'systemd-inhibit',
    'systemd-run',
  ])
    put(`/usr/bin/${name}`, '', 0o755)
})
afterEach(() => rmSync(root, { recursive: true }))

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text, { mode })
}

const surroundings = (): Surroundings => ({
  root,
  uid: 0,
  run: async (file, args) => {
    const command = [file, ...args]
    const stdout = answers.get(command.slice(0, 2).join(' '))
    if (stdout === undefined)
      throw new CommandFailed({ command, exitCode: null, signal: null, stderr: 'there is no such program' })
    return { stdout, stderr: '', durationMs: 1 }
  },
  zfs: fake.zfs,
  pools: fake.pools,
  scan: async () => [],
  engineFault: () => null,
  history: { read: async () => ({ visits: [], brokenLines: 0 }) },
  now: () => new Date('2026-11-23T12:00:00Z'),
  configFile: '/etc/walkaway/config.yaml',
  loadConfig: async () => parseConfig(configText, { file: '/etc/walkaway/config.yaml', host: 'nas' }),
  askStatus: async () => ({
    version: 1,
    ok: true,
    status: {
      version: 1,
      host: 'nas',
      daemon: { version: '0.1.0', startedAt: '2026-11-22T21:00:00Z' },
      disks: [],
      undelivered: [],
    },
  }),
  version: '0.1.0',
  tryChannels: async () => [],
  ...changes,
})

interface Answer {
  readonly level: string
  readonly checks: readonly {
    readonly check: string
    readonly level: string
    readonly findings: readonly { readonly says: string; readonly mend: string | null }[]
  }[]
}

async function examine(deadlineMs = 5_000): Promise<Answer & { readonly exitCode: number }> {
  const written: string[] = []
  const stdout = { write: (text: string) => written.push(text) }
  const options = { configFile: 'x', notify: false, stdout, stderr: stdout, deadlineMs }
  const exitCode = await runDoctor({ ...options, json: true, surroundings: surroundings() })
  const answer: Answer = JSON.parse(written.join(''))
  return { ...answer, exitCode }
}
const bad = ({ checks }: Answer) =>
  checks.filter(({ level }) => level !== 'ok').map(({ check, level }) => `${check}: ${level}`)

test('on a machine where all is well every check is ok', async () => {
  const answer = await examine()
  expect(bad(answer)).toEqual([])
  expect(answer).toMatchObject({ version: 1, level: 'ok', exitCode: 0 })
  expect(answer.checks.map(({ check }) => check)).toEqual([
    'zfs',
    'pools',
    'programs',
    'udev',
    'udev rule',
    'service',
    'socket',
    'clock',
    'configuration',
    'state',
    'notifications',
    'sources',
    'disks',
    'holds',
  ])
})

test('while a pool is suspended, nothing is asked of ZFS', async () => {
  put('/proc/spl/kstat/zfs/offsite/state', 'SUSPENDED\n')
  const answer = await examine()
  expect(answer.exitCode).toBe(1)
  expect(bad(answer)).toEqual(['pools: problem', 'sources: warning', 'holds: warning'])
  expect(fake.state.calls).toEqual([])
})

test('without the programs of ZFS, or without its module, everything else is still looked at', async () => {
  rmSync(join(root, 'sys/module/zfs'), { recursive: true })
  const answersNot = async (): Promise<never> => {
    throw new CommandFailed({ command: ['zpool', 'list'], exitCode: 1, signal: null, stderr: 'no module' })
  }
  changes = { pools: { ...fake.pools, answers: answersNot } }
  const answer = await examine()
  expect(answer.exitCode).toBe(1)
  expect(bad(answer)).toEqual(['zfs: problem', 'pools: problem', 'sources: warning', 'holds: warning'])
  expect(answer.checks.find(({ check }) => check === 'zfs')?.findings).toMatchObject([
    { says: 'the zfs module is not loaded' },
  ])
})

test('a ZFS that hangs holds up nothing but the checks that need it', async () => {
  fake.state.interference = { before: () => new Promise(() => undefined) }
  changes = { pools: { ...fake.pools, answers: async () => true } }
  const answer = await examine(3_000)
  expect(bad(answer)).toEqual(['sources: problem', 'disks: problem', 'holds: problem'])
}, 30_000)

test.each<[what: string, break_: () => void, expected: string]>([
  ['no udevd', () => rmSync(join(root, 'run/udev/control')), 'udev: problem'],
  ['no rule', () => rmSync(join(root, 'usr/lib/udev'), { recursive: true }), 'udev rule: warning'],
  ['a rule of its own', () => put('/etc/udev/rules.d/90-walkaway.rules', ''), 'udev rule: warning'],
  ['a missing program', () => rmSync(join(root, 'usr/bin/sg_start')), 'programs: problem'],
  ['no clock service', () => answers.delete('timedatectl show'), 'clock: problem'],
  [
    'a daemon that is not there',
    () => (changes = { askStatus: async () => ({ kind: 'not-running' }) }),
    'socket: problem',
  ],
  ['another version', () => (changes = { version: '0.2.0' }), 'socket: warning'],
  ['a state that all can change', () => put('/var/lib/walkaway/history.jsonl', '', 0o666), 'state: problem'],
  ['a source that is gone', () => void fake.state.pools.clear(), 'sources: problem'],
  [
    'a channel that takes nothing',
    () => (changes = { tryChannels: async () => [{ channel: 'wall', failure: 'no terminal' }] }),
    'notifications: problem',
  ],
])('%s is noticed, with what mends it', async (_what, break_, expected) => {
  // The umask must not decide what a test finds.
  const before = process.umask(0)
  try {
    break_()
  } finally {
    process.umask(before)
  }
  const answer = await examine()
  expect(bad(answer)).toContain(expected)
  expect(answer.exitCode).toBe(expected.endsWith('problem') ? 1 : 0)
})

test('before there is a configuration, that is what is to be made; the service waits for it', async () => {
  answers.set('systemctl show', 'LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n')
  const configFile = join(root, 'etc/walkaway/config.yaml')
  changes = {
    askStatus: async () => ({ kind: 'not-running' }),
    loadConfig: () => loadConfig({ file: configFile }),
  }
  const mends = ({ checks }: Answer) =>
    checks
      .filter(({ check }) => ['service', 'socket', 'configuration'].includes(check))
      .map(({ check, level, findings }) => [check, level, findings[0]?.mend])
  expect(mends(await examine())).toEqual([
    ['service', 'warning', null],
    ['socket', 'warning', null],
    [
      'configuration',
      'problem',
      'cp /usr/share/doc/walkaway/examples/config.example.yaml /etc/walkaway/config.yaml; then change its sources',
    ],
  ])

  put('/etc/walkaway/config.yaml', 'sources: 7\n', 0o600)
  expect(mends(await examine())).toEqual([
    ['service', 'problem', 'systemctl start walkaway'],
    ['socket', 'problem', 'systemctl start walkaway'],
    ['configuration', 'problem', 'walkaway config check'],
  ])

  writeFileSync(configFile, 'sources: [{ dataset: tank }]\n')
  const { checks } = await examine()
  expect(checks.find(({ check }) => check === 'configuration')?.findings[0]).toMatchObject({
    says: 'no backup disk is configured',
    mend: expect.stringContaining('walkaway init'),
  })
})

test('a disk in a LUKS container wants cryptsetup', async () => {
  const uuid = '2b1f9a52-52a4-4b8e-9d6c-5c1f5d0f7a11'
  const text = configText.replace(' }\nnotify', `, luks: { uuid: ${uuid}, keyFile: /k } }\nnotify`)
  changes = { loadConfig: async () => parseConfig(text, { file: 'c.yaml', host: 'nas' }) }
  const answer = await examine()
  expect(answer.checks.find(({ check }) => check === 'programs')?.findings).toMatchObject([
    { says: 'missing: cryptsetup, dmsetup', mend: 'apt install cryptsetup-bin dmsetup' },
  ])
  for (const name of ['cryptsetup', 'dmsetup']) put(`/usr/sbin/${name}`, '', 0o755)
  expect(bad(await examine())).not.toContain('programs: problem')
})

test('a broken configuration is told with its lines, and what needs it is not looked at', async () => {
  put('/etc/walkaway/config.yaml', '')
  changes = { loadConfig: async () => parseConfig('sources: 7\n', { file: 'c.yaml', host: 'nas' }) }
  const answer = await examine()
  const found = answer.checks.find(({ check }) => check === 'configuration')
  expect(found?.findings[0]).toMatchObject({
    says: expect.stringMatching(/^c\.yaml:1:/),
    mend: 'walkaway config check',
  })
  expect(bad(answer)).toEqual(
    expect.arrayContaining(['sources: warning', 'disks: warning', 'holds: warning']),
  )
})

const levels = (verdicts: readonly { readonly level: string }[]) => verdicts.map(({ level }) => level)

test.each([
  ['all there', { module: '2.3.9-1', tools: '2.3.9-1', device: true }, ['ok']],
  ['another package of one release', { module: '2.3.9-1', tools: '2.3.9-2~bpo', device: true }, ['ok']],
  ['tools upgraded alone', { module: '2.3.9-1', tools: '2.4.4-1', device: true }, ['warning']],
  ['too old', { module: '0.8.6', tools: '0.8.6', device: true }, ['warning']],
  ['no module', { module: null, tools: '', device: false }, ['problem']],
  ['no device', { module: '2.3.9-1', tools: '2.3.9-1', device: false }, ['problem']],
  ['nothing', { module: null, tools: null, device: false }, ['problem', 'problem']],
])('zfs: %s', (_what, found, expected) => {
  expect(levels(judgeZfs(found))).toEqual(expected)
})

const running = 'LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no'
test.each([
  ['runs', running, ['ok']],
  ['is not installed', running.replace('loaded', 'not-found'), ['problem']],
  ['is masked', running.replace('loaded', 'masked'), ['problem']],
  ['is not enabled', running.replace('enabled', 'disabled'), ['problem']],
  ['has failed', running.replace('active', 'failed'), ['problem']],
  ['is stopped', running.replace('active', 'inactive'), ['problem']],
  ['is starting', running.replace('active', 'activating'), ['warning']],
  ['was edited', running.replace('Reload=no', 'Reload=yes'), ['warning']],
])('the service %s', (_what, unit, expected) => {
  expect(levels(judgeService(parseAssignments(unit), { unconfigured: false }))).toEqual(expected)
})

test('a clock before the last visit is a problem, one that nobody sets a warning', () => {
  const now = new Date('2026-11-23T12:00:00Z')
  const newestVisit = new Date('2026-11-24T12:00:00Z')
  expect(levels(judgeClock(new Map([['NTPSynchronized', 'yes']]), { now, newestVisit }))).toEqual(['problem'])
  expect(levels(judgeClock(new Map([['NTP', 'no']]), { now, newestVisit: null }))).toEqual(['warning'])
})

test('holds for a disk that does not come any more are named, with what releases them', () => {
  const loaded = parseConfig(configText, { file: 'c', host: 'nas' })
  if (loaded.kind !== 'ok') throw new Error('the configuration of this test is broken')
  const held = (days: number, tag: string) => ({
    path: `tank/a b@${days}`,
    dataset: datasetName('tank/a b'),
    creation: new Date(Date.UTC(2026, 10, 23) - days * 86_400_000),
    usedBytes: 1000n,
    tags: [tag],
  })
  const judge = (...all: ReturnType<typeof held>[]) =>
    judgeHolds({ held: all, disks: loaded.config.disks, visits: [], now: new Date('2026-11-23T12:00:00Z') })
  const tag = 'walkaway:4425734906477738374'
  expect(levels(judge(held(1, tag), held(200, 'zrepl')))).toEqual(['ok'])
  const [verdict] = judge(held(90, tag))
  expect(verdict).toMatchObject({ level: 'warning', says: expect.stringContaining('tank/a b@90') })
  expect(verdict?.mend).toContain(`zfs release ${tag} 'tank/a b@90'`)
  expect(levels(judge(held(1, 'walkaway:99')))).toEqual(['warning'])
})

test('on a terminal each verdict is a line, and what mends it stands below in one piece', async () => {
  const written: string[] = []
  const stdout = { write: (text: string) => written.push(text), isTTY: true, columns: 60 }
  put('/proc/spl/kstat/zfs/offsite/state', 'SUSPENDED\n')
  const options = { configFile: 'x', notify: false, json: false, stdout, stderr: stdout }
  await runDoctor({ ...options, surroundings: surroundings() })
  const text = written.join('')
  expect(text).toContain(
    '-> plug its disk in again; walkaway revives its own pools, for any other: zpool clear POOL',
  )
  expect(text).toMatch(/1 problem, 2 warnings, \d+ ok\n$/)
})
