// Properties: read of one dataset, of many and of all below one; set on many at once.
import type { DatasetName } from '../core/model.ts'
import { DeadlineExceeded, UnreadableAnswer } from '../errors.ts'
import {
  askAboutPresent,
  batches,
  CHANGE_MS,
  LIST_MS,
  LOOK_MS,
  throwNamed,
  type ZfsCommand,
} from './command.ts'
import { byPool, checkAssignments, checkDatasets, checkProperty } from './names.ts'
import { parseProperties, parsePropertyTable, parseReceived, parseSettings } from './parse.ts'
import { runProgram } from './program.ts'

export interface Property {
  readonly value: string
  /** `local`, `default`, `received`, `inherited from tank`, `temporary` or `-`, in ZFS's words. */
  readonly source: string
}
/** By dataset, what each of the properties asked for is. */
export type PropertyTable = ReadonlyMap<DatasetName, ReadonlyMap<string, Property>>

export interface Properties {
  /** Properties as they are, with where they come from. Throws `NotFound`. */
  properties(dataset: DatasetName, names: readonly string[]): Promise<ReadonlyMap<string, Property>>
  /**
   * The same for a dataset and all below it, in one process. A user property with a line break or a tab in its value is
   * cut there or missing: such values are none of ours. Throws `NotFound` if the root is not there, and the signal's reason.
   */
  propertiesBelow(root: DatasetName, names: readonly string[], signal?: AbortSignal): Promise<PropertyTable>
  /** The same for each of these alone, in ZFS's order, without those that are not there. One process for many. */
  propertiesOfEach(datasets: readonly DatasetName[], names: readonly string[]): Promise<PropertyTable>
  /**
   * What streams brought for this very dataset, in force or not, by property: without what has none. A mountpoint is
   * shown below the pool's altroot. Throws `NotFound`.
   */
  receivedProperties(dataset: DatasetName): Promise<ReadonlyMap<string, string>>
  /**
   * Sets these properties on each of these datasets; user properties on all of them in one transaction group, others one
   * dataset after the other. Throws `NotFound`; the others are set.
   */
  setProperties(datasets: readonly DatasetName[], values: Readonly<Record<string, string>>): Promise<void>
}

/** They are set while the pool writes one transaction group; far below a channel program's default limits. */
const MAX_SET_AT_ONCE = 1_000

// Arguments: how many properties; name and value of each in turn; the datasets. Only user properties can be set so.
const program = `
local argv = (...)["argv"]
local values = 1 + 2 * tonumber(argv[1])
local ends = {}
for at = values + 1, #argv do
  local word = "set"
  for name = 2, values, 2 do
    if zfs.sync.set_prop(argv[at], argv[name], argv[name + 1]) ~= 0 then word = "failed" end
  end
  ends[#ends + 1] = word
end
return table.concat(ends, " ")
`

const readTable = ['get', '-Hp', '-t', 'filesystem,volume', '-o', 'name,property,value,source'] as const

export function createProperties(zfs: ZfsCommand): Properties {
  async function properties(
    dataset: DatasetName,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, Property>> {
    checkDatasets(dataset)
    names.forEach(checkProperty)
    if (names.length === 0) return new Map()
    const args = ['get', '-Hp', '-o', 'property,value,source', names.join(','), dataset]
    return parseProperties(await zfs(args, LOOK_MS).catch(throwNamed), names)
  }

  const propertiesBelow: Properties['propertiesBelow'] = async (root, names, signal) => {
    checkDatasets(root)
    names.forEach(checkProperty)
    const args = [...readTable, '-r', names.join(','), root]
    const stdout = await zfs(args, LIST_MS, signal === undefined ? {} : { signal }).catch(throwNamed)
    const table = parsePropertyTable(stdout, names)
    if (!table.has(root)) throw new UnreadableAnswer(`zfs get: no answer about ${root}`)
    return table
  }

  const propertiesOfEach: Properties['propertiesOfEach'] = async (datasets, names) => {
    checkDatasets(...datasets)
    names.forEach(checkProperty)
    const tables: PropertyTable[] = []
    for (const batch of batches(datasets, (dataset) => [dataset])) {
      const stdout = await askAboutPresent(
        batch,
        (dataset) => [dataset],
        (present) => zfs([...readTable, names.join(','), ...present], LIST_MS),
      )
      tables.push(parsePropertyTable(stdout, names))
    }
    return new Map(tables.flatMap((table) => [...table]))
  }

  async function receivedProperties(dataset: DatasetName): Promise<ReadonlyMap<string, string>> {
    checkDatasets(dataset)
    const args = ['get', '-Hp', '-o', 'property,received', 'all', dataset]
    return parseReceived(await zfs(args, LOOK_MS).catch(throwNamed))
  }

  /** Returns those that it could not be done for: a channel program has no words for what is in the way. */
  async function setAtOnce(
    datasets: readonly DatasetName[],
    values: readonly (readonly [name: string, value: string])[],
  ): Promise<readonly DatasetName[]> {
    const left: DatasetName[] = []
    for (const [pool, ofPool] of byPool(datasets, (dataset) => dataset))
      for (const batch of batches(ofPool, (dataset) => [dataset], MAX_SET_AT_ONCE)) {
        const args = [String(values.length), ...values.flat(), ...batch]
        try {
          const stdout = await runProgram(zfs, { pool, lua: program, args, deadlineMs: CHANGE_MS })
          const ends = parseSettings(stdout, batch.length)
          left.push(...batch.filter((_, at) => ends[at] !== 'set'))
        } catch (error) {
          if (error instanceof DeadlineExceeded) throw error
          left.push(...batch)
        }
      }
    return left
  }

  const setProperties: Properties['setProperties'] = async (datasets, values) => {
    checkDatasets(...datasets)
    const all = Object.entries(checkAssignments(values))
    if (all.length === 0) return
    const isForProgram = datasets.length > 1 && all.every(([name]) => name.includes(':'))
    const left = isForProgram ? await setAtOnce(datasets, all) : datasets
    const assignments = all.map(([name, value]) => `${name}=${value}`)
    for (const batch of batches(left, (dataset) => [dataset]))
      await zfs(['set', ...assignments, ...batch], CHANGE_MS).catch(throwNamed)
  }

  return { properties, propertiesBelow, propertiesOfEach, receivedProperties, setProperties }
}
