// What has not been delivered yet: one file for each message and channel below the state folder, so that a restart loses
// none. For telling people only; a file that is lost or damaged costs a message and nothing else.

import { mkdir, readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod/mini'
import type { Waiting } from '../core/delivery.ts'
import { replaceFile, syncFolder } from '../linux/replaceFile.ts'
import { isGone } from '../linux/sysfs.ts'
import { noticeSchema } from './notice.ts'

const entrySchema = z.object({
  version: z.literal(1),
  /** keyOf() of the channel. */
  channel: z.string(),
  notice: noticeSchema,
  failure: z.nullable(
    z.object({
      why: z.enum(['unreachable', 'refused', 'nobody']),
      reason: z.string(),
      tries: z.int().check(z.positive()),
      at: z.pipe(
        z.iso.datetime(),
        z.transform((text) => new Date(text)),
      ),
    }),
  ),
})
type Entry = Readonly<z.infer<typeof entrySchema>>
export type OutboxEntry = Entry & Waiting

export const entryOf = (entry: Entry): OutboxEntry => ({
  ...entry,
  at: new Date(entry.notice.at),
  urgent: entry.notice.urgency === 'high',
})

export interface Outbox {
  /** Oldest first. Files that cannot be read or understood are counted and left. Throws when the folder cannot be read. */
  read(): Promise<{ readonly entries: readonly OutboxEntry[]; readonly broken: number }>
  /** Durable when it returns; writing the same message for the same channel again replaces it. Throws. */
  write(entry: OutboxEntry): Promise<void>
  /** Gone for good when it returns; one that is not there is no failure. Throws. */
  remove(entry: OutboxEntry): Promise<void>
}

/** In the folder `outbox` of the state folder, which is made when it is first needed. */
export function createOutbox(stateFolder: string): Outbox {
  const folder = join(stateFolder, 'outbox')
  const fileOf = ({ channel, notice }: OutboxEntry): string => join(folder, `${channel}-${notice.id}.json`)

  return {
    async read() {
      const names = (await readdir(folder).catch(ifGone([]))).filter((name) => name.endsWith('.json'))
      const entries = await Promise.all(names.map((name) => readEntry(join(folder, name))))
      const known = entries.filter((entry) => entry !== null)
      return {
        entries: known.toSorted((a, b) => a.at.getTime() - b.at.getTime()),
        broken: entries.length - known.length,
      }
    },
    async write(entry) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const { version, channel, notice, failure } = entry
      await replaceFile(fileOf(entry), `${JSON.stringify({ version, channel, notice, failure })}\n`)
    },
    async remove(entry) {
      try {
        await unlink(fileOf(entry))
      } catch (error) {
        return ifGone(undefined)(error)
      }
      await syncFolder(folder)
    },
  }
}

/** null: it is no entry, or it cannot be read. */
async function readEntry(file: string): Promise<OutboxEntry | null> {
  try {
    return entryOf(entrySchema.parse(JSON.parse(await readFile(file, 'utf8'))))
  } catch {
    // Whatever is wrong with one file, the others are messages to somebody.
    return null
  }
}

const ifGone =
  <T>(value: T) =>
  (error: unknown): T => {
    if (isGone(error)) return value
    throw error
  }
