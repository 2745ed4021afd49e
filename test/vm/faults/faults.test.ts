// `npm run test:faults -- --seed S --count N`, as run.ts starts it.
import { expect } from 'vitest'
import { say } from '../cache.ts'
import { scenario } from '../scenario.ts'
import { runCampaign, tableOf } from './campaign.ts'

const seed = Number(process.env['WALKAWAY_FAULTS_SEED'])
const count = Number(process.env['WALKAWAY_FAULTS_COUNT'])
const minutesARound = 15

scenario(
  `faults ${seed}`,
  async (s) => {
    const results = await runCampaign(s, { seed, count, say })
    say(`seed ${seed}\n${tableOf(results)}`)
    expect(results.flatMap(({ violations }) => violations)).toEqual([])
    expect(results).toHaveLength(count)
  },
  { timeoutMs: (10 + count * minutesARound) * 60_000 },
)
