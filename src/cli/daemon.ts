// `walkaway daemon`: builds the real parts, puts them together and runs until it is told to stop. Nothing is decided
// here.

import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as after } from 'node:timers/promises'
import pLimit from 'p-limit'
import { groupId } from '../config/groups.ts'
import { loadConfig } from '../config/load.ts'
import type { Config, Mistake } from '../config.ts'
import { renderMistake } from '../config.ts'
import { type ControlServer, createControlServer } from '../control/server.ts'
import { createDaemon, type Reloaded } from '../daemon.ts'
import { AlreadyRunning, messageOf } from '../errors.ts'
import type { WalkawayEvent } from '../events.ts'
import { createBlock } from '../linux/block.ts'
import { createHistory, type HistoryRecord } from '../linux/history.ts'
import { createHoldersOutside } from '../linux/holdersOutside.ts'
import { chooseLogFormat, createLog, type Log, type LogFormat } from '../linux/journal.ts'
import { createLocalCalendar } from '../linux/localCalendar.ts'
import { createLuks } from '../linux/luks.ts'
import { createOutside } from '../linux/outside.ts'
import { inspectOwnFolders } from '../linux/ownFolders.ts'
import { createReminderNotes } from '../linux/reminderNotes.ts'
import { createRun, type Run, type RunEntry, withoutSecrets } from '../linux/run.ts'
import { createNotifier, inhibit } from '../linux/systemd.ts'
import { createUdev } from '../linux/udev.ts'
import { until } from '../linux/until.ts'
import { createMetricsFile } from '../metricsFile.ts'
import { openChannel, waysFromSandbox, waysFromShell } from '../notify/channel.ts'
import { createDispatcher, type Dispatcher } from '../notify/dispatcher.ts'
import { createOutbox } from '../notify/outbox.ts'
import { render } from '../sentences.ts'
import { version } from '../version.ts'
import { createPools } from '../zfs/pool.ts'
import { createTransfer } from '../zfs/transfer.ts'
import { createZfs } from '../zfs/zfs.ts'
import { describeUnmatched, listUnmatchedExcludes } from './excludes.ts'
import { compileWhatIsHot, giveBackMemory } from './memory.ts'
import { controlSocket, runtimeDirectory, stateDirectory } from './places.ts'

export interface DaemonOptions {
  readonly file: string
  /** null: what fits where we run. */
  readonly logFormat: LogFormat | null
}

/** Runs the service to its end; resolves with the exit code. */
export async function runDaemon({ file, logFormat }: DaemonOptions): Promise<number> {
  // As the unit has it, and when it is started by hand, too: what is for others to read says so itself.
  process.umask(0o077)
  const log = createLog({
    format: logFormat ?? chooseLogFormat(process.env),
    level: 'info',
    run: createRun(),
  })
  let dispatcher: Dispatcher | null = null
  const tell = (event: WalkawayEvent): void => {
    log.tell(render(event))
    dispatcher?.dispatch(event)
  }
  const warn = (message: string): void => log.log.warn({}, message)

  const loaded = await loadConfig({ file })
  for (const warning of loaded.warnings) warn(renderMistake(warning))
  if (loaded.kind === 'rejected') {
    tell({ kind: 'config-rejected', mistakes: sentences(loaded.mistakes) })
    await log.flush()
    return 2
  }
  log.setLevel(levelOf(loaded.config))
  const faults = await inspectOwnFolders([
    { path: stateDirectory, isPublic: false },
    { path: runtimeDirectory, isPublic: true },
  ])
  faults.warned.forEach(warn)
  if (faults.refused.length > 0) {
    for (const fault of faults.refused) log.log.error({}, fault)
    await log.flush()
    return 4
  }

  const debug = (entry: RunEntry): void => log.log.debug({ ...entry }, 'command')
  const run = createRun({ debug })
  const runForOthers = createRun({ debug: withoutSecrets(debug) })
  const history = createHistory(stateDirectory)
  const notifier = createNotifier({ run, env: process.env, onWarning: warn })
  const zfs = createZfs(run)
  const now = () => new Date()
  // systemd sets it for everything that it starts.
  const sandboxed = process.env['INVOCATION_ID'] !== undefined
  const program = [process.execPath, process.argv[1] ?? ''] as const
  const ways = sandboxed ? waysFromSandbox(runForOthers, program) : waysFromShell(runForOthers)
  const notifications = createDispatcher(loaded.config, {
    outbox: createOutbox(stateDirectory),
    open: (channel) => openChannel(channel, { ...ways, now }),
    now,
    host: hostname(),
    tell,
    warn,
  })
  dispatcher = notifications
  const warnOfExcludes = (config: Config): void => {
    listUnmatchedExcludes(config, zfs).then(
      (found) => found.map(describeUnmatched).forEach(warn),
      (error: unknown) => warn(`the sources could not be listed: ${messageOf(error)}`),
    )
  }
  let server: ControlServer | null = null
  /** Beside the reload: whom the socket is for holds up nothing else. */
  let admitting: Promise<unknown> = Promise.resolve()
  const admit = ({ control }: Config): void => {
    admitting = admitting
      .then(() => groupId(control.group))
      .then((group) => server?.admit(group))
      .catch((error: unknown) => warn(`control socket: ${messageOf(error)}`))
  }
  const daemon = createDaemon(loaded.config, await readPast(history, warn), {
    zfs,
    pools: createPools({ run }),
    transfer: createTransfer({ run, runtimeDir: runtimeDirectory }),
    block: createBlock({ run, ...(sandboxed && { holders: createHoldersOutside(run, program) }) }),
    luks: createLuks({ run }),
    udev: await createUdev({ run, onWarning: warn }),
    history,
    reminderNotes: createReminderNotes(stateDirectory),
    notifier,
    now,
    calendar: createLocalCalendar(),
    nextSecond: async () => void (await after(1000 - (Date.now() % 1000))),
    takingSnapshots: pLimit(1),
    until,
    // A disk may lose its power in sleep. By itself `sleep` would not keep a lid from being closed (logind.conf(5),
    // LidSwitchIgnoreInhibited=). Shutting down is not held up: the manager waits for the visit's clean stop.
    inhibit: (why) => {
      compileWhatIsHot()
      return inhibit({ what: 'sleep:handle-lid-switch', why })
    },
    bootId: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
    reload: async () => {
      const reloaded = await reload(file, log, warn)
      if (reloaded.kind === 'ok') {
        warnOfExcludes(reloaded.config)
        notifications.configure(reloaded.config)
        admit(reloaded.config)
      }
      return reloaded
    },
    listen: async (answer) => {
      server = await createControlServer({
        path: controlSocket,
        group: await groupId(loaded.config.control.group),
        ...(sandboxed && { giveTo: giveToGroup(run) }),
        answer,
        onProblem: (problem) => warn(`control socket: ${messageOf(problem)}`),
      })
      return server
    },
    rest: giveBackMemory,
    undelivered: () => notifications.undelivered().map((one) => ({ ...one, since: one.since.toISOString() })),
    metrics: createMetricsFile({ warn }),
    tell,
    spoken: async () => void (await Promise.all([log.flush(), notifications.written()])),
    warn,
    version,
    host: hostname(),
  })

  const signals = listenForSignals()
  try {
    await daemon.start()
    await notifications.start()
    warnOfExcludes(loaded.config)
  } catch (error) {
    if (!(error instanceof AlreadyRunning)) throw error
    log.log.error({}, messageOf(error))
    await log.flush()
    return 1
  }
  for await (const signal of signals) {
    if (signal !== 'SIGHUP') {
      await daemon.stop(signal)
      break
    }
    await daemon.reload()
  }
  await notifications.stop()
  await log.flush()
  return 0
}

/** The sandbox has no CAP_CHOWN, which it would need at its start alone. */
function giveToGroup(run: Run): (path: string, group: number) => Promise<void> {
  const outside = createOutside(run, {
    description: "the group of walkaway's control socket",
    limitMs: 30_000,
  })
  return async (path, group) => {
    await outside('chgrp', ['--no-dereference', '--', String(group), path], { deadlineMs: 60_000 })
  }
}

async function reload(file: string, log: Log, warn: (message: string) => void): Promise<Reloaded> {
  const loaded = await loadConfig({ file })
  for (const warning of loaded.warnings) warn(renderMistake(warning))
  if (loaded.kind === 'rejected') return { kind: 'rejected', mistakes: sentences(loaded.mistakes) }
  log.setLevel(levelOf(loaded.config))
  return { kind: 'ok', config: loaded.config }
}

const sentences = (mistakes: readonly Mistake[]): readonly string[] => mistakes.map(renderMistake)

function levelOf({ log }: Config): 'debug' | 'info' | 'warn' | 'error' {
  return log.level === 'warning' ? 'warn' : log.level
}

/** A history that cannot be read must not keep disks from being backed up. */
async function readPast(
  history: ReturnType<typeof createHistory>,
  warn: (message: string) => void,
): Promise<readonly HistoryRecord[]> {
  try {
    const { visits, brokenLines } = await history.read()
    if (brokenLines > 0) warn(`${brokenLines} lines of the history could not be read and were skipped`)
    return visits
  } catch (error) {
    warn(`the history of earlier visits could not be read: ${messageOf(error)}`)
    return []
  }
}

type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

/** Subscribes at once; signals that come while one is worked on wait their turn. */
async function* signalQueue(received: Signal[], arrived: () => Promise<void>): AsyncGenerator<Signal> {
  for (;;) {
    const next = received.shift()
    if (next === undefined) await arrived()
    else yield next
  }
}

function listenForSignals(): AsyncGenerator<Signal> {
  const received: Signal[] = []
  let wake: () => void = () => undefined
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => {
      received.push(signal)
      wake()
    })
  return signalQueue(
    received,
    () =>
      new Promise<void>((resolve) => {
        wake = resolve
        if (received.length > 0) resolve()
      }),
  )
}
