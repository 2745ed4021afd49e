// The whole campaign on one server, and what came of it as a table.
import type { Scenario } from '../scenario.ts'
import type { FaultKind, Round } from './plan.ts'
import { playRound, type RoundResult } from './round.ts'
import { createWorld } from './world.ts'

export type Campaign = {
  readonly rounds: readonly Round[]
  /** Where the rounds come from: `seed 5`. */
  readonly from: string
  readonly say: (line: string) => void
  /** Datasets in flight at once. */
  readonly parallel?: number
}

/** Ends with the first round that went wrong: what follows on a world that is not right proves nothing. */
export async function runCampaign(
  s: Scenario,
  { rounds, from, say, ...options }: Campaign,
): Promise<readonly RoundResult[]> {
  const world = await createWorld(s, options)
  const results: RoundResult[] = []
  for (const [at, round] of rounds.entries()) {
    const where = `round ${at + 1} of ${rounds.length}, ${from}`
    try {
      const result = await playRound(world, round)
      results.push(result)
      const { recoveryMs, struckAfterMs } = result
      const struck = struckAfterMs === null ? '' : `, struck after ${struckAfterMs} ms`
      say(`${where}: ${round.name}: ${(recoveryMs / 1000).toFixed(0)} s${struck}`)
      if (result.violations.length > 0) return results
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(`${where}: ${JSON.stringify(round)}: ${reason}`, { cause: error })
    }
  }
  return results
}

const heading = [
  'fault',
  'rounds',
  'plugged in',
  'resumed',
  'reboots',
  'longest recovery',
  'slowest status',
  'violations',
]

/** A line a kind of fault that was met. */
export function tableOf(results: readonly RoundResult[]): string {
  const kinds = [...new Set(results.map(({ round }) => round.fault))].sort()
  const lines = kinds.map((kind) =>
    lineOf(
      kind,
      results.filter(({ round }) => round.fault === kind),
    ),
  )
  const rows = [heading, ...lines, lineOf('all', results)]
  const widths = heading.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const lineOf = (name: FaultKind | 'all', of: readonly RoundResult[]): readonly string[] => {
  const sum = (value: (result: RoundResult) => number): string =>
    String(of.reduce((all, each) => all + value(each), 0))
  const most = (value: (result: RoundResult) => number): number => Math.max(0, ...of.map(value))
  return [
    name,
    String(of.length),
    sum(({ plugged }) => plugged),
    sum(({ resumed }) => resumed),
    sum(({ reboots }) => reboots),
    `${(most(({ recoveryMs }) => recoveryMs) / 1000).toFixed(0)} s`,
    `${most(({ statusMs }) => statusMs.median)} ms`,
    `${most(({ statusMs }) => statusMs.slowest)} ms`,
    sum(({ violations }) => violations.length),
  ]
}
