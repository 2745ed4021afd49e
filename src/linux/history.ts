// One line per visit in history.jsonl; what is said of a visit later, such as that its disk was released after all, takes the
// place of its line. For reports and reminders only. It never decides what to do with a disk; a crash, a torn line or a full
// /var may lose lines of it and nothing else.

import { constants } from 'node:fs'
import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as z from 'zod/mini'
import {
  type Disk,
  type DiskName,
  datasetName,
  diskName,
  outcomes,
  type PoolGuid,
  type PoolName,
  poolGuid,
  poolName,
  type VisitReport,
} from '../core/model.ts'
import { messageOf } from '../errors.ts'
import { replaceFile, syncFolder } from './replaceFile.ts'
import { isGone } from './sysfs.ts'

export interface HistoryRecord extends VisitReport {
  readonly disk: DiskName
  readonly pool: PoolName
  /** null: written by a version that did not note it. */
  readonly poolGuid: PoolGuid | null
  /** Boot id and DISKSEQ(s) of the very device that was visited; null when it is not known. */
  readonly device: string | null
  /** A person ended it with `walkaway eject`; lines of other visits do without. */
  readonly ejected?: boolean | undefined
  /** Its disk was released, and nobody may have been told yet; lines of other visits do without. */
  readonly unsaid?: boolean | undefined
}

/** Whether this visit was to this very disk, whatever it was called then. A new disk may bear the name of a dead one. */
export const isVisitTo = (
  disk: Pick<Disk, 'pool' | 'poolGuid'>,
  visit: Pick<HistoryRecord, 'pool' | 'poolGuid'>,
): boolean => (visit.poolGuid === null ? visit.pool === disk.pool : visit.poolGuid === disk.poolGuid)

export type AppendResult =
  /** `warning`: the file grew above its limit and could not be shortened. */
  | { readonly kind: 'written'; readonly warning: string | null }
  /** A full or read-only file system: a sentence for a person. */
  | { readonly kind: 'failed'; readonly reason: string }

export interface History {
  /** Durable when it returns `written`. Never throws. Calls are served one after another. */
  append(record: HistoryRecord): Promise<AppendResult>
  /** Oldest first. A file that is not there is an empty history; `brokenLines` were skipped. Throws when it cannot be read. */
  read(): Promise<{ readonly visits: readonly HistoryRecord[]; readonly brokenLines: number }>
}

const defaultMaxBytes = 5_000_000

/** The file of `directory`. Above `maxBytes` its oldest half is dropped, but never a disk's newest complete visit. */
export function createHistory(
  directory: string,
  { maxBytes = defaultMaxBytes }: { readonly maxBytes?: number } = {},
): History {
  const file = join(directory, 'history.jsonl')
  let queue: Promise<unknown> = Promise.resolve()
  /** The visits that have a line. */
  const told = new Set<string>()

  async function append(record: HistoryRecord): Promise<AppendResult> {
    let size: number
    try {
      await mkdir(directory, { recursive: true, mode: 0o750 })
      size = await (told.has(visitKey(record)) ? replaceRecord : appendRecord)(file, record)
      told.add(visitKey(record))
    } catch (error) {
      return { kind: 'failed', reason: `the visit could not be written to ${file}: ${messageOf(error)}` }
    }
    if (size <= maxBytes) return { kind: 'written', warning: null }
    try {
      await compact(file, maxBytes / 2)
      return { kind: 'written', warning: null }
    } catch (error) {
      return { kind: 'written', warning: `${file} could not be shortened: ${messageOf(error)}` }
    }
  }

  return {
    append: (record) => {
      const appended = queue.then(() => append(record))
      queue = appended
      return appended
    },
    read: async () => {
      const parsed = (await readLines(file)).map(parseRecord)
      const known = parsed.filter((record) => record !== null)
      for (const record of known) told.add(visitKey(record))
      return { visits: mergeVisits(known), brokenLines: parsed.length - known.length }
    },
  }
}

/** Returns the size of the file after that. */
async function replaceRecord(file: string, record: HistoryRecord): Promise<number> {
  const startedAt = JSON.stringify(record.startedAt)
  const isOfThisVisit = (text: string): boolean => {
    const other = text.includes(startedAt) ? parseRecord(text) : null
    return other !== null && visitKey(other) === visitKey(record)
  }
  try {
    const others = (await readLines(file)).filter((text) => !isOfThisVisit(text))
    const text = [...others, renderRecord(record)].map((line) => `${line}\n`).join('')
    await replaceFile(file, text)
    return Buffer.byteLength(text)
  } catch {
    // No room for a second file, perhaps; there may be room for a line, and of two of a visit the last one counts.
    return appendRecord(file, record)
  }
}

/**
 * One write, flushed to the disk; a file that did not end with a line end (a crash tore its last line) gets one first.
 * Returns the size of the file after that. Throws, with the file as it was, when it did not fit.
 */
async function appendRecord(file: string, record: HistoryRecord): Promise<number> {
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT
  const handle = await open(file, flags, 0o640)
  try {
    const { size } = await handle.stat()
    const last = Buffer.alloc(1, '\n')
    if (size > 0) await handle.read(last, 0, 1, size - 1)
    const bytes = Buffer.from(`${last.toString() === '\n' ? '' : '\n'}${renderRecord(record)}\n`)
    const { bytesWritten } = await handle.write(bytes)
    if (bytesWritten < bytes.length) {
      await handle.truncate(size)
      throw new Error('there was room for a part of the line only')
    }
    await handle.sync()
    if (size === 0) await syncFolder(dirname(file))
    return size + bytes.length
  } finally {
    await handle.close()
  }
}

/** Keeps the newest lines that fit into `keepBytes`, and the newest complete visit of each disk. */
async function compact(file: string, keepBytes: number): Promise<void> {
  const kept: string[] = []
  const hasComplete = new Set<PoolGuid | DiskName>()
  let bytes = 0
  for (const line of (await readLines(file)).toReversed()) {
    const record = parseRecord(line)
    if (record === null) continue
    const disk = record.poolGuid ?? record.disk
    const isNewestComplete = record.outcome === 'complete' && !hasComplete.has(disk)
    if (isNewestComplete) hasComplete.add(disk)
    bytes += Buffer.byteLength(line) + 1
    if (bytes <= keepBytes || isNewestComplete) kept.unshift(line)
  }
  await replaceFile(file, kept.map((line) => `${line}\n`).join(''))
}

/** One of each visit: what is said of it later takes the place of what was said before. */
export function mergeVisits(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  const visits = new Map<string, HistoryRecord>()
  for (const record of records) {
    const key = visitKey(record)
    visits.delete(key)
    visits.set(key, record)
  }
  return [...visits.values()]
}

const visitKey = ({ startedAt, disk }: HistoryRecord): string => `${startedAt.getTime()} ${disk}`

/** Lines that are not empty. */
async function readLines(file: string): Promise<readonly string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

const renderRecord = (record: HistoryRecord): string => JSON.stringify(record)

/** As the protocol has them: a line with anything else would break every answer that it is in. */
const count = z.int().check(z.nonnegative())
/** What was estimated is a fraction now and then. */
const bytes = z.number().check(z.nonnegative())
const branded = <T>(brand: (text: string) => T) => z.pipe(z.string(), z.transform(brand))
const time = z.pipe(
  z.iso.datetime(),
  z.transform((text) => new Date(text)),
)

/** What is read back. Keys that a later version adds are let through unseen. */
const recordSchema = z.object({
  disk: branded(diskName),
  pool: branded(poolName),
  poolGuid: z._default(z.nullable(branded(poolGuid)), null),
  device: z.nullable(z.string()),
  ejected: z.optional(z.boolean()),
  unsaid: z.optional(z.boolean()),
  startedAt: time,
  finishedAt: time,
  outcome: z.enum(outcomes),
  sentBytes: bytes,
  datasets: z.object({ total: count, sent: count, unchanged: count, failed: count }),
  failures: z.array(z.object({ dataset: branded(datasetName), reason: z.string() })),
  reason: z.nullable(z.string()),
  space: z._default(
    z.nullable(
      z.object({
        allocatedBytes: bytes,
        sizeBytes: bytes,
        missingBytes: bytes,
        fullInVisits: z.nullable(count),
      }),
    ),
    null,
  ),
})

/** Null for a line that is no visit. */
function parseRecord(line: string): HistoryRecord | null {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    // Torn by a crash, or edited by hand; the caller counts it.
    return null
  }
  const parsed = recordSchema.safeParse(json)
  return parsed.success ? parsed.data : null
}
