// The text for Prometheus: as it is, and by a reader of its own that is as strict as the format.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StatusAnswer } from '../src/control/protocol.ts'
import { diskStates } from '../src/control/protocol.ts'
import { type Measured, renderMetrics } from '../src/metrics.ts'
import { withoutDaemon } from '../src/metricsFile.ts'
import { away, busy, daysAgo, ready, statusOf } from './cli/statuses.ts'

const measured: StatusAnswer = {
  ...statusOf(ready, away, busy, { ...away, name: 'new', lastComplete: null, lastVisit: null, dueBy: null }),
  undelivered: [
    { channel: 'wall', waiting: 2, givenUp: 1, since: daysAgo(1), reason: 'x' },
    { channel: 'ntfy', waiting: 1, givenUp: 0, since: daysAgo(1), reason: 'x' },
  ],
}

interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Throws for what the format does not allow: a sample outside of its family, a family twice, an unknown escape. */
function read(text: string): readonly Series[] {
  const families = new Set<string>()
  const series: Series[] = []
  let family: string | null = null
  let helped: string | null = null
  expect(text.endsWith('\n')).toBe(true)
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-z_]+) (\S.*)$/.exec(line)
    const type = /^# TYPE ([a-z_]+) gauge$/.exec(line)
    if (help !== null) {
      expect(families.has(help[1] ?? '')).toBe(false)
      helped = help[1] ?? ''
    } else if (type !== null) {
      expect(type[1]).toBe(helped)
      family = type[1] ?? ''
      families.add(family)
    } else {
      const sample = /^([a-z_]+)(?:\{([^\n]*)\})? (-?[0-9.e+]+)$/.exec(line)
      if (sample === null) throw new Error(`no sample: ${line}`)
      expect(sample[1]).toBe(family)
      const pairs = sample[2] === undefined ? [] : labelsIn(sample[2])
      const value = Number(sample[3])
      expect(Number.isFinite(value)).toBe(true)
      series.push({ name: family ?? '', labels: Object.fromEntries(pairs), value })
    }
  }
  const keys = series.map(({ name, labels }) => JSON.stringify([name, labels]))
  expect(new Set(keys).size).toBe(keys.length)
  return series
}

function labelsIn(text: string): readonly (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = []
  const pair = /([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y
  while (pair.lastIndex < text.length) {
    const found = pair.exec(text)
    if (found === null) throw new Error(`no labels: ${text}`)
    const value = (found[2] ?? '').replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
    pairs.push([found[1] ?? '', value])
  }
  return pairs
}

test('the text', async () => {
  await expect(renderMetrics(measured)).toMatchFileSnapshot('golden/metrics.prom')
})

test('names are in base units, and no gauge looks like a counter', () => {
  for (const { name } of read(renderMetrics(measured)))
    expect(name).toMatch(/^walkaway_(?!.*(total|count|sum|bucket|ms|minutes|hours|days|kilobytes)$)[a-z_]+$/)
})

test('a disk is in one state, and its last visit had one outcome', () => {
  const series = read(renderMetrics(measured))
  const where = (name: string, disk: string) =>
    series.filter((one) => one.name === name && one.labels['disk'] === disk && one.value === 1)
  expect(where('walkaway_disk_state', 'cellar').map(({ labels }) => labels['state'])).toEqual(['backing-up'])
  expect(
    where('walkaway_disk_last_visit_outcome', 'offsite-2').map(({ labels }) => labels['outcome']),
  ).toEqual(['partial'])
  expect(series.filter(({ name }) => name === 'walkaway_disk_state')).toHaveLength(4 * diskStates.length)
})

test('what only the daemon knows goes with it', () => {
  const gone = read(renderMetrics(withoutDaemon(measured)))
  expect(gone.find(({ name }) => name === 'walkaway_up')?.value).toBe(0)
  const names = new Set(gone.map(({ name }) => name))
  expect(names).toContain('walkaway_disk_last_complete_timestamp_seconds')
  for (const name of [
    'walkaway_disk_state',
    'walkaway_disk_visit_sent_bytes',
    'walkaway_undelivered_messages',
  ])
    expect(names).not.toContain(name)
})

test('any name of a disk or a version comes back as it was', () => {
  const text = fc.string({
    unit: fc.constantFrom('\\', '"', '\n', '{', '}', ',', '=', 'n', 'ü', '\u2028', ' ', '#'),
  })
  fc.assert(
    fc.property(fc.uniqueArray(text), text, (names, version) => {
      const of: Measured = {
        ...measured,
        daemon: { version, startedAt: daysAgo(1) },
        disks: names.map((name) => ({ ...ready, name })),
      }
      const series = read(renderMetrics(of))
      const found = series.filter(({ name }) => name === 'walkaway_disk_overdue')
      expect(found.map(({ labels }) => labels['disk'])).toEqual(names)
      expect(series.find(({ name }) => name === 'walkaway_build_info')?.labels).toEqual({ version })
    }),
  )
})
