// Where log lines and told events go: the systemd journal with its fields, JSON lines, or plain text for a terminal.
// One queue keeps their order; nothing here waits for ever, nothing a dataset's name contains can forge a line.

import { fstatSync } from 'node:fs'
import { pino } from 'pino'
import type { JournalEntry } from '../events.ts'
import { createJournalQueue } from './journalQueue.ts'
import { oneLine } from './oneLine.ts'
import type { Run } from './run.ts'

export type LogFormat = 'journal' | 'json' | 'plain'
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

export interface Log {
  readonly format: LogFormat
  readonly log: Logger
  /** Tells an event, whatever the level is. */
  tell(entry: JournalEntry): void
  /** For SIGHUP. */
  setLevel(level: LogLevel): void
  /** Resolves when everything that was said before is out (or given up, each within its deadline). */
  flush(): Promise<void>
}

export interface LogOptions {
  readonly format: LogFormat
  readonly level: LogLevel
  /** Needed for the structured fields of the journal; without it plain `<N>` lines are written. */
  readonly run?: Run
  /** Only for tests. */
  readonly stdout?: (text: string) => void
  readonly stderr?: (text: string) => void
}

/** The format that fits where we run: `journal` when our output goes to the journal, `plain` otherwise. */
export function chooseLogFormat(env: Readonly<Record<string, string | undefined>>): LogFormat {
  const stream = env['JOURNAL_STREAM']
  if (!stream) return 'plain'
  const isJournal = [1, 2].some((fd) => {
    const { dev, ino } = fstatSync(fd)
    return `${dev}:${ino}` === stream
  })
  return isJournal ? 'journal' : 'plain'
}

export function createLog(options: LogOptions): Log {
  const { format, level, stdout = writerTo(process.stdout), stderr = writerTo(process.stderr) } = options
  switch (format) {
    case 'json': {
      const { log, told } = createPino(level, stdout)
      return {
        format,
        log,
        tell: (entry) =>
          told[levelOf(entry.priority)]({ ...entry.fields, MESSAGE_ID: entry.messageId }, entry.message),
        setLevel: (wanted) => {
          log.level = wanted
        },
        flush: async () => undefined,
      }
    }
    case 'plain': {
      const { log } = createPino(level, (json) => stderr(`${plainLine(parseLine(json))}\n`))
      return {
        format,
        log,
        tell: (entry) => stderr(`${oneLine(entry.message)}\n`),
        setLevel: (wanted) => {
          log.level = wanted
        },
        flush: async () => undefined,
      }
    }
    case 'journal': {
      const queue = createJournalQueue({ write: stdout, ...(options.run && { run: options.run }) })
      const { log } = createPino(level, (json) => queue.push(entryOf(parseLine(json))))
      return {
        format,
        log,
        tell: queue.push,
        setLevel: (wanted) => {
          log.level = wanted
        },
        flush: queue.flush,
      }
    }
  }
}

/** Writes at once. A reader that went away (a closed pipe, a journal that crashed) is no reason to stop a backup. */
function writerTo(stream: NodeJS.WriteStream): (text: string) => void {
  stream.on('error', () => undefined)
  return (text) => {
    if (stream.writable) stream.write(text)
  }
}

/** `log` obeys the level, `told` is for events, which are told whatever the level is. */
function createPino(level: LogLevel, write: (json: string) => void) {
  const settings = {
    base: null,
    serializers: { err: pino.stdSerializers.err },
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const log = pino({ ...settings, level }, { write })
  return { log, told: pino({ ...settings, level: 'debug' }, { write }) }
}

/** A line as pino wrote it. */
interface Line {
  readonly level: LogLevel
  readonly message: string
  /** `key=value`, in the order in which they were given. */
  readonly details: readonly string[]
}

function parseLine(json: string): Line {
  const { level, msg, time: _, ...fields }: Record<string, unknown> = JSON.parse(json)
  return {
    level: isLevel(level) ? level : 'error',
    message: typeof msg === 'string' ? msg : '',
    details: Object.entries(fields).map(([key, value]) => `${key}=${valueText(value)}`),
  }
}

const isLevel = (text: unknown): text is LogLevel =>
  text === 'debug' || text === 'info' || text === 'warn' || text === 'error'

/** An error is its message here; its stack is in the JSON format. */
function valueText(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'stack' in value && 'message' in value)
    return String(value.message)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const textOf = ({ message, details }: Line): string =>
  details.length === 0 ? message : `${message} (${details.join(', ')})`

const prefixes = { debug: 'debug: ', info: '', warn: 'warning: ', error: 'error: ' } as const
const plainLine = (line: Line): string => `${prefixes[line.level]}${oneLine(textOf(line))}`

const priorities = { debug: 7, info: 6, warn: 4, error: 3 } as const
const entryOf = (line: Line): JournalEntry => ({
  priority: priorities[line.level],
  message: textOf(line),
  messageId: '',
  fields: {},
})

function levelOf(priority: JournalEntry['priority']): LogLevel {
  switch (priority) {
    case 3:
      return 'error'
    case 4:
      return 'warn'
    case 5:
    case 6:
      return 'info'
    case 7:
      return 'debug'
  }
}
