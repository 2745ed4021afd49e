import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Note, Notes } from '../../src/core/reminders.ts'
import { createReminderNotes } from '../../src/linux/reminderNotes.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walkaway-reminders-'))
  file = join(folder, 'reminders.json')
})
afterEach(() => rm(folder, { recursive: true }))

const note: Note = {
  since: new Date('2026-11-22T21:00:00.123Z'),
  said: new Date('2026-11-23T09:00:00Z'),
  times: 1,
}
const notes: Notes = new Map([
  ['take-disk-away 17', note],
  ['nothing-offsite', { since: null, said: null, times: 0 }],
])

test('what was noted is read back by the next service', async () => {
  const inNewFolder = join(folder, 'new')
  await createReminderNotes(inNewFolder).write(notes)
  expect(await createReminderNotes(inNewFolder).read()).toEqual({ notes, problem: null })
  expect(await readdir(inNewFolder)).toEqual(['reminders.json'])
})

test('no file: nothing was said yet', async () => {
  expect(await createReminderNotes(folder).read()).toEqual({ notes: new Map(), problem: null })
})

test('what is there already is not written again', async () => {
  const store = createReminderNotes(folder)
  await store.write(notes)
  const { ino } = await stat(file)
  await store.write(new Map(notes))
  expect((await stat(file)).ino).toBe(ino)
  await store.write(new Map())
  expect((await createReminderNotes(folder).read()).notes).toEqual(new Map())
})

test('torn at any place: never fatal, and never what was not noted', async () => {
  await createReminderNotes(folder).write(notes)
  const whole = await readFile(file, 'utf8')
  for (let length = 0; length < whole.trimEnd().length; length++) {
    await writeFile(file, whole.slice(0, length))
    const { notes: found, problem } = await createReminderNotes(folder).read()
    expect(found).toEqual(new Map())
    expect(problem).toContain(file)
  }
})

test.each(['null', '[]', '{}', '{"notes":[]}', '{"notes":{"a":null}}', '{"notes":{"a":{"since":7}}}', '\0'])(
  'a file with %s in it',
  async (text) => {
    await writeFile(file, text)
    const { notes: found, problem } = await createReminderNotes(folder).read()
    expect(found.size).toBe(0)
    expect(problem).toContain('damaged')
  },
)

test('one bad note does not take the others along; what a later version adds is not in the way', async () => {
  const later = { version: 2, more: 1, notes: { good: { ...note, more: 1 }, bad: { since: 'yesterday' } } }
  await writeFile(file, JSON.stringify(later))
  const { notes: found, problem } = await createReminderNotes(folder).read()
  expect(found).toEqual(new Map([['good', note]]))
  expect(problem).toContain('damaged')
})

test('a file that can neither be read nor replaced: no notes and why, and the caller is told', async () => {
  await mkdir(file)
  const store = createReminderNotes(folder)
  expect(await store.read()).toMatchObject({ notes: new Map(), problem: expect.stringContaining(file) })
  await expect(store.write(notes)).rejects.toThrow()
})
