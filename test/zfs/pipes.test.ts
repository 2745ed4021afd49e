// Pipes that are used again: what one stream left, or may still hold, never reaches the next.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createRun, type Run } from '../../src/linux/run.ts'
import { createPipes, type Pipes } from '../../src/zfs/pipes.ts'

const folder = mkdtempSync(join(tmpdir(), 'walkaway-pipes-'))
afterAll(() => rmSync(folder, { recursive: true }))

function counted(): {
  readonly open: Pipes['open']
  readonly prepare: Pipes['prepare']
  readonly made: () => number
} {
  let made = 0
  const run: Run = (...args) => {
    made++
    return createRun()(...args)
  }
  return { ...createPipes(run, folder), made: () => made }
}
const readAll = (fd: number): string => {
  const buffer = Buffer.alloc(100)
  return buffer.toString('utf8', 0, readSync(fd, buffer))
}
const descriptors = (): number => readdirSync('/proc/self/fd').length

test('one pipe serves streams one after the other, and each begins empty and ends', async () => {
  const { open, made } = counted()
  for (const text of ['first', 'second']) {
    const pipe = await open()
    expect(readdirSync(folder)).toEqual([])
    // More than is read: the rest goes when the last of both ends is closed.
    writeSync(pipe.writeEnd, text + 'x'.repeat(200))
    expect(readAll(pipe.readEnd).slice(0, 7)).toBe(`${text}xx`.slice(0, 7))
    pipe.close()
    pipe.giveBack()
  }
  const last = await open()
  writeSync(last.writeEnd, 'end')
  expect(readAll(last.readEnd)).toBe('end')
  last.close()
  last.giveBack()
  expect(made()).toBe(1)
})

test('streams side by side have a pipe each', async () => {
  const { open, made } = counted()
  const [one, two] = await Promise.all([open(), open()])
  writeSync(one.writeEnd, 'one')
  writeSync(two.writeEnd, 'two')
  expect([readAll(two.readEnd), readAll(one.readEnd)]).toEqual(['two', 'one'])
  for (const pipe of [one, two]) pipe.giveBack()
  expect(made()).toBe(2)
})

test.each(['readEnd', 'writeEnd'] as const)(
  'one of which a child is left that has the %s open serves nobody else, and leaves no descriptor',
  async (end) => {
    const { open, made } = counted()
    const before = descriptors()
    const pipe = await open()
    const child = spawn('sleep', ['60'], { stdio: [pipe[end], 'ignore', 'ignore'] })
    pipe.giveBack()
    expect(descriptors()).toBe(before)
    const next = await open()
    expect(made()).toBe(2)
    writeSync(next.writeEnd, 'next')
    expect(readAll(next.readEnd)).toBe('next')
    next.giveBack()
    child.kill()
  },
)

test('one that is prepared is waited for, and is made once', async () => {
  const { open, prepare, made } = counted()
  prepare()
  prepare()
  const pipe = await open()
  expect(made()).toBe(1)
  pipe.giveBack()
  prepare()
  await open().then((again) => {
    again.giveBack()
  })
  expect(made()).toBe(1)
})

test('one that cannot be made is said to the stream, not to whoever prepared', async () => {
  const { open, prepare } = createPipes(createRun(), join(folder, 'none'))
  prepare()
  await expect(open()).rejects.toThrow('mkfifo')
})
