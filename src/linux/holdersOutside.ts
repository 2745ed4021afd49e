// Who uses a disk, found out by a unit of its own: looking into other users' processes takes CAP_SYS_PTRACE, and the process
// that reads foreign disks should not have it. The other end is a hidden command.

import * as z from 'zod/mini'
import type { PoolName } from '../core/model.ts'
import { findHolders } from './holders.ts'
import { closed, createOutside } from './outside.ts'
import type { Run } from './run.ts'

export interface HeldThing {
  readonly disk?: string
  readonly pool?: PoolName
}
export type FindHolders = (of: HeldThing) => Promise<readonly string[]>

const deadlineMs = 30_000
const phrases = z.array(z.string())

/** It sees the processes of everybody, writes nothing and reaches nobody. */
const onlyLooking = [
  ...closed,
  'CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH',
  'ProtectHome=read-only',
  'PrivateNetwork=yes',
  'DevicePolicy=closed',
  'RestrictAddressFamilies=AF_UNIX',
] as const

/**
 * As `findHolders`; `program` is walkaway itself, as an argument list. What cannot be found out that way is looked for
 * from here, where less is seen.
 */
export function createHoldersOutside(
  run: Run,
  program: readonly [file: string, ...args: readonly string[]],
): FindHolders {
  const outside = createOutside(run, {
    description: 'who uses a backup disk of walkaway',
    limitMs: deadlineMs,
    properties: onlyLooking,
  })
  const [file, ...args] = program
  return async (of) => {
    try {
      const question = [of.disk ?? '', of.pool ?? '']
      const { stdout } = await outside(file, [...args, '__holders', '--', ...question], { deadlineMs })
      return phrases.parse(JSON.parse(stdout))
    } catch {
      // The run itself is in the debug log; for the person, a part of the truth is better than none.
      return findHolders(of, { sys: '/sys', proc: '/proc', dev: '/dev' })
    }
  }
}
