// What `zpool history -i` of a real pool says, as events; and that a long one is not kept.
import { describe, expect, test } from 'vitest'
import type { PoolEvent } from '../../src/core/timeline.ts'
import { BadInput, CommandFailed } from '../../src/errors.ts'
import type { Run } from '../../src/linux/run.ts'
import { createHistories, parseHistoryLine } from '../../src/zfs/history.ts'
import { readTranscript } from '../transcripts/transcript.ts'

const { stdout: recorded, command } = readTranscript('2.3.9', 'pool-history')

/** `pieceLength`: how much of it is heard at once. */
function historyOf(stdout: string, pieceLength: number) {
  const ran: (readonly string[])[] = []
  const run: Run = async (file, args, { onStdout }) => {
    ran.push([file, ...args])
    for (let at = 0; at < stdout.length; at += pieceLength) onStdout?.(stdout.slice(at, at + pieceLength))
    return { stdout: '', stderr: '', durationMs: 1 }
  }
  return { histories: createHistories(run), ran }
}

async function eventsOf(stdout: string, sinceTxg: bigint, { pieceLength = 7, pool = 'tank' } = {}) {
  const events: PoolEvent[] = []
  const { histories } = historyOf(stdout, pieceLength)
  const oldestTxg = await histories.eventsSince({ pool, sinceTxg }, (event) => events.push(event))
  return { events, oldestTxg }
}

const inWords = ({ kind, txg, ...rest }: PoolEvent): string => [txg, kind, ...Object.values(rest)].join(' | ')

describe('the history of a pool', () => {
  test('tells what happened, in order, with names that have blanks in them', async () => {
    const { events, oldestTxg } = await eventsOf(recorded, 36n)
    expect(oldestTxg).toBe(26n)
    expect(events.map(inWords)).toEqual([
      '36 | snapshot-taken | tank/r/vol | s1',
      '37 | snapshot-taken | tank/r | X',
      '37 | snapshot-taken | tank/r/vol | X',
      '37 | snapshot-taken | tank/r/a b | X',
      '38 | snapshot-renamed | tank/r/vol | X | Y',
      '38 | snapshot-renamed | tank/r/a b | X | Y',
      '38 | snapshot-renamed | tank/r | X | Y',
      '39 | dataset-renamed | tank/r | tank/q',
      '40 | snapshot-taken | tank/o | s2',
      '40 | snapshot-taken | tank/o/a b | s2',
      '40 | snapshot-taken | tank/o/vol | s2',
      '43 | snapshot-destroyed | tank/q | Y',
      '44 | snapshot-destroyed | tank/q/vol | Y',
      '45 | snapshot-destroyed | tank/q/a b | Y',
      '46 | receive-begun | tank/q | 234',
      '47 | received | tank/q | 234',
      '47 | snapshot-taken | tank/q | s2',
      '48 | receive-begun | tank/q/a b | 248',
      '49 | received | tank/q/a b | 248',
      '49 | snapshot-taken | tank/q/a b | s2',
      '50 | receive-begun | tank/q/vol | 258',
      '51 | received | tank/q/vol | 258',
      '51 | snapshot-taken | tank/q/vol | s2',
      '52 | snapshot-taken | tank/q | Z',
      '54 | snapshot-destroyed | tank/q | Z',
      '57 | snapshot-taken | tank/o | s3',
      '60 | receive-begun | tank/none | 283',
      '61 | received | tank/none | 283',
      '61 | snapshot-taken | tank/none | s1',
    ])
  })

  test.each([1, 100, 1_000_000])('is read in pieces of any length: %i', async (pieceLength) => {
    expect(await eventsOf(recorded, 0n, { pieceLength })).toEqual(await eventsOf(recorded, 0n))
  })

  test('what a pool did under another name, it did', async () => {
    const { events } = await eventsOf(recorded, 36n)
    const moved = await eventsOf(recorded, 36n, { pool: 'tank2' })
    expect(moved.events.map(inWords)).toEqual(
      events.map((event) => inWords(event).replaceAll('tank', () => 'tank2')),
    )
  })

  test('was asked as it was recorded', async () => {
    const { histories, ran } = historyOf('', 1)
    expect(await histories.eventsSince({ pool: 'tank', sinceTxg: 0n }, () => undefined)).toBeNull()
    expect(ran).toEqual([command])
  })

  test('no pool forgets its creation: that says nothing of how far back the rest goes', async () => {
    const created = '2026-11-24.01:20:00 [txg:5] create pool version 5000; software version zfs-2.3.9\n'
    const { oldestTxg } = await eventsOf(`History for 'tank':\n${created}${recorded}`, 0n)
    expect(oldestTxg).toBe(26n)
  })

  test('a command is none of it, nor what it was given', () => {
    for (const line of [
      '2026-11-24.01:25:13 zfs snapshot -r tank/o@s1',
      '            [txg:5] snapshot tank/o@s1 (1)',
      '2026-11-24.01:25:13 zfs set a=[txg:5] snapshot tank/o@s1 (1)',
      '',
    ])
      expect(parseHistoryLine(line, 0n)).toBeNull()
  })

  test('fails as the command fails, and is not asked for what is no pool', async () => {
    const failing = createHistories(async () => {
      throw new CommandFailed({ command: ['zpool'], exitCode: 1, signal: null, stderr: 'no such pool' })
    })
    const asked = { sinceTxg: 0n }
    await expect(failing.eventsSince({ ...asked, pool: 'tank' }, () => undefined)).rejects.toBeInstanceOf(
      CommandFailed,
    )
    await expect(failing.eventsSince({ ...asked, pool: '-i' }, () => undefined)).rejects.toBeInstanceOf(
      BadInput,
    )
  })
})
