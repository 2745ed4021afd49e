// Lets a disk explain itself: what its copies are copies of, which snapshot is their state, how it is restored without
// walkaway. Written where it differs, while the pool is imported. What is written is core/explanation.ts.

import { createHash } from 'node:crypto'
import type { BackupDeps, BackupRequest } from './backup.ts'
import {
  contentOf,
  type Explanation,
  explanationProperties,
  isExplained,
  keepExplained,
  planExplanation,
} from './core/explanation.ts'
import { limitProperties, limitsOf, marksOf } from './core/marks.ts'
import { type Dataset, type DatasetName, datasetName, type PoolName } from './core/model.ts'
import { mayReplaceComment } from './core/restoreText.ts'
import { together } from './core/together.ts'
import { messageOf } from './errors.ts'
import type { Task } from './plan.ts'
import { version } from './version.ts'
import { byPool } from './zfs/names.ts'
import type { PropertyTable } from './zfs/properties.ts'

/** What the copy of each of these sources is told as it is received. One process for all of a pool. */
export async function prepareMarks(
  sources: readonly Dataset[],
  { zfs, host }: Pick<BackupDeps, 'zfs' | 'host'>,
): Promise<(source: Dataset) => Readonly<Record<string, string>>> {
  const tables = await together(
    [...byPool(sources, ({ name }) => name).values()].map((ofPool) =>
      // What cannot be read now fails, if it must, when it is sent.
      zfs
        .propertiesOfEach(
          ofPool.map(({ name }) => name),
          limitProperties,
        )
        .catch((): PropertyTable => new Map()),
    ),
  )
  const all = new Map(tables.flatMap((table) => [...table]))
  return (source) => marksOf(source, { host, limits: limitsOf(all.get(source.name)) })
}

/** What is known of the disk by now. */
export interface Known {
  /** What it said of itself before anything was sent; null: all of it is to be read. */
  readonly table: PropertyTable | null
  /** Of whom that has to be read again. */
  readonly changed: readonly DatasetName[]
  /** All that it has below the root of the backups, as it is now. */
  readonly onDisk: readonly Dataset[]
}

/** All that the disk says of itself. */
export const readExplanation = (
  pool: PoolName,
  { zfs }: Pick<BackupDeps, 'zfs'>,
  signal?: AbortSignal,
): Promise<PropertyTable> => zfs.propertiesBelow(datasetName(pool), explanationProperties, signal)

async function readAgain(
  { table, changed }: Known,
  pool: PoolName,
  deps: Pick<BackupDeps, 'zfs'>,
): Promise<PropertyTable> {
  if (table === null) return readExplanation(pool, deps)
  const again = await deps.zfs.propertiesOfEach(changed, explanationProperties)
  // One that is gone by now must not be named: the fingerprint does not know it either.
  const gone = new Set(changed.filter((name) => !again.has(name)))
  return new Map([...[...table].filter(([name]) => !gone.has(name)), ...again])
}

const fingerprintOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

export interface Explained {
  readonly request: BackupRequest
  readonly known: Known
  /** What was read back. */
  readonly verified: readonly Task[]
  /** Nothing failed. */
  readonly complete: boolean
}

/** Name of the newest snapshot of each copy, as it was read back. */
const statesOf = (verified: readonly Task[]): ReadonlyMap<DatasetName, string> =>
  new Map(
    verified.flatMap(({ target }) => {
      const newest = target?.snapshots.at(-1)
      return target === null || newest === undefined ? [] : [[target.name, newest.name]]
    }),
  )

/**
 * Where nothing was sent and all that the explanation is made of is as it was when it was written, only the disk's roots are
 * read: all datasets of a pool are as many as all programs have put there. What a person, or another machine whose visit broke off,
 * changed in it since stays until then.
 */
async function plan(
  { request, known, verified, complete }: Explained,
  deps: BackupDeps,
): Promise<Explanation> {
  const { disk, pool, config } = request
  const root = datasetName(`${pool}/${config.backup.into}`)
  const luks = disk.luks?.uuid ?? null
  // Another version may have other words for it.
  const content = [version, deps.host, luks, contentOf(known.onDisk, verified)].join('\n')
  const ofVisit = { root, host: deps.host, completeAt: complete ? deps.now() : null }
  if (known.changed.length === 0) {
    const table = await deps.zfs.propertiesOfEach([datasetName(pool), root], explanationProperties)
    if (isExplained({ pool, table }, fingerprintOf(content))) return keepExplained({ ...ofVisit, table })
  }
  return planExplanation({
    ...ofVisit,
    pool,
    guid: disk.poolGuid,
    luks,
    table: await readAgain(known, pool, deps),
    states: statesOf(verified),
    sources: new Map(verified.map(({ source, targetName }) => [targetName, source.name])),
    content,
    fingerprintOf,
  })
}

/**
 * False: not all of it could be written. Never throws: a backup that is on the disk stays one when the disk cannot say so. A
 * failure is told.
 *
 * `walkaway:complete` is of the backup, as it was read back, and does not wait for a scrub that is due: one that takes hours
 * may be broken off, and a disk that is pulled out in the middle of it holds the whole backup all the same.
 */
export async function explainDisk(
  { request, known, verified, complete }: Explained,
  deps: BackupDeps,
): Promise<boolean> {
  const { disk, pool, signal } = request
  if (signal.aborted) return false
  try {
    const explanation = await plan({ request, known, verified, complete }, deps)
    const mayWrite = async () => !signal.aborted && (await request.isPresent())
    // Before the text, which says that the comment was written.
    const { comment } = explanation
    if (comment !== null && (await mayWrite()) && mayReplaceComment(await deps.pools.comment(pool)))
      await deps.pools.setComment(pool, comment)
    for (const { datasets, values } of explanation.writes) {
      if (!(await mayWrite())) return false
      await deps.zfs.setProperties(datasets, values)
    }
    return true
  } catch (error) {
    deps.tell({ kind: 'explain-failed', disk: disk.name, pool, reason: messageOf(error) })
    return false
  }
}
