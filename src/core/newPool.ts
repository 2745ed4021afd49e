// The pool that is made on an empty backup disk: its name and what fits its hardware. Pure; the command that makes it is
// zfs/create.ts.
import { type PoolName, poolName } from './model.ts'

/** A whole disk, as far as a pool on it is concerned. */
export interface Hardware {
  /** The disk's own word; some bridges say nonsense. */
  readonly physicalSectorBytes: number
  readonly rotational: boolean
  /** It takes the news that blocks are free. */
  readonly discards: boolean
}

export interface NewPool {
  readonly name: PoolName
  /** A path of each whole disk; two are a mirror. */
  readonly devices: readonly [string] | readonly [string, string]
  /** Base 2 logarithm of the smallest block that is ever written. */
  readonly ashift: number
  readonly autotrim: boolean
  /** File with the key of a pool that is encrypted as a whole, as 64 hexadecimal digits. */
  readonly keyFile: string | null
  /** There is something on a device that goes, or a mirror's disks differ in size. What is in use ZFS refuses all the same. */
  readonly overwrite: boolean
}

/** Disks with 4 KiB sectors often say 512; a mirror may get one of them later. */
const leastAshift = 12
/** The largest that OpenZFS takes (ASHIFT_MAX). */
const mostAshift = 16

/** For all of a pool's disks: its largest sector counts. What is no power of two is nothing to go by. */
export function chooseAshift(disks: readonly Hardware[]): number {
  const ashifts = disks.map(({ physicalSectorBytes }) => Math.log2(physicalSectorBytes))
  return Math.max(
    leastAshift,
    ...ashifts.filter((ashift) => Number.isInteger(ashift) && ashift <= mostAshift),
  )
}

export const isSolidState = ({ rotational, discards }: Hardware): boolean => !rotational && discards

/** Like the disk's name as far as ZFS allows it, and not one of `taken`. */
export function choosePoolName(disk: string, taken: ReadonlySet<string>): PoolName {
  const allowed = disk.replaceAll(/[^A-Za-z0-9_.:-]+/g, '-')
  const named = /^[A-Za-z]/.test(allowed) ? allowed : `disk-${allowed}`
  const base = /^(mirror|raidz|draid|spare|log$)/.test(named) ? `disk-${named}` : named
  let name = base
  for (let number = 2; taken.has(name); number += 1) name = `${base}-${number}`
  return poolName(name)
}
