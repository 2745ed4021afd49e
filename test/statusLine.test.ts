import { expect, test } from 'vitest'
import type { DiskState } from '../src/core/diskState.ts'
import {
  type Disk,
  datasetName,
  diskName,
  type Progress,
  poolGuid,
  poolName,
  serial,
} from '../src/core/model.ts'
import { statusLine } from '../src/statusLine.ts'
import { start, states } from './core/sightings.ts'

const shown = (name: string, state: DiskState, progress: Progress | null = null) => {
  const disk: Disk = {
    name: diskName(name),
    serials: [serial('S')],
    pool: poolName(name),
    poolGuid: poolGuid('1'),
    luks: null,
  }
  return { disk, state: () => state, progress: () => progress }
}
const line = (...disks: readonly ReturnType<typeof shown>[]): string => statusLine(disks, start)
const progress: Progress = {
  phase: 'backing-up',
  dataset: datasetName('tank/home'),
  sentBytes: 1_500_000,
  totalBytes: 3_000_000,
  bytesPerSecond: 1000,
  readyAt: new Date(start.getTime() + 3_600_000),
}

test('nothing plugged in', () => {
  expect(line()).toBe('waiting for a backup disk')
  expect(line(shown('a', states.absent), shown('b', states.absent))).toBe('waiting for a backup disk')
})

test.each<[DiskState, string]>([
  [states.arriving, 'one: waiting for its devices to settle'],
  [states.refused, 'one: refused, not touched'],
  [{ ...states.visiting, phase: 'importing' }, 'one: importing its pool'],
  [{ ...states.visiting, phase: 'verifying' }, 'one: reading the backup back'],
  [{ ...states.visiting, phase: 'exporting' }, 'one: exporting its pool'],
  [states.removable, 'one: SAFE TO REMOVE, backup complete'],
  [{ ...states.removable, outcome: 'partial' }, 'one: SAFE TO REMOVE, backup partial'],
  [states['not-removable'], 'one: do not remove it: because'],
  [states.pulled, 'one: pulled out while in use, plug it in again'],
  [states.stuck, 'one: stuck: because'],
])('%o', (state, words) => {
  expect(line(shown('one', state), shown('other', states.absent))).toBe(words)
})

test('only a removable disk is called safe', () => {
  for (const state of Object.values(states))
    expect(line(shown('one', state)).includes('SAFE')).toBe(state.kind === 'removable')
})

test('what is being sent, how far, and until when', () => {
  const sending = line(shown('one', states.visiting, progress))
  expect(sending).toMatch(/^one: sending tank\/home, 1\.5 MB of 3 MB, ready about \d\d:\d\d$/)
  for (const readyAt of [null, start])
    expect(line(shown('one', states.visiting, { ...progress, readyAt }))).toBe(
      'one: sending tank/home, 1.5 MB of 3 MB',
    )
})

test('several disks', () => {
  expect(line(shown('one', states.removable), shown('two', states.stuck))).toBe(
    'one: SAFE TO REMOVE, backup complete; two: stuck: because',
  )
})
