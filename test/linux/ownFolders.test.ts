// Folders that are not the service's own alone are refused or told, each with what mends it.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inspectOwnFolders } from '../../src/linux/ownFolders.ts'

let root: string
let state: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'walkaway-own-'))
  state = join(root, 'state')
  mkdirSync(state, { mode: 0o700 })
})
afterEach(() => rmSync(root, { recursive: true }))
const look = (isPublic = false) => inspectOwnFolders([{ path: state, isPublic }])

test('as systemd makes them they are fine, and so is one that is not there yet', async () => {
  writeFileSync(join(state, 'history.jsonl'), '', { mode: 0o640 })
  expect(await look()).toEqual({ refused: [], warned: [] })
  rmSync(state, { recursive: true })
  expect(await look()).toEqual({ refused: [], warned: [] })
})

test('one that everybody can write to is refused, one that its group can is told', async () => {
  chmodSync(state, 0o777)
  expect(await look()).toEqual({
    refused: [`${state} can be written to by everybody: chmod go-w ${state}`],
    warned: [],
  })
  chmodSync(state, 0o770)
  expect(await look()).toEqual({
    refused: [],
    warned: [`${state} can be written to by its group: chmod go-w ${state}`],
  })
})

test('one that others can read is told, unless it is meant to be read', async () => {
  chmodSync(state, 0o755)
  expect(await look()).toEqual({
    refused: [],
    warned: [`${state} can be read by others than its owner: chmod go= ${state}`],
  })
  expect(await look(true)).toEqual({ refused: [], warned: [] })
})

test('of a link, what it leads to is looked at', async () => {
  const elsewhere = join(root, 'elsewhere')
  mkdirSync(elsewhere, { mode: 0o700 })
  rmSync(state, { recursive: true })
  symlinkSync(elsewhere, state)
  expect(await look()).toEqual({ refused: [], warned: [] })
  chmodSync(elsewhere, 0o777)
  expect((await look()).refused).toEqual([expect.stringContaining(`${elsewhere} can be written`)])
})

test('a file in it that everybody can write is refused', async () => {
  const file = join(state, 'history.jsonl')
  writeFileSync(file, '')
  chmodSync(file, 0o666)
  expect((await look()).refused).toEqual([expect.stringContaining(`${file} can be written`)])
})

test.runIf(process.getuid?.() === 0)('one of another user is refused', async () => {
  chownSync(state, 12, 12)
  expect((await look()).refused).toEqual([`${state} belongs to the user with number 12: chown root ${state}`])
})
