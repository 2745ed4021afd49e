// Which snapshots are held, by which tags, and what they cost: for a person who looks for what keeps space from being freed.
// Holds are placed, told and released by zfs.ts.
import { type DatasetName, datasetName } from '../core/model.ts'
import { fields, linesOf, unreadable, unsigned } from './columns.ts'
import { LOOK_MS, throwNamed, type ZfsCommand } from './command.ts'
import { checkDatasets } from './names.ts'

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
   * The held snapshots of this dataset and of all below it, in ZFS's order. Two processes, whatever their number. One that
   * is destroyed or released meanwhile is left out. Throws `NotFound` if the root is not there.
   */
  heldBelow(root: DatasetName): Promise<readonly HeldSnapshot[]>
}

type Listed = Omit<HeldSnapshot, 'tags'>

/** `holds` tells the tags of snapshots, as `Zfs.holds`. */
export const createHolds = (
  zfs: ZfsCommand,
  holds: (paths: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>,
): Holds => ({
  async heldBelow(root) {
    checkDatasets(root)
    const list = ['list', '-Hp', '-r', '-t', 'snapshot', '-o', 'name,userrefs,used,creation', root]
    const listed = parseHeld(await zfs(list, LOOK_MS).catch(throwNamed))
    const tags = await holds(listed.map(({ path }) => path))
    return listed.flatMap((one) => {
      const held = tags.get(one.path)
      return held === undefined ? [] : [{ ...one, tags: held }]
    })
  },
})

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
