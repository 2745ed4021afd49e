// What `zpool status` says of scrubs, in versions that no transcript was recorded of (zpool_main.c), and of damaged files.
import { describe, expect, test } from 'vitest'
import { parseDamaged, parseScan } from '../../src/zfs/scan.ts'

const scanOf = (...lines: readonly string[]) =>
  parseScan(['  pool: a', ' state: ONLINE', ...lines, 'config:', '', '\tNAME  STATE  READ WRITE CKSUM'])
const MB = 1024 ** 2
const progress = { scannedBytes: 50 * MB, checkedBytes: 25 * MB, totalBytes: 60 * MB }

describe('a scrub', () => {
  test('that has ended, with a day of one digit', () => {
    expect(
      scanOf('  scan: scrub repaired 0B in 1 days 02:03:04 with 7 errors on Sun Nov  1 02:04:09 2026'),
    ).toEqual({
      kind: 'finished',
      at: new Date(2026, 10, 1, 2, 4, 9),
      repairedBytes: 0,
      errors: 7n,
    })
  })
  test('that is under way, in the words of 2.1', () => {
    const lines = [
      '  scan: scrub in progress since Mon Nov 23 12:34:46 2026',
      '\t50M scanned at 25M/s, 25M issued at 12.5M/s, 60M total',
      '\t0B repaired, 42.72% done, 1 days 00:00:02 to go',
    ]
    expect(scanOf(...lines)).toEqual({ kind: 'running', ...progress, leftMs: 86_402_000 })
  })
  test('that is paused, in the words of 2.1 and of 2.3', () => {
    const head = [
      '  scan: scrub paused since Mon Nov 23 12:34:46 2026',
      '\tscrub started on Mon Nov 23 11:34:46 2026',
    ]
    for (const line of ['\t50M scanned, 25M issued, 60M total', '\t50M / 60M scanned, 25M / 60M issued'])
      expect(scanOf(...head, line, '\t0B repaired, 42.72% done')).toEqual({
        kind: 'paused',
        ...progress,
        leftMs: null,
      })
  })
  test('of which nothing is known, and what is none', () => {
    expect(scanOf()).toEqual({ kind: 'none' })
    for (const said of ['none requested', 'scrub canceled on Mon Nov 23 12:34:46 2026', 'something new'])
      expect(scanOf(`  scan: ${said}`)).toEqual({ kind: 'none' })
    expect(scanOf('  scan: resilvered 12K in 00:00:01 with 0 errors on Mon Nov 23 12:34:46 2026')).toEqual({
      kind: 'none',
    })
    expect(scanOf('  scan: resilver in progress since Mon Nov 23 12:34:46 2026')).toEqual({
      kind: 'resilvering',
    })
    expect(() => scanOf('  scan: scrub repaired 0B in 00:00:01 with 0 errors on Tomorrow')).toThrow('date')
  })
})

test('damaged files, objects and snapshots by their names', () => {
  const head = 'errors: Permanent errors have been detected in the following files:\n\n'
  const named = ['a/nas/tank@s:/my file', 'a/nas/tank:<0x2>', '<metadata>:<0x3d>', '<0x4b>:<0x2>']
  expect(parseDamaged(`  pool: a\n${head}${named.map((name) => `        ${name}\n`).join('')}`)).toEqual(
    named,
  )
  expect(parseDamaged('  pool: a\n\nerrors: No known data errors\n')).toEqual([])
})
