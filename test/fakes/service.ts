// A daemon on the fake machine: what udev says follows from which disks are plugged in, and time stands still until
// it is turned on by hand (vitest's timers and the machine's clock together).

import { setImmediate as afterTurn } from 'node:timers/promises'
import { expect, vi } from 'vitest'
import type { Config } from '../../src/config.ts'
import type { Reply, Request, StatusAnswer } from '../../src/control/protocol.ts'
import type { BlockDevice } from '../../src/core/model.ts'
import type { Notes } from '../../src/core/reminders.ts'
import { createDaemon, type Daemon, type DaemonDeps, type Reloaded } from '../../src/daemon.ts'
import type { EventKind } from '../../src/events.ts'
import type { AppendResult, HistoryRecord } from '../../src/linux/history.ts'
import type { DiskEvent } from '../../src/linux/udev.ts'
import { createMetricsFile } from '../../src/metricsFile.ts'
import type { Machine } from './machine.ts'

export interface Service {
  readonly daemon: Daemon
  readonly warnings: string[]
  /** What the service manager shows. */
  statusLine(): string
  /** What was told to the service manager: ready, reloading, stopping. */
  readonly notified: string[]
  /** Clients that the visits of this daemon keep from sleeping, now. */
  inhibitors(): number
  /** How often it came to rest. */
  rests(): number
  status(): Promise<StatusAnswer>
  ask(request: Request): Promise<Reply>
  /** Lets everything that is ready happen, then this much time pass, in steps. */
  pass(ms: number): Promise<void>
  plugIn(disk: string): Promise<void>
  unplug(disk: string): Promise<void>
}

export interface ServiceOptions {
  readonly config?: Config
  readonly past?: HistoryRecord[]
  /** What was reminded of; grows, too. */
  readonly reminded?: { notes: Notes }
  /** Until that is written. */
  readonly noting?: () => Promise<void>
  /** How writing to the history ends. */
  readonly recorded?: AppendResult
  /** Devices besides the machine's disks. */
  readonly others?: () => readonly BlockDevice[]
  readonly reload?: () => Promise<Reloaded>
  /** Between what a visit does after its pool is exported: a daemon that is to die there never gets an answer. */
  readonly at?: (step: string) => Promise<void>
  readonly scan?: (devices: readonly BlockDevice[]) => Promise<readonly BlockDevice[]>
}

/** Timers of the daemon stand still; promises and the fakes' own turns of the event loop do not. */
export function stopTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
}

/** Starts a daemon; `past` is its history and grows with it. */
export async function startService(machine: Machine, options: ServiceOptions = {}): Promise<Service> {
  const {
    past = [],
    reminded = { notes: new Map() },
    others = () => [],
    at = async () => undefined,
    scan = async (devices) => devices,
  } = options
  const warnings: string[] = []
  const notified: string[] = []
  let statusLine = ''
  let inhibitors = 0
  let rests = 0
  let wake: () => void = () => undefined
  const events: DiskEvent[] = []
  let answer: ((request: Request) => Promise<Reply>) | null = null

  const say = (action: string): void => {
    events.push({ action, node: '', diskSeq: '', syspath: '', at: machine.now.getTime() })
    wake()
  }
  async function* stream(): AsyncGenerator<DiskEvent> {
    for (;;) {
      const next = events.shift()
      if (next !== undefined) yield next
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }
  const deps: DaemonDeps = {
    ...machine.deps,
    udev: {
      engine: 'udevadm',
      events: stream,
      scan: async () => scan([...(await machine.deps.scan()), ...others()]),
    },
    notifier: {
      ready: async () => void notified.push('ready'),
      status: (text) => {
        statusLine = text
      },
      reloading: async () => void notified.push('reloading'),
      stopping: async () => void notified.push('stopping'),
      startWatchdog: () => undefined,
      close: async () => undefined,
    },
    history: {
      append: async (record) => {
        await at('before it is recorded')
        past.push(record)
        await at('recorded')
        return options.recorded ?? { kind: 'written', warning: null }
      },
      read: async () => ({ visits: past, brokenLines: 0 }),
    },
    reminderNotes: {
      read: async () => ({ notes: reminded.notes, problem: null }),
      write: async (notes) => {
        await options.noting?.()
        reminded.notes = notes
      },
    },
    inhibit: async () => {
      inhibitors++
      return {
        held: true,
        release: async () => {
          inhibitors--
          await at('sleep is allowed')
        },
      }
    },
    spoken: () => at('said'),
    bootId: 'boot',
    reload: options.reload ?? (async () => ({ kind: 'ok', config: options.config ?? machine.config() })),
    listen: async (reply) => {
      answer = reply
      return { admit: async () => undefined, close: async () => undefined }
    },
    rest: () => void rests++,
    undelivered: () => [],
    metrics: createMetricsFile({ warn: (message) => void warnings.push(message) }),
    warn: (message) => void warnings.push(message),
    version: '0.0.0',
  }
  const daemon = createDaemon(options.config ?? machine.config(), [...past], deps)

  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 60; turns++) await afterTurn()
  }
  const service: Service = {
    daemon,
    warnings,
    notified,
    statusLine: () => statusLine,
    inhibitors: () => inhibitors,
    rests: () => rests,
    async status() {
      const reply = await service.ask({ version: 1, command: 'status' })
      if (!('status' in reply)) throw new Error('the daemon did not say how it is')
      return reply.status
    },
    async ask(request) {
      if (answer === null) throw new Error('the daemon does not listen')
      return answer(request)
    },
    async pass(ms) {
      await settle()
      const stepMs = Math.max(500, Math.ceil(ms / 20))
      for (let left = ms; left > 0; left -= stepMs) {
        const step = Math.min(left, stepMs)
        machine.now = new Date(machine.now.getTime() + step)
        await vi.advanceTimersByTimeAsync(step)
        await settle()
      }
    },
    async plugIn(name) {
      machine.plugIn(name)
      say('add')
      await service.pass(500)
    },
    async unplug(name) {
      machine.unplug(name)
      say('remove')
      await service.pass(500)
    },
  }
  await daemon.start()
  await settle()
  return service
}

/** Kinds of what was told since the last time it was asked for, without what says how much was sent. */
export function tale(machine: Machine): readonly EventKind[] {
  const details: readonly EventKind[] = ['dataset-sent', 'snapshot-taken', 'plan-made', 'verified']
  const kinds = machine.story().filter((kind) => !details.includes(kind))
  machine.told.length = 0
  return kinds
}

/** The whole story of a visit that went well. */
export const goodVisit: readonly EventKind[] = [
  'disk-arrived',
  'pool-imported',
  'backup-finished',
  'pool-exported',
  'safe-to-remove',
]

export async function expectStates(
  service: Service,
  states: Readonly<Record<string, string>>,
): Promise<void> {
  const { disks } = await service.status()
  expect(Object.fromEntries(disks.map((disk) => [disk.name, disk.state]))).toEqual(states)
}
