// Each channel against something that takes what it sends, as the documentation of ntfy, Gotify and healthchecks says.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Channel } from '../../src/config.ts'
import { diskName } from '../../src/core/model.ts'
import { createRun, type Run } from '../../src/linux/run.ts'
import {
  type ChannelDeps,
  isForPeople,
  keyOf,
  labelOf,
  openChannel,
  waysFromSandbox,
  waysFromShell,
} from '../../src/notify/channel.ts'
import { callOf, graphicalUsers } from '../../src/notify/desktop.ts'
import { bodyAt } from '../../src/notify/notice.ts'
import { tryChannel } from '../../src/notify/trial.ts'
import { report } from '../core/sightings.ts'
import { noticeOf, notSafe, now, ofDisk, type Receiver, safe, startReceiver } from './notices.ts'

let server: Receiver
let folder: string
beforeEach(async () => {
  server = await startReceiver()
  folder = await mkdtemp(join(tmpdir(), 'walkaway-channels-'))
})
afterEach(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

const deps: ChannelDeps = { ...waysFromShell(createRun()), now: () => now }
const send = async (channel: Channel, notice = noticeOf(safe()), with_ = deps): Promise<void> =>
  (await openChannel(channel, with_))(notice, AbortSignal.timeout(10_000))
const secretFile = async (text: string) => {
  const path = join(folder, 'token')
  await writeFile(path, text, { mode: 0o600 })
  return { kind: 'file', path } as const
}

describe('ntfy', () => {
  const ntfy = (fields = {}): Channel => ({
    type: 'ntfy',
    on: null,
    url: `${server.url}/backup`,
    token: null,
    click: null,
    ...fields,
  })
  test('gets a POST to the topic: title, priority, tags and click in headers, the text as it is', async () => {
    const token = await secretFile('tk_secret\nand a remark\n')
    await send(ntfy({ token, click: 'https://nas.example.org' }))
    expect(server.requests).toMatchObject([
      {
        method: 'POST',
        path: '/backup',
        headers: {
          title: 'offsite-1: take it away, backup complete',
          priority: '3',
          tags: 'white_check_mark',
          click: 'https://nas.example.org',
          authorization: 'Bearer tk_secret',
        },
        body: noticeOf(safe()).body,
      },
    ])
  })
  test('safe, safe but incomplete, and not safe look different before a word is read', async () => {
    const under = [safe(), safe({ outcome: 'partial' }), notSafe]
    for (const event of under) await send(ntfy(), noticeOf(event))
    expect(server.requests.map(({ headers }) => [headers['tags'], headers['priority']])).toEqual([
      ['white_check_mark', '3'],
      ['warning', '3'],
      ['no_entry', '5'],
    ])
  })
  test('a disk with a name beyond ASCII keeps it', async () => {
    await send(ntfy(), noticeOf({ ...safe(), disk: diskName('Büro 2') } as never))
    const [, coded = ''] = /^=\?UTF-8\?B\?(.*)\?=$/.exec(String(server.requests[0]?.headers['title'])) ?? []
    expect(Buffer.from(coded, 'base64').toString()).toBe('Büro 2: take it away, backup complete')
  })
  test.each([
    [500, 'unreachable'],
    [429, 'unreachable'],
    [403, 'refused'],
    [302, 'refused'],
  ])('an answer of %i is no delivery, and quotes nothing', async (status, why) => {
    server.answerWith(status)
    await expect(send(ntfy())).rejects.toMatchObject({
      why,
      message: `${new URL(server.url).host} answered ${status}`,
    })
    expect(server.requests).toHaveLength(1)
  })
  test('a server that is down', async () => {
    await server.close()
    await expect(send(ntfy())).rejects.toMatchObject({
      why: 'unreachable',
      message: expect.stringMatching(/^127.0.0.1:\d+: ECONNREFUSED$/),
    })
    server = await startReceiver()
  })
  test('a server that does not answer', async () => {
    server.answerWith(null)
    const opened = await openChannel(ntfy(), deps)
    await expect(opened(noticeOf(safe()), AbortSignal.timeout(300))).rejects.toMatchObject({
      why: 'unreachable',
      message: expect.stringContaining('did not answer in time'),
    })
  })
  test('a token file that is missing or empty is named', async () => {
    const token = await secretFile('\n')
    await expect(send(ntfy({ token }))).rejects.toThrow(`${token.path} has nothing in its first line`)
    await rm(token.path)
    await expect(send(ntfy({ token }))).rejects.toThrow(`${token.path} cannot be read`)
    expect(server.requests).toEqual([])
  })
})

test('Gotify gets JSON at /message, with the application token in its own header', async () => {
  const channel: Channel = {
    type: 'gotify',
    on: null,
    url: `${server.url}/gotify/`,
    token: await secretFile('tk_secret'),
  }
  await send(channel, noticeOf(notSafe))
  const [request] = server.requests
  expect(request).toMatchObject({
    method: 'POST',
    path: '/gotify/message',
    headers: { 'content-type': 'application/json', 'x-gotify-key': 'tk_secret' },
  })
  expect(JSON.parse(request?.body ?? '')).toEqual({
    title: 'offsite-1: do NOT unplug it, still in use',
    message: noticeOf(notSafe).body,
    priority: 8,
  })
})

test('a webhook gets the event as JSON, the same id with every try', async () => {
  const channel: Channel = { type: 'webhook', on: null, url: `${server.url}/hook?a=b`, token: null }
  const notice = noticeOf(safe({ sentBytes: 5 }))
  await send(channel, notice)
  await send(channel, notice)
  const [request] = server.requests
  expect(request).toMatchObject({ method: 'POST', path: '/hook?a=b' })
  expect(request?.headers['idempotency-key']).toBe(notice.id)
  expect(server.requests[1]?.headers['idempotency-key']).toBe(notice.id)
  expect(JSON.parse(request?.body ?? '')).toEqual({
    version: 1,
    id: notice.id,
    at: '2026-11-22T21:25:10.000Z',
    host: 'nas',
    event: 'safe-to-remove',
    disk: 'offsite-1',
    pool: 'offsite-1',
    outcome: 'complete',
    urgency: 'normal',
    mayUnplug: true,
    title: 'offsite-1: take it away, backup complete',
    body: notice.body,
    message: 'offsite-1: SAFE TO REMOVE, take it away; backup complete',
    data: expect.objectContaining({
      kind: 'safe-to-remove',
      report: expect.objectContaining({ sentBytes: 5, finishedAt: '2026-11-22T21:25:00.000Z' }),
    }),
  })
})

describe('healthchecks', () => {
  test.each([
    [{ kind: 'disk-arrived', ...ofDisk }, '/ping/uuid/start?create=1'],
    [{ kind: 'backup-finished', ...ofDisk, report: report(), standing: 'in-use' }, '/ping/uuid?create=1'],
    [
      { kind: 'backup-finished', ...ofDisk, report: report({ outcome: 'partial' }), standing: 'pulled' },
      '/ping/uuid/fail?create=1',
    ],
    [{ kind: 'disk-stuck', ...ofDisk, reason: 'x', outcome: null }, '/ping/uuid/fail?create=1'],
    [{ kind: 'disk-refused', ...ofDisk, reason: 'x', isAnotherDevice: false }, '/ping/uuid/fail?create=1'],
    [{ kind: 'disk-refused', ...ofDisk, reason: 'x', isAnotherDevice: true }, '/ping/uuid/log?create=1'],
    [safe(), '/ping/uuid/log?create=1'],
  ] as const)('%j', async (event, path) => {
    await send({ type: 'healthchecks', on: null, url: `${server.url}/ping/uuid?create=1` }, noticeOf(event))
    expect(server.requests).toMatchObject([{ method: 'POST', path, body: noticeOf(event).message }])
  })
})

describe('a command', () => {
  const script = async (text: string) => {
    const path = join(folder, 'notify')
    await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    return path
  }
  test('gets placeholders filled in, once and without a shell, and the notice on its standard input', async () => {
    const path = await script(`printf '%s|' "$@" > ${folder}/args; cat > ${folder}/stdin`)
    const args = ['{event}', '{disk} {pool}', '$HOME {outcome} ; {x}', '{message}', '']
    const event = { kind: 'disk-stuck', ...ofDisk, reason: '{disk} `hangs`', outcome: null } as const
    await send({ type: 'command', on: null, run: [path, ...args] }, noticeOf(event))
    expect(await readFile(`${folder}/args`, 'utf8')).toBe(
      `disk-stuck|offsite-1 offsite-1|$HOME  ; {x}|${noticeOf(event).message}||`,
    )
    const { id, ...notice } = JSON.parse(await readFile(`${folder}/stdin`, 'utf8'))
    expect(notice).toEqual({ ...noticeOf(event), id: undefined })
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
  })
  test('that fails is not quoted', async () => {
    const path = await script('echo tk_secret >&2; exit 3')
    await expect(send({ type: 'command', on: null, run: [path, 'tk_secret'] })).rejects.toMatchObject({
      why: 'refused',
      message: `${path} ended with 3`,
    })
  })
  test('that is not there', async () => {
    const run = ['/no/such/program']
    await expect(send({ type: 'command', on: null, run })).rejects.toThrow(
      '/no/such/program could not be run',
    )
  })
  test('that does not read its input is none the worse', async () => {
    await send({ type: 'command', on: null, run: [await script('exit 0')] })
  })
  test('is started outside of the sandbox of the service', async () => {
    const started: (readonly string[])[] = []
    const run: Run = async (file, args) => {
      started.push([file, ...args])
      return { stdout: '', stderr: '', durationMs: 0 }
    }
    await send({ type: 'command', on: null, run: ['/bin/x', '{event}', '$HOME a$b $'] }, noticeOf(safe()), {
      ...deps,
      ...waysFromSandbox(run, ['/usr/bin/node', '/usr/lib/walkaway/main.cjs']),
    })
    const [argv = []] = started
    expect(argv[0]).toBe('systemd-run')
    expect(argv.slice(argv.indexOf('--'))).toEqual(['--', '/bin/x', 'safe-to-remove', '$$HOME a$$b $$'])
  })
})

describe('wall', () => {
  test('writes the message as lines that no terminal obeys', async () => {
    const inputs: unknown[] = []
    const run: Run = async (file, args, { input }) => {
      inputs.push([file, args, input])
      return { stdout: '', stderr: '', durationMs: 0 }
    }
    const event = { ...notSafe, reason: 'a\u001b[2J' }
    await send({ type: 'wall', on: null }, noticeOf(event as typeof notSafe), { ...deps, run })
    expect(inputs).toEqual([
      ['wall', [], expect.stringMatching(/^offsite-1: do NOT unplug it, still in use\n\nDo/)],
    ])
    expect(JSON.stringify(inputs)).not.toContain('\\u001b')
  })
})

describe('desktop', () => {
  const block = (fields: Record<string, string>) =>
    Object.entries(fields)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n')
  const session = { User: '1000', Type: 'wayland', Class: 'user', State: 'active' }
  test('whoever has a graphical session, once; no greeter, no terminal, nobody who is leaving', () => {
    const shown = [
      session,
      { ...session, Type: 'x11', State: 'online' },
      { ...session, User: '1001', Type: 'tty' },
      { ...session, User: '120', Class: 'greeter' },
      { ...session, User: '1002', State: 'closing' },
      { ...session, User: '1003', Type: 'x11' },
    ]
    expect(graphicalUsers(`${shown.map(block).join('\n\n')}\n`)).toEqual([1000, 1003])
    expect(graphicalUsers('')).toEqual([])
  })
  test('is shown what the specification asks for: the body is markup, the title is not', () => {
    const notice = { ...noticeOf(notSafe), title: 'a <b>', body: 'x & <y>', urgency: 'high' as const }
    expect(callOf(notice, now)).toEqual([
      'org.freedesktop.Notifications',
      '/org/freedesktop/Notifications',
      'org.freedesktop.Notifications',
      'Notify',
      // Name, what it replaces, icon, title, body, no actions, one hint, and for how long: as the server likes.
      'susssasa{sv}i',
      'walkaway',
      '0',
      'dialog-error',
      'a <b>',
      'x &amp; &lt;y&gt;',
      '0',
      '1',
      'urgency',
      'y',
      '2',
      '-1',
    ])
  })
  test('nobody there is no failure of the channel', async () => {
    const run: Run = async (_file, args) => ({
      stdout:
        args[0] === 'list-sessions'
          ? ' 1 1000 me\n c2 0 root seat0\n'
          : `${block({ ...session, Type: 'tty' })}\n`,
      stderr: '',
      durationMs: 0,
    })
    await expect(
      send({ type: 'desktop', on: null }, noticeOf(safe()), { ...deps, run }),
    ).rejects.toMatchObject({ why: 'nobody' })
  })
})

test('what comes late says when it is from', () => {
  const notice = noticeOf(safe())
  const later = (minutes: number) => new Date(now.getTime() + minutes * 60_000)
  expect(bodyAt(notice, later(9))).toBe(notice.body)
  expect(bodyAt(notice, later(600))).toMatch(/\n\nThis is from 2[23] November.*\d\.$/)
})

test('a channel is told apart and named without its secrets', () => {
  const hook = (path: string): Channel => ({
    type: 'webhook',
    on: null,
    url: `https://u:pw@x.org/${path}`,
    token: null,
  })
  expect(keyOf(hook('a'))).not.toBe(keyOf(hook('b')))
  expect(keyOf(hook('a'))).toMatch(/^[0-9a-f]{16}$/)
  expect(labelOf(hook('secret'))).toBe('webhook at x.org')
  expect(isForPeople(hook('a'))).toBe(false)
  expect(isForPeople({ type: 'wall', on: null })).toBe(true)
})

test('a test message says that it is one, and a failure says why', async () => {
  const hook: Channel = { type: 'webhook', on: ['disk-stuck'], url: server.url, token: null }
  const channel = `webhook at ${new URL(server.url).host}`
  expect(await tryChannel(hook, { ...deps, host: 'nas' })).toEqual({ channel, failure: null })
  expect(JSON.parse(server.requests[0]?.body ?? '')).toMatchObject({ event: 'test', mayUnplug: null })
  server.answerWith(500)
  expect(await tryChannel(hook, { ...deps, host: 'nas' })).toMatchObject({
    failure: expect.stringMatching(/answered 500$/),
  })
})
