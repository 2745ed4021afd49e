// What a pool remembers of its datasets (`zpool history -i`): which snapshots were taken and destroyed, what was received and
// what was renamed, each with its transaction group. What follows from it is core/timeline.ts.
import type { PoolEvent } from '../core/timeline.ts'
import type { Run } from '../linux/run.ts'
import { classified } from './complaint.ts'
import { checkPool } from './names.ts'

export interface HistoryRequest {
  readonly pool: string
  /** Events of earlier transaction groups are left out. */
  readonly sinceTxg: bigint
  readonly signal?: AbortSignal
}

export interface Histories {
  /**
   * Tells `hear` what happened, oldest first, while it is read: a history may have a gigabyte, and none of it is kept.
   * Every name begins with that of the pool as it is now, whatever it was imported as before.
   * Returns the transaction group of the oldest thing that the pool remembers, its creation aside, which no pool forgets;
   * null: nothing. What is older than that was forgotten. One process.
   */
  eventsSince(request: HistoryRequest, hear: (event: PoolEvent) => void): Promise<bigint | null>
}

const HISTORY_MS = 10 * 60_000

export const createHistories = (run: Run): Histories => ({
  async eventsSince({ pool, sinceTxg, signal }, hear) {
    checkPool(pool)
    let oldestTxg: bigint | null = null
    let rest = ''
    const read = (line: string): void => {
      const found = parseHistoryLine(line, sinceTxg)
      if (found === null || found.isCreation) return
      oldestTxg ??= found.txg
      if (found.event !== null) hear(inPool(pool, found.event))
    }
    const onStdout = (text: string): void => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      lines.forEach(read)
    }
    const options = { deadlineMs: HISTORY_MS, onStdout, ...(signal !== undefined && { signal }) }
    await run('zpool', ['history', '-i', pool], options).catch((error: unknown) => {
      throw classified(error)
    })
    read(rest)
    return oldestTxg
  },
})

function inPool(pool: string, event: PoolEvent): PoolEvent {
  const now = (name: string): string => name.replace(/^[^/]*/, () => pool)
  return event.kind === 'dataset-renamed'
    ? { ...event, from: now(event.from), to: now(event.to) }
    : { ...event, dataset: now(event.dataset) }
}

/** Where the transaction group begins: behind the time, which is always as long (print_history_records(), zpool_main.c). */
const TXG_AT = '2026-11-24.01:25:14 '.length

interface HistoryLine {
  readonly txg: bigint
  /** The record that the history begins with for ever. */
  readonly isCreation: boolean
  /** null: too old, or nothing that this program asks about. */
  readonly event: PoolEvent | null
}

/** Null: no internal record, but a command, or a line of what one was given. No dataset's name has a parenthesis in it. */
export function parseHistoryLine(line: string, sinceTxg: bigint): HistoryLine | null {
  if (!line.startsWith('[txg:', TXG_AT)) return null
  const record = /^\[txg:(?<txg>\d+)\] (?<what>.*)$/.exec(line.slice(TXG_AT))?.groups
  if (record === undefined) return null
  const { txg: digits = '', what = '' } = record
  const txg = BigInt(digits)
  return {
    txg,
    isCreation: what.startsWith('create pool version'),
    event: txg < sinceTxg ? null : parseEvent(txg, what),
  }
}

function parseEvent(txg: bigint, what: string): PoolEvent | null {
  const point = /^(?<verb>snapshot|destroy) (?<dataset>[^@(]+)@(?<name>[^(]+) \(\d+\)/.exec(what)?.groups
  if (point !== undefined) {
    const { verb, dataset = '', name = '' } = point
    return { kind: verb === 'snapshot' ? 'snapshot-taken' : 'snapshot-destroyed', txg, dataset, name }
  }
  const rename = /^rename (?<dataset>[^@(]+)(?:@(?<from>[^(]+))? \(\d+\) -> (?<at>@?)(?<to>.+)$/.exec(
    what,
  )?.groups
  if (rename !== undefined) {
    const { dataset = '', from, to = '' } = rename
    return from === undefined
      ? { kind: 'dataset-renamed', txg, from: dataset, to }
      : { kind: 'snapshot-renamed', txg, dataset, from, to }
  }
  const receive = /^(?<verb>receive|clone swap) (?<dataset>[^@(]+)\/%recv \((?<receiving>\d+)\)/.exec(
    what,
  )?.groups
  if (receive === undefined) return null
  const { verb, dataset = '', receiving = '' } = receive
  return { kind: verb === 'receive' ? 'receive-begun' : 'received', txg, dataset, receiving }
}
