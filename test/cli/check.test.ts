// `walkaway check` as a monitoring system sees it: the line, its performance data, the exit code, and that nothing else comes out.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runCheck } from '../../src/cli/check.ts'
import { judge, renderCheck, verdicts } from '../../src/cli/checkText.ts'
import type { DiskAnswer, Reply, UndeliveredAnswer } from '../../src/control/protocol.ts'
import { diskStates } from '../../src/control/protocol.ts'
import { createControlServer } from '../../src/control/server.ts'
import { diskName, outcomes, poolGuid, poolName } from '../../src/core/model.ts'
import { createHistory } from '../../src/linux/history.ts'
import { away, busy, daysAgo, now, ready, statusOf, visit } from './statuses.ts'

const untold: UndeliveredAnswer = {
  channel: 'email to me',
  waiting: 2,
  givenUp: 1,
  since: daysAgo(1),
  reason: 'connection refused',
}
const finding = (disks: readonly DiskAnswer[], undelivered: readonly UndeliveredAnswer[] = []) =>
  judge(disks, { undelivered, unknown: null, now })
const line = (...disks: readonly DiskAnswer[]): string => renderCheck(finding(disks), now)

const dataOf1 =
  'offsite-1_age=259200s;2592000;5184000;0 offsite-1_sent=123400000B;;;0 offsite-1_duration=600s;;;0 offsite-1_failed=0;0;;0;12'

describe('the line', () => {
  test('all is well', () => {
    expect(line(ready, { ...ready, name: 'cellar 2', lastVisit: null })).toBe(
      `WALKAWAY OK - offsite-1: complete backup 3 days ago; cellar 2: complete backup 3 days ago | ${dataOf1} 'cellar 2_age'=259200s;2592000;5184000;0 undelivered=0;0;;0\n`,
    )
  })

  test('overdue, and its last backup was not complete', () => {
    expect(line(ready, away)).toBe(
      'WALKAWAY WARNING - offsite-2: OVERDUE, no complete backup for 34 days; offsite-2: its last backup is not complete (1 of 12 datasets failed) | ' +
        `${dataOf1} offsite-2_age=2937600s;2592000;5184000;0 offsite-2_sent=123400000B;;;0 offsite-2_duration=43200s;;;0 offsite-2_failed=1;0;;0;12 undelivered=0;0;;0\n`,
    )
  })

  test('without a disk', () => {
    expect(line()).toBe('WALKAWAY UNKNOWN - no disks are configured\n')
  })

  test('the critical comes first, and what people were not told is a warning', () => {
    const stuck: DiskAnswer = { ...ready, name: 'b', state: 'stuck', reason: 'no answer | <hung>\nfor long' }
    const found = finding([away, stuck], [untold])
    expect(found.problems.map(({ disk, severity }) => `${disk} ${severity}`)).toEqual([
      'b critical',
      'offsite-2 warning',
      'offsite-2 warning',
      'null warning',
    ])
    const text = renderCheck(found, now)
    expect(text).toContain('WALKAWAY CRITICAL - b: STUCK: no answer / <hung>\\nfor long; offsite-2: ')
    expect(text).toContain('; 3 messages not delivered by email to me: connection refused | ')
    expect(text).toMatch(/ undelivered=3;0;;0\n$/)
  })
})

const overdueFor = (days: number): Partial<DiskAnswer> => ({
  overdue: true,
  lastComplete: daysAgo(30 + days),
  dueBy: daysAgo(days),
})

test.each<[verdict: string, Partial<DiskAnswer>]>([
  ['ok', {}],
  ['ok', busy],
  ['ok', { dueBy: null }],
  ['warning', overdueFor(1)],
  ['warning', overdueFor(29.9)],
  ['critical', overdueFor(30.1)],
  ['warning', { lastComplete: null, dueBy: null, lastVisit: null }],
  ['warning', { lastComplete: null, dueBy: daysAgo(-1) }],
  ['critical', { lastComplete: null, dueBy: daysAgo(1), overdue: true }],
  ['warning', { lastVisit: { ...visit, outcome: 'interrupted' } }],
  ['warning', { lastVisit: { ...visit, outcome: 'partial' } }],
  ['critical', { lastVisit: { ...visit, outcome: 'failed', reason: 'the key was refused' } }],
  [
    'warning',
    { lastVisit: { ...visit, space: { allocatedBytes: 1, sizeBytes: 2, missingBytes: 0, fullInVisits: 2 } } },
  ],
  ['warning', { state: 'not-removable', reason: 'someone has it' }],
  ['critical', { state: 'refused', reason: 'other GUID' }],
  ['critical', { state: 'pulled', reason: 'plug it in' }],
  ['critical', { state: 'stuck', reason: 'it hangs' }],
])('%s: %j', (verdict, changes) => {
  expect(finding([{ ...ready, ...changes }]).verdict).toBe(verdict)
})

test('whatever disks and channels are called and do: one line, one bar, data that can be read, a verdict', () => {
  const day = fc.integer({ min: -100, max: 400 }).map(daysAgo)
  const words = fc.string({ unit: 'binary', maxLength: 8 })
  const disk = fc.record({
    name: words,
    state: fc.constantFrom(...diskStates),
    reason: fc.option(words),
    overdue: fc.boolean(),
    dueBy: fc.option(day),
    lastComplete: fc.option(day),
    lastVisit: fc.option(
      fc.record({
        outcome: fc.constantFrom(...outcomes),
        startedAt: day,
        finishedAt: day,
        sentBytes: fc.nat(),
        reason: fc.option(words),
      }),
    ),
  })
  const datum = /^('[^'=|]+'|[^\s'=|]+)=-?\d+(\.\d+)?(s|B)?;-?\d*;-?\d*;\d*(;\d+)?$/
  fc.assert(
    fc.property(fc.array(disk, { maxLength: 3 }), (disks) => {
      const answers = disks.map((one) => ({
        ...ready,
        ...one,
        lastVisit: one.lastVisit === null ? null : { ...visit, ...one.lastVisit },
      }))
      const found = finding(answers)
      const text = renderCheck(found, now)
      expect(text.endsWith('\n')).toBe(true)
      const [words = '', data = '', ...more] = text.slice(0, -1).split(' | ')
      expect(more).toEqual([])
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that none is in it
      expect(words).toMatch(/^WALKAWAY (OK|WARNING|CRITICAL|UNKNOWN) - [^\u0000-\u001f|]+$/)
      // A blank in a name is inside quotes.
      expect((data.match(/(?:'[^']*'|\S)+/g) ?? []).filter((one) => !datum.test(one))).toEqual([])
      expect(Object.keys(verdicts)).toContain(found.verdict)
      expect(found.verdict === 'ok').toBe(found.problems.length === 0 && answers.length > 0)
    }),
  )
})

describe('the command', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'walkaway-check-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  async function check({ json = false, stateFolder = folder } = {}) {
    let out = ''
    const exitCode = await runCheck({
      json,
      configFile: join(folder, 'config.yaml'),
      stdout: { write: (text) => (out += text) },
      socket: join(folder, 'control.sock'),
      stateFolder,
      now: () => now,
    })
    return { exitCode, out }
  }
  async function serving(answer: Reply, work: () => Promise<void>): Promise<void> {
    const server = await createControlServer({
      path: join(folder, 'control.sock'),
      answer: () => answer,
      onProblem: () => undefined,
    })
    try {
      await work()
    } finally {
      await server.close()
    }
  }
  const configure = () =>
    writeFileSync(
      join(folder, 'config.yaml'),
      'sources: [dataset: tank]\ndisks:\n  a: { serial: S1, pool: a, poolGuid: 1 }\n  b: { serial: S2, pool: b, poolGuid: 2 }\n',
      { mode: 0o600 },
    )
  const remember = (disk: string, guid: string, days: number) =>
    createHistory(folder).append({
      ...visit,
      startedAt: new Date(daysAgo(days + 0.1)),
      finishedAt: new Date(daysAgo(days)),
      disk: diskName(disk),
      pool: poolName(disk),
      poolGuid: poolGuid(guid),
      device: null,
      failures: [],
    })

  test('asks the daemon', () =>
    serving({ version: 1, ok: true, status: statusOf(ready, away) }, async () => {
      expect(await check()).toEqual({ exitCode: 1, out: line(ready, away) })
      const { exitCode, out } = await check({ json: true })
      expect(exitCode).toBe(1)
      expect(JSON.parse(out)).toMatchObject({
        version: 1,
        status: 'warning',
        exitCode: 1,
        daemon: 'running',
        problems: [
          { disk: 'offsite-2', severity: 'warning' },
          { disk: 'offsite-2', severity: 'warning' },
        ],
        disks: [
          { name: 'offsite-1', overdue: false },
          { name: 'offsite-2', overdue: true },
        ],
      })
    }))

  test('what the daemon refuses is unknown', () =>
    serving({ version: 1, ok: false, error: { message: 'not now', exitCode: 1 } }, async () => {
      expect(await check()).toEqual({ exitCode: 3, out: 'WALKAWAY UNKNOWN - not now\n' })
    }))

  test('without the daemon it goes by history and configuration, and is at best unknown', async () => {
    configure()
    await remember('a', '1', 3)
    await remember('b', '2', 29)
    expect(await check()).toEqual({
      exitCode: 3,
      out:
        'WALKAWAY UNKNOWN - the daemon is not running (from the history of 2 visits); a: complete backup 3 days ago; b: complete backup 29 days ago | ' +
        'a_age=259200s;2592000;5184000;0 a_sent=123400000B;;;0 a_duration=8640s;;;0 a_failed=0;0;;0;12 ' +
        'b_age=2505600s;2592000;5184000;0 b_sent=123400000B;;;0 b_duration=8640s;;;0 b_failed=0;0;;0;12\n',
    })
    expect(JSON.parse((await check({ json: true })).out)).toMatchObject({
      daemon: 'not-running',
      disks: [{ name: 'a', state: null, overdue: false }, { name: 'b' }],
    })
  })

  test('without the daemon, what is certain and critical is said', async () => {
    configure()
    await remember('a', '1', 3)
    await remember('b', '2', 61)
    const { exitCode, out } = await check()
    expect(exitCode).toBe(2)
    expect(out).toMatch(
      /^WALKAWAY CRITICAL - the daemon is not running .*; b: OVERDUE, no complete backup for 61 days \|/,
    )
  })

  test('lines of the history that cannot be read are mentioned', async () => {
    configure()
    await remember('a', '1', 3)
    appendFileSync(join(folder, 'history.jsonl'), 'torn\n{}\n')
    expect((await check()).out).toContain(
      'not running (from the history of 1 visit); 2 lines of the history cannot be read, and are skipped; b: ',
    )
  })

  test('a disk that was replaced under its name has no backup', async () => {
    configure()
    await remember('a', '17', 3)
    expect((await check()).out).toContain('a: no complete backup yet')
  })

  test('without daemon, configuration and history: unknown, in one line', async () => {
    expect(await check()).toEqual({
      exitCode: 3,
      out: 'WALKAWAY UNKNOWN - the daemon is not running (from an empty history)\n',
    })
    mkdirSync(join(folder, 'state', 'history.jsonl'), { recursive: true })
    const unreadable = await check({ stateFolder: join(folder, 'state') })
    expect(unreadable.exitCode).toBe(3)
    expect(unreadable.out).toMatch(
      /^WALKAWAY UNKNOWN - the daemon is not running; what earlier visits left cannot be read.*\n$/,
    )
  })
})
