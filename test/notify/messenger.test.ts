// The process that brings messages out: what it is started with, and that both ends understand each other.
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Channel } from '../../src/config.ts'
import { CommandFailed, NotDelivered } from '../../src/errors.ts'
import type { Run } from '../../src/linux/run.ts'
import { openChannel, waysFromSandbox } from '../../src/notify/channel.ts'
import { carry } from '../../src/notify/messenger.ts'
import { noticeOf, now, type Receiver, safe, startReceiver } from './notices.ts'

let server: Receiver
let started: { readonly argv: readonly string[]; readonly input: string | undefined }[]
beforeEach(async () => {
  server = await startReceiver()
  started = []
})
afterEach(() => server.close())

/** A service manager that starts the messenger in this process. */
const run: Run = async (file, args, { input }) => {
  started.push({ argv: [file, ...args], input })
  return { stdout: await carry(input ?? ''), stderr: '', durationMs: 0 }
}
const program = ['/usr/bin/node', '/usr/lib/walkaway/main.cjs'] as const
const secret = 'tk_secret'
const ntfy = (): Channel => ({
  type: 'ntfy',
  on: null,
  url: `${server.url}/backup`,
  token: { kind: 'inline', reveal: () => secret },
  click: null,
})
const send = async (channel: Channel, with_ = run) => {
  const opened = await openChannel(channel, { ...waysFromSandbox(with_, program), now: () => now })
  await opened(noticeOf(safe()), AbortSignal.timeout(10_000))
}

test('a message of the service is sent by a process without rights, and the secret is in none of its arguments', async () => {
  await send(ntfy())
  expect(server.requests).toMatchObject([
    { method: 'POST', path: '/backup', headers: { authorization: `Bearer ${secret}` } },
  ])
  const [{ argv, input } = { argv: [], input: '' }] = started
  expect(argv[0]).toBe('systemd-run')
  expect(argv.slice(argv.indexOf('--'))).toEqual(['--', ...program, '__messenger'])
  for (const property of [
    'DynamicUser=yes',
    'CapabilityBoundingSet=',
    'PrivateDevices=yes',
    'ProtectHome=yes',
  ])
    expect(argv).toContain(`--property=${property}`)
  expect(argv.join(' ')).not.toContain(secret)
  expect(input).toContain(secret)
})

test('what the server said comes back as if it had been said here', async () => {
  server.answerWith(403)
  await expect(send(ntfy())).rejects.toMatchObject({
    why: 'refused',
    message: expect.stringMatching(/answered 403$/),
  })
})

test('a process that cannot be started, or says nothing, is no delivery, and quotes nothing', async () => {
  const failing: Run = async () => {
    throw new CommandFailed({ command: ['x'], exitCode: 1, signal: null, stderr: secret })
  }
  const silent: Run = async () => ({ stdout: `${secret}`, stderr: '', durationMs: 0 })
  for (const broken of [failing, silent]) {
    const failure: unknown = await send(ntfy(), broken).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(NotDelivered)
    expect(failure).toMatchObject({ why: 'unreachable', message: expect.not.stringContaining(secret) })
  }
})

test('a letter that is none, or a failure that nobody knows, is told by its kind alone', async () => {
  expect(JSON.parse(await carry('{"kind":"post"}'))).toMatchObject({ delivered: false, why: 'unreachable' })
  const breaking = async (): Promise<void> => {
    throw new TypeError(secret)
  }
  const letter = JSON.stringify({ kind: 'post', url: server.url, headers: {}, body: '' })
  expect(await carry(letter, breaking)).toBe(
    '{"delivered":false,"why":"unreachable","message":"an unexpected failure (TypeError)"}\n',
  )
})
