// `walkaway status --watch`: the frames as a person sees them, what goes to a terminal and what to a pipe, and a daemon that goes
// away and comes back.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { stateInWords } from '../../src/cli/statusText.ts'
import { renderFrame, runWatch, type Sight } from '../../src/cli/watch.ts'
import type { DiskAnswer, StatusAnswer } from '../../src/control/protocol.ts'
import { type ControlServer, createControlServer } from '../../src/control/server.ts'
import { diskName, poolGuid, poolName } from '../../src/core/model.ts'
import { createHistory } from '../../src/linux/history.ts'
import { away, busy, daysAgo, now, ready, statusOf, visit } from './statuses.ts'

const zone = process.env['TZ']
beforeAll(() => {
  process.env['TZ'] = 'UTC'
})
afterAll(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

const running = (...disks: readonly DiskAnswer[]): Sight => ({ kind: 'running', status: statusOf(...disks) })
const frame = (sight: Sight, { columns = 80, rows = 24, colour = false } = {}): readonly string[] =>
  renderFrame(sight, { now, columns, rows, colour })
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours
const visible = (line: string): number => line.replaceAll(/\x1b\[\d+m/g, '').length

describe('a frame', () => {
  test('each running transfer has a bar, its speed, and when it is ready', () => {
    expect(frame(running(busy)).slice(2, -2)).toEqual([
      '  cellar  in use: backing up',
      '      last complete backup 20 days ago, next due in 10 days',
      '      tank/home/anna/photos: ready in about 53 minutes (22:43)',
      '      [#####..................]   25 %  123 GB of 480 GB  112 MB/s  ready 22:43',
    ])
    const tomorrow = busy.progress && { ...busy.progress, readyAt: daysAgo(-47 / 24) }
    expect(frame(running({ ...busy, progress: tomorrow })).slice(4, -2)).toEqual([
      '      tank/home/anna/photos: ready in about 1 day 23 hours (Tuesday 20:50)',
      '      [###............]   25 %  123 GB of 480 GB  112 MB/s  ready Tuesday 20:50',
    ])
    const two = frame(running(busy, { ...busy, name: 'attic' }))
    expect(two.filter((line) => line.includes('[####'))).toHaveLength(2)
  })

  test.each([
    [80, 24],
    [120, 40],
    [40, 10],
    [20, 3],
  ])('fits into %i columns and %i rows', (columns, rows) => {
    for (const colour of [false, true]) {
      const lines = frame(running(busy, away, ready), { columns, rows, colour })
      expect(lines.length).toBeLessThanOrEqual(rows)
      for (const line of lines) expect(visible(line)).toBeLessThan(columns)
    }
  })

  test.each([120, 80, 60, 40, 20])('whether it may be taken is said in %i columns, too', (columns) => {
    const long = (name: string): string => `${name} of the cellar behind the boiler, second shelf`
    for (const rename of [(name: string) => name, long])
      for (const one of [ready, away, busy, { ...ready, state: 'not-removable' } as const]) {
        // The name of another disk is as long.
        const disks = [
          { ...one, name: rename(one.name) },
          { ...away, name: rename('other') },
        ]
        const lines = frame(running(...disks), { columns, rows: 99 })
        expect(lines.join(' ').replaceAll(/\s+/g, ' ')).toContain(stateInWords(one))
        for (const line of lines) expect(visible(line)).toBeLessThan(columns)
      }
  })

  test.each([120, 80, 40])('away: what was is said in %i columns, and what is overdue', (columns) => {
    const remembered = ({ name, lastComplete, lastVisit, overdue, dueBy }: DiskAnswer) =>
      ({
        ...{ name, lastComplete, lastVisit, overdue, dueBy, pool: name, poolGuid: null },
        serials: [] as const,
        ...{ state: null, since: null, reason: null, progress: null },
      }) as const
    const disks = [remembered(away), remembered({ ...ready, lastComplete: null, lastVisit: null })]
    const problem = '1 line of the history cannot be read, and is skipped'
    const lines = frame({ kind: 'away', why: null, since: now, disks, problem }, { columns, rows: 99 })
    const screen = lines.join(' ').replaceAll(/\s+/g, ' ')
    expect(screen).toContain('last complete backup 34 days ago, OVERDUE for 4 days: bring it')
    expect(screen).toContain('last visit 20 days ago was partial')
    expect(screen).toContain('no complete backup yet')
    expect(screen).toContain(problem)
    for (const line of lines) expect(visible(line)).toBeLessThan(columns)
  })

  test('says how much does not fit', () => {
    const lines = frame(running(busy, away, ready), { rows: 8 })
    expect(lines).toHaveLength(8)
    expect(lines[5]).toMatch(/^ {2}\.\.\. \d+ more lines; see: walkaway status$/)
  })

  test('nobody watches: no state is shown, only what was', () => {
    const lines = frame({ kind: 'away', why: null, since: now, disks: [], problem: null })
    expect(lines).toEqual([
      'the daemon is not running: nothing is watched and nothing is backed up (since',
      '21:50:00)',
      'start it with: systemctl start walkaway; why it is not: journalctl -u walkaway',
      '',
      '21:50:00  Ctrl-C ends this view, and nothing else',
    ])
  })
})

describe('the command', () => {
  let folder: string
  let server: ControlServer | null
  let status: StatusAnswer
  let out: string[]
  let interrupted: AbortController
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'walkaway-watch-'))
    server = null
    status = statusOf(busy)
    out = []
    interrupted = new AbortController()
  })
  afterEach(async () => {
    interrupted.abort()
    await server?.close()
    rmSync(folder, { recursive: true })
  })

  const serve = async () => {
    server = await createControlServer({
      path: join(folder, 'control.sock'),
      answer: () => ({ version: 1, ok: true, status }),
      onProblem: () => undefined,
    })
  }
  const goAway = async () => {
    await server?.close()
    server = null
  }
  const watch = ({ terminal = false, json = false, columns = 80, rows = 24 } = {}) =>
    runWatch({
      json,
      interrupted: interrupted.signal,
      stdout: {
        write: (text) => void out.push(text),
        ...(terminal ? { isTTY: true, columns, rows } : {}),
      },
      socket: join(folder, 'control.sock'),
      stateFolder: folder,
      configFile: join(folder, 'config.yaml'),
      pollMs: 1,
      now: () => now,
    })
  const written = () => out.join('')
  const patience = { timeout: 30_000, interval: 5 }
  const saw = (text: string) => vi.waitFor(() => expect(written()).toContain(text), patience)

  test('a pipe gets a line for each thing that changes, and what the daemon does', async () => {
    await serve()
    const ended = watch()
    await saw('backing up')
    status = statusOf(ready)
    await saw('SAFE')
    await goAway()
    await saw('not running')
    await serve()
    await vi.waitFor(() => expect(written().match(/SAFE/g)).toHaveLength(2), patience)
    interrupted.abort()
    expect(await ended).toBe(0)
    expect(written().trimEnd().split('\n')).toEqual([
      '21:50:00 cellar: in use: backing up, tank/home/anna/photos',
      '21:50:00 offsite-1: SAFE TO REMOVE',
      '21:50:00 the daemon is not running: nothing is watched and nothing is backed up (since 21:50:00); start it with: systemctl start walkaway; why it is not: journalctl -u walkaway',
      '21:50:00 offsite-1: SAFE TO REMOVE',
    ])
  })

  test('as JSON: a document a line, when it changed', async () => {
    await serve()
    const ended = watch({ json: true })
    await saw('cellar')
    status = statusOf(ready)
    await saw('removable')
    await goAway()
    await saw('"daemon":null')
    interrupted.abort()
    expect(await ended).toBe(3)
    const documents = written()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(documents).toMatchObject([{ disks: [{ name: 'cellar' }] }, status, { version: 1, daemon: null }])
  })

  test('a terminal is drawn over, each frame in one write, and is as before at the end', async () => {
    await serve()
    const ended = watch({ terminal: true })
    await saw('backing up')
    await vi.waitFor(() => expect(out.length).toBeGreaterThan(3), patience)
    interrupted.abort()
    expect(await ended).toBe(0)
    const [first = '', ...rest] = out
    const last = rest.pop() ?? ''
    expect(first.startsWith('\x1b[?1049h\x1b[?25l\x1b[?7l')).toBe(true)
    for (const text of [first.slice('\x1b[?1049h\x1b[?25l\x1b[?7l'.length), ...rest]) {
      expect(text.startsWith('\x1b[?2026h\x1b[H')).toBe(true)
      expect(text.endsWith('\x1b[J\x1b[?2026l')).toBe(true)
      // Nothing is ever erased before it is drawn.
      expect(text).not.toContain('\x1b[2J')
      expect(text).not.toContain('\x1b[2K')
    }
    expect(last.startsWith('\x1b[?7h\x1b[?25h\x1b[?1049l')).toBe(true)
    expect(last).toContain('in use: backing up')
    expect(last).not.toContain('Ctrl-C')
  })

  test('a serial console, which has no size', async () => {
    await serve()
    const ended = watch({ terminal: true, columns: 0, rows: 0 })
    await saw('in use: backing up')
    interrupted.abort()
    expect(await ended).toBe(0)
  })

  test('what was safe before the daemon went is not called so after', async () => {
    await createHistory(folder).append({
      ...visit,
      startedAt: new Date(daysAgo(2)),
      finishedAt: new Date(daysAgo(2)),
      disk: diskName('offsite-1'),
      pool: poolName('offsite-1'),
      poolGuid: poolGuid('1'),
      device: null,
      failures: [],
    })
    status = statusOf(ready)
    await serve()
    const ended = watch({ terminal: true })
    await saw('SAFE')
    await goAway()
    await saw('not running')
    const frames = out.length
    await vi.waitFor(() => expect(out.length).toBeGreaterThan(frames + 1), patience)
    expect(out.at(-1)).toContain('last complete backup 2 days ago')
    expect(out.at(-1)).not.toContain('SAFE')
    await serve()
    await vi.waitFor(() => expect(out.at(-1)).toContain('SAFE'), patience)
    interrupted.abort()
    expect(await ended).toBe(0)
  })

  test('an interrupt ends it at once, also while the daemon takes its time', async () => {
    server = await createControlServer({
      path: join(folder, 'control.sock'),
      answer: () => new Promise(() => undefined),
      onProblem: () => undefined,
    })
    const ended = watch()
    interrupted.abort()
    expect(await ended).toBe(0)
    expect(out).toEqual([])
  })
})
