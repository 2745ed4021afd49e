// reminders.json: of what a person was reminded when, so that a restart of the service neither repeats nor forgets it. For
// reminders only; what is lost of it costs one that comes twice, or late.

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod/mini'
import type { Note, Notes } from '../core/reminders.ts'
import { messageOf } from '../errors.ts'
import { replaceFile } from './replaceFile.ts'
import { isGone } from './sysfs.ts'

export interface ReminderNotes {
  /** Never throws: what cannot be read is left out, and `problem` is a sentence about it. */
  read(): Promise<{ readonly notes: Notes; readonly problem: string | null }>
  /** On the disk when it resolves; what is there already is not written again. Throws when it cannot be written. */
  write(notes: Notes): Promise<void>
}

/** The file of `directory`. */
export function createReminderNotes(directory: string): ReminderNotes {
  const file = join(directory, 'reminders.json')
  let written: string | null = null
  return {
    async read() {
      try {
        return parseNotes(await readFile(file, 'utf8'), file)
      } catch (error) {
        const problem = isGone(error) ? null : `${file} cannot be read: ${messageOf(error)}`
        return { notes: new Map(), problem }
      }
    },
    async write(notes) {
      const text = `${JSON.stringify({ version: 1, notes: Object.fromEntries(notes) })}\n`
      if (text === written) return
      await mkdir(directory, { recursive: true, mode: 0o750 })
      await replaceFile(file, text)
      written = text
    },
  }
}

const time = z.nullable(
  z.pipe(
    z.iso.datetime(),
    z.transform((text) => new Date(text)),
  ),
)
const noteSchema = z.object({ since: time, said: time, times: z.int().check(z.nonnegative()) })
/** Each note by itself, so that a bad one does not take the others along. */
const fileSchema = z.object({ notes: z.record(z.string(), z.unknown()) })

function parseNotes(text: string, file: string): { readonly notes: Notes; readonly problem: string | null } {
  const parsed = fileSchema.safeParse(parseJson(text))
  const entries = parsed.success ? Object.entries(parsed.data.notes) : []
  const notes = new Map<string, Note>()
  for (const [about, value] of entries) {
    const note = noteSchema.safeParse(value)
    if (note.success) notes.set(about, note.data)
  }
  const isWhole = parsed.success && notes.size === entries.length
  return { notes, problem: isWhole ? null : `${file} is damaged: a reminder may come twice` }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Torn, or edited by hand: no object, so the schema refuses it.
    return undefined
  }
}
