// The server of a campaign, its two disks and the computer elsewhere that looks at them: what both sides have in their hands
// from round to round.
import assert from 'node:assert/strict'
import { type BackupDisk, configure, type Settings, setUpHome, startService } from '../home.ts'
import type { JournalEntry, Mark } from '../journal.ts'
import type { Machine } from '../machine.ts'
import type { Scenario } from '../scenario.ts'
import { type Witness, watchPools } from './witness.ts'

/** As few as a person would have after a week: there is something to prune in most rounds. */
export const keptOnDisk = 4
export const keptOnSource = 2

export type World = {
  readonly nas: Machine
  readonly elsewhere: Machine
  readonly disks: readonly [BackupDisk, BackupDisk]
  readonly witness: Witness
  /** From now on, every visit of a disk ends with a scrub, or none does. */
  readonly scrubDue: (due: boolean) => Promise<void>
  /** `dataset` to its snapshots' GUIDs, oldest first, as each disk was seen last from elsewhere. */
  readonly seen: Map<BackupDisk, ReadonlyMap<string, readonly string[]>>
  /** Full names of the snapshots that were taken by hand. */
  readonly handmade: string[]
}

/** `parallel`: datasets in flight at once. */
export async function createWorld(s: Scenario, { parallel = 2 } = {}): Promise<World> {
  const settings: Settings = {
    sources: [{ dataset: 'tank', exclude: ['tank/scratch'] }],
    keep: { disk: { last: keptOnDisk }, source: { last: keptOnSource } },
    backup: { parallel },
  }
  const home = await setUpHome(s, { disks: 2, sizeMb: 900, settings })
  const { nas } = home
  const [first, second] = home.disks
  assert(first !== undefined && second !== undefined)
  const witness = await watchPools(nas, home.disks)
  const elsewhere = await s.secondMachine()
  await startService(nas)
  const scrubDue: World['scrubDue'] = async (due) => {
    const after = nas.journal.mark()
    await configure(nas, home.disks, { ...settings, finish: { scrubEvery: due ? '1s' : 'never' } })
    await nas.run(['systemctl', 'reload', 'walkaway'])
    await nas.journal.waitFor({ event: 'config-reloaded' }, { deadlineMs: 60_000, after })
  }
  return { nas, elsewhere, disks: [first, second], witness, scrubDue, seen: new Map(), handmade: [] }
}

const storyOf = [
  'disk-arrived',
  'pool-imported',
  'disk-pulled',
  'disk-stuck',
  'disk-removed',
  'not-safe-to-remove',
  'safe-to-remove',
]

/** The last that a person heard of the disk itself. */
export const lastToldOf = (
  { nas }: World,
  { name: disk }: BackupDisk,
  after: Mark,
): JournalEntry | undefined => nas.journal.events({ event: storyOf, disk, after }).at(-1)
