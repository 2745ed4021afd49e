// `walkaway run` and `walkaway eject` as a person sees them: the lines, the exit code, and Ctrl-C, against a daemon that
// answers one status after another.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runWish } from '../../src/cli/wish.ts'
import type { DiskAnswer, Reply, Request, VisitAnswer } from '../../src/control/protocol.ts'
import { type ControlServer, createControlServer } from '../../src/control/server.ts'
import type { Wish } from '../../src/core/diskState.ts'

const now = new Date('2026-11-22T21:50:00Z')
const visit: VisitAnswer = {
  startedAt: '2026-11-22T21:40:00.000Z',
  finishedAt: '2026-11-22T21:49:30.000Z',
  outcome: 'complete',
  sentBytes: 1_500_000,
  datasets: { total: 3, sent: 2, unchanged: 1, failed: 0 },
  failures: [],
  reason: null,
  space: null,
}
const idle: DiskAnswer = {
  name: 'offsite-1',
  pool: 'offsite-1',
  poolGuid: '1',
  serials: ['S'],
  state: 'removable',
  since: null,
  reason: null,
  overdue: false,
  dueBy: null,
  lastComplete: null,
  lastVisit: null,
  ending: false,
  progress: null,
}
const importing: DiskAnswer = {
  ...idle,
  state: 'importing',
  progress: {
    phase: 'importing',
    dataset: null,
    sentBytes: 0,
    totalBytes: 0,
    bytesPerSecond: 0,
    readyAt: null,
  },
}
const sending = (sentBytes: number): DiskAnswer => ({
  ...idle,
  state: 'backing-up',
  progress: {
    phase: 'backing-up',
    dataset: 'tank/home',
    sentBytes,
    totalBytes: 2_000_000,
    bytesPerSecond: 0,
    readyAt: null,
  },
})
const complete: DiskAnswer = { ...idle, lastVisit: visit }

let folder: string
let server: ControlServer | null
let asked: Request[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-wish-'))
  server = null
  asked = []
})
afterEach(async () => {
  await server?.close()
  rmSync(folder, { recursive: true })
})

/** The daemon answers these one after another, the last one for ever. */
async function serve(...answers: readonly (DiskAnswer | Reply)[]): Promise<void> {
  server = await createControlServer({
    path: join(folder, 'control.sock'),
    onProblem: () => undefined,
    answer: (request) => {
      const answer = answers[Math.min(asked.length, answers.length - 1)]
      asked.push(request)
      if (answer === undefined) throw new Error('nothing to answer')
      if ('ok' in answer) return answer
      const daemon = { version: '0.1.0', startedAt: now.toISOString() }
      return {
        version: 1,
        ok: true,
        status: { version: 1, host: 'nas', daemon, disks: [answer], undelivered: [] },
      }
    },
  })
}

async function run(
  wish: Wish,
  { columns = null as number | null, interrupted = new AbortController() } = {},
) {
  let out = ''
  let err = ''
  const exitCode = await runWish({
    wish,
    disk: 'offsite-1',
    stdout: {
      write: (text) => {
        out += text
      },
      ...(columns === null ? {} : { isTTY: true, columns }),
    },
    stderr: {
      write: (text) => {
        err += text
      },
    },
    interrupted: interrupted.signal,
    socket: join(folder, 'control.sock'),
    pollMs: 1,
    now: () => now,
  })
  return { exitCode, out, err }
}

test('run follows the visit to its end, a line for each thing that changes', async () => {
  await serve(
    importing,
    importing,
    sending(1),
    sending(1_000_000),
    { ...sending(0), state: 'verifying' },
    complete,
  )
  expect(await run('run')).toEqual({
    exitCode: 0,
    out: `offsite-1: in use: importing
offsite-1: in use: backing up, tank/home
offsite-1: in use: reading back, tank/home
offsite-1: SAFE TO REMOVE
  last visit a moment ago: 2 datasets sent, 1 unchanged, 1.5 MB in 9 minutes 30 seconds
`,
    err: '',
  })
  expect(asked.map(({ command }) => command)).toEqual(['run', ...Array(5).fill('status')])
})

test('on a terminal the last line says how far it is, and is written over', async () => {
  await serve(sending(0), sending(1_000_000), complete)
  const { out } = await run('run', { columns: 60 })
  const [first, second, last] = out.split('\r\x1b[K')
  expect(first).toMatch(/^offsite-1: in use: backing up, tank\/home\n\[\.+\] {4}0 % {2}0 B of 2 MB$/)
  expect(second).toMatch(/^\[#+\.+\] {3}50 % {2}1 MB of 2 MB$/)
  expect(last).toContain('SAFE TO REMOVE')
})

test.each<[string, DiskAnswer, 0 | 1, 0 | 1]>([
  ['complete and safe', complete, 0, 0],
  ['safe, but not complete', { ...idle, lastVisit: { ...visit, outcome: 'partial' } }, 1, 0],
  ['ended early', { ...idle, lastVisit: { ...visit, outcome: 'interrupted' } }, 1, 0],
  ['complete, and not released', { ...complete, state: 'not-removable', reason: 'in use' }, 0, 1],
  ['pulled out', { ...complete, state: 'pulled', reason: 'plug it in again' }, 1, 1],
  ['taken away', { ...complete, state: 'absent' }, 1, 1],
])('exit codes of run and eject: %s', async (_, disk, ofRun, ofEject) => {
  await serve(disk)
  for (const [wish, exitCode] of [
    ['run', ofRun],
    ['eject', ofEject],
  ] as const) {
    const ran = await run(wish)
    expect(ran.exitCode).toBe(exitCode)
    expect(ran.out.includes('SAFE')).toBe(disk.state === 'removable')
    if (disk.reason !== null) expect(ran.out).toContain(disk.reason)
  }
})

test('eject waits until what runs has ended, and for a release that is under way', async () => {
  const releasing: DiskAnswer = {
    ...complete,
    state: 'not-removable',
    ending: true,
    reason: 'imported by hand',
  }
  await serve(
    { ...sending(1), ending: true },
    { ...sending(1), state: 'exporting', ending: true },
    releasing,
    complete,
  )
  const { exitCode, out } = await run('eject')
  expect(exitCode).toBe(0)
  expect(out.split('\n').slice(0, 4)).toEqual([
    'offsite-1: in use: backing up, ending early',
    'offsite-1: in use: exporting, ending early',
    'offsite-1: DO NOT REMOVE, being released',
    'offsite-1: SAFE TO REMOVE',
  ])
  expect(asked[0]).toMatchObject({ command: 'eject', disk: 'offsite-1' })
})

test('run waits for a disk that only arrives; eject does not', async () => {
  await serve({ ...idle, state: 'arriving' }, importing, complete)
  expect((await run('run')).exitCode).toBe(0)
})

test.each(['run', 'eject'] as const)(
  'Ctrl-C during %s leaves the daemon to it, and says so',
  async (wish) => {
    await serve({ ...sending(1), ending: wish === 'eject' })
    const interrupted = new AbortController()
    const running = run(wish, { columns: 80, interrupted })
    await expect.poll(() => asked.length).toBeGreaterThan(2)
    interrupted.abort()
    const { exitCode, out } = await running
    expect(exitCode).toBe(1)
    expect(out.trimEnd().split('\n').at(-1)).toMatch(
      wish === 'run' ? /goes on; .*walkaway eject offsite-1/ : /all the same/,
    )
    expect(asked.filter(({ command }) => command !== 'status')).toHaveLength(1)
  },
)

test('what the daemon refuses is passed on with its exit code', async () => {
  await serve({ version: 1, ok: false, error: { message: 'offsite-1: refused', exitCode: 4 } })
  expect(await run('run')).toEqual({ exitCode: 4, out: '', err: 'walkaway: offsite-1: refused\n' })
})

test('a disk that turns out not to be the one it claims to be: 4', async () => {
  await serve(importing, { ...idle, state: 'refused', reason: 'its pool is another one' })
  const { exitCode, out } = await run('run')
  expect(exitCode).toBe(4)
  expect(out).toMatch(/refused, not touched: its pool is another one/)
})

test('without a daemon, also in the middle: 3', async () => {
  expect(await run('run')).toMatchObject({ exitCode: 3, out: '' })
  await serve(sending(1))
  const running = run('run')
  await expect.poll(() => asked.length).toBeGreaterThan(2)
  await server?.close()
  expect(await running).toMatchObject({ exitCode: 3, err: expect.stringContaining('not running') })
})

test('a disk that is not configured any more ends it', async () => {
  await serve(sending(1), { ...sending(1), name: 'another' })
  expect(await run('run')).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('not configured any more'),
  })
})
