// The guest's journal as the host sees it: every entry once, in order, across reboots and power cuts of the machine.
// Waiting for an entry and looking back are the same question: a wait also sees what has already happened.
import type { Socket } from 'node:net'
import { eachLine } from './lines.ts'

export type JournalEntry = Readonly<Record<string, string>> & {
  /** Its place in the whole story: a later entry has a greater one. */
  readonly index: number
}

/** A moment in the journal: `mark()`, or an entry, which means right after it. */
export type Mark = number | JournalEntry

/** Compared with WALKAWAY_EVENT, WALKAWAY_DISK and so on; `unit` and `message` with what systemd says of an entry. */
export type EntryPattern = {
  readonly event?: string | readonly string[]
  readonly disk?: string
  readonly pool?: string
  readonly outcome?: string
  readonly unit?: string
  readonly message?: string | RegExp
}

export type Journal = {
  readonly mark: () => number
  readonly waitFor: (
    pattern: EntryPattern,
    options: { readonly deadlineMs: number; readonly after?: Mark },
  ) => Promise<JournalEntry>
  /** Entries that carry WALKAWAY_EVENT and match. */
  readonly events: (pattern?: EntryPattern & { readonly after?: Mark }) => readonly JournalEntry[]
  readonly entries: (pattern?: EntryPattern & { readonly after?: Mark }) => readonly JournalEntry[]
  readonly follow: (listener: (entry: JournalEntry) => void) => void
  readonly attach: (socket: Socket) => void
  /** One line per entry, for people. */
  readonly text: () => string
}

class JournalDeadline extends Error {}

export function createJournal(): Journal {
  const all: JournalEntry[] = []
  const seen = new Set<string>()
  const listeners = new Set<(entry: JournalEntry) => void>()
  let first: { readonly boot: string; readonly monotonic: bigint } | undefined

  // A machine that starts from a saved layer streams only what is new, but after a reboot it streams its whole journal
  // again, and that begins with how the layer was made.
  function isFromBefore(raw: Readonly<Record<string, string>>): boolean {
    const boot = raw['_BOOT_ID'] ?? ''
    const monotonic = BigInt(raw['__MONOTONIC_TIMESTAMP'] ?? '0')
    first ??= { boot, monotonic }
    return boot === first.boot && monotonic < first.monotonic
  }

  function hear(line: string): void {
    const raw = parseEntry(line)
    const cursor = raw?.['__CURSOR']
    if (raw === undefined || cursor === undefined || seen.has(cursor) || isFromBefore(raw)) return
    seen.add(cursor)
    const entry = { ...raw, index: all.length } as JournalEntry
    all.push(entry)
    for (const listener of [...listeners]) listener(entry)
  }

  const entries: Journal['entries'] = ({ after, ...pattern } = {}) =>
    all.slice(startOf(after)).filter((entry) => matches(entry, pattern))

  return {
    mark: () => all.length,
    entries,
    events: (pattern) => entries(pattern).filter((entry) => entry['WALKAWAY_EVENT'] !== undefined),
    follow: (listener) => listeners.add(listener),
    attach: (socket) => {
      // QEMU going away ends the stream; that is told by whoever talks to QEMU.
      socket.on('error', () => undefined)
      eachLine(socket, hear)
    },
    waitFor: (pattern, { deadlineMs, after }) =>
      new Promise((resolve, reject) => {
        const already = entries({ ...pattern, ...(after === undefined ? {} : { after }) })[0]
        if (already !== undefined) return resolve(already)
        const start = startOf(after)
        const listener = (entry: JournalEntry) => {
          if (entry.index < start || !matches(entry, pattern)) return
          clearTimeout(timer)
          listeners.delete(listener)
          resolve(entry)
        }
        const timer = setTimeout(() => {
          listeners.delete(listener)
          const told = all.slice(start).filter((entry) => entry['WALKAWAY_EVENT'] !== undefined)
          const story = (told.length > 0 ? told : all.slice(start)).slice(-15).map(renderEntry).join('\n  ')
          reject(
            new JournalDeadline(
              `not in the journal within ${deadlineMs} ms: ${describe(pattern)}\n  ${story}`,
            ),
          )
        }, deadlineMs)
        listeners.add(listener)
      }),
    text: () => all.map(renderEntry).join('\n'),
  }
}

export function renderEntry(entry: JournalEntry): string {
  const at = new Date(Number(BigInt(entry['__REALTIME_TIMESTAMP'] ?? '0') / 1000n)).toISOString()
  const event = entry['WALKAWAY_EVENT']
  const fields =
    event === undefined
      ? ''
      : ` [${[event, entry['WALKAWAY_DISK'], entry['WALKAWAY_OUTCOME']].filter(Boolean).join(' ')}]`
  return `${at} ${entry['SYSLOG_IDENTIFIER'] ?? entry['_COMM'] ?? '?'} <${entry['PRIORITY'] ?? '-'}>${fields}: ${entry['MESSAGE'] ?? ''}`
}

function startOf(mark: Mark | undefined): number {
  if (mark === undefined) return 0
  return typeof mark === 'number' ? mark : mark.index + 1
}

function matches(entry: JournalEntry, { event, disk, pool, outcome, unit, message }: EntryPattern): boolean {
  const events = typeof event === 'string' ? [event] : event
  return (
    (events === undefined || events.includes(entry['WALKAWAY_EVENT'] ?? '')) &&
    (disk === undefined || entry['WALKAWAY_DISK'] === disk) &&
    (pool === undefined || entry['WALKAWAY_POOL'] === pool) &&
    (outcome === undefined || entry['WALKAWAY_OUTCOME'] === outcome) &&
    (unit === undefined ||
      [entry['_SYSTEMD_UNIT'], entry['OBJECT_SYSTEMD_UNIT'], entry['UNIT']].includes(unit)) &&
    (message === undefined ||
      (typeof message === 'string' ? entry['MESSAGE'] === message : message.test(entry['MESSAGE'] ?? '')))
  )
}

function describe(pattern: EntryPattern): string {
  return Object.entries(pattern)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(', ')
}

// journalctl gives what is not UTF-8 as a list of bytes, and a repeated field as a list; the first line after a load may
// be the rest of one that was cut.
function parseEntry(line: string): Record<string, string> | undefined {
  let raw: Record<string, unknown>
  try {
    raw = JSON.parse(line) as Record<string, unknown>
  } catch {
    return undefined
  }
  return Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, asText(value)]))
}

function asText(value: unknown): string {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return String(value)
  return value.every((item) => typeof item === 'number')
    ? Buffer.from(value).toString()
    : value.map(asText).join(' ')
}
