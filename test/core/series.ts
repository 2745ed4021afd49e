// A mini notation for the history of a dataset, oldest first: '@a @b #c' is snapshot a, snapshot b, and a bookmark of
// what was snapshot c. The name decides the GUID, so that one name in two histories is one snapshot; '@b=a' is called
// b and has the GUID of a, and '@own1' gets a name that walkaway would give.

import {
  type Bookmark,
  type Dataset,
  datasetName,
  type Snapshot,
  snapshotGuid,
} from '../../src/core/model.ts'

/** createtxg of every point in steps of ten; creation deliberately runs the other way: it must decide nothing. */
export function dataset(series: string, fields: Partial<Dataset> = {}): Dataset {
  const name = fields.name ?? datasetName('tank')
  const snapshots: Snapshot[] = []
  const bookmarks: Bookmark[] = []
  for (const [index, word] of series.split(' ').filter(Boolean).entries()) {
    const [called = '', original = called] = word.slice(1).split('=')
    const point: Bookmark = {
      dataset: name,
      name: nameOf(called),
      guid: snapshotGuid(`guid-${original}`),
      createtxg: BigInt(10 * (index + 1)),
      creation: new Date(Date.UTC(2026, 0, 1) - index * 3_600_000),
    }
    if (word.startsWith('#')) bookmarks.push(point)
    else snapshots.push({ ...point, holds: 0, writtenBytes: 10n, referencedBytes: 1000n, clones: [] })
  }
  return {
    name,
    guid: '1',
    type: 'filesystem',
    encrypted: false,
    resumeToken: null,
    origin: null,
    snapshots,
    bookmarks,
    ...fields,
  }
}

/** `own3` -> `walkaway_20260103T000000Z` */
export const nameOf = (short: string): string =>
  short.replace(/^own(\d)$/, (_, day: string) => `walkaway_2026010${day}T000000Z`)

/** The snapshot that the notation calls so; the newest one without a name. */
export function at(of: Dataset, short?: string): Snapshot {
  const found = short === undefined ? of.snapshots.at(-1) : of.snapshots.find((s) => s.name === nameOf(short))
  if (found === undefined) throw new Error(`there is no @${short ?? ''} in this history`)
  return found
}
