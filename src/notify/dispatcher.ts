// Takes events and delivers each once to every channel that wants it: at once, again later, or never if it is not true any
// more. Never waits, never throws, and knows of no backup. When something is tried is core/delivery.ts.

import type { Channel, Config } from '../config.ts'
import { chooseLeast, chooseNext, isGivenUp, isOvertaken, isQuiet, isStorm } from '../core/delivery.ts'
import { messageOf, NotDelivered } from '../errors.ts'
import type { WalkawayEvent } from '../events.ts'
import { within } from '../linux/within.ts'
import { plural } from '../sentences.ts'
import { isForPeople, keyOf, labelOf, type Send } from './channel.ts'
import { isWanted } from './choice.ts'
import { createNotice, type Notice } from './notice.ts'
import { entryOf, type Outbox, type OutboxEntry } from './outbox.ts'

export interface DispatcherDeps {
  readonly outbox: Outbox
  /** Called once for each channel that has something to deliver. */
  readonly open: (channel: Channel) => Promise<Send>
  readonly now: () => Date
  readonly host: string
  readonly tell: (event: WalkawayEvent) => void
  readonly warn: (message: string) => void
}

/** What waits for a channel after it was tried in vain, or was given up since something last got through. */
export interface Undelivered {
  readonly channel: string
  readonly waiting: number
  readonly givenUp: number
  /** When the oldest of them happened. */
  readonly since: Date
  readonly reason: string
}

export interface Dispatcher {
  /** Reads what an earlier run left. Nothing is delivered before. */
  start(): Promise<void>
  /** Returns at once. */
  dispatch(event: WalkawayEvent): void
  /** What waits for a channel that is not configured any more is dropped. */
  configure(config: Pick<Config, 'notify' | 'remind'>): void
  /** Messages that were tried in vain, for the status. */
  undelivered(): readonly Undelivered[]
  /** Resolves when what was dispatched so far is on disk, or could not be written: a crash does not take it away. */
  written(): Promise<void>
  /** Gives tries that are under way a moment to end; what is left is on disk. */
  stop(): Promise<void>
}

/** One try; a mail server may take its time. */
const tryLimitMs = 60_000
const stopLimitMs = 10_000
const diskLimitMs = 5_000
/** Clocks jump and machines sleep: at least this often what waits is looked at. */
const lookEveryMs = 15_000
/** What an earlier run left may not be true any more: first the disks are looked at. */
const settleMs = 20_000
/** More than this waits for no channel. */
const mostWaiting = 100
/** What was told of one thing; older ones are of no interest to any limit. */
const mostRemembered = 20

/** One channel and what waits for it, oldest first. */
interface Line {
  channel: Channel
  readonly key: string
  readonly label: string
  waiting: readonly OutboxEntry[]
  send: Promise<Send> | null
  working: Promise<void> | null
  lost: Omit<Undelivered, 'channel' | 'waiting'> | null
  /** When something got through last. */
  reachedAt: Date | null
  /** When something got through, by event and disk. */
  readonly told: Map<string, readonly Date[]>
}

const subjectOf = ({ event, disk }: Notice): string => `${event} ${disk ?? ''}`

export function createDispatcher(
  config: Pick<Config, 'notify' | 'remind'>,
  { outbox, open, now, host, tell, warn }: DispatcherDeps,
): Dispatcher {
  let quietHours = config.remind.quiet
  let lines: readonly Line[] = []
  let timer: NodeJS.Timeout | null = null
  let held = true
  let lastAt = 0
  let stopping = false
  /** What happened before it is known what an earlier run left. */
  let early: Notice[] | null = []
  /** Files are written and removed one after another, in the order in which things happened. */
  let disk: Promise<void> = Promise.resolve()

  const onDisk = (work: () => Promise<void>): Promise<void> => {
    disk = disk.then(work).catch((error: unknown) => warn(`the outbox of notifications: ${messageOf(error)}`))
    return disk
  }

  const configure = (next: Pick<Config, 'notify' | 'remind'>): void => {
    quietHours = next.remind.quiet
    const before = lines
    lines = withKeys(next.notify).map(([key, channel]) => {
      const line = before.find((old) => old.key === key)
      if (line === undefined)
        return {
          channel,
          key,
          label: labelOf(channel),
          waiting: [],
          send: null,
          working: null,
          lost: null,
          reachedAt: null,
          told: new Map(),
        }
      // The same one, so that what is being tried is not tried twice at once.
      return Object.assign(line, { channel, send: null })
    })
    for (const line of before) if (!lines.includes(line)) forget(line, line.waiting)
    look()
  }

  const drop = (entries: readonly OutboxEntry[]): void => {
    for (const entry of entries) void onDisk(() => outbox.remove(entry))
  }

  const put = (line: Line, notice: Notice, failure: OutboxEntry['failure']): void => {
    const entry = entryOf({ version: 1, channel: line.key, notice, failure })
    line.waiting = [...line.waiting, entry]
    void onDisk(() => outbox.write(entry))
    const least = line.waiting.length > mostWaiting ? chooseLeast(line.waiting) : null
    if (least === null) return
    const isFirst = line.lost === null
    giveUp(line, [least], 'too many messages wait')
    if (isFirst && notice.event !== 'notify-failed') tellFailure(line, 'too many messages wait', 1)
  }

  /** What is not true any more goes. Returns those of the same kind: their pause is that of the one that replaces them. */
  const overtake = (line: Line, notice: Notice): readonly OutboxEntry[] => {
    const forPeople = isForPeople(line.channel)
    const overtaken = line.waiting.filter((entry) => isOvertaken(entry.notice, notice, { forPeople }))
    forget(line, overtaken)
    return overtaken.filter((entry) => entry.notice.event === notice.event)
  }

  const forget = (line: Line, entries: readonly OutboxEntry[]): void => {
    line.waiting = line.waiting.filter((one) => !entries.includes(one))
    drop(entries)
  }

  const giveUp = (line: Line, entries: readonly OutboxEntry[], reason: string): void => {
    forget(line, entries)
    const since = line.lost?.since ?? entries[0]?.at ?? now()
    line.lost = { givenUp: (line.lost?.givenUp ?? 0) + entries.length, since, reason }
  }

  const look = (): void => {
    if (stopping) return
    for (const line of lines) if (line.working === null) work(line)
    arm()
  }
  const arm = (): void => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (stopping || lines.every(({ waiting }) => waiting.length === 0)) return
    timer = setTimeout(look, lookEveryMs)
    timer.unref()
  }

  const work = (line: Line): void => {
    if (held) return
    const at = now()
    const forPeople = isForPeople(line.channel)
    const isHeld = ({ notice }: OutboxEntry): boolean =>
      forPeople && isStorm(notice.event, line.told.get(subjectOf(notice)) ?? [], at)
    const quiet = forPeople && isQuiet(quietHours, at.getHours() * 60 + at.getMinutes())
    const entry = chooseNext(
      line.waiting.filter((one) => !isHeld(one)),
      { now: at, quiet, reachedAt: line.reachedAt },
    )
    if (entry === null) return
    line.working = deliver(line, entry).finally(() => {
      line.working = null
      look()
    })
  }

  const deliver = async (line: Line, entry: OutboxEntry): Promise<void> => {
    // On disk first: what is removed after its delivery must not be written after that.
    await within(diskLimitMs, disk)
    // Overtaken or dropped meanwhile.
    if (!line.waiting.includes(entry)) return
    const problem = await attempt(line, entry.notice)
    if (problem === null) {
      line.lost = null
      line.reachedAt = now()
      const subject = subjectOf(entry.notice)
      line.told.set(subject, [...(line.told.get(subject) ?? []), now()].slice(-mostRemembered))
      return forget(line, [entry])
    }
    // Overtaken or dropped while it was tried.
    if (!line.waiting.includes(entry)) return
    const { why, message: reason } = problem
    const tried = { ...entry, failure: { why, reason, tries: (entry.failure?.tries ?? 0) + 1, at: now() } }
    const wasWell = line.waiting.every(({ failure }) => failure === null || failure.why === 'nobody')
    line.waiting = line.waiting.map((one) => (one === entry ? tried : one))
    if (isGivenUp(tried)) {
      const old = line.waiting.filter((one) => isGivenUp(one) && !isForNobody(one))
      // That nobody sat at the machine for days is no fault.
      forget(
        line,
        line.waiting.filter((one) => isGivenUp(one) && isForNobody(one)),
      )
      if (old.length > 0) giveUp(line, old, reason)
      // That it could not be said that something could not be said is not said again.
      const lost = old.filter(({ notice }) => notice.event !== 'notify-failed')
      if (lost.length > 0) tellFailure(line, reason, lost.length)
      return
    }
    // A file system that hangs, on the pool that hangs perhaps, costs the safety net and nothing else.
    await within(
      diskLimitMs,
      onDisk(() => outbox.write(tried)),
    )
    if (wasWell && why !== 'nobody') tellFailure(line, reason, 0)
  }

  const tellFailure = (line: Line, reason: string, givenUp: number): void =>
    tell({ kind: 'notify-failed', channel: line.label, reason, waiting: line.waiting.length, givenUp })

  /** Null: delivered. */
  const attempt = async (line: Line, notice: Notice): Promise<NotDelivered | null> => {
    try {
      line.send ??= open(line.channel)
      const send = await line.send
      const limit = AbortSignal.timeout(tryLimitMs)
      const sent = await within(tryLimitMs + 5_000, send(notice, limit))
      return sent === 'late' ? new NotDelivered('unreachable', 'it did not answer in time') : null
    } catch (error) {
      // Perhaps it could not even be opened: the next try begins with that.
      line.send = null
      if (error instanceof NotDelivered) return error
      // What is thrown by libraries may quote anything.
      const name = error instanceof Error ? error.name : 'unknown'
      return new NotDelivered('unreachable', `an unexpected failure (${name})`, { cause: error })
    }
  }

  /** No two at one time: by it they are put in order after a restart. */
  const timeOfNext = (): Date => {
    const at = now().getTime()
    lastAt = at <= lastAt && lastAt - at < 1000 ? lastAt + 1 : at
    return new Date(lastAt)
  }

  configure(config)
  return {
    async start() {
      let left = 0
      try {
        const found = await within(diskLimitMs, outbox.read())
        if (found === 'late') warn('the outbox of notifications: its folder does not answer')
        const { entries, broken } = found === 'late' ? { entries: [], broken: 0 } : found
        if (broken > 0) warn(`${plural(broken, 'message')} in the outbox of notifications could not be read`)
        const known = new Set(lines.map(({ key }) => key))
        drop(entries.filter(({ channel }) => !known.has(channel)))
        for (const line of lines) {
          const isNew = ({ channel, notice }: OutboxEntry) =>
            channel === line.key && line.waiting.every((one) => one.notice.id !== notice.id)
          const since = line.waiting
          line.waiting = entries.filter(isNew)
          for (const notice of early ?? []) overtake(line, notice)
          left += line.waiting.length
          line.waiting = [...line.waiting, ...since]
        }
      } catch (error) {
        warn(`the outbox of notifications: ${messageOf(error)}`)
      }
      early = null
      const begin = (): void => {
        held = false
        look()
      }
      if (left === 0) begin()
      else setTimeout(begin, settleMs).unref()
    },
    dispatch(event) {
      const notice = createNotice(event, { at: timeOfNext(), host })
      early?.push(notice)
      for (const line of lines) {
        const [before] = overtake(line, notice)
        // A channel is not told of its own silence.
        const isItself = event.kind === 'notify-failed' && event.channel === line.label
        if (isWanted(line.channel, event) && !isItself) put(line, notice, before?.failure ?? null)
      }
      look()
    },
    configure,
    undelivered: () => lines.flatMap((line) => undeliveredOf(line) ?? []),
    written: () => disk,
    async stop() {
      stopping = true
      if (timer !== null) clearTimeout(timer)
      await within(stopLimitMs, Promise.all(lines.map(({ working }) => working)))
      await within(stopLimitMs, disk)
    },
  }
}

/** Two channels may have one address, for different events. */
function withKeys(channels: readonly Channel[]): readonly (readonly [key: string, channel: Channel])[] {
  const keys = channels.map(keyOf)
  return channels.map((channel, at) => {
    const same = keys.slice(0, at).filter((key) => key === keys[at]).length
    return [same === 0 ? `${keys[at]}` : `${keys[at]}-${same + 1}`, channel]
  })
}

const isForNobody = ({ failure }: OutboxEntry): boolean => failure?.why === 'nobody'

function undeliveredOf({ label, waiting, lost }: Line): Undelivered | null {
  const failed = waiting.filter((one) => one.failure !== null && !isForNobody(one))
  const since = lost?.since ?? failed[0]?.at
  const reason = failed.at(-1)?.failure?.reason ?? lost?.reason
  if (since === undefined || reason === undefined) return null
  return { channel: label, waiting: waiting.length, givenUp: lost?.givenUp ?? 0, since, reason }
}
