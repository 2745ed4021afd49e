// What `walkaway --help` prints is what the screens of the first hour show.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
/** Where a line is broken depends on the terminal. */
const words = (text: string): string => text.trim().replaceAll(/\s+/g, ' ')

test('the help in the screens of the first hour is that of the program', { timeout: 60_000 }, () => {
  const golden = readFileSync(join(root, 'test/golden/first-hour/01-help.txt'), 'utf8')
  const argv = ['--import', 'tsx', 'src/main.ts', '--help']
  // As on a machine without an own place for the configuration.
  const { WALKAWAY_CONFIG: _, ...env } = process.env
  const { stdout } = spawnSync(process.execPath, argv, { cwd: root, encoding: 'utf8', env })
  expect(words(golden)).toBe(words(`# walkaway --help\n${stdout}`))
})
