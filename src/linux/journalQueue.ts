// Sends entries to the systemd journal strictly in order: with their fields by way of logger(1), which is the only way
// to a structured entry without a native addon, or as a `<N>line` on stdout, which the journal reads as well.

import type { JournalEntry } from '../events.ts'
import { oneLine } from './oneLine.ts'
import type { Run } from './run.ts'

const loggerDeadlineMs = 20_000
/** After a failure of logger only plain lines are written for this long: a sick journal must not hold up the story. */
const afterFailureMs = 30_000
/** What flush() spends on fields; what is left then goes out as plain lines at once. */
const flushWithFieldsMs = 20_000
/** Entries waiting; beyond that the oldest go out as plain lines. */
const longestQueue = 2_000
const longestMessage = 16_000

export interface JournalQueue {
  /** Returns at once. */
  push(entry: JournalEntry): void
  flush(): Promise<void>
}

export interface JournalQueueOptions {
  readonly run?: Run
  readonly write: (text: string) => void
}

export function createJournalQueue({ run, write }: JournalQueueOptions): JournalQueue {
  const waiting: JournalEntry[] = []
  let draining: Promise<void> | null = null
  let plainUntil = 0

  async function drain(): Promise<void> {
    for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) await send(entry)
    draining = null
  }

  async function send(entry: JournalEntry): Promise<void> {
    if (run === undefined || isPlain(entry) || performance.now() < plainUntil) {
      write(prefixedLine(entry))
      return
    }
    try {
      await run('logger', ['--journald'], { deadlineMs: loggerDeadlineMs, input: nativeEntry(entry) })
    } catch {
      // Its failure has nowhere else to be told than in the line that it kept from getting out with its fields.
      plainUntil = performance.now() + afterFailureMs
      write(prefixedLine(entry))
    }
  }

  const writeRest = (keep: number): void => {
    for (const entry of waiting.splice(0, waiting.length - keep)) write(prefixedLine(entry))
  }

  return {
    push: (entry) => {
      if (draining === null && (run === undefined || isPlain(entry))) {
        write(prefixedLine(entry))
        return
      }
      waiting.push(entry)
      if (waiting.length > longestQueue) writeRest(longestQueue)
      draining ??= drain()
    },
    flush: async () => {
      const timer = setTimeout(() => writeRest(0), flushWithFieldsMs)
      while (draining !== null) await draining
      clearTimeout(timer)
    },
  }
}

/** Debug lines need no fields. All others take the same way, because two ways to the journal can overtake each other. */
const isPlain = (entry: JournalEntry): boolean => entry.priority === 7

/** systemd strips the prefix and takes it as the priority. */
const prefixedLine = (entry: JournalEntry): string =>
  `<${entry.priority}>${oneLine(entry.message).slice(0, longestMessage)}\n`

/** One `FIELD=value` a line; logger reads lines, so a value cannot have a line break in it. */
export function nativeEntry(entry: JournalEntry): string {
  const fields: readonly (readonly [string, string])[] = [
    ['MESSAGE', entry.message],
    ['PRIORITY', String(entry.priority)],
    ['SYSLOG_IDENTIFIER', 'walkaway'],
    ['OBJECT_SYSTEMD_UNIT', 'walkaway.service'],
    ...(entry.messageId === '' ? [] : [['MESSAGE_ID', entry.messageId] as const]),
    ...Object.entries(entry.fields).filter(([name]) => /^[A-Z][A-Z0-9_]{0,63}$/.test(name)),
  ]
  return fields.map(([name, value]) => `${name}=${oneLine(value).slice(0, longestMessage)}\n`).join('')
}
