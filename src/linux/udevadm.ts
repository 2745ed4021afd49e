// The udevadm engine: the same interface as node-udev by way of systemd's own program, for machines where the addon
// could not be built. A monitor that dies is started again, and what was missed meanwhile is found by a scan.

import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { CommandFailed, UnreadableAnswer } from '../errors.ts'
import { couldBeDisk, parseProperties, parseUdevInfo } from './blockDevice.ts'
import { createEventQueue, rescan } from './eventQueue.ts'
import { childEnvironment, programPath } from './programs.ts'
import type { Run } from './run.ts'
import { describeListing } from './sysfs.ts'
import type { DiskEvent, Udev } from './udev.ts'

const scanDeadlineMs = 20_000
/** A device that vanishes between the listing and the question makes the whole question fail: asked again. */
const scanTries = 5
const firstRestartMs = 1_000
const longestRestartMs = 60_000

export interface UdevadmOptions {
  readonly run: Run
  readonly onWarning: (text: string) => void
  /** The program; another one in tests. */
  readonly file?: string
  readonly classBlock?: string
  readonly firstRestartMs?: number
}

export function createUdevadm(options: UdevadmOptions): Udev {
  const queue = createEventQueue()
  let started = false
  return {
    engine: 'udevadm',
    events: () => {
      const events = queue.subscribe()
      if (!started) startMonitor(options, queue.push)
      started = true
      return events
    },
    scan: () => scan(options),
  }
}

async function scan({ run, file = 'udevadm', classBlock = '/sys/class/block' }: UdevadmOptions) {
  for (let tries = 1; ; tries += 1) {
    const names = (await readdir(classBlock)).filter(couldBeDisk).toSorted()
    if (names.length === 0) throw new UnreadableAnswer('the kernel lists no disk at all')
    const paths = names.map((name) => `${classBlock}/${name}`)
    try {
      const { stdout } = await run(file, ['info', ...paths], { deadlineMs: scanDeadlineMs })
      const listing = parseUdevInfo(stdout)
      if (listing.length !== names.length)
        throw new UnreadableAnswer(`udevadm was asked for ${names.length} devices and told ${listing.length}`)
      return await describeListing(listing)
    } catch (error) {
      if (tries >= scanTries || !(error instanceof CommandFailed)) throw error
    }
  }
}

/** Keeps a monitor running until the process exits. */
function startMonitor(options: UdevadmOptions, push: (event: DiskEvent) => void): void {
  const { file = 'udevadm', onWarning, firstRestartMs: first = firstRestartMs } = options
  let pauseMs = first

  function start(): void {
    const child = spawn(
      programPath(file) ?? file,
      ['monitor', '--udev', '--property', '--subsystem-match=block'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: childEnvironment,
      },
    )
    const onExit = (): void => {
      child.kill()
    }
    process.once('exit', onExit)
    const monitor = createMonitorParser({
      onListening: () => push(rescan(Date.now())),
      onEvent: (event) => {
        pauseMs = first
        push(event)
      },
    })
    createInterface({ input: child.stdout }).on('line', monitor)

    let ended = false
    const restart = (why: string): void => {
      if (ended) return
      ended = true
      process.off('exit', onExit)
      onWarning(`udevadm monitor ended (${why}); started again in ${Math.ceil(pauseMs / 1000)} s`)
      setTimeout(start, pauseMs).unref()
      pauseMs = Math.min(pauseMs * 2, longestRestartMs)
    }
    child.once('error', (error) => restart(error.message))
    child.once('close', (code, signal) => restart(signal ?? `exit code ${code}`))
  }
  start()
}

/**
 * Reads `udevadm monitor --property` line by line: a headline, then blocks of `KEY=value` that begin with a line
 * `UDEV  [time] action devpath (block)` and end with an empty one.
 */
export function createMonitorParser(told: {
  /** It listens from now on: what was before must be scanned for. */
  readonly onListening: () => void
  readonly onEvent: (event: DiskEvent) => void
}): (line: string) => void {
  let lines: string[] = []
  return (line) => {
    if (line.startsWith('UDEV - ')) {
      told.onListening()
      return
    }
    if (line !== '') {
      lines.push(line)
      return
    }
    const properties = parseProperties(lines)
    lines = []
    const { ACTION: action, DEVPATH: devpath, DEVNAME: node, DISKSEQ: diskSeq } = properties
    if (!action || !devpath) return
    told.onEvent({
      action,
      node: node ?? '',
      diskSeq: diskSeq ?? '',
      syspath: `/sys${devpath}`,
      at: Date.now(),
    })
  }
}
