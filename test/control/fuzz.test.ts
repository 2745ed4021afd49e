// Whatever is said to the control socket: each line that comes back is a reply of the protocol, nothing is reported as our own
// fault, and an honest client is answered all the same.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ask } from '../../src/control/client.ts'
import { maxRequestBytes, parseReply, parseRequest, type Reply } from '../../src/control/protocol.ts'
import { type ControlServer, createControlServer } from '../../src/control/server.ts'

const good: Reply = { version: 1, ok: true, history: { version: 1, visits: [] } }
const request = { version: 1, command: 'status' } as const

let folder: string
let path: string
let server: ControlServer
let problems: unknown[] = []
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-fuzz-'))
  path = join(folder, 'control.sock')
  const onProblem = (problem: unknown) => problems.push(problem)
  server = await createControlServer({ path, answer: () => good, onProblem, limits: { patienceMs: 60_000 } })
})
beforeEach(() => {
  problems = []
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

/** Writes the pieces one after another, ends, and resolves with what was heard until the server hung up. */
function talk(pieces: readonly Uint8Array[]): Promise<string> {
  return new Promise((resolve) => {
    const heard: Buffer[] = []
    const socket = connect(path, () => {
      for (const piece of pieces) socket.write(piece)
      socket.end()
    })
    socket.on('data', (chunk) => heard.push(chunk))
    // To be thrown out in the middle of writing is one of the things that may happen.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(Buffer.concat(heard).toString()))
  })
}

const bytes = (text: string): Uint8Array => Buffer.from(text)
const requestLine = `${JSON.stringify(request)}\n`
const nearlyRequest = fc
  .record(
    {
      version: fc.oneof(fc.constant(1), fc.jsonValue()),
      command: fc.oneof(fc.constantFrom('status', 'history', 'run', 'eject'), fc.jsonValue()),
      disk: fc.oneof(fc.string(), fc.constant(null), fc.jsonValue()),
      __proto__: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  .map((value) => bytes(`${JSON.stringify(value)}\n`))
const message = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.json().map((text) => bytes(`${text}\n`)),
  nearlyRequest,
  fc.constant(bytes(requestLine)),
  fc.nat(requestLine.length).map((length) => bytes(requestLine.slice(0, length))),
)

test('any mixture of rubbish and requests gets replies of the protocol alone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 12 }), async (pieces) => {
      const heard = await talk(pieces)
      expect(heard === '' || heard.endsWith('\n')).toBe(true)
      for (const line of heard.split('\n').slice(0, -1)) parseReply(line)
      expect(await ask(path, request, { deadlineMs: 20_000 })).toEqual(good)
      expect(problems).toEqual([])
    }),
    { numRuns: 200 },
  )
}, 120_000)

test('a request is understood or refused, never an exception, and what is refused is not sent back at length', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        nearlyRequest.map((line) => Buffer.from(line).toString()),
      ),
      (line) => {
        const parsed = parseRequest(line)
        if (parsed.kind === 'bad') expect(parsed.why.length).toBeLessThan(500)
      },
    ),
    { numRuns: 2_000 },
  )
})

test.each([
  ['a version', (deep: string) => `{"version":${deep},"command":"status"}`],
  ['a command', (deep: string) => `{"version":1,"command":${deep}}`],
  ['a disk', (deep: string) => `{"version":1,"command":"run","disk":${deep}}`],
  ['an unknown key', (deep: string) => `{"version":1,"command":"status","${'k'.repeat(1000)}":${deep}}`],
])('%s that is nested as deeply as fits is refused like any other', async (_what, make) => {
  const half = Math.floor((maxRequestBytes - 2_000) / 2)
  const deep = `${'['.repeat(half)}${']'.repeat(half)}`
  const heard = await talk([bytes(`${make(deep)}\n`)])
  expect(parseReply(heard.trimEnd())).toMatchObject({ ok: false, error: { exitCode: 2 } })
})

test('a request in single bytes is a request', async () => {
  expect(await talk([...bytes(requestLine)].map((byte) => Uint8Array.of(byte)))).toBe(
    `${JSON.stringify(good)}\n`,
  )
})

test('1000 connections that say nothing leave room for the next client', async () => {
  for (let wave = 0; wave < 5; wave += 1) await Promise.all(Array.from({ length: 200 }, () => talk([])))
  await expect
    .poll(() => ask(path, request, { deadlineMs: 20_000 }).catch(() => 'turned away'), { timeout: 20_000 })
    .toEqual(good)
  expect(problems).toEqual([])
}, 60_000)
