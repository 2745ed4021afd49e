// When a disk is scrubbed.
import { describe, expect, test } from 'vitest'
import { planScrub, type Scan } from '../../src/core/scrub.ts'

const day = 86_400_000
const now = new Date('2026-11-22T21:00:00Z')
const ago = (days: number, errors = 0n): Scan => ({
  kind: 'finished',
  at: new Date(now.getTime() - days * day),
  repairedBytes: 0,
  errors,
})
const progress = { scannedBytes: 2, checkedBytes: 1, totalBytes: 2, leftMs: null }
const plan = (
  scan: Scan,
  { everyMs = 60 * day, dataErrors = 0n }: { everyMs?: number | null; dataErrors?: bigint | null } = {},
) => {
  const { kind, because } = planScrub({ scan, dataErrors, everyMs, now })
  return `${kind}: ${because}`
}

describe('a scrub', () => {
  test.each<readonly [string, Scan, string]>([
    ['never scrubbed', { kind: 'none' }, 'begin: never'],
    ['a day ago', ago(1), 'none: not-due'],
    ['just too young', ago(59.99), 'none: not-due'],
    ['just old enough', ago(60), 'begin: old'],
    ['an hour ahead, when clocks were put back', ago(-1 / 24), 'none: not-due'],
    ['by a clock that was wrong', ago(-2), 'begin: old'],
    ['paused', { kind: 'paused', ...progress }, 'go-on: paused'],
    ['running', { kind: 'running', ...progress }, 'go-on: running'],
    ['a resilver', { kind: 'resilvering' }, 'none: resilvering'],
  ])('%s', (_, scan, expected) => expect(plan(scan)).toBe(expected))

  test('is due when ZFS remembers errors that the last one did not find, and not for ever after', () => {
    expect(plan(ago(1), { dataErrors: 3n })).toBe('begin: new-errors')
    expect(plan(ago(1, 3n), { dataErrors: 3n })).toBe('none: not-due')
    expect(plan(ago(1), { dataErrors: null })).toBe('none: not-due')
  })

  test('never is never, but for errors that no scrub has found', () => {
    const paused: Scan = { kind: 'paused', ...progress }
    for (const scan of [ago(1000), { kind: 'none' }, paused] as const)
      expect(plan(scan, { everyMs: null })).toBe('none: switched-off')
    expect(plan({ kind: 'none' }, { everyMs: null, dataErrors: 3n })).toBe('begin: new-errors')
    expect(plan(ago(1000), { everyMs: null, dataErrors: 3n })).toBe('begin: new-errors')
    expect(plan(paused, { everyMs: null, dataErrors: 3n })).toBe('go-on: paused')
    expect(plan(ago(1000, 3n), { everyMs: null, dataErrors: 3n })).toBe('none: switched-off')
    expect(plan({ kind: 'resilvering' }, { everyMs: null, dataErrors: 3n })).toBe('none: resilvering')
  })
})
