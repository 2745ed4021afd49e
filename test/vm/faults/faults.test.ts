// `npm run test:faults`, as run.ts starts it: rounds drawn from a seed, or those of the list whose names match.
import { expect } from 'vitest'
import { say } from '../cache.ts'
import { scenario } from '../scenario.ts'
import { runCampaign, tableOf } from './campaign.ts'
import { chooseRounds, planCampaign } from './plan.ts'

const only = process.env['WALKAWAY_FAULTS_ONLY']
const seed = Number(process.env['WALKAWAY_FAULTS_SEED'])
const rounds =
  only === undefined
    ? planCampaign(seed, Number(process.env['WALKAWAY_FAULTS_COUNT']))
    : chooseRounds(new RegExp(only, 'i'), process.env['WALKAWAY_FAULTS_FROM'])
const from = only === undefined ? `seed ${seed}` : `only ${only}`
const minutesARound = 15

scenario(
  `faults ${from}`,
  async (s) => {
    // One after the other, so that there is a moment between two datasets.
    const results = await runCampaign(s, {
      rounds,
      from,
      say,
      ...(only === undefined ? {} : { parallel: 1 }),
    })
    say(`${from}\n${tableOf(results)}`)
    expect(results.flatMap(({ violations }) => violations)).toEqual([])
    expect(results).toHaveLength(rounds.length)
  },
  { timeoutMs: (10 + rounds.length * minutesARound) * 60_000 },
)
