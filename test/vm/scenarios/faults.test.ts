// A short campaign of faults, the same every time; `npm run test:faults` draws others.
import { expect } from 'vitest'
import { say } from '../cache.ts'
import { runCampaign, tableOf } from '../faults/campaign.ts'
import { planCampaign } from '../faults/plan.ts'
import { scenario } from '../scenario.ts'

const seed = 991
const count = 2

scenario(
  `${count} visits with random faults: whatever happens, the next plug completes the backup`,
  async (s) => {
    const results = await runCampaign(s, { rounds: planCampaign(seed, count), from: `seed ${seed}`, say })
    say(tableOf(results))
    expect(results.flatMap(({ violations }) => violations)).toEqual([])
    expect(results).toHaveLength(count)
  },
)
