// `walkaway status --watch`: how things stand, again every second until it is interrupted, also while the daemon is away. On a
// terminal one screen that is drawn over itself; elsewhere a line for each thing that changes; with --json a line of JSON.
import { setTimeout as after } from 'node:timers/promises'
import { askStatus } from '../control/client.ts'
import type { DiskAnswer, StatusAnswer } from '../control/protocol.ts'
import { BadInput, messageOf, UnreadableAnswer } from '../errors.ts'
import { oneLine } from '../linux/oneLine.ts'
import { jsonText } from './jsonText.ts'
import { controlSocket, stateDirectory } from './places.ts'
import { offlineAnswer, type Recollection, recall } from './remembered.ts'
import { daemonAway, renderRemembered, renderStatus, stateInWords } from './statusText.ts'
import { clip, indented, type Look, lookOf, type Output, paint, sizeOf } from './words.ts'

export interface WatchOptions {
  readonly json: boolean
  readonly configFile: string
  readonly stdout: Output
  /** Ends the watching, and nothing else. */
  readonly interrupted: AbortSignal
  readonly socket?: string
  readonly stateFolder?: string
  readonly pollMs?: number
  readonly now?: () => Date
}

/** `away`: nobody answers; then no state is known, and what was said a second ago may not be true any more. */
export type Sight =
  | { readonly kind: 'running'; readonly status: StatusAnswer }
  | (Pick<Recollection, 'disks' | 'problem'> & {
      readonly kind: 'away'
      /** null: the daemon is not running; else what is wrong with its answer. */
      readonly why: string | null
      readonly since: Date
    })

const deadlineMs = 5_000

/** Returns the exit code when it is interrupted: 0; 3 when the daemon was not there then. Throws `BadInput` for who may not ask. */
export async function runWatch(options: WatchOptions): Promise<0 | 3> {
  const { interrupted, pollMs = 1000 } = options
  const display = displayOf(options)
  const over = new Promise<null>((resolve) => {
    if (interrupted.aborted) resolve(null)
    interrupted.addEventListener('abort', () => resolve(null), { once: true })
  })
  let last: Sight | null = null
  try {
    for (;;) {
      const sight: Sight | null = await Promise.race([look(options, last), over])
      if (sight === null) return last?.kind === 'away' ? 3 : 0
      last = sight
      display.show(sight)
      await after(pollMs, undefined, { signal: interrupted }).catch(() => undefined)
    }
  } finally {
    display.end()
  }
}

/** `before` says since when the daemon is away. */
async function look(options: WatchOptions, before: Sight | null): Promise<Sight> {
  const { configFile, socket = controlSocket, stateFolder = stateDirectory, now = () => new Date() } = options
  const away = async (why: string | null): Promise<Sight> => ({
    kind: 'away',
    why,
    since: before?.kind === 'away' ? before.since : now(),
    ...(await recall({ stateFolder, configFile }, now())),
  })
  try {
    const reply = await ask(socket)
    if ('kind' in reply) return await away(null)
    return reply.ok ? { kind: 'running', status: reply.status } : await away(reply.error.message)
  } catch (error) {
    if (error instanceof BadInput) throw error
    return away(messageOf(error))
  }
}

/** A daemon that stops hangs up, and one that has too many clients: a second question tells which. */
async function ask(socket: string): ReturnType<typeof askStatus> {
  const question = () => askStatus(socket, { version: 1, command: 'status' }, { deadlineMs })
  try {
    return await question()
  } catch (error) {
    if (error instanceof UnreadableAnswer) return question()
    throw error
  }
}

interface Display {
  show(sight: Sight): void
  end(): void
}

function displayOf({ json, stdout, now = () => new Date() }: WatchOptions): Display {
  if (json) return createJsonLines(stdout)
  const canDraw = stdout.isTTY === true && process.env['TERM'] !== 'dumb'
  return canDraw ? createFullScreen(stdout, now) : createLines(stdout, now)
}

const timeOfDay = (at: Date): string => at.toLocaleTimeString('en-GB')

const whyAway = ({ why, since, problem }: Extract<Sight, { kind: 'away' }>): readonly string[] => {
  const [what, ...advice] = why === null ? daemonAway : [`the daemon does not answer: ${oneLine(why)}`]
  return [`${what} (since ${timeOfDay(since)})`, ...advice, ...(problem === null ? [] : [oneLine(problem)])]
}

export interface FrameOptions extends Look {
  readonly now: Date
  readonly columns: number
  readonly rows: number
}

/** The lines of one screen, none wider than the terminal and no more than it has. */
export function renderFrame(sight: Sight, { now, columns, rows, colour }: FrameOptions): readonly string[] {
  // The last column stays free: what erases the rest of a line would erase a character there.
  const look = { colour, columns: columns - 1 }
  const text =
    sight.kind === 'running'
      ? renderStatus(sight.status, { ...look, now, live: true })
      : [
          ...whyAway(sight)
            .flatMap((line) => indented(line, { indent: 0, look }))
            .map((line) => paint(line, 'red', look)),
          '',
          renderRemembered(sight.disks, { ...look, now }),
        ].join('\n')
  const lines = text.trimEnd().split('\n')
  const room = Math.max(1, rows - 2)
  const shown =
    lines.length <= room
      ? lines
      : [...lines.slice(0, room - 1), `  ... ${lines.length - room + 1} more lines; see: walkaway status`]
  const foot = paint(`${timeOfDay(now)}  Ctrl-C ends this view, and nothing else`, 'dim', look)
  return [...shown, '', foot].map((line) => clip(line, look.columns))
}

// xterm's control sequences. Terminals pass over what they do not know, such as 2026: draw all of it at once.
const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l'
const [begin, restOfLine, restOfScreen, finish] = ['\x1b[?2026h\x1b[H', '\x1b[K', '\x1b[J', '\x1b[?2026l']

/**
 * Each frame is one write over the one before, so that nothing is ever empty in between, and is drawn whole: what else was
 * written to the terminal (wall(1), a resize) is gone a second later.
 */
function createFullScreen(stdout: Output, now: () => Date): Display {
  let lines: readonly string[] | null = null
  return {
    show(sight) {
      const { colour } = lookOf(stdout)
      const { columns, rows } = sizeOf(stdout)
      const entering = lines === null ? enter : ''
      lines = renderFrame(sight, { now: now(), colour, columns, rows })
      const drawn = lines.map((line) => `${line}${restOfLine}`).join('\r\n')
      stdout.write(`${entering}${begin}${drawn}${restOfScreen}${finish}`)
    },
    end() {
      if (lines === null) return
      // How it stood at last stays to be read, without the advice on how to end.
      stdout.write(`${leave}${lines.slice(0, -2).join('\n')}\n`)
      lines = null
    },
  }
}

/** For files and pipes. */
function createLines(stdout: Output, now: () => Date): Display {
  let said: ReadonlyMap<string, string> = new Map()
  return {
    show(sight) {
      const news = sight.kind === 'away' ? new Map([['', whyAway(sight).join('; ')]]) : linesOf(sight.status)
      for (const [about, line] of news)
        if (said.get(about) !== line) stdout.write(`${timeOfDay(now())} ${line}\n`)
      said = news
    },
    end: () => undefined,
  }
}

const linesOf = ({ disks }: StatusAnswer): ReadonlyMap<string, string> =>
  new Map(disks.map((disk) => [disk.name, lineOf(disk)]))

function lineOf(disk: DiskAnswer): string {
  const about = disk.progress?.dataset ?? disk.reason
  return oneLine(`${disk.name}: ${stateInWords(disk)}${about === null ? '' : `, ${about}`}`)
}

/** A document a line, whenever it is another than the one before. */
function createJsonLines(stdout: Output): Display {
  let said = ''
  return {
    show(sight) {
      const line = jsonText(sight.kind === 'running' ? sight.status : offlineAnswer(sight.disks), 0)
      if (line !== said) stdout.write(line)
      said = line
    },
    end: () => undefined,
  }
}
