// What `walkaway status` shows: what the daemon says as a screen, and without a daemon what earlier visits left.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runStatus } from '../../src/cli/status.ts'
import { renderStatus } from '../../src/cli/statusText.ts'
import type { Look } from '../../src/cli/words.ts'
import type { DiskAnswer, StatusAnswer, VisitAnswer } from '../../src/control/protocol.ts'
import { diskStates } from '../../src/control/protocol.ts'
import { createControlServer } from '../../src/control/server.ts'
import { diskName, poolGuid, poolName } from '../../src/core/model.ts'
import { createHistory } from '../../src/linux/history.ts'

const now = new Date('2026-11-22T21:50:00Z')
const ago = (minutes: number) => new Date(now.getTime() - minutes * 60_000).toISOString()
const plain: Look & { readonly now: Date } = { now, colour: false, columns: null }

const completeVisit: VisitAnswer = {
  startedAt: ago(27),
  finishedAt: ago(25),
  outcome: 'complete',
  sentBytes: 123_400,
  datasets: { total: 12, sent: 3, unchanged: 9, failed: 0 },
  failures: [],
  reason: null,
  space: null,
}
const failedVisit: VisitAnswer = {
  ...completeVisit,
  outcome: 'partial',
  datasets: { total: 12, sent: 3, unchanged: 2, failed: 7 },
  failures: Array.from({ length: 7 }, (_, at) => ({ dataset: `tank/d${at}`, reason: 'it has diverged' })),
}
const away: DiskAnswer = {
  name: 'offsite-2',
  pool: 'offsite-2',
  poolGuid: '1093847561029384756',
  serials: ['WD-WX52D91A0002'],
  state: 'absent',
  since: null,
  reason: null,
  overdue: false,
  dueBy: null,
  lastComplete: null,
  lastVisit: null,
  ending: false,
  progress: null,
}
const statusOf = (...disks: readonly DiskAnswer[]): StatusAnswer => ({
  version: 1,
  host: 'nas',
  daemon: { version: '0.1.0', startedAt: ago(3 * 24 * 60) },
  disks,
  undelivered: [],
})
const rendered = (disk: Partial<DiskAnswer>, options = plain) =>
  renderStatus(statusOf({ ...away, ...disk }), options)
/** The line that begins with the disk's name, without the columns' blanks. */
const diskLine = (screen: string) =>
  screen
    .split('\n')
    .find((line) => line.trimStart().startsWith('offsite-'))
    ?.trim()
    .split(/ {2,}/)

describe('a screen', () => {
  test('begins with who speaks', () => {
    expect(rendered({}).split('\n')[0]).toBe('walkaway 0.1.0 on nas, running for 3 days')
  })

  test('without a configured disk says what to do', () => {
    expect(renderStatus(statusOf(), plain)).toContain('walkaway disks')
  })

  test('nothing is wider than a narrow terminal, names apart', () => {
    const undelivered = [
      {
        channel: 'ntfy at ntfy.example.org',
        waiting: 3,
        givenUp: 1,
        since: ago(24 * 60),
        reason: 'no answer',
      },
    ]
    const screen = renderStatus(
      { ...statusOf({ ...away, name: 'a' }), undelivered },
      { ...plain, columns: 40 },
    )
    expect(screen.split('\n').filter((line) => line.length > 40)).toEqual([])
    expect(screen).toContain('walkaway 0.1.0 on')
  })

  test('has aligned columns', () => {
    const lines = renderStatus(statusOf({ ...away, name: 'a' }, { ...away, state: 'removable' }), plain)
      .split('\n')
      .filter((line) => line.includes('no complete backup yet'))
    expect(new Set(lines.map((line) => line.indexOf('no complete'))).size).toBe(1)
    expect(lines).toHaveLength(2)
  })

  test.each([
    ['never', {}, 'no complete backup yet'],
    ['lately', { lastComplete: ago(25) }, 'last complete backup 25 minutes ago'],
    [
      'in time',
      { lastComplete: ago(4 * 1440), dueBy: ago(-26 * 1440) },
      'last complete backup 4 days ago, next due in 26 days',
    ],
    [
      'too long ago',
      { lastComplete: ago(34 * 1440), dueBy: ago(4 * 1440), overdue: true },
      'last complete backup 34 days ago, OVERDUE for 4 days: bring it',
    ],
    ['never, and that is overdue', { overdue: true }, 'no complete backup yet, OVERDUE: bring it'],
  ])('says when the last complete backup was: %s', (_when, disk, words) => {
    expect(diskLine(rendered(disk))).toEqual(['offsite-2', 'not connected', words])
  })

  test('only a disk that may be taken is called safe', () => {
    const safe = diskStates.filter((state) => rendered({ state, reason: 'x' }).includes('SAFE'))
    expect(safe).toEqual(['removable'])
  })

  test('keeps apart that the disk is safe and that its backup is not complete', () => {
    const screen = rendered({ state: 'removable', lastVisit: failedVisit, lastComplete: ago(5 * 1440) })
    expect(diskLine(screen)).toEqual(['offsite-2', 'SAFE TO REMOVE', 'last complete backup 5 days ago'])
    expect(screen).toContain('NOT complete (partial), 7 of 12 datasets failed')
    expect(screen).not.toContain('take it to its other place')
  })

  test('names some failed datasets and says how many more there are', () => {
    const screen = rendered({ lastVisit: failedVisit })
    expect(screen.match(/- tank\/d\d: it has diverged/g)).toHaveLength(5)
    expect(screen).toContain('and 2 more')
  })

  test('says why a whole visit failed', () => {
    const lastVisit: VisitAnswer = {
      ...failedVisit,
      outcome: 'failed',
      failures: [],
      reason: 'no space left',
    }
    expect(rendered({ lastVisit })).toContain('no space left')
  })

  test('says what a complete visit did', () => {
    expect(rendered({ state: 'removable', lastVisit: completeVisit })).toContain(
      'last visit 25 minutes ago: 3 datasets sent, 9 unchanged, 123.4 kB in 2 minutes',
    )
  })

  test('says that a disk is full, or soon will be, and what can be done', () => {
    const space = { allocatedBytes: 9, sizeBytes: 10, missingBytes: 0, fullInVisits: 4 }
    const screenOf = (changes: Partial<typeof space>): string =>
      rendered({ lastVisit: { ...completeVisit, space: { ...space, ...changes } } })
    expect(screenOf({})).toContain('will be full in about 4 visits: shorten keep.disk, or take a larger disk')
    const full = screenOf({ missingBytes: 1_200_000_000 })
    expect(full).toContain('the disk is full, about 1.2 GB are missing: shorten keep.disk')
    expect(full).not.toContain('4 visits')
  })

  test('shows how far a visit is and when it is ready', () => {
    const screen = rendered({
      state: 'backing-up',
      progress: {
        phase: 'backing-up',
        dataset: 'tank/home',
        sentBytes: 1_200_000_000,
        totalBytes: 4_500_000_000,
        bytesPerSecond: 35_000_000,
        readyAt: ago(-3),
      },
    })
    expect(screen).toMatch(
      /tank\/home: 1\.2 GB of about 4\.5 GB, 35 MB\/s, ready in about 3 minutes \(\d\d:\d\d\)/,
    )
  })

  test.each([
    [0.5, 'a moment'],
    [59.9, '59 minutes'],
    [119, '1 hour 59 minutes'],
    [600, '10 hours'],
    [47 * 60, '1 day 23 hours'],
    [100 * 60 + 1, '4 days 4 hours'],
  ])('what is left is not cut down: %s minutes are %s', (minutes, words) => {
    const progress = {
      phase: 'backing-up',
      dataset: 'tank/home',
      sentBytes: 1,
      totalBytes: 2,
      bytesPerSecond: 0,
      readyAt: ago(-minutes),
    } as const
    expect(rendered({ state: 'backing-up', progress })).toContain(`ready in about ${words} (`)
  })

  test('a visit that has sent more than was estimated is not more than whole', () => {
    const progress = {
      phase: 'backing-up',
      dataset: 'tank',
      sentBytes: 9_000_000,
      totalBytes: 3_000_000,
      bytesPerSecond: 0,
      readyAt: ago(5),
    } as const
    expect(rendered({ state: 'backing-up', progress })).toContain(
      '9 MB of about 9 MB, ready in about a moment',
    )
  })

  test('a phase in which nothing is sent has no empty progress line', () => {
    const progress = {
      phase: 'importing',
      dataset: null,
      sentBytes: 0,
      totalBytes: 0,
      bytesPerSecond: 0,
      readyAt: null,
    } as const
    expect(rendered({ state: 'importing', progress }).trimEnd().split('\n')).toHaveLength(3)
  })

  test('breaks long reasons where the terminal ends, and nowhere else', () => {
    const disk = { state: 'not-removable', reason: 'word '.repeat(60).trim() } as const
    const lines = rendered(disk, { ...plain, columns: 60 })
      .split('\n')
      .slice(3)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60)
    expect(rendered(disk)).toContain(disk.reason)
  })

  test('has colours only when they are wanted', () => {
    const disk = { state: 'removable', overdue: true } as const
    expect(rendered(disk)).not.toContain('\x1b')
    expect(rendered(disk, { ...plain, colour: true })).toContain('\x1b[')
  })

  test('lets no name or reason drive the terminal', () => {
    const evil = '\x1b]0;owned\x07'
    const disk = { name: `offsite-${evil}`, state: 'refused', reason: `it says ${evil}\nSAFE` } as const
    const screen = rendered({ ...disk, lastVisit: { ...failedVisit, reason: evil } })
    expect(screen).not.toContain('\x1b')
    expect(screen).not.toContain('\x07')
    expect(screen).toContain('\\nSAFE')
  })
})

describe('the command', () => {
  let folder: string
  let said: { out: string; err: string }
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'walkaway-status-'))
    said = { out: '', err: '' }
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const append = (where: 'out' | 'err', text: string) => {
    said[where] += text
  }
  const run = ({ json = false } = {}) =>
    runStatus({
      json,
      stdout: { write: (text) => append('out', text) },
      stderr: { write: (text) => append('err', text) },
      socket: join(folder, 'control.sock'),
      stateFolder: folder,
      configFile: join(folder, 'config.yaml'),
      now: () => now,
    })

  test('prints what the daemon answers, as text and as JSON', async () => {
    const status = statusOf(away)
    const server = await createControlServer({
      path: join(folder, 'control.sock'),
      answer: () => ({ version: 1, ok: true, status }),
      onProblem: () => undefined,
    })
    try {
      expect(await run()).toBe(0)
      expect(said).toEqual({ out: renderStatus(status, plain), err: '' })
      said.out = ''
      expect(await run({ json: true })).toBe(0)
      expect(JSON.parse(said.out)).toEqual(status)
    } finally {
      await server.close()
    }
  })

  test('passes on what the daemon refuses', async () => {
    const server = await createControlServer({
      path: join(folder, 'control.sock'),
      answer: () => ({ version: 1, ok: false, error: { message: 'not now', exitCode: 4 } }),
      onProblem: () => undefined,
    })
    try {
      expect(await run()).toBe(4)
      expect(said).toEqual({ out: '', err: 'walkaway: not now\n' })
    } finally {
      await server.close()
    }
  })

  test('without a daemon and without a history says so and ends with 3', async () => {
    expect(await run()).toBe(3)
    expect(said.out).toBe('')
    expect(said.err).toContain('not running')
  })

  test('without a daemon shows what the history knows, and no state', async () => {
    const history = createHistory(folder)
    const visit = {
      ...completeVisit,
      disk: diskName('offsite-1'),
      pool: poolName('offsite-1'),
      poolGuid: null,
      device: null,
      failures: [],
    }
    const at = (minutes: number) => ({
      startedAt: new Date(ago(minutes + 2)),
      finishedAt: new Date(ago(minutes)),
    })
    await history.append({ ...visit, ...at(2 * 1440) })
    await history.append({ ...visit, ...at(1440), outcome: 'failed', reason: 'no space left' })
    expect(await run()).toBe(3)
    expect(said.out.trim().split('\n').at(-1)?.trim().split(/ {2,}/)).toEqual([
      'offsite-1',
      'last complete backup 2 days ago',
      'last visit 1 day ago was failed',
    ])
    said.out = ''
    expect(await run({ json: true })).toBe(3)
    expect(JSON.parse(said.out)).toMatchObject({
      version: 1,
      daemon: null,
      disks: [
        { name: 'offsite-1', state: null, lastComplete: ago(2 * 1440), lastVisit: { outcome: 'failed' } },
      ],
    })
  })

  test('without a daemon says of each configured disk what is overdue, and nothing of others', async () => {
    writeFileSync(
      join(folder, 'config.yaml'),
      [
        'sources: [dataset: tank]',
        'disks:',
        '  one: { serial: S1, pool: one, poolGuid: 1 }',
        '  two: { serial: S2, pool: two, poolGuid: 2, overdue: 60d }',
        '  never brought: { serial: S3, pool: three, poolGuid: 3 }',
        '',
      ].join('\n'),
      { mode: 0o600 },
    )
    const history = createHistory(folder)
    for (const [disk, guid] of [
      ['one', '1'],
      ['two', '2'],
      ['sold', '4'],
    ] as const)
      await history.append({
        ...completeVisit,
        startedAt: new Date(ago(34 * 1440 + 2)),
        finishedAt: new Date(ago(34 * 1440)),
        disk: diskName(disk),
        pool: poolName(disk),
        poolGuid: poolGuid(guid),
        device: null,
        failures: [],
      })
    appendFileSync(join(folder, 'history.jsonl'), 'torn\n')
    expect(await run()).toBe(3)
    expect(said.err).toContain('\n1 line of the history cannot be read, and is skipped\n')
    expect(said.out.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['from the history of visits:'],
      ['one', 'last complete backup 34 days ago, OVERDUE for 4 days: bring it', expect.stringContaining('')],
      ['two', 'last complete backup 34 days ago, next due in 26 days', 'last visit 34 days ago was complete'],
      ['never brought', 'no complete backup yet'],
      [''],
    ])
    said.out = ''
    await run({ json: true })
    expect(JSON.parse(said.out)).toMatchObject({
      disks: [
        { name: 'one', overdue: true, dueBy: ago(4 * 1440) },
        { name: 'two', overdue: false },
        { name: 'never brought', overdue: false, lastVisit: null },
      ],
    })
  })
})
