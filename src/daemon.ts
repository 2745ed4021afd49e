// The loop: udev's events and the clock lead to looks at the machine, looks feed one runner for each disk. Also the
// configuration's reload, the control socket's answers, the service manager's status line, and the clean stop.

import type { Config } from './config.ts'
import {
  type Reply,
  type Request,
  refusal,
  type StatusAnswer,
  type UndeliveredAnswer,
  visitAnswer,
} from './control/protocol.ts'
import type { ControlServer } from './control/server.ts'
import { identify } from './core/identity.ts'
import type { Disk, DiskName } from './core/model.ts'
import { explainUnknownDisk } from './core/nearest.ts'
import type { DiskFacts } from './core/reminders.ts'
import { messageOf } from './errors.ts'
import type { WalkawayEvent } from './events.ts'
import { type History, type HistoryRecord, isVisitTo, mergeVisits } from './linux/history.ts'
import type { Notifier } from './linux/systemd.ts'
import type { Udev } from './linux/udev.ts'
import { within } from './linux/within.ts'
import { createLooks } from './looks.ts'
import { type MetricsFile, withoutDaemon } from './metricsFile.ts'
import { createReminders, type ReminderDeps } from './remind.ts'
import { createRunner, type Runner, type RunnerDeps } from './runner.ts'
import { statusLine } from './statusLine.ts'
import { createTurns } from './turns.ts'

export type Reloaded =
  | { readonly kind: 'ok'; readonly config: Config }
  | { readonly kind: 'rejected'; readonly mistakes: readonly string[] }

export interface DaemonDeps
  extends Omit<RunnerDeps, 'lookAgain' | 'onChange' | 'scan' | 'takeTurn'>,
    ReminderDeps {
  readonly udev: Udev
  readonly notifier: Notifier
  readonly reload: () => Promise<Reloaded>
  /** Starts listening; the daemon closes it when it stops. */
  readonly listen: (answer: (request: Request) => Promise<Reply>) => Promise<ControlServer>
  /** Called a while after the last thing happened: after the start, and after visits. */
  readonly rest: () => void
  readonly tell: (event: WalkawayEvent) => void
  readonly undelivered: () => readonly UndeliveredAnswer[]
  readonly metrics: MetricsFile
  readonly version: string
}

export interface Daemon {
  /** Resolves when the service is ready; it runs until `stop`. */
  start(): Promise<void>
  reload(): Promise<void>
  /** Ends every visit cleanly and resolves when nothing of ours is imported any more, as far as ZFS allows. */
  stop(because: string): Promise<void>
}

/** Events may be lost and clocks may jump: at least this often the machine is looked at anew. */
const rescanMs = 60_000
/** A plugged disk makes a dozen events within this time; one look after it serves them all. */
const quietMs = 100
/** The file may lie on a file system that hangs. */
const metricsLimitMs = 5_000
/** Longer than a transfer goes without saying how far it is. */
const restAfterMs = 30_000

export function createDaemon(firstConfig: Config, past: readonly HistoryRecord[], deps: DaemonDeps): Daemon {
  let config = firstConfig
  let server: ControlServer | null = null
  let stopping = false
  let reloading: Promise<readonly string[]> = Promise.resolve([])
  const startedAt = deps.now()
  const runners = new Map<DiskName, Runner>()
  const takeTurn = createTurns()
  let visits = past
  const history: History = {
    ...deps.history,
    append(record) {
      visits = mergeVisits([...visits, record])
      return deps.history.append(record)
    },
  }
  const reminders = createReminders(deps)
  const looks = createLooks(
    async () => {
      await look()
      remind()
      showMetrics()
    },
    (error) => deps.warn(`looking at the machine failed: ${messageOf(error)}`),
  )

  let restTimer: NodeJS.Timeout | undefined
  const onChange = (): void => {
    deps.notifier.status(statusLine([...runners.values()], deps.now()))
    showMetrics()
    clearTimeout(restTimer)
    restTimer = setTimeout(deps.rest, restAfterMs)
  }

  /**
   * A disk whose entry changed gets a new runner once its visit is over; one that is gone from the file, none. Whatever
   * it is called now, a disk never has two runners that may act on it at once.
   */
  const matchRunners = (): void => {
    for (const [name, runner] of runners) {
      const wanted = config.disks.find((disk) => disk.name === name)
      if (runner.idle() && (wanted === undefined || !isSameDisk(wanted, runner.disk))) runners.delete(name)
    }
    for (const disk of config.disks)
      if (
        ![...runners.values()].some(
          (runner) => runner.disk.name === disk.name || isOneDevice(runner.disk, disk),
        )
      )
        runners.set(
          disk.name,
          createRunner(
            disk,
            visits.filter((visit) => isVisitTo(disk, visit)),
            () => config,
            {
              ...deps,
              history,
              scan: deps.udev.scan,
              takeTurn,
              lookAgain: looks.soon,
              onChange,
            },
          ),
        )
  }

  const look = async (): Promise<void> => {
    if (stopping) return
    matchRunners()
    const devices = await deps.udev.scan()
    if (stopping) return
    const sightings = identify(
      [...runners.values()].map((runner) => runner.disk),
      devices,
    )
    for (const runner of runners.values())
      try {
        await runner.looked(sightings.get(runner.disk.name) ?? { kind: 'absent' })
      } catch (error) {
        deps.warn(`${runner.disk.name}: looking at it failed: ${messageOf(error)}`)
      }
  }

  /** The regular looks are often enough for it. */
  const remind = (): void => {
    if (stopping) return
    const factsOf = (runner: Runner): DiskFacts => ({
      disk: runner.disk,
      state: runner.state(),
      visits: runner.visits(),
      overdueMs: overdueMsOf(config, runner.disk.name),
    })
    reminders.look({
      disks: () => [...runners.values()].map(factsOf),
      takeAwayMs: config.remind.takeAwayMs,
      confirmReleased: async () => void (await Promise.all([...runners.values()].map(confirmReleased))),
    })
  }

  const follow = async (): Promise<void> => {
    for await (const event of deps.udev.events()) {
      if (stopping) return
      looks.soon(event.action === 'remove' ? 0 : quietMs)
    }
  }

  const standing = (): StatusAnswer => ({
    version: 1,
    host: deps.host,
    daemon: { version: deps.version, startedAt: startedAt.toISOString() },
    disks: [...runners.values()].map((runner) => runner.describe(overdueMsOf(config, runner.disk.name))),
    undelivered: deps.undelivered(),
  })
  const status = async (): Promise<StatusAnswer> => {
    await Promise.all([...runners.values()].map(confirmReleased))
    return standing()
  }
  const showMetrics = (): void => {
    if (!stopping) deps.metrics.show(config.metrics.textfile, standing)
  }
  const confirmReleased = (runner: Runner): Promise<void> =>
    runner.confirmReleased().catch((error: unknown) => {
      deps.warn(`${runner.disk.name}: whether its pool is imported could not be read: ${messageOf(error)}`)
    })

  const answer = async (request: Request): Promise<Reply> => {
    switch (request.command) {
      case 'status':
        return { version: 1, ok: true, status: await status() }
      case 'history':
        return historyOf(request.disk)
      case 'reload': {
        const mistakes = await reload()
        if (mistakes.length > 0) return refusal(mistakes.join('\n'), 2)
        return { version: 1, ok: true, status: await status() }
      }
      case 'run':
      case 'eject': {
        const runner = [...runners.values()].find(({ disk }) => disk.name === request.disk)
        if (runner === undefined) return unknownDisk(request.disk, [...runners.keys()])
        const disks = [...runners.values()].map(({ disk }) => disk)
        const sighting = identify(disks, await deps.udev.scan()).get(runner.disk.name)
        const refused = await runner.ask(request.command, sighting ?? { kind: 'absent' })
        return refused ?? { version: 1, ok: true, status: await status() }
      }
    }
  }
  /** One at a time: what was read last is what stays in force. Resolves with the mistakes; none: it is in force. */
  const reload = (): Promise<readonly string[]> => {
    reloading = reloading.then(readAgain, readAgain)
    return reloading
  }
  const readAgain = async (): Promise<readonly string[]> => {
    await deps.notifier.reloading()
    const reloaded = await deps
      .reload()
      .catch((error: unknown): Reloaded => ({ kind: 'rejected', mistakes: [messageOf(error)] }))
    if (reloaded.kind === 'ok') {
      config = reloaded.config
      deps.tell({ kind: 'config-reloaded', disks: config.disks.length, sources: config.sources.length })
      if (!stopping) matchRunners()
    } else {
      deps.tell({ kind: 'config-rejected', mistakes: reloaded.mistakes })
    }
    await deps.notifier.ready()
    looks.soon(0)
    return reloaded.kind === 'ok' ? [] : reloaded.mistakes
  }
  const historyOf = (disk: string | null): Reply => {
    const known = new Set<string>([...runners.keys(), ...visits.map((visit) => visit.disk)])
    if (disk !== null && !known.has(disk)) return unknownDisk(disk, [...known])
    const wanted = visits.filter((visit) => disk === null || visit.disk === disk)
    const shown = wanted.map((visit) => ({ disk: visit.disk, pool: visit.pool, ...visitAnswer(visit) }))
    return { version: 1, ok: true, history: { version: 1, visits: shown } }
  }

  return {
    async start() {
      server = await deps.listen(answer)
      matchRunners()
      follow().catch((error: unknown) => deps.warn(`udev's events ended: ${messageOf(error)}`))
      deps.tell({
        kind: 'daemon-started',
        version: deps.version,
        disks: config.disks.length,
        sources: config.sources.length,
      })
      await deps.notifier.ready()
      deps.notifier.startWatchdog()
      onChange()
      looks.every(rescanMs)
      looks.soon(0)
    },

    async reload() {
      await reload()
    },

    async stop(because) {
      stopping = true
      looks.end()
      deps.tell({ kind: 'daemon-stopping', because })
      await deps.notifier.stopping()
      await Promise.all([...runners.values()].map((runner) => runner.stop()))
      await server?.close()
      clearTimeout(restTimer)
      // Nobody is to read for ever that a disk may be taken.
      deps.metrics.show(config.metrics.textfile, () => withoutDaemon(standing()))
      await within(metricsLimitMs, deps.metrics.settled())
      await deps.notifier.close()
    },
  }
}

const unknownDisk = (name: string, known: readonly string[]): Reply =>
  refusal(explainUnknownDisk(name, known), 2)

const isSameDisk = (a: Disk, b: Disk): boolean =>
  a.pool === b.pool &&
  a.poolGuid === b.poolGuid &&
  a.luks?.uuid === b.luks?.uuid &&
  a.serials.join('\n') === b.serials.join('\n')

/** Different entries, perhaps, but of one pool or one device. A pool that only has the same name is another one. */
const isOneDevice = (a: Disk, b: Disk): boolean =>
  a.poolGuid === b.poolGuid || a.serials.some((serial) => b.serials.includes(serial))

function overdueMsOf(config: Config, name: DiskName): number | null {
  return config.disks.find((disk) => disk.name === name)?.overdueMs ?? null
}
