// `npm run test:faults -- [--seed S] [--count N]`: random visits with random faults at random instants. Without a seed one is
// drawn; it is printed, and the same seed and count do the same again.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, count: { type: 'string', default: '20' } },
})
const seed = numberOf('seed', values.seed ?? String(Math.floor(Math.random() * 2 ** 31)), 0)
const count = numberOf('count', values.count, 1)

function numberOf(name: string, text: string, least: number): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= least) return number
  console.error(`--${name} is ${JSON.stringify(text)}; a whole number from ${least} was expected`)
  process.exit(2)
}

await import('../prepare.ts')
console.log(`campaign of ${count} rounds; again: npm run test:faults -- --seed ${seed} --count ${count}`)
const root = join(import.meta.dirname, '..', '..', '..')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--config', 'test/vitest.config.ts', '--project', 'faults'],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, WALKAWAY_FAULTS_SEED: String(seed), WALKAWAY_FAULTS_COUNT: String(count) },
  },
)
process.exit(status ?? 1)
