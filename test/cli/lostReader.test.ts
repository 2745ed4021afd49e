// A command that only shows something ends with its reader; one that makes something does not.
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { watchReader } from '../../src/cli/lostReader.ts'

const epipe = () => Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })

test('what only shows something leaves; what has begun something goes on', () => {
  const streams = { stdout: new EventEmitter(), stderr: new EventEmitter() }
  let left = 0
  const reader = watchReader(streams, () => left++)
  streams.stdout.emit('error', epipe())
  expect(left).toBe(1)
  reader.outlive()
  streams.stdout.emit('error', epipe())
  streams.stderr.emit('error', epipe())
  expect(left).toBe(1)
})

test.each([
  ['daemon', 'service'],
  ['init', 'disks'],
  ['adopt', 'disks'],
  ['restore', 'disks'],
])('%s is not left half done, because it says so before it is loaded', (command, family) => {
  const commands = readFileSync(join(import.meta.dirname, `../../src/cli/commands/${family}.ts`), 'utf8')
  expect(commands).toMatch(
    new RegExp(`reader\\.outlive\\(\\)\\n([^\\n]*compileLate[^\\n]*\\n)*[^\\n]*/${command}\\.ts'`),
  )
})
