// What is started is decided by nothing but the machine's own folders.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isOfRootAlone, programPath } from '../../src/linux/programs.ts'
import { createRun } from '../../src/linux/run.ts'

let folder: string
const { PATH } = process.env
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-programs-'))
})
afterEach(() => {
  process.env['PATH'] = PATH
  rmSync(folder, { recursive: true })
})

test('a program of the same name that comes first in our own PATH is not started', async () => {
  writeFileSync(join(folder, 'uname'), '#!/bin/sh\necho mine\n', { mode: 0o755 })
  process.env['PATH'] = `${folder}:${PATH}`
  expect(programPath('uname')).toMatch(/^(\/usr)?\/bin\/uname$/)
  expect((await createRun()('uname', [], { deadlineMs: 60_000 })).stdout).toBe('Linux\n')
})

test('a path is taken as it is; what is nowhere is nothing', () => {
  expect(programPath('/opt/x/zfs')).toBe('/opt/x/zfs')
  expect(programPath('no-such-program-of-walkaway')).toBeNull()
  // A folder is no program.
  expect(programPath('.')).toBeNull()
})

test('a folder that others can write to is no place for a program', () => {
  chmodSync(folder, 0o755)
  expect(isOfRootAlone(folder)).toBe(process.getuid?.() === 0)
  chmodSync(folder, 0o775)
  expect(isOfRootAlone(folder)).toBe(false)
  expect(isOfRootAlone(join(folder, 'nowhere'))).toBe(false)
})
