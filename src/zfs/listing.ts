// What there is: datasets with their snapshots and bookmarks, all below one, only some, or their names alone.
import { setImmediate } from 'node:timers/promises'
import { type Dataset, type DatasetName, datasetName, type Snapshot, snapshotPath } from '../core/model.ts'
import { NotFound } from '../errors.ts'
import { digits, fields, linesOf } from './columns.ts'
import { askAboutPresent, batches, isAbsence, LIST_MS, type ZfsCommand } from './command.ts'
import { byPool, checkDatasets, checkSnapshots } from './names.ts'
import { isHidden, listingColumns, openListing, parsePresence } from './parse.ts'
import { runProgram, signed } from './program.ts'

export interface Listings {
  /**
   * The dataset and everything below it, in ZFS's order (parents first), with snapshots and bookmarks sorted by
   * createtxg. One process, whatever the number of datasets. Never empty: throws `NotFound` if the root is not there.
   */
  observe(root: DatasetName): Promise<readonly Dataset[]>
  /** As `observe`, for a dataset that may well not be there: null then. */
  observeIfPresent(root: DatasetName): Promise<readonly Dataset[] | null>
  /**
   * Each of these alone, without what is below it, by name; without those that are not there. Two processes, whatever
   * their number.
   */
  observeEach(datasets: readonly DatasetName[]): Promise<ReadonlyMap<DatasetName, Dataset>>
  /** The dataset and everything below it, parents first, without their snapshots; null: it is not there. One process. */
  namesBelow(root: DatasetName): Promise<readonly NamedDataset[] | null>
  /** Those of these snapshots that are there, by name and GUID. A process for each few hundred of a pool. */
  whichExist(snapshots: readonly Snapshot[]): Promise<ReadonlySet<Snapshot>>
}

export type NamedDataset = Pick<Dataset, 'name' | 'guid'>

/** Lines read between two chances for everything else that the daemon has to answer. */
const LINES_AT_A_TIME = 5_000

/** In a channel program that only reads: nothing else changes the pool meanwhile, and each may be a few reads of a slow disk. */
const MAX_ASKED_AT_ONCE = 250

// Arguments: name and GUID in turn. `get_prop` would end the program where there is no such snapshot.
const program = `
local argv = (...)["argv"]
local ends = {}
for at = 1, #argv, 2 do
  local word = "other"
  if zfs.exists(argv[at]) and tostring(zfs.get_prop(argv[at], "guid")) == argv[at + 1] then word = "there" end
  ends[#ends + 1] = word
end
return table.concat(ends, " ")
`

const pathTypes = 'filesystem,volume'
const pointTypes = 'snapshot,bookmark'

export function createListings(zfs: ZfsCommand): Listings {
  const list = (types: string, args: readonly string[]): Promise<string> =>
    zfs(['list', '-Hp', '-t', types, '-o', listingColumns.join(','), ...args], LIST_MS)

  async function observeIfPresent(root: DatasetName): Promise<readonly Dataset[] | null> {
    checkDatasets(root)
    const stdout = await list(`${pathTypes},${pointTypes}`, ['-r', root]).catch(nullWithout(root))
    if (stdout === null) return null
    const listing = openListing()
    await readInto(listing, stdout)
    return listing.finish([root])
  }

  async function observe(root: DatasetName): Promise<readonly Dataset[]> {
    const datasets = await observeIfPresent(root)
    if (datasets === null) throw new NotFound(`there is no dataset ${root}`)
    return datasets
  }

  const observeEach: Listings['observeEach'] = async (asked) => {
    checkDatasets(...asked)
    const found = new Map<DatasetName, Dataset>()
    for (const batch of batches(asked, (name) => [name])) {
      const listing = openListing()
      let present = batch
      // In this order, as ZFS lists them: a snapshot that is received in between is seen, its token may be one of before.
      for (const [types, depth] of [
        [pathTypes, []],
        [pointTypes, ['-d', '1']],
      ] as const) {
        let answered: readonly DatasetName[] = []
        const stdout = await askAboutPresent(
          present,
          (name) => [name],
          async (names) => {
            const answer = await list(types, [...depth, ...names])
            answered = names
            return answer
          },
        )
        await readInto(listing, stdout)
        present = answered
      }
      const names = new Set(present)
      for (const dataset of listing.finish(present))
        if (names.has(dataset.name)) found.set(dataset.name, dataset)
    }
    return found
  }

  const namesBelow: Listings['namesBelow'] = async (root) => {
    checkDatasets(root)
    const args = ['list', '-Hp', '-r', '-t', pathTypes, '-o', 'name,guid', root]
    const stdout = await zfs(args, LIST_MS).catch(nullWithout(root))
    if (stdout === null) return null
    return linesOf(stdout).flatMap((line) => {
      const [name = '', guid] = fields(line, 2, 'zfs list')
      return isHidden(name) ? [] : [{ name: datasetName(name), guid: digits(guid, 'a GUID') }]
    })
  }

  const whichExist: Listings['whichExist'] = async (snapshots) => {
    checkSnapshots(snapshots.map(snapshotPath))
    const there = new Set<Snapshot>()
    for (const [pool, ofPool] of byPool(snapshots, ({ dataset }) => dataset))
      for (const batch of batches(ofPool, argumentsOf, MAX_ASKED_AT_ONCE)) {
        const asked = { pool, lua: program, args: batch.flatMap(argumentsOf), readonly: true }
        const ends = parsePresence(await runProgram(zfs, { ...asked, deadlineMs: LIST_MS }), batch.length)
        for (const [at, snapshot] of batch.entries()) if (ends[at] === 'there') there.add(snapshot)
      }
    return there
  }

  return { observe, observeIfPresent, observeEach, namesBelow, whichExist }
}

const argumentsOf = (snapshot: Snapshot): readonly string[] => [snapshotPath(snapshot), signed(snapshot.guid)]

const nullWithout =
  (root: DatasetName) =>
  (error: unknown): null => {
    if (isAbsence(error, root)) return null
    throw error
  }

async function readInto(listing: ReturnType<typeof openListing>, stdout: string): Promise<void> {
  let lines = 0
  for (let start = 0; start < stdout.length; ) {
    const found = stdout.indexOf('\n', start)
    const end = found === -1 ? stdout.length : found
    listing.add(stdout.slice(start, end))
    start = end + 1
    if (++lines % LINES_AT_A_TIME === 0) await setImmediate()
  }
}
