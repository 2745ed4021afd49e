// Whether what is to be sent fits on the disk, and how a person is told that it does not.

import prettyBytes from 'pretty-bytes'
import type { BackupDeps, BackupRequest } from './backup.ts'
import type { DatasetName } from './core/model.ts'
import type { Task } from './plan.ts'

/**
 * Those that certainly do not fit, each by itself, and why: they fail before a byte is sent, and the others go on. What
 * ZFS makes of the stream on the disk (compression, copies) is not known before; only the source's own figures count.
 */
export async function findUnfitting(
  tasks: Iterable<Task>,
  { pool }: BackupRequest,
  deps: BackupDeps,
): Promise<ReadonlyMap<DatasetName, string>> {
  const sizes = [...tasks].map(({ source, plan }) => ({
    name: source.name,
    bytes: plan.kind === 'steps' ? plan.leastBytes : 0,
  }))
  if (sizes.every(({ bytes }) => bytes === 0)) return new Map()
  const available = Number(await deps.pools.availableBytes(pool))
  return new Map(
    sizes
      .filter(({ bytes }) => bytes > available)
      .map(({ name, bytes }) => [
        name,
        `it does not fit on the disk: ${inWords(bytes)} are needed at least, ${inWords(available)} are free; ${inWords(bytes - available)} are missing`,
      ]),
  )
}

/** When a stream filled the disk. `missingBytes` is what there was still to send of it, by ZFS's estimate, if it had one. */
export const explainFullDisk = (missingBytes: number | null): string =>
  missingBytes === null
    ? 'the disk is full'
    : `the disk is full: about ${inWords(missingBytes)} of it did not fit`

const inWords = (bytes: number): string => prettyBytes(bytes, { maximumFractionDigits: 1 })
