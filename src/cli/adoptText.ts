// How `walkaway adopt` speaks of what it found: what the disk has of the sources, and what the first visit will do. Pure.
import type { DiskEntry } from '../config/addDisk.ts'
import type { Kinship } from '../core/adoption.ts'
import type { DatasetName } from '../core/model.ts'
import { oneLine } from '../linux/oneLine.ts'
import type { Preview } from '../preview.ts'
import { renderPlan } from './planText.ts'
import { indented, type Look, plural } from './words.ts'

export interface Found {
  readonly entry: DiskEntry
  /** The pool is imported, by whomever: it is left so. */
  readonly somebodys: boolean
  /** As a whole. */
  readonly encrypted: boolean
  readonly sources: readonly DatasetName[]
  readonly kin: readonly Kinship[]
  readonly plan: Preview
  /** Why the pool could not be let go of again; null: it was, or did not have to be. */
  readonly notReleased: string | null
}

/** Ends with a line feed. */
export function renderFound({ entry, somebodys, encrypted, sources, kin, plan }: Found, look: Look): string {
  const { pool, poolGuid, serials, keyFile } = entry
  const strangers = sources.filter((name) => !kin.some(({ source }) => source === name))
  const sentences = [
    ...kin.map(explain),
    ...(kin.length === 0
      ? [
          'nothing on it has a snapshot in common with the sources: all of it stays, and backups begin beside it',
        ]
      : strangers.length === 0
        ? []
        : [`nothing on it has a snapshot in common with ${strangers.join(', ')}`]),
    ...(encrypted && keyFile === null
      ? ['the pool is encrypted as a whole: its visits need a key; say where it is with --key-file FILE']
      : []),
    ...(somebodys
      ? [`the pool is imported, and is left so; to let go of the disk: zpool export ${pool}`]
      : []),
  ]
  return [
    `${oneLine(`Pool ${pool}, GUID ${poolGuid}, on ${plural(serials.length, 'disk')} with the serial ${serials.join(', ')}`)}\n`,
    ...sentences.flatMap((text) => indented(text, { indent: 2, look })).map((line) => `${line}\n`),
    '\nThe first visit, if it began now:\n',
    renderPlan([plan], { ...look, everySnapshot: false }),
  ].join('')
}

function explain({ source, copy, place, shared, newest }: Kinship): string {
  const common = `${source}: ${copy} has ${plural(shared, 'snapshot')} in common with it, the newest @${newest}`
  return copy === place
    ? common
    : `${common}; a visit looks for it at ${place}, and sends everything again unless it is moved there before (zfs rename)`
}
