// Holds: placed, released, and told: which snapshots are held, by which tags, and what they cost.
import { type DatasetName, datasetName } from '../core/model.ts'
import { NotFound, Refused } from '../errors.ts'
import { fields, linesOf, unreadable, unsigned } from './columns.ts'
import {
  askAboutPresent,
  batches,
  CHANGE_MS,
  ignoring,
  LOOK_MS,
  throwNamed,
  type ZfsCommand,
} from './command.ts'
import { parseComplaints } from './complaint.ts'
import { ZfsFailed } from './failure.ts'
import { checkDatasets, checkSnapshots, checkTag } from './names.ts'
import { parseHolds } from './parse.ts'

export interface HeldSnapshot {
  /** `dataset@name` */
  readonly path: string
  readonly dataset: DatasetName
  readonly creation: Date
  /** Bytes that only this snapshot refers to: what would be freed with it alone. */
  readonly usedBytes: bigint
  readonly tags: readonly string[]
}

export interface Holds {
  /**
   * Holds each snapshot with this tag, in a transaction group of its own: ZFS takes many, but one after the other. One that
   * holds it already is fine. Returns why others could not be held, by path: `NotFound` or `Refused`; whatever it is, the
   * rest is held.
   */
  hold(tag: string, paths: readonly string[]): Promise<ReadonlyMap<string, Error>>
  /**
   * Holds this snapshot, and those of the same name of all datasets below its own, in one transaction group: all that are
   * there or, when it throws, none.
   */
  holdBelow(tag: string, path: string): Promise<void>
  /** The tags that hold each of these snapshots, by path; without those that are gone. One process for many. */
  holds(paths: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>
  /** Releases this tag from each snapshot. One that does not hold it, or does not exist any more, is fine. */
  release(tag: string, paths: readonly string[]): Promise<void>
  /** The same for this snapshot and those of the same name below its dataset, in one transaction group. */
  releaseBelow(tag: string, path: string): Promise<void>
  /**
   * The held snapshots of this dataset and of all below it, in ZFS's order. Two processes, whatever their number. One that
   * is destroyed or released meanwhile is left out. Throws `NotFound` if the root is not there.
   */
  heldBelow(root: DatasetName): Promise<readonly HeldSnapshot[]>
}

type Listed = Omit<HeldSnapshot, 'tags'>

export function createHolds(zfs: ZfsCommand): Holds {
  async function hold(tag: string, paths: readonly string[]): Promise<ReadonlyMap<string, Error>> {
    checkTag(tag)
    checkSnapshots(paths)
    const reasons = new Map<string, Error>()
    for (const batch of batches(paths, single)) {
      try {
        await zfs(['hold', tag, ...batch], CHANGE_MS)
      } catch (error) {
        for (const [path, reason] of refusals(error, batch)) reasons.set(path, reason)
      }
    }
    return reasons
  }

  async function holds(paths: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    checkSnapshots(paths)
    const tags = new Map<string, string[]>()
    for (const batch of batches(paths, single)) {
      const stdout = await askAboutPresent(
        batch,
        (path) => [path, path.slice(0, path.indexOf('@'))],
        (present) => zfs(['holds', '-H', ...present], LOOK_MS),
      )
      for (const { path, tag } of parseHolds(stdout)) tags.set(path, [...(tags.get(path) ?? []), tag])
    }
    return tags
  }

  async function release(tag: string, paths: readonly string[]): Promise<void> {
    checkTag(tag)
    checkSnapshots(paths)
    for (const batch of batches(paths, single))
      await zfs(['release', tag, ...batch], CHANGE_MS).catch(ignoring('not-found'))
  }

  const holdBelow: Holds['holdBelow'] = async (tag, path) => {
    checkTag(tag)
    checkSnapshots([path])
    await zfs(['hold', '-r', tag, path], CHANGE_MS).catch(throwNamed)
  }

  const releaseBelow: Holds['releaseBelow'] = async (tag, path) => {
    checkTag(tag)
    checkSnapshots([path])
    await zfs(['release', '-r', tag, path], CHANGE_MS).catch(ignoring('not-found'))
  }

  const heldBelow: Holds['heldBelow'] = async (root) => {
    checkDatasets(root)
    const list = ['list', '-Hp', '-r', '-t', 'snapshot', '-o', 'name,userrefs,used,creation', root]
    const listed = parseHeld(await zfs(list, LOOK_MS).catch(throwNamed))
    const tags = await holds(listed.map(({ path }) => path))
    return listed.flatMap((one) => {
      const held = tags.get(one.path)
      return held === undefined ? [] : [{ ...one, tags: held }]
    })
  }

  return { hold, holdBelow, holds, release, releaseBelow, heldBelow }
}

/** Of `zfs list -Hp -t snapshot -o name,userrefs,used,creation`, those with holds. */
export function parseHeld(stdout: string): readonly Listed[] {
  return linesOf(stdout).flatMap((line) => {
    const [path = '', userrefs, used, creation] = fields(line, 4, 'zfs list')
    const at = path.indexOf('@')
    if (at === -1) throw unreadable('zfs list: no snapshot', line)
    if (unsigned(userrefs, 'userrefs') === 0n) return []
    return [
      {
        path,
        dataset: datasetName(path.slice(0, at)),
        creation: new Date(Number(unsigned(creation, 'creation')) * 1000),
        usedBytes: unsigned(used, 'used'),
      },
    ]
  })
}

/**
 * Why `zfs hold`, which goes on after each complaint, did not do it for some of these. What it says of none of them by name
 * may be true of each. Throws what is no complaint.
 */
function refusals(error: unknown, paths: readonly string[]): readonly (readonly [string, Error])[] {
  if (!(error instanceof ZfsFailed) || error.exitCode === null) throw error
  return parseComplaints(error.stderr).flatMap(({ kind, about, text }) => {
    if (kind === 'exists') return []
    const named = paths.filter((path) => path === about || path.startsWith(`${about}@`))
    const reason = kind === 'not-found' ? new NotFound(text) : new Refused(text)
    return (named.length > 0 ? named : paths).map((path) => [path, reason] as const)
  })
}

const single = (path: string): readonly string[] => [path]
