// Mail against a real SMTP server with TLS and a login, and against a sendmail.
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterEach, expect, test } from 'vitest'
import type { Channel } from '../../src/config.ts'
import { createRun, type Run } from '../../src/linux/run.ts'
import { openChannel, waysFromShell } from '../../src/notify/channel.ts'
import type { Notice } from '../../src/notify/notice.ts'
import { certificate, key } from './certificate.ts'
import { noticeOf, notSafe, now, safe } from './notices.ts'

interface Mail {
  readonly user: string
  readonly secure: boolean
  readonly from: string
  readonly to: readonly string[]
  readonly text: string
}
const servers: SMTPServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise<void>((resolve) => server.close(() => resolve()))
})

async function startServer(options: SMTPServerOptions = {}) {
  const mails: Mail[] = []
  const server = new SMTPServer({
    key,
    cert: certificate,
    onAuth: ({ username, password }, _session, done) =>
      password === 'pw_secret' ? done(null, { user: username }) : done(new Error(`no: ${password}`)),
    onData: (stream, { user, secure, envelope: { mailFrom, rcptTo } }, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        mails.push({
          user: String(user),
          secure,
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString(),
        })
        done()
      })
    },
    ...options,
  })
  server.on('error', () => undefined)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { mails, port: (server.server.address() as AddressInfo).port }
}

const channelTo = (port: number, password = 'pw_secret'): Channel => ({
  type: 'email',
  on: null,
  to: ['me@example.org', 'Anna <anna@example.org>'],
  from: 'Walkaway <walkaway@example.org>',
  smtp: { host: 'localhost', port, user: 'walkaway', password: { kind: 'inline', reveal: () => password } },
})
const deps = { ...waysFromShell(createRun()), now: () => now, trust: certificate }
const send = async (channel: Channel, notice: Notice, with_ = deps) =>
  (await openChannel(channel, with_))(notice, AbortSignal.timeout(20_000))

test('a mail goes over STARTTLS with a login, with the title as its subject', async () => {
  const { mails, port } = await startServer()
  const notice = noticeOf(safe())
  await send(channelTo(port), notice)
  expect(mails).toMatchObject([
    {
      user: 'walkaway',
      secure: true,
      from: 'walkaway@example.org',
      to: ['me@example.org', 'anna@example.org'],
    },
  ])
  const text = mails[0]?.text ?? ''
  expect(text).toMatch(/^Subject: offsite-1: take it away, backup complete\r$/m)
  expect(text).toMatch(/^Auto-Submitted: auto-generated\r$/m)
  expect(text).toContain(`Message-ID: <${notice.id}@walkaway.invalid>`)
  expect(text).toMatch(/\r\n\r\nYou can unplug it now\.\r\n/)
  expect(text).not.toContain('Importance')
})

test('what is urgent is marked', async () => {
  const { mails, port } = await startServer()
  await send(channelTo(port), noticeOf(notSafe))
  expect(mails[0]?.text).toMatch(/^Importance: high\r$/m)
})

test('a server without TLS gets neither password nor mail', async () => {
  let logins = 0
  const { mails, port } = await startServer({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    onAuth: (_auth, _session, done) => {
      logins++
      done(null, { user: 'x' })
    },
  })
  await expect(send(channelTo(port), noticeOf(safe()))).rejects.toMatchObject({ why: 'unreachable' })
  expect({ mails, logins }).toEqual({ mails: [], logins: 0 })
})

test('a certificate that nobody vouches for ends it before the password', async () => {
  const { mails, port } = await startServer()
  const { trust: _, ...trusting } = deps
  await expect(send(channelTo(port), noticeOf(safe()), trusting as typeof deps)).rejects.toMatchObject({
    why: 'unreachable',
  })
  expect(mails).toEqual([])
})

test('a wrong password is said, not quoted', async () => {
  const { port } = await startServer()
  const failure = await send(channelTo(port, 'pw_wrong'), noticeOf(safe())).catch((error: unknown) => error)
  expect(failure).toMatchObject({ why: 'unreachable', message: 'localhost refused user or password (535)' })
})

test('a recipient that is refused is a matter of this mail', async () => {
  const { port } = await startServer({ onRcptTo: (_to, _session, done) => done(new Error('no such user')) })
  await expect(send(channelTo(port), noticeOf(safe()))).rejects.toMatchObject({ why: 'refused' })
})

test('a server that is down', async () => {
  await expect(send(channelTo(1), noticeOf(safe()))).rejects.toMatchObject({
    why: 'unreachable',
    message: expect.stringContaining('localhost could not be reached'),
  })
})

test("without a server the machine's own sendmail gets it, addresses as arguments and the mail as its input", async () => {
  const started: { readonly argv: readonly string[]; readonly input: string }[] = []
  const run: Run = async (file, args, { input = '' }) => {
    started.push({ argv: [file, ...args], input })
    return { stdout: '', stderr: '', durationMs: 0 }
  }
  await send({ ...channelTo(0), smtp: null } as Channel, noticeOf(safe()), { ...deps, run })
  const [{ argv, input } = { argv: [], input: '' }] = started
  expect(argv).toEqual([
    '/usr/sbin/sendmail',
    '-i',
    '-f',
    'walkaway@example.org',
    '--',
    'me@example.org',
    'anna@example.org',
  ])
  expect(input).toContain('Subject: offsite-1: take it away, backup complete\n')
  expect(input).toContain('To: me@example.org, Anna <anna@example.org>\n')
})

test('a server that is too slow gets nothing once it was given up: it comes with the next try', async () => {
  const limit = new AbortController()
  let answer: () => void = () => undefined
  let hungUp: () => void = () => undefined
  const closed = new Promise<void>((resolve) => {
    hungUp = resolve
  })
  const { mails, port } = await startServer({
    // As slow as this: its answer comes when nobody waits for it any more.
    onRcptTo: (_to, _session, done) => {
      answer = done
      limit.abort()
    },
    onClose: () => hungUp(),
  })
  const opened = await openChannel(channelTo(port), deps)
  await expect(opened(noticeOf(safe()), limit.signal)).rejects.toMatchObject({
    why: 'unreachable',
    message: 'localhost did not answer in time',
  })
  await closed
  answer()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(mails).toEqual([])
  // Less than what the connection itself may be silent for.
}, 15_000)
