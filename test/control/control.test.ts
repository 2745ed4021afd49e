// The control socket with real sockets: what an honest client gets, and that a dishonest one harms nobody.
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ask } from '../../src/control/client.ts'
import { formatReply, maxRequestBytes, type Reply, type StatusAnswer } from '../../src/control/protocol.ts'
import { type ControlServer, createControlServer, type Limits } from '../../src/control/server.ts'
import { AlreadyRunning, BadInput, DeadlineExceeded, UnreadableAnswer } from '../../src/errors.ts'

const status: StatusAnswer = {
  version: 1,
  host: 'nas',
  daemon: { version: '0.1.0', startedAt: '2026-11-22T21:00:00.000Z' },
  undelivered: [],
  disks: [
    {
      name: 'offsite-1',
      pool: 'offsite-1',
      poolGuid: '18446744073709551615',
      serials: ['00123'],
      state: 'absent',
      since: null,
      reason: null,
      overdue: false,
      dueBy: null,
      lastComplete: null,
      lastVisit: null,
      ending: false,
      progress: null,
    },
  ],
}
const good: Reply = { version: 1, ok: true, status }
const request = { version: 1, command: 'status' } as const
const soon = { deadlineMs: 5_000 }

let folder: string
let path: string
let problems: unknown[]
let open: { close(): Promise<void> }[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-control-'))
  path = join(folder, 'control.sock')
  problems = []
  open = []
})
afterEach(async () => {
  await Promise.all(open.map((server) => server.close()))
  rmSync(folder, { recursive: true })
})

async function serve(
  answer: () => Promise<Reply> | Reply = () => good,
  limits: Partial<Limits> = {},
): Promise<ControlServer> {
  const server = await createControlServer({
    path,
    answer,
    limits,
    onProblem: (problem) => problems.push(problem),
  })
  open.push(server)
  return server
}

/** Sends bytes as they are and collects what comes back until the server hangs up. */
function rawTalk(bytes: string | Buffer, { end = true } = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path)
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk.toString()
    })
    // Being thrown out in the middle of writing is one of the things that may happen.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(heard))
    socket.on('connect', () => (end ? socket.end(bytes) : socket.write(bytes)))
  })
}

const spoken = (line: string): unknown => JSON.parse(line)
const no = (exitCode: number, message: RegExp) => ({
  version: 1,
  ok: false,
  error: { exitCode, message: expect.stringMatching(message) },
})

test('a status request gets the status; a 64-bit GUID and leading zeros stay as they are', async () => {
  await serve()
  expect(await ask(path, request, soon)).toEqual(good)
  expect(problems).toEqual([])
})

test('the socket is for its owner and group only, and they reach it', async () => {
  const before = process.umask(0o077)
  await serve().finally(() => process.umask(before))
  expect(statSync(path).mode & 0o777).toBe(0o660)
})

test.runIf(process.getuid?.() === 0)('the socket is given to a group', async () => {
  open.push(await createControlServer({ path, group: 12, answer: () => good, onProblem: () => undefined }))
  expect(statSync(path)).toMatchObject({ uid: 0, gid: 12 })
})

test.runIf(process.getuid?.() === 0)(
  'the group of a new configuration gets it from the one before',
  async () => {
    const given: number[] = []
    const giveTo = async (to: string, group: number): Promise<void> => {
      given.push(group)
      chownSync(to, -1, group)
    }
    const server = await createControlServer({ path, giveTo, answer: () => good, onProblem: () => undefined })
    open.push(server)
    for (const group of [12, 12, 4, null]) await server.admit(group)
    expect(given).toEqual([12, 4, process.getgid?.()])
    expect(statSync(path)).toMatchObject({ uid: 0, gid: process.getgid?.() })
    // Somebody removed it: that is no reason to fail.
    rmSync(path)
    await server.admit(12)
    expect(given).toHaveLength(3)
  },
)

test("without the way to give it to a group the socket is root's alone, and that is told", async () => {
  const problems: unknown[] = []
  const giveTo = () => Promise.reject(new Error('no bus'))
  const onProblem = (problem: unknown) => void problems.push(problem)
  open.push(await createControlServer({ path, group: 12, giveTo, answer: () => good, onProblem }))
  const { mode, gid } = statSync(path)
  expect([mode & 0o777, gid]).toEqual([0o660, process.getgid?.()])
  expect(problems).toEqual([new Error('no bus')])
})

test('a socket that did not get its group is not listened on with a good conscience', async () => {
  const nothing = async (): Promise<void> => undefined
  await expect(
    createControlServer({ path, group: 12, giveTo: nothing, answer: () => good, onProblem: () => undefined }),
  ).rejects.toThrow('not for root and its group alone')
})

test('several requests on one connection are answered in turn', async () => {
  let asked = 0
  await serve(() => {
    asked += 1
    return good
  })
  const heard = await rawTalk(`${JSON.stringify(request)}\n`.repeat(3))
  expect(heard.trim().split('\n').map(spoken)).toEqual([good, good, good])
  expect(asked).toBe(3)
})

test.each([
  ['not JSON', 'hello\n', /not a line of JSON/],
  ['a number', '7\n', /JSON object/],
  ['null', 'null\n', /JSON object/],
  ['an empty line', '\n', /not a line of JSON/],
  ['no version', '{"command":"status"}\n', /speaks version 1/],
  ['another version', '{"version":2,"command":"status"}\n', /speaks version 1 .* says 2/],
  ['an unknown command', '{"version":1,"command":"format"}\n', /command/],
  ['an unknown key', '{"version":1,"command":"status","force":true}\n', /force/],
  ['half a line', '{"version":1,', /line feed/],
  ['bytes that are no text', Buffer.from([0xff, 0x00, 0x80, 0x0a]), /not a line of JSON/],
])('%s is refused with exit code 2', async (_what, bytes, why) => {
  await serve()
  expect(spoken(await rawTalk(bytes))).toEqual(no(2, why))
  expect(await ask(path, request, soon)).toEqual(good)
  expect(problems).toEqual([])
})

test.each([
  ['without an end', 'x'.repeat(maxRequestBytes + 1)],
  ['with an end', `${'x'.repeat(maxRequestBytes + 1)}\n`],
])('a huge line %s is refused', async (_what, bytes) => {
  await serve()
  expect(spoken(await rawTalk(bytes, { end: false }))).toEqual(no(2, /too long/))
})

test('a client that floods is thrown out, and others are served meanwhile', async () => {
  await serve()
  const flood = rawTalk(Buffer.alloc(64 * 1024 * 1024, 'y'), { end: false })
  expect(await ask(path, request, soon)).toEqual(good)
  // It may be gone before it could read the refusal.
  expect((await flood).length).toBeLessThan(200)
  expect(problems).toEqual([])
})

test.each([
  ['says nothing', ''],
  ['stops in the middle of a line', '{"version":'],
])('a client that %s is thrown out in time', async (_what, bytes) => {
  await serve(() => good, { patienceMs: 50 })
  expect(await rawTalk(bytes, { end: false })).toBe('')
})

test('a client that does not read its answers is thrown out', async () => {
  await serve(() => ({ ...good, status: { ...status, host: 'h'.repeat(4 * 1024 * 1024) } }), {
    patienceMs: 50,
  })
  const socket = connect(path)
  socket.pause()
  await new Promise<void>((resolve) => {
    socket.on('error', () => resolve())
    const lines = `${JSON.stringify(request)}\n`.repeat(500)
    const keepAsking = () => socket.write(lines, (error) => (error ? resolve() : keepAsking()))
    keepAsking()
  })
  socket.destroy()
  expect(problems).toEqual([])
})

test('200 clients are served, one more is turned away, and room is made when they go', async () => {
  await serve(() => good, { patienceMs: 60_000 })
  const clients = await Promise.all(
    Array.from(
      { length: 200 },
      () =>
        new Promise<Socket>((resolve) => {
          const socket = connect(path, () => resolve(socket))
        }),
    ),
  )
  await expect(ask(path, request, soon)).rejects.toThrow(UnreadableAnswer)
  const answers = clients.map(
    (socket) =>
      new Promise<unknown>((resolve) => socket.once('data', (chunk) => resolve(spoken(chunk.toString())))),
  )
  for (const socket of clients) socket.write(`${JSON.stringify(request)}\n`)
  expect(await Promise.all(answers)).toEqual(clients.map(() => good))
  await Promise.all(
    clients.map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.once('close', () => resolve())
          socket.end()
        }),
    ),
  )
  await expect.poll(() => ask(path, request, soon).catch(() => 'turned away')).toEqual(good)
})

test('an answer that fails is told to the client and reported', async () => {
  await serve(() => Promise.reject(new Error('no idea')))
  expect(await ask(path, request, soon)).toEqual(no(1, /no idea/))
  expect(problems).toHaveLength(1)
})

test('an answer that breaks the protocol does not leave the daemon', async () => {
  await serve(() => ({ ...good, status: { ...status, host: JSON.parse('7') } }))
  expect(await ask(path, request, soon)).toEqual(no(1, /host/))
  expect(problems).toHaveLength(1)
})

test('an answer that never comes ends in a refusal', async () => {
  await serve(() => new Promise<Reply>(() => undefined), { answerMs: 50 })
  expect(await ask(path, request, soon)).toEqual(no(1, /in time/))
})

test('no socket, and the socket of a dead daemon, mean that it is not running', async () => {
  expect(await ask(path, request, soon)).toEqual({ kind: 'not-running' })
  leaveStaleSocket()
  expect(await ask(path, request, soon)).toEqual({ kind: 'not-running' })
})

test('the socket of a dead daemon is replaced', async () => {
  leaveStaleSocket()
  await serve()
  expect(await ask(path, request, soon)).toEqual(good)
})

test('a second daemon is refused, and the first goes on', async () => {
  await serve()
  await expect(serve()).rejects.toThrow(AlreadyRunning)
  expect(await ask(path, request, soon)).toEqual(good)
})

test.each([
  ['over no socket', () => undefined],
  ['over a stale socket', leaveStaleSocket],
])('of many daemons that start at once %s, exactly one wins', async (_what, prepare) => {
  for (let round = 0; round < 25; round++) {
    prepare()
    const starts = await Promise.allSettled(Array.from({ length: 24 }, () => serve()))
    const [winner, ...others] = starts.filter((start) => start.status === 'fulfilled')
    expect(others).toEqual([])
    expect(await ask(path, request, soon)).toEqual(good)
    await winner?.value.close()
    expect(existsSync(path)).toBe(false)
  }
})

test('whoever is in the middle of it is waited for; a stranger who keeps the name of the lock, not for ever', async () => {
  const stranger = createServer()
  await new Promise<void>((resolve) => stranger.listen(`\0${path}`, resolve))
  leaveStaleSocket()
  let served = false
  const serving = serve(undefined, { lockMs: 600 }).then(() => {
    served = true
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(served).toBe(false)
  await serving
  expect(await ask(path, request, soon)).toEqual(good)
  stranger.close()
})

test('a daemon that hangs is still a daemon', async () => {
  await oddDaemon(() => undefined)
  await expect(serve()).rejects.toThrow(AlreadyRunning)
  await expect(ask(path, request, { deadlineMs: 50 })).rejects.toThrow(DeadlineExceeded)
})

test('an answer that came in time is read, however busy the client was', async () => {
  await oddDaemon((socket) => {
    socket.on('data', () => {
      socket.write(formatReply(good))
      const until = performance.now() + 300
      while (performance.now() < until) {
        // This process, the client's, does nothing else.
      }
    })
  })
  expect(await ask(path, request, { deadlineMs: 100 })).toEqual(good)
})

test('a file that is not a socket is left alone', async () => {
  writeFileSync(path, 'mine')
  await expect(serve()).rejects.toThrow(BadInput)
  expect(statSync(path).size).toBe(4)
})

test('closing hangs up on everybody and removes the socket', async () => {
  const server = await serve(() => good, { patienceMs: 60_000 })
  const idle = rawTalk('', { end: false })
  await ask(path, request, soon)
  await Promise.all([server.close(), server.close()])
  await idle
  expect(() => statSync(path)).toThrow(/ENOENT/)
  expect(await ask(path, request, soon)).toEqual({ kind: 'not-running' })
})

test.each([
  ['nothing', '', /without an answer/],
  ['rubbish', 'rubbish\n', /not a line of JSON/],
  ['an answer of a later version', '{"version":2,"ok":true}\n', /version/],
  ['half an answer', '{"version":1,', /without an answer/],
])('a daemon that answers %s is not believed', async (_what, bytes, why) => {
  await oddDaemon((socket) => socket.end(bytes))
  await expect(ask(path, request, soon)).rejects.toThrow(UnreadableAnswer)
  await expect(ask(path, request, soon)).rejects.toThrow(why)
})

/** What a daemon leaves behind that was killed: a socket that nobody listens on. */
function leaveStaleSocket(): void {
  const { status: exitCode } = spawnSync(process.execPath, [
    '-e',
    'require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))',
    path,
  ])
  expect(exitCode).toBe(null)
  expect(statSync(path).isSocket()).toBe(true)
}

/** Something that listens in the daemon's place and is none of ours. */
async function oddDaemon(talk: (socket: Socket) => void): Promise<void> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    // The client hangs up first in some of these tests.
    socket.on('error', () => socket.destroy())
    talk(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, () => resolve()))
  open.push({
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  })
}
