import { appendFile, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { datasetName, diskName, poolGuid, poolName } from '../../src/core/model.ts'
import { createHistory, type HistoryRecord, isVisitTo } from '../../src/linux/history.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walkaway-history-'))
  file = join(folder, 'history.jsonl')
})
afterEach(() => rm(folder, { recursive: true }))

const visit = (changes: Partial<HistoryRecord> = {}): HistoryRecord => ({
  disk: diskName('offsite-1'),
  pool: poolName('offsite-1'),
  poolGuid: poolGuid('17'),
  device: 'boot 14',
  startedAt: new Date('2026-11-22T21:00:00Z'),
  finishedAt: new Date('2026-11-22T21:25:10Z'),
  outcome: 'partial',
  sentBytes: 123_456,
  datasets: { total: 2, sent: 1, unchanged: 0, failed: 1 },
  failures: [{ dataset: datasetName('tank/a b'), reason: 'two\nlines' }],
  reason: null,
  space: { allocatedBytes: 5, sizeBytes: 10, missingBytes: 0, fullInVisits: 4 },
  ...changes,
})

/** Visits begin at different times. */
const at = (minute: number) => ({ startedAt: new Date(Date.UTC(2026, 10, 22, 21, minute)) })

test('what was written is read back, a line a visit', async () => {
  const history = createHistory(join(folder, 'new'))
  const records = [visit(), visit({ ...at(1), outcome: 'complete', failures: [], reason: 'x' })]
  for (const record of records)
    expect(await history.append(record)).toEqual({ kind: 'written', warning: null })
  expect(await history.read()).toEqual({ visits: records, brokenLines: 0 })
  expect((await readFile(join(folder, 'new/history.jsonl'), 'utf8')).split('\n')).toHaveLength(3)
})

test('what is said again of a visit takes its place, and counts once', async () => {
  const history = createHistory(folder)
  const later = { startedAt: new Date('2026-11-23T21:00:00Z') }
  for (const record of [visit({ device: null }), visit({ disk: diskName('b') }), visit(), visit(later)])
    await history.append(record)
  const { visits } = await history.read()
  expect(visits).toEqual([visit({ disk: diskName('b') }), visit(), visit(later)])
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { disk: string }).disk)).toEqual([
    'b',
    'offsite-1',
    'offsite-1',
  ])
})

test('where the file cannot be replaced, what is said again is a line more, and counts once all the same', async () => {
  const history = createHistory(folder)
  await history.append(visit({ device: null }))
  // In the place of the temporary file.
  await mkdir(join(folder, '.history.jsonl.walkaway-new', 'full'), { recursive: true })
  expect(await history.append(visit())).toEqual({ kind: 'written', warning: null })
  expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(2)
  expect((await history.read()).visits).toEqual([visit()])
})

test('a visit is of the disk with that pool GUID; where none was noted, of the one with that pool name', () => {
  const disk = { pool: poolName('offsite-1'), poolGuid: poolGuid('17') }
  expect(isVisitTo(disk, visit())).toBe(true)
  expect(isVisitTo(disk, visit({ pool: poolName('before') }))).toBe(true)
  expect(isVisitTo(disk, visit({ poolGuid: poolGuid('18') }))).toBe(false)
  expect(isVisitTo(disk, visit({ poolGuid: null }))).toBe(true)
  expect(isVisitTo(disk, visit({ poolGuid: null, pool: poolName('before') }))).toBe(false)
})

test('lines of a version that did not note the pool GUID are read', async () => {
  const { poolGuid: _, ...old } = visit()
  await writeFile(file, `${JSON.stringify(old)}\n`)
  expect((await createHistory(folder).read()).visits).toEqual([visit({ poolGuid: null })])
})

test('no file is an empty history', async () => {
  expect(await createHistory(folder).read()).toEqual({ visits: [], brokenLines: 0 })
})

test('a line torn by a crash is skipped and does not spoil the next one', async () => {
  const history = createHistory(folder)
  await history.append(visit())
  await appendFile(file, '{"disk":"offsite-1","poo')
  await history.append(visit({ ...at(1), outcome: 'complete' }))
  const { visits, brokenLines } = await history.read()
  expect(visits.map((one) => one.outcome)).toEqual(['partial', 'complete'])
  expect(brokenLines).toBe(1)
})

test('lines that are no visits are skipped, keys of a later version are not in the way', async () => {
  const lines = ['[]', 'null', '{}', '{"outcome":"great"}', '', JSON.stringify({ ...visit(), later: 1 })]
  await writeFile(file, lines.join('\n'))
  expect(await createHistory(folder).read()).toEqual({ visits: [visit()], brokenLines: 4 })
})

test('a line with a number that is none in an answer of the daemon is skipped', async () => {
  const datasets = { total: 2, sent: 0.5, unchanged: 0, failed: 1 }
  const space = { allocatedBytes: 5, sizeBytes: 10, missingBytes: 0.5, fullInVisits: null }
  const estimated = visit({ space })
  const lines = [{ ...visit(), datasets }, { ...visit(), space: { ...space, fullInVisits: 1.5 } }, estimated]
  await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'))
  const { visits, brokenLines } = await createHistory(folder).read()
  expect([visits, brokenLines]).toEqual([[estimated], 2])
})

test('calls at the same time do not mix', async () => {
  const history = createHistory(folder)
  const many = Array.from({ length: 30 }, (_, sentBytes) => visit({ ...at(sentBytes), sentBytes }))
  await Promise.all(many.map(history.append))
  expect((await history.read()).visits).toEqual(many)
})

test('a folder that cannot be written is a value, and the next call works again', async () => {
  const blocked = join(folder, 'blocked')
  await writeFile(blocked, 'a file where the folder should be')
  const history = createHistory(blocked)
  expect(await history.append(visit())).toMatchObject({
    kind: 'failed',
    reason: expect.stringContaining(blocked),
  })
  await rm(blocked)
  expect(await history.append(visit())).toMatchObject({ kind: 'written' })
})

test('a full disk is a value', async () => {
  await symlink('/dev/full', file)
  expect(await createHistory(folder).append(visit())).toMatchObject({
    kind: 'failed',
    reason: expect.stringContaining('ENOSPC'),
  })
})

test("above its limit the oldest half goes, a disk's newest complete visit stays", async () => {
  const history = createHistory(folder, { maxBytes: 4_000 })
  const other = visit({ disk: diskName('offsite-2'), outcome: 'complete' })
  await history.append(other)
  for (let sentBytes = 1; sentBytes <= 40; sentBytes += 1)
    await history.append(visit({ ...at(sentBytes), sentBytes }))
  const { visits, brokenLines } = await history.read()
  expect((await stat(file)).size).toBeLessThanOrEqual(4_000)
  expect(visits[0]).toEqual(other)
  expect(visits.at(-1)?.sentBytes).toBe(40)
  expect(brokenLines).toBe(0)
})
