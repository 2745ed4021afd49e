// A stream that hangs on its source's side is ended, one that only takes long is not, whatever it does in between. Time is
// told in polls of 5 s.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { poolName } from '../src/core/model.ts'
import { TransferStalled } from '../src/errors.ts'
import { watchSource } from '../src/stall.ts'

interface Phase {
  readonly kind: 'moves' | 'still' | 'source suspended' | 'disk suspended'
  readonly polls: number
}
const [hour, fiveMinutes] = [720, 60]

/** What becomes of a stream that lives through these phases and is then at its end. */
async function watched(phases: readonly Phase[]): Promise<unknown> {
  const story = phases.flatMap(({ kind, polls }) => Array.from({ length: polls }, () => kind))
  let poll = 0
  let bytes = 0
  let tell: (sentBytes: number) => void = () => undefined
  let finish: (how: string) => void = () => undefined
  const suspended = (pool: string) => story[poll - 1] === `${pool} suspended`
  const pools = { kernelState: async (pool: string) => (suspended(pool) ? 'SUSPENDED' : 'ONLINE') } as const
  const until = async (condition: () => Promise<boolean>): Promise<boolean> => {
    if (poll === story.length) finish('sent')
    else if (story[poll++] === 'moves') tell(++bytes)
    // As soon as it is known how it ended, whoever watches knows, too.
    for (let turns = 0; turns < 5; turns++) await Promise.resolve()
    return condition()
  }
  const never = new AbortController().signal
  const names = { source: poolName('source'), disk: poolName('disk'), signal: never }
  return watchSource(
    names,
    // Of all that a pool can be asked, the watch asks only this.
    { pools: Object.assign(Object.create(null), pools), until },
    ({ signal, moved }) =>
      new Promise((resolve, reject) => {
        tell = moved
        finish = resolve
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
  ).catch((error: unknown) => error)
}

const forUpTo = (kind: Phase['kind'], polls: number): fc.Arbitrary<Phase> =>
  fc.record({ kind: fc.constant(kind), polls: fc.nat({ max: polls }) })
const healthy = fc
  .array(
    fc.tuple(
      forUpTo('moves', 3),
      forUpTo('still', 300),
      forUpTo('source suspended', fiveMinutes - 1),
      forUpTo('still', 300),
      fc.record({ kind: fc.constant('moves'), polls: fc.constant(1) } as const),
      forUpTo('disk suspended', 2 * hour),
    ),
    { maxLength: 3 },
  )
  .map((phases) => phases.flat())

test('a stream that stands still for less than an hour, its source suspended for less than five minutes, is left alone', async () => {
  await fc.assert(
    fc.asyncProperty(healthy, async (phases) => {
      expect(await watched(phases)).toBe('sent')
    }),
    { numRuns: 50 },
  )
})

test.each([
  ['still', hour + 2, /nothing of it was sent for 1 h/],
  ['source suspended', fiveMinutes + 2, /its pool source is suspended/],
] as const)('whatever was before, it is ended when it hangs: %s', async (kind, polls, reason) => {
  await fc.assert(
    fc.asyncProperty(healthy, async (phases) => {
      const end = await watched([...phases, { kind, polls }])
      expect(end).toBeInstanceOf(TransferStalled)
      expect(String(end)).toMatch(reason)
    }),
    { numRuns: 50 },
  )
})
