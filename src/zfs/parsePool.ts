// The answers of zpool, and of the kernel's own files, about pools. Pure. As parse.ts: what is odd is `UnreadableAnswer`.
import { type PoolGuid, type PoolName, poolGuid, poolName } from '../core/model.ts'
import type { Scan } from '../core/scrub.ts'
import { digits, fields, linesOf, unreadable, unsigned } from './columns.ts'
import { isLook } from './names.ts'
import { parseScan } from './scan.ts'

/** `zpool list -Hp -o name,guid,altroot`. No pool at all is a normal answer, and one only looked at is none. */
export function parseImported(
  stdout: string,
): readonly { readonly name: PoolName; readonly guid: PoolGuid; readonly altroot: string | null }[] {
  const lines = linesOf(stdout).filter((line) => !isLook(line))
  return lines.map((line) => {
    const [name = '', guid, altroot] = fields(line, 3, 'zpool list')
    return {
      name: poolName(name),
      guid: poolGuid(digits(guid, 'a pool GUID')),
      altroot: altroot === '-' || altroot === undefined ? null : altroot,
    }
  })
}

/** `OTHER` stands for a word that this program does not know. */
export type KernelState = (typeof kernelStates)[number]
const kernelStates = [
  'ONLINE',
  'DEGRADED',
  'FAULTED',
  'OFFLINE',
  'REMOVED',
  'UNAVAIL',
  'SUSPENDED',
  'OTHER',
] as const

/** The content of the kstat file `state`, or the state column of `zpool status`. */
export const parseState = (text: string): KernelState =>
  kernelStates.find((state) => state === text.trim()) ?? 'OTHER'

export interface PoolHealth {
  /** As `zpool status` says: a suspended pool reads `SUSPENDED` or `UNAVAIL` here. */
  readonly state: KernelState
  /** Sums over the leaves of the pool since it was imported or cleared. */
  readonly errors: { readonly read: bigint; readonly write: bigint; readonly checksum: bigint }
  /**
   * Damaged files or objects that ZFS knows of; null if it could not say. After a recovered pull, only a scrub makes
   * this number true.
   */
  readonly dataErrors: bigint | null
  readonly scan: Scan
}

const statusRow =
  /^\t(\s*)(\S.*?)\s+(ONLINE|DEGRADED|FAULTED|OFFLINE|REMOVED|UNAVAIL|SUSPENDED)\s+(\d+)\s+(\d+)\s+(\d+)/

/** `zpool status -p POOL`, which has no machine-readable form before 2.3. */
export function parseStatus(stdout: string): PoolHealth {
  const lines = linesOf(stdout)
  const labelled = (label: string): string | undefined =>
    lines.find((line) => line.trimStart().startsWith(`${label}:`))?.replace(/^[^:]*:\s*/, '')
  const state = labelled('state')
  const complaint = labelled('errors')
  if (state === undefined || complaint === undefined)
    throw unreadable('zpool status: no state or errors', stdout)

  const rows = lines.flatMap((line) => {
    const row = statusRow.exec(line)
    return row === null ? [] : [{ depth: row[1]?.length ?? 0, read: row[4], write: row[5], checksum: row[6] }]
  })
  if (rows.length === 0) throw unreadable('zpool status: no devices', stdout)
  const errors = { read: 0n, write: 0n, checksum: 0n }
  for (const [index, row] of rows.entries()) {
    if ((rows[index + 1]?.depth ?? 0) > row.depth) continue
    errors.read += unsigned(row.read, 'read errors')
    errors.write += unsigned(row.write, 'write errors')
    errors.checksum += unsigned(row.checksum, 'checksum errors')
  }
  const counted = /^(\d+) data errors/.exec(complaint)?.[1]
  return {
    state: parseState(state),
    errors,
    dataErrors: complaint.startsWith('No known data errors')
      ? 0n
      : counted === undefined
        ? null
        : BigInt(counted),
    scan: parseScan(lines),
  }
}

export interface PoolUsage {
  readonly sizeBytes: bigint
  /** Free space that `freeingBytes` will become is counted as allocated. */
  readonly allocatedBytes: bigint
  /** Destroyed and not freed yet. */
  readonly freeingBytes: bigint
}

/** `zpool list -Hp -o size,allocated,freeing POOL`. */
export function parseUsage(stdout: string): PoolUsage {
  const [line = '', ...more] = linesOf(stdout)
  const [size, allocated, freeing] = fields(line, 3, 'zpool list')
  if (more.length > 0) throw unreadable('zpool list: more than one pool', stdout)
  return {
    sizeBytes: unsigned(size, 'the size'),
    allocatedBytes: unsigned(allocated, 'what is allocated'),
    freeingBytes: unsigned(freeing, 'what is being freed'),
  }
}
