// What the service manager is told (ready, status, watchdog, stopping) and what it is asked (do not sleep or shut
// down now). Without a service manager all of it does nothing.

import { spawn } from 'node:child_process'
import { messageOf } from '../errors.ts'
import { oneLine } from './oneLine.ts'
import { childEnvironment, programPath } from './programs.ts'
import type { Run } from './run.ts'
import { within } from './within.ts'

export interface Notifier {
  /** Resolves when the manager has been told, so that what comes after is after. Never throws. */
  ready(): Promise<void>
  /** The line in `systemctl status`: sent when it changed, at most once a second; the last one always gets out. */
  status(text: string): void
  /** Between this and the next `ready()` the service counts as reloading. */
  reloading(): Promise<void>
  stopping(): Promise<void>
  /** Pats the watchdog at half of WATCHDOG_USEC from the main loop until `close()`. */
  startWatchdog(): void
  /** Ends the timers; sends a status that is still waiting. */
  close(): Promise<void>
}

export interface NotifierOptions {
  readonly run: Run
  readonly env: Readonly<Record<string, string | undefined>>
  readonly onWarning?: (text: string) => void
}

const notifyDeadlineMs = 20_000
const statusEveryMs = 1_000
/** The journal and `systemctl status` show one line. */
const longestStatus = 500

export function createNotifier(options: NotifierOptions): Notifier {
  const socket = options.env['NOTIFY_SOCKET']
  return socket ? createTalkingNotifier(options, socket) : silentNotifier
}

const silentNotifier: Notifier = {
  ready: async () => undefined,
  status: () => undefined,
  reloading: async () => undefined,
  stopping: async () => undefined,
  startWatchdog: () => undefined,
  close: async () => undefined,
}

function createTalkingNotifier(
  { run, env, onWarning = () => undefined }: NotifierOptions,
  socket: string,
): Notifier {
  let warned = false
  let queue = Promise.resolve()
  let statusTimer: NodeJS.Timeout | null = null
  let watchdogTimer: NodeJS.Timeout | null = null
  let wanted = ''
  let sent = ''

  async function send(...assignments: readonly string[]): Promise<void> {
    try {
      // Programs are started with a small fixed environment; env(1) becomes systemd-notify, it does not start it.
      const args = [`NOTIFY_SOCKET=${socket}`, 'systemd-notify', ...assignments]
      await run('env', args, { deadlineMs: notifyDeadlineMs })
    } catch (error) {
      if (!warned) onWarning(`the service manager could not be told: ${messageOf(error)}`)
      warned = true
    }
  }

  /** One after the other, so that the manager hears things in the order in which they were said. */
  function tell(...assignments: readonly string[]): Promise<void> {
    queue = queue.then(() => send(...assignments))
    return queue
  }

  function sendStatus(): Promise<void> {
    if (wanted === sent) return queue
    sent = wanted
    return tell(`STATUS=${wanted}`)
  }

  function startStatusPause(): void {
    statusTimer = setTimeout(() => {
      statusTimer = null
      if (wanted === sent) return
      void sendStatus()
      startStatusPause()
    }, statusEveryMs)
    statusTimer.unref()
  }

  return {
    ready: () => tell('READY=1'),
    status: (text) => {
      wanted = statusText(text)
      if (wanted === sent || statusTimer !== null) return
      void sendStatus()
      startStatusPause()
    },
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => tell('STOPPING=1'),
    startWatchdog: () => {
      const periodMs = watchdogPeriodMs(env)
      if (periodMs === null || watchdogTimer !== null) return
      let patting = false
      const pat = async (): Promise<void> => {
        if (patting) return
        patting = true
        await send('WATCHDOG=1')
        patting = false
      }
      void pat()
      watchdogTimer = setInterval(() => void pat(), periodMs)
      watchdogTimer.unref()
    },
    close: async () => {
      if (statusTimer !== null) clearTimeout(statusTimer)
      if (watchdogTimer !== null) clearInterval(watchdogTimer)
      statusTimer = null
      watchdogTimer = null
      await sendStatus()
    },
  }
}

/** The manager takes backslashes out, so that escapes would be read wrongly: breaks become blanks. */
const statusText = (text: string): string => oneLine(text.replaceAll(/\s+/g, ' ')).slice(0, longestStatus)

/** Half of what the manager allows; null when it does not watch this process. */
export function watchdogPeriodMs(env: Readonly<Record<string, string | undefined>>): number | null {
  const usec = Number(env['WATCHDOG_USEC'])
  if (!Number.isFinite(usec) || usec <= 0) return null
  const pid = env['WATCHDOG_PID']
  if (pid && Number(pid) !== process.pid) return null
  return Math.max(Math.floor(usec / 2000), 1)
}

export interface Inhibitor {
  /** False when logind could not be asked (no logind, no bus): nothing is inhibited. */
  readonly held: boolean
  /** Lets go. Twice is not an error. Never throws. */
  release(): Promise<void>
}

const inhibitDeadlineMs = 15_000
const letGoDeadlineMs = 3_000

/** Asks logind not to `what` (e.g. `sleep`) until released, or until this process is gone. Never throws. */
export async function inhibit({
  what,
  why,
  file = 'systemd-inhibit',
}: {
  readonly what: string
  readonly why: string
  /** The program; another one in tests. */
  readonly file?: string
}): Promise<Inhibitor> {
  const args = [`--what=${what}`, '--who=walkaway', `--why=${why}`, '--mode=block', 'cat']
  const child = spawn(programPath(file) ?? file, args, {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: childEnvironment,
  })
  const ended = new Promise<'ended'>((resolve) => {
    child.once('error', () => resolve('ended'))
    child.once('close', () => resolve('ended'))
  })
  // A child that is gone closes its end of the pipe; `ended` says so, this only keeps it from being a crash.
  child.stdin.on('error', () => undefined)
  // cat runs only once the lock is taken, so its echo is the proof.
  const echoed = new Promise<'held'>((resolve) => child.stdout.once('data', () => resolve('held')))
  child.stdin.write('held?\n')
  const letGo = async (): Promise<void> => {
    child.stdin.end()
    if ((await within(letGoDeadlineMs, ended)) === 'late') child.kill('SIGKILL')
    child.unref()
    child.stdout.destroy()
  }
  const held = (await within(inhibitDeadlineMs, Promise.race([ended, echoed]))) === 'held'
  if (!held) await letGo()
  return { held, release: letGo }
}
