// `npm run test:faults -- [--seed S] [--count N]`: random visits with random faults at random instants. Without a seed one is
// drawn; it is printed, and the same seed and count do the same again.
// `npm run test:faults -- --only PATTERN`: the rounds of the list whose names match, one after the other; `--list` prints
// their names instead, without --only those of all. `--from NAME` leaves out what is before that round.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chooseRounds, listRounds } from './plan.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    count: { type: 'string', default: '20' },
    only: { type: 'string' },
    from: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
})
if (values.from !== undefined && values.only === undefined) {
  console.error('--from is for the rounds of --only')
  process.exit(2)
}
const only = values.only === undefined ? undefined : patternOf(values.only)
if (values.list) {
  for (const { name } of listRounds()) if (only === undefined || only.test(name)) console.log(name)
  process.exit(0)
}
const seed = numberOf('seed', values.seed ?? String(Math.floor(Math.random() * 2 ** 31)), 0)
const count = numberOf('count', values.count, 1)

function numberOf(name: string, text: string, least: number): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= least) return number
  console.error(`--${name} is ${JSON.stringify(text)}; a whole number from ${least} was expected`)
  process.exit(2)
}

function patternOf(text: string): RegExp {
  try {
    const pattern = new RegExp(text, 'i')
    if (chooseRounds(pattern, values.from).length > 0) return pattern
    if (chooseRounds(pattern).length > 0)
      console.error(
        `--from is ${JSON.stringify(values.from)}; none of these rounds has that name: see --list`,
      )
    else console.error(`--only is ${JSON.stringify(text)}; no round has such a name: see --list`)
  } catch (error) {
    console.error(`--only is ${JSON.stringify(text)}: ${error instanceof Error ? error.message : error}`)
  }
  process.exit(2)
}

await import('../prepare.ts')
if (only === undefined)
  console.log(`campaign of ${count} rounds; again: npm run test:faults -- --seed ${seed} --count ${count}`)
const root = join(import.meta.dirname, '..', '..', '..')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--config', 'test/vitest.config.ts', '--project', 'faults'],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      WALKAWAY_FAULTS_SEED: String(seed),
      WALKAWAY_FAULTS_COUNT: String(count),
      ...(only === undefined ? {} : { WALKAWAY_FAULTS_ONLY: only.source }),
      ...(values.from === undefined ? {} : { WALKAWAY_FAULTS_FROM: values.from }),
    },
  },
)
process.exit(status ?? 1)
