// The journal of a visit in the README is what the program says.
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { datasetName, diskName, poolName } from '../src/core/model.ts'
import type { WalkawayEvent } from '../src/events.ts'
import { render } from '../src/sentences.ts'
import { report } from './core/sightings.ts'

const ofDisk = { disk: diskName('offsite-1'), pool: poolName('offsite-1') }
const visit = report({
  startedAt: new Date(2026, 10, 22, 17, 58, 2),
  finishedAt: new Date(2026, 10, 22, 18, 38, 42),
  sentBytes: 83_300_000_000,
  datasets: { total: 12, sent: 2, unchanged: 10, failed: 0 },
})
const sent = (dataset: string, sentBytes: number, durationMs: number): WalkawayEvent => ({
  kind: 'dataset-sent',
  ...ofDisk,
  dataset: datasetName(dataset),
  how: 'incremental',
  missingOrigin: null,
  sentBytes,
  durationMs,
})
const story: readonly WalkawayEvent[] = [
  { kind: 'disk-arrived', ...ofDisk },
  { kind: 'pool-imported', ...ofDisk, how: 'imported' },
  { kind: 'snapshot-taken', ...ofDisk, snapshot: 'walkaway_20261122T175806Z', datasets: 12 },
  {
    kind: 'plan-made',
    ...ofDisk,
    toSend: 2,
    full: 0,
    upToDate: 10,
    conflicts: 0,
    resumed: 0,
    notes: [],
    estimatedBytes: 84_000_000_000,
    readyAt: new Date(2026, 10, 22, 18, 40),
    plannedAt: new Date(2026, 10, 22, 17, 58),
  },
  sent('tank/home', 6_100_000_000, 207_000),
  sent('tank/photos', 77_200_000_000, 2_211_000),
  { kind: 'verified', ...ofDisk, datasets: 12 },
  { kind: 'pruned', ...ofDisk, why: 'given-up', onDisk: 31, onSource: 12, left: [] },
  { kind: 'backup-finished', ...ofDisk, report: visit, standing: 'in-use' },
  { kind: 'pool-exported', ...ofDisk },
  { kind: 'safe-to-remove', ...ofDisk, report: visit, stopped: true, note: null },
]

test('line by line', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const shown = [...readme.matchAll(/^Nov 22 [\d:]+ nas walkaway\[\d+\]: (.*)$/gm)].map(([, line]) => line)
  expect(shown).toEqual(story.map((event) => render(event).message))
  for (const event of story) expect(render(event).priority).toBeGreaterThanOrEqual(5)
})
