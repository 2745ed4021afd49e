// A command that only shows something ends with its reader; one that makes something does not.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { watchReader } from '../../src/cli/lostReader.ts'

const epipe = () => Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })

test('what only shows something leaves; what has begun something goes on', () => {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() }
  const left: number[] = []
  const reader = watchReader(streams, (exitCode) => left.push(exitCode))
  streams.stdout.emit('error', epipe())
  expect(left).toEqual([0])
  streams.stdout.emit('error', Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' }))
  expect(left).toEqual([0, 1])
  reader.outlive()
  streams.stdout.emit('error', epipe())
  streams.stderr.emit('error', epipe())
  expect(left).toEqual([0, 1])
})

test('what was written is waited for, until it was taken or its reader is gone', async () => {
  for (const end of ['read', 'close', 'break'] as const) {
    const streams = { stdout: new PassThrough({ highWaterMark: 10 }), stderr: new PassThrough() }
    const reader = watchReader(streams, () => undefined)
    await reader.caughtUp()
    streams.stdout.write('more than it has room for, twice')
    streams.stdout.write('more than it has room for, twice')
    let isCaughtUp = false
    const caughtUp = reader.caughtUp().then(() => {
      isCaughtUp = true
    })
    await new Promise(setImmediate)
    expect(isCaughtUp).toBe(false)
    if (end === 'read') streams.stdout.resume()
    if (end === 'close') streams.stdout.destroy()
    if (end === 'break') streams.stdout.destroy(epipe())
    await caughtUp
  }
})

test('the service does not wait for a journal that takes nothing', async () => {
  const streams = { stdout: new PassThrough({ highWaterMark: 10 }), stderr: new PassThrough() }
  const reader = watchReader(streams, () => undefined)
  reader.outlive({ lastWordsMs: 10 })
  streams.stdout.write('more than it has room for, twice')
  streams.stdout.write('more than it has room for, twice')
  await reader.caughtUp()
})

test.each([
  ['daemon', 'service'],
  ['init', 'disks'],
  ['adopt', 'disks'],
  ['restore', 'disks'],
])('%s is not left half done, because it says so before it is loaded', (command, family) => {
  const commands = readFileSync(join(import.meta.dirname, `../../src/cli/commands/${family}.ts`), 'utf8')
  expect(commands).toMatch(
    new RegExp(`reader\\.outlive\\([^\\n]*\\)\\n([^\\n]*compileNothing[^\\n]*\\n)*[^\\n]*/${command}\\.ts'`),
  )
})
