// What a campaign of faults will do: rounds, each a visit and what happens to it. Either drawn from a seed, or the whole list
// of what may happen at the moments of a visit, each with its name. Pure: the same seed and count give the same rounds.
// What a fault does to the machine is faults.ts; how a moment is met is moment.ts.
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

/** What the journal does not tell, or too late: seen in the machine itself. A command is a pattern of its command line. */
export type Sight =
  /** The daemon has just started it, or it has just ended. */
  | { readonly kind: 'begins' | 'ends'; readonly command: string }
  /** So many kilobytes of its input have come. */
  | { readonly kind: 'received'; readonly command: string; readonly kilobytes: number }
  /** The pool is imported and nothing is written to it any more, because this command takes its time. */
  | { readonly kind: 'idle'; readonly command: string }
export type Moment = (typeof moments)[number] | 'scrub-started' | Sight

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

/** The disk is out of its port after it, and comes back in one of these ways. */
type Removal =
  `${'kill the daemon' | 'power cut' | 'stop'}, then ${'the other port' | 'a reboot' | 'the other disk'}`
export type FaultKind = (typeof faultKinds)[number] | Removal

export type Round = {
  readonly name: string
  readonly disk: 0 | 1
  /** What changes on the source since the last visit; a dataset that is not there is made. */
  readonly writes: readonly { readonly dataset: string; readonly kilobytes: number }[]
  /** So many snapshots of tank/docs somebody takes by hand, too. */
  readonly handmade: number
  /** The disk is due to be scrubbed. */
  readonly scrub: boolean
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
  /** So often the disk may come to an end that is not a complete backup, and be plugged in again, before that is a failure. */
  readonly mostVisits: number
  /** A disk that is pulled in the moment of its export can block the kernel's ZFS: then a reboot is what the person is told. */
  readonly mayWedge: boolean
}

const write = fc.record({
  dataset: fc.constantFrom('docs', 'photos', 'home/anna', 'home/ben'),
  kilobytes: fc.constantFrom(1, 200, 3000, 12_000),
})

const drawn = fc.record({
  disk: fc.constantFrom(0, 1),
  writes: fc.array(write, { minLength: 1, maxLength: 3 }),
  handmade: fc.boolean().map(Number),
  controller: fc.constantFrom(0, 1),
  bytesPerSecond: fc.constantFrom(2_000_000, 5_000_000, 500_000_000),
  moment: fc.constantFrom(...moments),
  delayMs: fc.nat({ max: 3000 }),
  awayMs: fc.nat({ max: 8000 }),
  fault: fc.constantFrom(...faultKinds),
  goodWrites: fc.nat({ max: 120 }),
  failedWrites: fc.constantFrom(1, 3, 40),
})

const round: fc.Arbitrary<Round> = drawn.map((each) => ({
  ...each,
  name: `${each.fault}, ${each.delayMs} ms after ${each.moment}`,
  scrub: false,
  // A person tries this often before they write an angry letter.
  mostVisits: 3,
  mayWedge: false,
}))

/** The first rounds of a longer campaign with the same seed are those of a shorter one. */
export const planCampaign = (seed: number, count: number): readonly Round[] =>
  fc.sample(fc.noBias(round), { seed, numRuns: count })

const quiet: Round = {
  name: 'nothing happens',
  disk: 0,
  writes: [{ dataset: 'docs', kilobytes: 200 }],
  handmade: 0,
  scrub: false,
  controller: 0,
  bytesPerSecond: 500_000_000,
  moment: 'plugged',
  delayMs: 0,
  awayMs: 4000,
  fault: 'nothing',
  goodWrites: 0,
  failedWrites: 0,
  mostVisits: 1,
  mayWedge: false,
}

const receiving = (dataset: string): string => `^zfs receive .*/tank/${dataset}$`

/** Large enough that it is on its way for seconds, although ZFS and the pipe keep some megabytes of it in memory. */
const fullKilobytes = 16_000
const partOfFull = (percent: number, place: number): Partial<Round> => {
  const dataset = `new-${place}`
  return {
    writes: [{ dataset, kilobytes: fullKilobytes }],
    bytesPerSecond: 2_000_000,
    moment: {
      kind: 'received',
      command: receiving(dataset),
      kilobytes: (fullKilobytes * percent) / 100,
    },
  }
}
const docs = (kilobytes: number): Round['writes'] => [{ dataset: 'docs', kilobytes }]

/** `place`: the round's own number, for a dataset that no other round has. */
const namedMoments: Readonly<Record<string, (place: number) => Partial<Round>>> = {
  'while idle-imported': () => ({ moment: { kind: 'idle', command: '^zfs snapshot ' } }),
  'at import': () => ({ moment: { kind: 'begins', command: '^zpool import ' } }),
  'during the snapshot': () => ({ moment: { kind: 'begins', command: '^zfs snapshot ' } }),
  'at 5 % of a full send': (place) => partOfFull(5, place),
  'at 50 % of a full send': (place) => partOfFull(50, place),
  'at 99 % of a full send': (place) => partOfFull(99, place),
  'between two datasets': () => ({
    writes: [...docs(3000), { dataset: 'home/anna', kilobytes: 3000 }],
    bytesPerSecond: 2_000_000,
    moment: { kind: 'ends', command: '^zfs receive ' },
  }),
  'during an incremental': () => ({
    writes: docs(12_000),
    bytesPerSecond: 2_000_000,
    moment: { kind: 'received', command: receiving('docs'), kilobytes: 9000 },
  }),
  // With more snapshots than the disk keeps. Those of the source are pruned by a command that names another pool.
  'during prune': () => ({
    handmade: 5,
    bytesPerSecond: 2_000_000,
    moment: { kind: 'begins', command: '^zfs program .*-- offsite-' },
  }),
  'during scrub': () => ({ scrub: true, bytesPerSecond: 2_000_000, moment: 'scrub-started' }),
  'during export': () => ({
    bytesPerSecond: 2_000_000,
    moment: { kind: 'begins', command: '^zpool export ' },
  }),
  'right after the last byte': () => ({
    writes: docs(6000),
    bytesPerSecond: 2_000_000,
    moment: { kind: 'ends', command: receiving('docs') },
  }),
}

const accidents = {
  pulled: 'pull',
  killed: 'kill the daemon',
  'power cut': 'power cut',
  stopped: 'stop',
} as const
const returns = ['the other port', 'a reboot', 'the other disk'] as const

/**
 * Everything that may happen at every moment of a visit: `pulled at 50 % of a full send, then the other port`. What is not
 * pulled either stays plugged in all the time, or is out when all is well again and comes back like a disk that was pulled.
 */
export function listRounds(): readonly Round[] {
  const rounds: Round[] = []
  for (const [accident, fault] of Object.entries(accidents))
    for (const [moment, differs] of Object.entries(namedMoments))
      for (const back of [null, ...returns]) {
        const inPlace = fault === 'pull' ? 'then the same port' : 'the disk stays in'
        const isRemoved = back !== null || fault === 'pull'
        rounds.push({
          ...quiet,
          ...differs(rounds.length),
          name: `${accident} ${moment}, ${back === null ? inPlace : `then ${back}`}`,
          fault: back === null ? fault : `${fault}, then ${back}`,
          mayWedge:
            moment === 'during export' && isRemoved && (fault === 'pull' || fault === 'kill the daemon'),
        })
      }
  return rounds
}

/**
 * Those whose names match, from the one with the name `from` on, after a first visit in which nothing happens: then the disk
 * lacks nothing but what is new.
 */
export function chooseRounds(pattern: RegExp, from?: string): readonly Round[] {
  const matching = listRounds().filter(({ name }) => pattern.test(name))
  const first = from === undefined ? 0 : matching.findIndex(({ name }) => name === from)
  const chosen = first < 0 ? [] : matching.slice(first)
  return chosen.length === 0 ? [] : [quiet, ...chosen]
}
