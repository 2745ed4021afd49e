// What `walkaway history` shows, from the daemon and from the file.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { renderHistory, runHistory } from '../../src/cli/history.ts'
import type { HistoryAnswer } from '../../src/control/protocol.ts'
import { createControlServer } from '../../src/control/server.ts'
import { diskName, poolName } from '../../src/core/model.ts'
import { createHistory } from '../../src/linux/history.ts'
import { report } from '../core/sightings.ts'

const plain = { colour: false, columns: null }
let folder: string
let said: { out: string; err: string }
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-history-'))
  said = { out: '', err: '' }
})
afterEach(() => rmSync(folder, { recursive: true }))

const run = ({ disk = null as string | null, json = false } = {}) =>
  runHistory({
    disk,
    json,
    stdout: { write: (text) => (said.out += text) },
    stderr: { write: (text) => (said.err += text) },
    socket: join(folder, 'control.sock'),
    stateFolder: folder,
    configFile: join(folder, 'config.yaml'),
  })

const visitOf = (disk: string, day: number, fields = {}) => ({
  ...report({
    startedAt: new Date(2026, 10, day, 21, 0),
    finishedAt: new Date(2026, 10, day, 21, 25, 30),
    sentBytes: 1_500_000,
    datasets: { total: 7, sent: 3, unchanged: 4, failed: 0 },
    ...fields,
  }),
  disk: diskName(disk),
  pool: poolName(disk),
  poolGuid: null,
  device: null,
})

async function remember(): Promise<void> {
  const history = createHistory(folder)
  await history.append(visitOf('offsite-1', 1))
  await history.append(
    visitOf('offsite-2', 2, {
      outcome: 'partial',
      reason: 'tank/home: it has diverged',
      datasets: { total: 7, sent: 2, unchanged: 4, failed: 1 },
    }),
  )
}

test('a line a visit, the newest last, and why it was not complete', async () => {
  await remember()
  expect(await run()).toBe(0)
  expect(said).toEqual({
    out: `FINISHED          DISK       OUTCOME   SENT    DATASETS                     TOOK
2026-11-01 21:25  offsite-1  complete  1.5 MB  3 sent, 4 unchanged            25 minutes 30 seconds
2026-11-02 21:25  offsite-2  partial   1.5 MB  2 sent, 4 unchanged, 1 failed  25 minutes 30 seconds
    tank/home: it has diverged
`.replace('DATASETS                     TOOK', 'DATASETS                       TOOK'),
    err: '',
  })
})

test('of one disk, as JSON with a version', async () => {
  await remember()
  expect(await run({ disk: 'offsite-2', json: true })).toBe(0)
  expect(JSON.parse(said.out)).toMatchObject({
    version: 1,
    visits: [{ disk: 'offsite-2', pool: 'offsite-2', outcome: 'partial', sentBytes: 1_500_000 }],
  })
})

test('a disk that nobody knows: the nearest is named', async () => {
  await remember()
  await expect(run({ disk: 'ofsite-2' })).rejects.toThrow(
    'there is no disk ofsite-2; did you mean offsite-2?',
  )
})

test('from the daemon when it runs, for those who may not read its files', async () => {
  const { outcome, datasets, failures, reason, space, sentBytes } = report()
  const instant = '2026-11-22T21:00:00.000Z'
  const visit = {
    startedAt: instant,
    finishedAt: instant,
    outcome,
    datasets,
    failures,
    reason,
    space,
    sentBytes,
  }
  const history: HistoryAnswer = { version: 1, visits: [{ disk: 'offsite-1', pool: 'p', ...visit }] }
  const server = await createControlServer({
    path: join(folder, 'control.sock'),
    onProblem: () => undefined,
    answer: (request) =>
      'disk' in request && request.disk === 'no'
        ? { version: 1, ok: false, error: { message: 'there is no disk no', exitCode: 2 } }
        : { version: 1, ok: true, history },
  })
  try {
    expect(await run({ json: true })).toBe(0)
    expect(JSON.parse(said.out)).toEqual(history)
    expect(await run({ disk: 'no' })).toBe(2)
    expect(said.err).toBe('walkaway: there is no disk no\n')
  } finally {
    await server.close()
  }
})

test('no visits yet is an answer', () => {
  expect(renderHistory({ version: 1, visits: [] }, plain)).toBe('no visits yet\n')
})

test('no name or reason drives the terminal', () => {
  const visit = { ...visitOf('a\x1b[2J', 1, { reason: 'it says \x1b]0;x\x07', outcome: 'failed' }) }
  const { startedAt, finishedAt, device: _, poolGuid: __, ...rest } = visit
  const instants = { startedAt: startedAt.toISOString(), finishedAt: finishedAt.toISOString() }
  const screen = renderHistory({ version: 1, visits: [{ ...rest, ...instants }] }, plain)
  expect(screen).not.toContain('\x1b')
})

test('without the daemon: a configured disk that was never visited has no visits yet, another one is none', async () => {
  const configuration =
    'sources: [dataset: tank]\ndisks: { new-one: { serial: S, pool: new, poolGuid: 1 } }\n'
  writeFileSync(join(folder, 'config.yaml'), configuration, { mode: 0o600 })
  expect(await run({ disk: 'new-one' })).toBe(0)
  expect(said.out).toBe('no visits yet\n')
  await expect(run({ disk: 'new-on' })).rejects.toThrow('did you mean new-one?')
})

test('lines of the file that cannot be read are mentioned beside what is known', async () => {
  await remember()
  appendFileSync(join(folder, 'history.jsonl'), 'torn\n')
  expect(await run({ json: true })).toBe(0)
  expect(JSON.parse(said.out).visits).toHaveLength(2)
  expect(said.err).toBe('walkaway: 1 line of the history cannot be read, and is skipped\n')
})
