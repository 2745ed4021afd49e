// The whole campaign on one server, and what came of it as a table.
import type { Scenario } from '../scenario.ts'
import { type FaultKind, faultKinds, planCampaign } from './plan.ts'
import { playRound, type RoundResult } from './round.ts'
import { createWorld } from './world.ts'

export type Campaign = { readonly seed: number; readonly count: number; readonly say: (line: string) => void }

/** Ends with the first round that went wrong: what follows on a world that is not right proves nothing. */
export async function runCampaign(
  s: Scenario,
  { seed, count, say }: Campaign,
): Promise<readonly RoundResult[]> {
  const world = await createWorld(s)
  const results: RoundResult[] = []
  for (const [at, round] of planCampaign(seed, count).entries()) {
    const where = `round ${at + 1} of ${count}, seed ${seed}`
    try {
      const result = await playRound(world, round)
      results.push(result)
      const { fault, moment, delayMs } = round
      say(`${where}: ${fault}, ${delayMs} ms after ${moment}: ${(result.recoveryMs / 1000).toFixed(0)} s`)
      if (result.violations.length > 0) return results
    } catch (error) {
      throw new Error(
        `${where}: ${JSON.stringify(round)}: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      )
    }
  }
  return results
}

const heading = [
  'fault',
  'rounds',
  'plugged in',
  'resumed',
  'longest recovery',
  'slowest status',
  'violations',
]

/** A line a kind of fault that was met. */
export function tableOf(results: readonly RoundResult[]): string {
  const lines = faultKinds.flatMap((kind) => {
    const of = results.filter(({ round }) => round.fault === kind)
    return of.length === 0 ? [] : [lineOf(kind, of)]
  })
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
    `${(most(({ recoveryMs }) => recoveryMs) / 1000).toFixed(0)} s`,
    `${most(({ statusMs }) => statusMs.median)} ms`,
    `${most(({ statusMs }) => statusMs.slowest)} ms`,
    sum(({ violations }) => violations.length),
  ]
}
