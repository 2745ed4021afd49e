// Delivery from event to receiver, with the outbox on disk and a web server that is up, down, slow or in trouble.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Channel, Config } from '../../src/config.ts'
import { diskName } from '../../src/core/model.ts'
import { NotDelivered } from '../../src/errors.ts'
import type { WalkawayEvent } from '../../src/events.ts'
import { createRun } from '../../src/linux/run.ts'
import { openChannel, type Send, waysFromShell } from '../../src/notify/channel.ts'
import { createDispatcher, type Dispatcher } from '../../src/notify/dispatcher.ts'
import { createOutbox, type Outbox } from '../../src/notify/outbox.ts'
import { render } from '../../src/sentences.ts'
import { report } from '../core/sightings.ts'
import { notSafe, ofDisk, type Receiver, safe, startReceiver } from './notices.ts'

let folder: string
let server: Receiver
let clock: Date
let told: WalkawayEvent[]
let warnings: string[]
let busy: number
let silent: boolean
let hangs: boolean
const running: Dispatcher[] = []
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  folder = await mkdtemp(join(tmpdir(), 'walkaway-dispatcher-'))
  server = await startReceiver()
  clock = new Date(2026, 10, 22, 18, 0)
  told = []
  busy = 0
  silent = false
  hangs = false
  warnings = []
})
afterEach(async () => {
  await server.close()
  for (const dispatcher of running.splice(0)) {
    const stopped = dispatcher.stop()
    // It does not wait for ever for a disk that hangs.
    if (hangs) await vi.advanceTimersByTimeAsync(30_000)
    await stopped
  }
  vi.useRealTimers()
  await rm(folder, { recursive: true })
})

const hook = (fields = {}): Channel =>
  ({ type: 'webhook', on: null, url: `${server.url}/hook`, token: null, ...fields }) as Channel
const settings = (
  notify: readonly Channel[],
  quiet: Config['remind']['quiet'] = null,
): Pick<Config, 'notify' | 'remind'> => ({
  notify,
  remind: { overdueMs: null, takeAwayMs: null, quiet },
})

/** The same work, counted while it is under way. */
const counted =
  <A extends readonly unknown[], T>(work: (...args: A) => Promise<T>) =>
  async (...args: A): Promise<T> => {
    busy++
    try {
      return await work(...args)
    } finally {
      busy--
    }
  }

/** As after a start of the service, with what an earlier one left. */
async function start(
  config: Pick<Config, 'notify' | 'remind'>,
  changed: Partial<Outbox> = {},
  before: (dispatcher: Dispatcher) => void = () => undefined,
  open: (channel: Channel) => Promise<Send> = (channel) =>
    openChannel(channel, { ...waysFromShell(createRun()), now: () => clock }),
): Promise<Dispatcher> {
  const now = () => clock
  const { read, write, remove } = { ...createOutbox(folder), ...changed }
  const dispatcher: Dispatcher = createDispatcher(config, {
    outbox: { read, write: counted(write), remove: counted(remove) },
    open: counted(async (channel: Channel) => counted(await open(channel))),
    now,
    host: 'nas',
    tell: (event) => {
      told.push(event)
      dispatcher.dispatch(event)
    },
    warn: (message) => warnings.push(message),
  })
  running.push(dispatcher)
  before(dispatcher)
  await dispatcher.start()
  return dispatcher
}
async function restart(dispatcher: Dispatcher, config: Pick<Config, 'notify' | 'remind'>) {
  await dispatcher.stop()
  return start(config)
}

/** Until this is so; a machine that is busy may take its time. */
async function settle(isSettled: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!isSettled() && performance.now() < deadline) await turn()
}
/** Until nothing is tried, written or removed any more. */
async function rest(): Promise<void> {
  let calm = 0
  await settle(() => {
    calm = busy === 0 ? calm + 1 : 0
    return calm > 20
  })
}
async function pass(ms: number, { stepMs = 15_000 }: { readonly stepMs?: number } = {}): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock = new Date(clock.getTime() + stepMs)
    await vi.advanceTimersByTimeAsync(stepMs)
    if (!silent) await rest()
  }
}
/** The server takes what it is sent and never answers. */
function fallSilent(): void {
  silent = true
  server.answerWith(null)
}
const events = () => server.requests.map(({ body }) => JSON.parse(body).event as string)
const files = async () => (await readdir(join(folder, 'outbox')).catch(() => [])).length
const received = (count: number) => settle(() => server.requests.length >= count)

test('an event is delivered once, and nothing is left of it', async () => {
  const dispatcher = await start(settings([hook()]))
  dispatcher.dispatch(safe())
  await received(1)
  await pass(60_000)
  expect(events()).toEqual(['safe-to-remove'])
  expect(await files()).toBe(0)
  expect(dispatcher.undelivered()).toEqual([])
  expect(told).toEqual([])
})

test('by default a person hears what is needed, and a chosen channel what was chosen', async () => {
  const dispatcher = await start(settings([hook(), hook({ url: `${server.url}/all`, on: ['verified'] })]))
  const finished = (outcome: 'complete' | 'partial'): WalkawayEvent => ({
    kind: 'backup-finished',
    ...ofDisk,
    report: report({ outcome }),
    standing: 'in-use',
  })
  dispatcher.dispatch({ kind: 'verified', ...ofDisk, datasets: 1 })
  dispatcher.dispatch({ kind: 'pool-exported', ...ofDisk })
  dispatcher.dispatch(finished('complete'))
  dispatcher.dispatch(finished('partial'))
  dispatcher.dispatch(notSafe)
  await received(3)
  await pass(30_000)
  const to = (path: string) =>
    server.requests.filter((request) => request.path === path).map(({ body }) => JSON.parse(body).event)
  expect(to('/all')).toEqual(['verified'])
  expect(to('/hook')).toEqual(['backup-finished', 'not-safe-to-remove'])
})

describe.each([
  ['answers 500', 500],
  ['answers 403', 403],
])('a server that %s', (_what, status) => {
  test('gets it once in the end; that is told once and shown in the status', async () => {
    server.answerWith(status)
    const dispatcher = await start(settings([hook()]))
    dispatcher.dispatch(safe())
    await settle(() => told.length > 0)
    await pass(10 * 60_000)
    const tries = server.requests.length
    expect(tries).toBeGreaterThan(2)
    expect(tries).toBeLessThan(8)
    expect(new Set(server.requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
    const host = new URL(server.url).host
    const [failed, ...more] = told
    expect(failed).toEqual({
      kind: 'notify-failed',
      channel: `webhook at ${host}`,
      reason: `${host} answered ${status}`,
      waiting: 1,
      givenUp: 0,
    })
    expect(more).toEqual([])
    expect(dispatcher.undelivered()).toMatchObject([
      { channel: `webhook at ${host}`, waiting: 1, givenUp: 0, reason: `${host} answered ${status}` },
    ])
    server.answerWith(200)
    await pass(10 * 60_000)
    expect(server.requests).toHaveLength(tries + 1)
    expect(dispatcher.undelivered()).toEqual([])
    expect(await files()).toBe(0)
  })
})

test('a server that does not answer is asked once until the limit, and then again for the same message', async () => {
  fallSilent()
  const dispatcher = await start(settings([hook()]))
  dispatcher.dispatch(safe())
  await received(1)
  await pass(45_000)
  expect(events()).toEqual(['safe-to-remove'])
  await pass(30_000)
  server.answerWith(200)
  for (let step = 0; step < 4; step++) {
    // Of the first try nothing comes any more, so that it never is at rest.
    await settle(() => dispatcher.undelivered().length > 0 || server.requests.length > 1)
    await pass(15_000)
  }
  await received(2)
  await settle(() => dispatcher.undelivered().length === 0)
  await dispatcher.written()
  expect(events()).toEqual(['safe-to-remove', 'safe-to-remove'])
  // Who got it twice can tell.
  expect(new Set(server.requests.map(({ body }) => JSON.parse(body).id)).size).toBe(1)
  expect(dispatcher.undelivered()).toEqual([])
  expect(await files()).toBe(0)
})

test('what was never tried outlives the service, and waits until the disks were looked at', async () => {
  const phone: Channel = { type: 'gotify', on: null, url: server.url, token: null }
  const titles = () => server.requests.map(({ body }) => JSON.parse(body).title as string)
  clock = new Date(2026, 10, 22, 23, 0)
  const first = await start(settings([phone], { fromMinute: 22 * 60, untilMinute: 7 * 60 }))
  first.dispatch({ kind: 'config-rejected', mistakes: ['config.yaml:1:1: no'] })
  first.dispatch(safe())
  await first.written()
  expect(await files()).toBe(2)
  const second = await restart(first, settings([phone]))
  await pass(15_000)
  expect(titles()).toEqual([])
  // The disk is in use again: that it may be taken is not true any more.
  second.dispatch({ kind: 'disk-arrived', ...ofDisk })
  await pass(15_000)
  expect(titles()).toEqual(['nas: configuration has 1 mistake'])
})

test('over a restart of the service it is delivered once, in order, and the back-off goes on', async () => {
  server.answerWith(500)
  const config = settings([hook()])
  const first = await start(config)
  first.dispatch({ kind: 'disk-stuck', ...ofDisk, reason: 'x', outcome: null })
  first.dispatch(notSafe)
  await settle(() => told.length > 0)
  await rest()
  expect(await files()).toBe(2)
  server.answerWith(200)
  server.requests.length = 0
  const second = await restart(first, config)
  expect(second.undelivered()).toMatchObject([{ waiting: 2 }])
  await pass(10_000, { stepMs: 5_000 })
  expect(events()).toEqual([])
  await pass(60_000)
  expect(events()).toEqual(['disk-stuck', 'not-safe-to-remove'])
  expect(await files()).toBe(0)
  const third = await restart(second, config)
  await pass(60_000)
  expect(events()).toHaveLength(2)
  expect(third.undelivered()).toEqual([])
  expect(told).toHaveLength(1)
})

test('that a disk is safe is not told any more once it is in use again', async () => {
  server.answerWith(500)
  const config = settings([hook()])
  const first = await start(config)
  first.dispatch(safe())
  await settle(() => told.length > 0)
  server.answerWith(200)
  server.requests.length = 0
  // Plugged in while the service was down: the new one sees the disk before it tells what it finds.
  const second = await restart(first, config)
  second.dispatch({ kind: 'disk-arrived', ...ofDisk })
  await pass(5 * 60_000)
  expect(events()).toEqual([])
  expect(await files()).toBe(0)
})

describe('quiet hours', () => {
  const night = { fromMinute: 22 * 60, untilMinute: 7 * 60 }
  const people = (): Channel => ({ type: 'gotify', on: null, url: `${server.url}/people`, token: null })
  test('hold back what is not urgent from people, not from programs', async () => {
    clock = new Date(2026, 10, 22, 23, 0)
    const dispatcher = await start(settings([people(), hook()], night))
    dispatcher.dispatch(safe())
    await received(1)
    dispatcher.dispatch({
      kind: 'disk-stuck',
      ...ofDisk,
      disk: diskName('offsite-2'),
      reason: 'x',
      outcome: null,
    })
    await received(3)
    const paths = () => server.requests.map(({ path }) => path).toSorted()
    expect(paths()).toEqual(['/hook', '/hook', '/people/message'])
    await pass(60_000)
    expect(dispatcher.undelivered()).toEqual([])
    clock = new Date(2026, 10, 23, 7, 0)
    await pass(30_000)
    expect(paths()).toEqual(['/hook', '/hook', '/people/message', '/people/message'])
  })
})

test('after three days it is given up, told, and shown until something gets through', async () => {
  server.answerWith(500)
  const dispatcher = await start(settings([hook()]))
  dispatcher.dispatch(safe())
  await settle(() => told.length > 0)
  await pass(12 * 3_600_000, { stepMs: 3_600_000 })
  expect(told).toHaveLength(1)
  clock = new Date(clock.getTime() + 3 * 24 * 3_600_000)
  await pass(60_000)
  expect(told.map((event) => render(event).message)).toEqual([
    expect.stringMatching(/1 message kept and tried again$/),
    expect.stringMatching(/1 message given up$/),
  ])
  expect(dispatcher.undelivered()).toMatchObject([{ waiting: 0, givenUp: 1 }])
  expect(await files()).toBe(0)
  server.answerWith(200)
  dispatcher.dispatch(notSafe)
  await pass(30_000)
  expect(dispatcher.undelivered()).toEqual([])
})

test('other channels may be told that one is silent, the silent one is not', async () => {
  const other = await startReceiver()
  server.answerWith(500)
  const dispatcher = await start(
    settings([
      hook({ on: ['safe-to-remove', 'notify-failed'] }),
      hook({ url: other.url, on: ['notify-failed'] }),
    ]),
  )
  dispatcher.dispatch(safe())
  await settle(() => other.requests.length > 0)
  await pass(5 * 60_000)
  expect(other.requests.map(({ body }) => JSON.parse(body).event)).toEqual(['notify-failed'])
  expect(new Set(events())).toEqual(new Set(['safe-to-remove']))
  await other.close()
})

describe('a new configuration', () => {
  test('keeps what waits, with a new token too, and drops what waited for a channel that is gone', async () => {
    server.answerWith(500)
    const gone = hook({ url: `${server.url}/gone` })
    const dispatcher = await start(settings([hook(), gone]))
    dispatcher.dispatch(safe())
    await settle(() => told.length > 1)
    await rest()
    expect(await files()).toBe(2)
    server.answerWith(200)
    server.requests.length = 0
    const token = { kind: 'inline', reveal: () => 'tk_new' } as const
    dispatcher.configure(settings([hook({ token })]))
    await pass(60_000)
    expect(server.requests).toMatchObject([{ path: '/hook', headers: { authorization: 'Bearer tk_new' } }])
    expect(await files()).toBe(0)
  })
  test('while something is under way does not double it', async () => {
    fallSilent()
    const dispatcher = await start(settings([hook()]))
    dispatcher.dispatch(safe())
    await received(1)
    dispatcher.configure(settings([hook()]))
    await pass(45_000)
    expect(server.requests).toHaveLength(1)
  })
})

test('two channels at one address have an outbox each', async () => {
  server.answerWith(500)
  const dispatcher = await start(settings([hook(), hook({ on: ['safe-to-remove'] })]))
  dispatcher.dispatch(safe())
  await settle(() => told.length > 1)
  await rest()
  expect(await files()).toBe(2)
})

test('a crowd of messages is bounded', async () => {
  server.answerWith(500)
  const dispatcher = await start(settings([hook({ on: ['verified'] })]))
  for (let count = 0; count < 110; count++)
    dispatcher.dispatch({ kind: 'verified', ...ofDisk, datasets: count })
  expect(dispatcher.undelivered()).toMatchObject([{ waiting: 100, givenUp: 10 }])
  expect(told).toMatchObject([{ kind: 'notify-failed', reason: 'too many messages wait', givenUp: 1 }])
})

test('an outbox that cannot be written costs its safety net, not the message', async () => {
  await writeFile(join(folder, 'outbox'), 'a file where a folder belongs')
  const dispatcher = await start(settings([hook()]))
  dispatcher.dispatch(safe())
  await received(1)
  expect(events()).toEqual(['safe-to-remove'])
  expect(warnings.length).toBeGreaterThan(0)
})

test('a damaged file costs one message', async () => {
  server.answerWith(500)
  const config = settings([hook()])
  const first = await start(config)
  first.dispatch(safe())
  first.dispatch(notSafe)
  await settle(() => told.length > 0)
  await first.stop()
  const [name = ''] = await readdir(join(folder, 'outbox'))
  await writeFile(join(folder, 'outbox', name), '{"version":1,')
  const second = await start(config)
  expect(warnings).toEqual(['1 message in the outbox of notifications could not be read'])
  expect(second.undelivered().length).toBeLessThanOrEqual(1)
})

test('secrets are in no file, event, warning or status', async () => {
  const secrets = ['tk_secret', 'pw_secret', 'uuid_secret', 'user_secret']
  const path = join(folder, 'token')
  await writeFile(path, 'tk_secret\n', { mode: 0o600 })
  const token = { kind: 'file', path } as const
  const { host } = new URL(server.url)
  server.answerWith(401)
  const channels: readonly Channel[] = [
    hook({ token }),
    { type: 'ntfy', on: null, url: `http://user_secret:pw_secret@${host}/a`, token, click: null },
    { type: 'gotify', on: null, url: server.url, token },
    { type: 'healthchecks', on: ['safe-to-remove'], url: `${server.url}/uuid_secret` },
    { type: 'command', on: null, run: ['/bin/false', 'pw_secret'] },
    {
      type: 'email',
      on: null,
      to: ['me'],
      from: 'me',
      smtp: {
        host: 'localhost',
        port: 1,
        user: 'user_secret',
        password: { kind: 'inline', reveal: () => 'pw_secret' },
      },
    },
  ]
  const dispatcher = await start(settings(channels))
  dispatcher.dispatch(safe())
  await settle(() => told.length === channels.length)
  expect(told).toHaveLength(channels.length)
  expect(server.requests.some(({ headers }) => headers.authorization === 'Bearer tk_secret')).toBe(true)
  await dispatcher.stop()
  const names = await readdir(join(folder, 'outbox'))
  expect(names).toHaveLength(channels.length)
  const written = await Promise.all(names.map((name) => readFile(join(folder, 'outbox', name), 'utf8')))
  const everything = JSON.stringify([
    names,
    written,
    told,
    told.map(render),
    warnings,
    dispatcher.undelivered(),
  ])
  for (const secret of secrets) expect(everything).not.toContain(secret)
})

describe('the outbox when its disk is slow', () => {
  test('a disk that came back while it was read is not called safe by what was left in it', async () => {
    server.answerWith(500)
    const config = settings([hook()])
    const first = await start(config)
    first.dispatch(safe())
    await settle(() => told.length > 0)
    await first.stop()
    server.answerWith(200)
    server.requests.length = 0
    await start(config, {}, (second) => {
      second.dispatch({ kind: 'disk-arrived', ...ofDisk })
      second.dispatch(notSafe)
    })
    await pass(5 * 60_000)
    expect(events()).toEqual(['not-safe-to-remove'])
  })

  test('a message that became untrue while it was written is not sent', async () => {
    let written: () => void = () => undefined
    const dispatcher = await start(settings([hook()]), {
      write: () => new Promise<void>((resolve) => (written = resolve)),
    })
    dispatcher.dispatch(safe())
    dispatcher.dispatch({ kind: 'disk-arrived', ...ofDisk })
    await turn()
    written()
    await pass(60_000)
    expect(events()).toEqual([])
  })

  test('one that hangs for ever holds up no second try', async () => {
    server.answerWith(500)
    silent = true
    hangs = true
    const dispatcher = await start(settings([hook()]), { write: () => new Promise<never>(() => undefined) })
    dispatcher.dispatch(notSafe)
    await pass(15_000, { stepMs: 5_000 })
    await received(1)
    server.answerWith(200)
    // What is answered is read by turns of the loop that no timer makes.
    for (let step = 0; step < 12; step++) {
      await pass(5_000, { stepMs: 5_000 })
      for (let count = 0; count < 50; count++) await turn()
    }
    expect(events()).toEqual(['not-safe-to-remove', 'not-safe-to-remove'])
  })

  test('one that cannot be read in time keeps neither the service from starting nor a message back', async () => {
    const starting = start(settings([hook()]), { read: () => new Promise<never>(() => undefined) })
    await vi.advanceTimersByTimeAsync(6_000)
    const dispatcher = await starting
    expect(warnings).toEqual(['the outbox of notifications: its folder does not answer'])
    dispatcher.dispatch(safe())
    await received(1)
  })
})

test('what cannot be read in the outbox keeps nothing else from being delivered', async () => {
  server.answerWith(500)
  const config = settings([hook()])
  const first = await start(config)
  first.dispatch(safe())
  await settle(() => told.length > 0)
  await first.stop()
  await mkdir(join(folder, 'outbox', 'folder.json'))
  server.answerWith(200)
  server.requests.length = 0
  await start(config)
  await pass(60_000)
  expect(events()).toEqual(['safe-to-remove'])
})

test('that nobody sits at the machine is no fault, not even after days', async () => {
  const desktop: Channel = { type: 'desktop', on: null }
  const nobody = async (): Promise<never> => {
    throw new NotDelivered('nobody', 'nobody is logged in at a desktop')
  }
  const dispatcher = await start(settings([desktop]), {}, undefined, async () => nobody)
  dispatcher.dispatch(safe())
  await pass(4 * 24 * 3_600_000, { stepMs: 2 * 3_600_000 })
  expect(dispatcher.undelivered()).toEqual([])
  expect(told).toEqual([])
  expect(await files()).toBe(0)
})

test('a channel that could not be opened is opened again at the next try', async () => {
  let opened = 0
  const dispatcher = await start(settings([hook()]), {}, undefined, async (channel) => {
    if (++opened === 1) throw new Error('not yet')
    return openChannel(channel, { ...waysFromShell(createRun()), now: () => clock })
  })
  dispatcher.dispatch(safe())
  await pass(120_000)
  expect(events()).toEqual(['safe-to-remove'])
})

describe('a person is not pestered', () => {
  const phone = (): Channel => ({ type: 'gotify', on: null, url: server.url, token: null })
  const titles = () => server.requests.map(({ body }) => JSON.parse(body).title as string)
  const arrived: WalkawayEvent = { kind: 'disk-arrived', ...ofDisk }
  const pulled: WalkawayEvent = { kind: 'disk-pulled', ...ofDisk, outcome: null }

  test('a bad cable, 200 times: a few messages an hour, and the last word is the true one', async () => {
    const dispatcher = await start(settings([phone()]))
    for (let count = 0; count < 200; count++) {
      dispatcher.dispatch(arrived)
      dispatcher.dispatch(pulled)
      await pass(15_000)
    }
    expect(server.requests).toHaveLength(5)
    await pass(2 * 3_600_000, { stepMs: 600_000 })
    expect(server.requests).toHaveLength(6)
    expect(titles().at(-1)).toContain('PLUG IT IN AGAIN')
    dispatcher.dispatch(arrived)
    dispatcher.dispatch(safe())
    await received(7)
    expect(titles().at(-1)).toContain('take it away')
  })

  test('a reminder that could not be delivered for days comes once', async () => {
    server.answerWith(500)
    const dispatcher = await start(settings([phone()]))
    for (let day = 0; day < 3; day++) {
      dispatcher.dispatch({ kind: 'take-disk-away', ...ofDisk, finishedMs: day * 86_400_000 })
      await rest()
      await pass(24 * 3_600_000, { stepMs: 4 * 3_600_000 })
    }
    server.answerWith(200)
    server.requests.length = 0
    await pass(2 * 3_600_000, { stepMs: 600_000 })
    expect(titles()).toEqual(['offsite-1: take it away, still plugged in'])
    expect(told).toHaveLength(1)
  })

  test('after the night nothing contradicts itself', async () => {
    clock = new Date(2026, 10, 22, 23, 0)
    const dispatcher = await start(settings([phone()], { fromMinute: 22 * 60, untilMinute: 7 * 60 }))
    const partial = report({ outcome: 'partial' })
    dispatcher.dispatch({ kind: 'backup-finished', ...ofDisk, report: partial, standing: 'in-use' })
    dispatcher.dispatch(safe({ outcome: 'partial' }))
    await pass(60_000)
    expect(titles()).toEqual([])
    clock = new Date(2026, 10, 23, 7, 0)
    await pass(60_000)
    expect(titles()).toEqual(['offsite-1: safe to unplug, backup INCOMPLETE'])
  })
})
