// Why ZFS did not import a disk's pool, in words for a person, and what is to be done. walkaway never forces an import.
import type { PoolName } from '../core/model.ts'
import { ImportRefused } from '../errors.ts'
import { parseLastUser } from './complaint.ts'
import { type FailureKind, failureKind, ZfsFailed } from './failure.ts'

/** Whatever the reason was: a disk that was refused is left alone until then. */
export const thenAgain = 'Then plug the disk in again.'

/** Why an import was refused, with what the person can do; other failures as they came. */
export function importRefused(pool: PoolName, error: unknown): unknown {
  const kind = failureKind(error)
  const explain = kind === null ? undefined : refusals[kind]
  if (!(error instanceof ZfsFailed) || explain === undefined) return error
  const { why, hint } = explain(pool, error.stderr)
  return new ImportRefused(why, {
    cause: error,
    hint: hint === undefined ? thenAgain : `${hint} ${thenAgain}`,
  })
}

type Explain = (pool: PoolName, stderr: string) => { readonly why: string; readonly hint?: string }

const asZfsSays: Explain = (pool, stderr) => ({ why: `${pool} cannot be imported: ${stderr.trim()}` })

const refusals: { readonly [K in FailureKind]?: Explain } = {
  'foreign-pool': (pool, stderr) => {
    const user = parseLastUser(stderr)
    if (user === null) return { why: `${pool} is or was in use by another machine`, hint: `Export it there.` }
    const who = `the machine ${user.host} (hostid ${user.hostId})`
    const there = `Export it on ${user.host} (zpool export ${pool}).`
    if (user.at === null) return { why: `${pool} is in use by ${who}`, hint: there }
    const byHand = `zpool import -f -N ${pool} && zpool export ${pool}`
    return {
      why: `${pool} was last used by ${who} on ${user.at} and was not exported there`,
      hint: `${there} If that machine is gone for good, take the pool over by hand: ${byHand}`,
    }
  },
  'missing-devices': (pool) => ({
    why: `${pool} has devices that are missing or damaged`,
    hint: 'Plug in all disks of this pool.',
  }),
  'unsupported-feature': (pool) => ({
    why: `${pool} has features that the OpenZFS of this machine does not know`,
    hint: 'Update OpenZFS on this machine.',
  }),
  'not-found': (pool) => ({
    why: `there is no pool ${pool} with that GUID on this disk, or it was destroyed`,
  }),
  exists: asZfsSays,
  busy: asZfsSays,
}
