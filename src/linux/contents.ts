// What is on a disk, for the person who is about to erase it, and what the disk is: by lsblk(8) of util-linux, which asks
// udev's memory and sysfs, never the disk.
import * as z from 'zod/mini'
import type { Hardware } from '../core/newPool.ts'
import { UnreadableAnswer } from '../errors.ts'
import type { Run } from './run.ts'

export interface DiskContents extends Hardware {
  /** `gpt`, `dos`, ...; null: no partition table. */
  readonly partitionTable: string | null
  /** The disk itself, if something is on it without a partition; its partitions; what is stacked on them. */
  readonly parts: readonly DiskPart[]
}
export interface DiskPart {
  readonly node: string
  /** `part`, `crypt`, `lvm`, ... */
  readonly type: string
  readonly sizeBytes: number
  /** `ext4`, `zfs_member`, ...; null: nothing that udev knows. */
  readonly fsType: string | null
  /** Of a pool's member: the name of the pool. */
  readonly label: string | null
}

const columns = 'PATH,TYPE,SIZE,FSTYPE,LABEL,PTTYPE,PHY-SEC,ROTA,DISC-MAX'
const deadlineMs = 20_000

const text = z.nullable(z.string())
const number = z.coerce.number()
const flag = z.pipe(
  z.union([z.boolean(), z.enum(['0', '1'])]),
  z.transform((on) => on === true || on === '1'),
)
const lsblkShape = z.object({
  blockdevices: z.array(
    z.object({
      path: z.string(),
      type: z.string(),
      size: number,
      fstype: text,
      label: text,
      pttype: text,
      'phy-sec': number,
      rota: flag,
      'disc-max': number,
    }),
  ),
})

/** Of a whole disk. Throws `UnreadableAnswer`, `CommandFailed` (there is no such disk) and `DeadlineExceeded`. */
export async function readContents(node: string, run: Run): Promise<DiskContents> {
  const args = ['--json', '--list', '--bytes', '--output', columns, '--', node]
  return parseContents((await run('lsblk', args, { deadlineMs })).stdout)
}

/** Reads `lsblk --json --list --bytes --output ...`, where the disk comes first. Throws `UnreadableAnswer`. */
export function parseContents(stdout: string): DiskContents {
  const answer = lsblkShape.safeParse(parseJson(stdout))
  const [disk, ...below] = answer.data?.blockdevices ?? []
  if (disk === undefined) throw new UnreadableAnswer(`lsblk: not a list of devices: ${stdout.slice(0, 200)}`)
  return {
    physicalSectorBytes: disk['phy-sec'],
    rotational: disk.rota,
    discards: disk['disc-max'] > 0,
    partitionTable: disk.pttype,
    parts: [...(disk.fstype === null ? [] : [disk]), ...below].map(({ path, type, size, fstype, label }) => ({
      node: path,
      type,
      sizeBytes: size,
      fsType: fstype,
      label,
    })),
  }
}

function parseJson(stdout: string): unknown {
  try {
    return JSON.parse(stdout)
  } catch {
    // The shape says that it is none.
    return null
  }
}

/** udev knows of nothing on it. */
export const isEmpty = ({ partitionTable, parts }: DiskContents): boolean =>
  partitionTable === null && parts.length === 0
