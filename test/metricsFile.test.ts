// The file for node_exporter: whole, for everybody to read, and never more than it should be.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DiskAnswer } from '../src/control/protocol.ts'
import { renderMetrics } from '../src/metrics.ts'
import { createMetricsFile, type MetricsFile } from '../src/metricsFile.ts'
import { away, busy, ready, statusOf } from './cli/statuses.ts'

let folder: string
let file: string
let warnings: string[]
let metrics: MetricsFile
const umask = process.umask(0o077)
process.umask(umask)

beforeEach(() => {
  // As in the service.
  process.umask(0o077)
  folder = mkdtempSync(join(tmpdir(), 'walkaway-metrics-'))
  file = join(folder, 'walkaway.prom')
  warnings = []
  metrics = createMetricsFile({ warn: (message) => void warnings.push(message) })
})
afterEach(() => {
  process.umask(umask)
  rmSync(folder, { recursive: true })
})

const show = (at: string | null, ...disks: readonly DiskAnswer[]) => {
  metrics.show(at, () => statusOf(...disks))
  return metrics.settled()
}
const text = (...disks: readonly DiskAnswer[]) => renderMetrics(statusOf(...disks))

test('whole, and for everybody to read whatever the umask is', async () => {
  await show(file, ready)
  expect(readFileSync(file, 'utf8')).toBe(text(ready))
  expect(statSync(file).mode & 0o777).toBe(0o644)
  expect(readdirSync(folder)).toEqual(['walkaway.prom'])
})

test('a change replaces the file, the same again only makes it new', async () => {
  await show(file, ready)
  const { ino } = statSync(file)
  utimesSync(file, 1, 1)
  const before = Date.now()
  await show(file, ready)
  expect(statSync(file).ino).toBe(ino)
  expect(statSync(file).mtimeMs).toBeGreaterThan(before - 1000)
  await show(file, ready, away)
  expect(statSync(file).ino).not.toBe(ino)
  expect(readFileSync(file, 'utf8')).toBe(text(ready, away))
})

test('of many changes at once the last one is there at the end', async () => {
  let measured = 0
  for (const disk of [ready, away, busy])
    metrics.show(file, () => {
      measured++
      return statusOf(disk)
    })
  await metrics.settled()
  expect(readFileSync(file, 'utf8')).toBe(text(busy))
  expect(measured).toBeLessThan(3)
})

test('another place: the figures are in one file only; no place: in none', async () => {
  await show(file, ready)
  const other = join(folder, 'other.prom')
  await show(other, ready)
  expect(readdirSync(folder)).toEqual(['other.prom'])
  await show(null, ready)
  expect(readdirSync(folder)).toEqual([])
  await show(null, ready)
  expect(warnings).toEqual([])
})

test('what it did not write, it does not remove', async () => {
  writeFileSync(file, 'of somebody else')
  await show(null, ready)
  expect(existsSync(file)).toBe(true)
})

test('a folder that is not there: said once, and written once it is', async () => {
  const later = join(folder, 'later', 'walkaway.prom')
  await show(later, ready)
  await show(later, away)
  expect(warnings).toEqual([
    expect.stringMatching(/^metrics cannot be written to .*later\/walkaway\.prom: ENOENT.*make it/),
  ])
  mkdirSync(join(folder, 'later'))
  await show(later, away)
  expect(readFileSync(later, 'utf8')).toBe(text(away))
  rmSync(join(folder, 'later'), { recursive: true })
  await show(later, busy)
  expect(warnings).toHaveLength(2)
})

test('a file that somebody removed is written again', async () => {
  await show(file, ready)
  rmSync(file)
  await show(file, ready)
  expect(readFileSync(file, 'utf8')).toBe(text(ready))
  expect(warnings).toEqual([])
})

test('a link that another user laid in the way leads nowhere', async () => {
  const precious = join(folder, 'precious')
  writeFileSync(precious, 'secret')
  chmodSync(precious, 0o600)
  symlinkSync(precious, join(folder, '.walkaway.prom.walkaway-new'))
  symlinkSync(precious, file)
  await show(file, ready)
  expect(readFileSync(precious, 'utf8')).toBe('secret')
  expect(statSync(precious).mode & 0o777).toBe(0o600)
  expect(lstatSync(file).isFile()).toBe(true)
})
