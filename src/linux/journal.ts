// Where log lines and told events go: the systemd journal with its fields, JSON lines, or plain text for a terminal.
// One queue keeps their order; nothing here waits for ever, nothing a dataset's name contains can forge a line.

import type { JournalEntry } from '../events.ts'
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
export declare function chooseLogFormat(env: Readonly<Record<string, string | undefined>>): LogFormat

export declare function createLog(options: LogOptions): Log
