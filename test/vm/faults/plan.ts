// What a campaign of faults will do: rounds drawn from a seed, each a visit and what happens to it. Pure: the same seed and
// count give the same rounds. What a fault does to the machine is faults.ts.
import fc from 'fast-check'

/** The visit has just come so far, as its journal says; `plugged` is before it says anything. */
export const moments = [
  'plugged',
  'disk-arrived',
  'pool-imported',
  'snapshot-taken',
  'plan-made',
  'dataset-sent',
  'verified',
  'backup-finished',
  'pruned',
  'pool-exported',
  'safe-to-remove',
] as const
export type Moment = (typeof moments)[number]

export const faultKinds = [
  'nothing',
  'pull',
  'pull, then the other port',
  'pull, then a reboot',
  'pull, then the other disk',
  'kill the daemon',
  'kill the sender',
  'kill the receiver',
  'kill udevd',
  'stop',
  'restart',
  'power cut',
  'reload',
  'a day ahead',
  'a day back',
  'snapshot destroyed',
  'slow disk',
  'write errors',
  'disk full',
  'burst of events',
  'the other disk comes, too',
] as const
export type FaultKind = (typeof faultKinds)[number]

export type Round = {
  readonly disk: 0 | 1
  /** What changes on the source since the last visit. */
  readonly writes: readonly { readonly dataset: string; readonly kilobytes: number }[]
  /** Somebody takes a snapshot of tank/docs by hand, too. */
  readonly handmade: boolean
  readonly controller: 0 | 1
  readonly bytesPerSecond: number
  readonly moment: Moment
  /** Between the moment and the fault. */
  readonly delayMs: number
  /** How long a disk that is pulled stays away, at least. */
  readonly awayMs: number
  readonly fault: FaultKind
  /** For `write errors`: how many writes go well before, and how many fail then. */
  readonly goodWrites: number
  readonly failedWrites: number
}

const write = fc.record({
  dataset: fc.constantFrom('docs', 'photos', 'home/anna', 'home/ben'),
  kilobytes: fc.constantFrom(1, 200, 3000, 12_000),
})

const round: fc.Arbitrary<Round> = fc.record({
  disk: fc.constantFrom(0, 1),
  writes: fc.array(write, { minLength: 1, maxLength: 3 }),
  handmade: fc.boolean(),
  controller: fc.constantFrom(0, 1),
  bytesPerSecond: fc.constantFrom(2_000_000, 5_000_000, 500_000_000),
  moment: fc.constantFrom(...moments),
  delayMs: fc.nat({ max: 3000 }),
  awayMs: fc.nat({ max: 8000 }),
  fault: fc.constantFrom(...faultKinds),
  goodWrites: fc.nat({ max: 120 }),
  failedWrites: fc.constantFrom(1, 3, 40),
})

/** The first rounds of a longer campaign with the same seed are those of a shorter one. */
export const planCampaign = (seed: number, count: number): readonly Round[] =>
  fc.sample(fc.noBias(round), { seed, numRuns: count })
