// The answers of zfs as the model's nouns. Pure. Columns are split on the tab, counted, and kept when empty; an answer that
// is short, empty where something must be, or otherwise odd is `UnreadableAnswer`, never "nothing".
// Pools are parsePool.ts; what they complain about on stderr is complaint.ts.
import {
  type Bookmark,
  type Dataset,
  type DatasetName,
  datasetName,
  resumeToken,
  type Snapshot,
  snapshotGuid,
} from '../core/model.ts'
import { UnreadableAnswer } from '../errors.ts'
import { digits, fields, linesOf, unreadable, unsigned } from './columns.ts'

export const listingColumns = [
  'name',
  'type',
  'guid',
  'createtxg',
  'creation',
  'encryption',
  'receive_resume_token',
  'userrefs',
  'written',
  'referenced',
  'origin',
  'clones',
] as const

interface GrowingDataset extends Dataset {
  readonly snapshots: Snapshot[]
  readonly bookmarks: Bookmark[]
}

/** True for the clone that an unfinished receive grows in; its token is shown on the dataset itself. */
export const isHidden = (name: string): boolean => name.includes('/%')

/** Reads `zfs list -Hp -o listingColumns` of datasets, snapshots and bookmarks, a line at a time. */
export interface Listing {
  readonly add: (line: string) => void
  /** In the order listed; snapshots and bookmarks oldest first. Throws `UnreadableAnswer` if one of these was not listed. */
  readonly finish: (asked: readonly DatasetName[]) => readonly Dataset[]
}

const noClones: readonly string[] = []

export function openListing(): Listing {
  const datasets = new Map<string, GrowingDataset>()
  const ownerOf = (name: string, at: number): GrowingDataset | undefined => datasets.get(name.slice(0, at))

  const add = (line: string): void => {
    const columns = fields(line, listingColumns.length, 'zfs list')
    const [name = '', type, guid, createtxg, creation, encryption, token, userrefs, written, referenced] =
      columns
    const [origin = '-', clones = '-'] = columns.slice(-2)
    if (isHidden(name)) return
    const at = name.search(/[@#]/)
    if (at === -1) {
      if (type !== 'filesystem' && type !== 'volume')
        throw unreadable('zfs list: neither file system nor volume', line)
      datasets.set(name, {
        name: datasetName(name),
        guid: digits(guid, 'a GUID'),
        type,
        encrypted: encryption !== 'off' && encryption !== '-',
        resumeToken: token === '-' || token === undefined ? null : resumeToken(token),
        origin: origin === '-' || origin === '' ? null : origin,
        snapshots: [],
        bookmarks: [],
      })
      return
    }
    const owner = ownerOf(name, at)
    if (owner === undefined) throw unreadable('zfs list: before its dataset', line)
    const point = {
      dataset: owner.name,
      name: name.slice(at + 1),
      guid: snapshotGuid(digits(guid, 'a GUID')),
      createtxg: unsigned(createtxg, 'createtxg'),
      creation: new Date(Number(unsigned(creation, 'creation')) * 1000),
    }
    if (name[at] === '#') owner.bookmarks.push(point)
    else
      owner.snapshots.push({
        ...point,
        holds: Number(unsigned(userrefs, 'userrefs')),
        writtenBytes: unsigned(written, 'written'),
        referencedBytes: unsigned(referenced, 'referenced'),
        // No dataset's name has a comma in it; older versions leave the column empty where others print a dash.
        clones: clones === '-' || clones === '' ? noClones : clones.split(','),
      })
  }

  const finish: Listing['finish'] = (asked) => {
    for (const name of asked)
      if (!datasets.has(name)) throw new UnreadableAnswer(`zfs list: no answer about ${name}`)
    for (const { snapshots, bookmarks } of datasets.values()) {
      snapshots.sort(byCreatetxg)
      bookmarks.sort(byCreatetxg)
    }
    return [...datasets.values()]
  }
  return { add, finish }
}

const byCreatetxg = (a: { readonly createtxg: bigint }, b: { readonly createtxg: bigint }): number =>
  a.createtxg < b.createtxg ? -1 : a.createtxg > b.createtxg ? 1 : 0

/** What became of a snapshot that was to be destroyed; only `destroyed` is not there any more because of it. */
export type SnapshotEnd = (typeof snapshotEnds)[number]
const snapshotEnds = [
  'destroyed',
  /** There is none of that name. */
  'gone',
  /** What has its name has another GUID. */
  'replaced',
  'held',
  /** Mounted, or being sent. */
  'in-use',
  /** Also: an unfinished receive goes on from it. */
  'has-clones',
  'failed',
] as const

/** What became of a bookmark that was to be made. */
export type BookmarkEnd = (typeof bookmarkEnds)[number]
const bookmarkEnds = ['made', 'exists', 'gone', 'failed'] as const

/** `zfs program -j` of destroy.ts: a word for each of `count` snapshots. */
export const parseSnapshotEnds = (stdout: string, count: number): readonly SnapshotEnd[] =>
  parseEnds(stdout, count, snapshotEnds)

/** `zfs program -j` of bookmarks.ts: a word for each of `count` bookmarks. */
export const parseBookmarkEnds = (stdout: string, count: number): readonly BookmarkEnd[] =>
  parseEnds(stdout, count, bookmarkEnds)

/** `zfs program -j` of listing.ts: a word for each of `count` snapshots. */
export const parsePresence = (stdout: string, count: number): readonly ('there' | 'other')[] =>
  parseEnds(stdout, count, ['there', 'other'])

/** `zfs program -j` of properties.ts: a word for each of `count` datasets. */
export const parseSettings = (stdout: string, count: number): readonly ('set' | 'failed')[] =>
  parseEnds(stdout, count, ['set', 'failed'])

function parseEnds<End extends string>(stdout: string, count: number, ends: readonly End[]): readonly End[] {
  const words = returnedText(stdout).split(' ')
  if (words.length !== count)
    throw unreadable(`zfs program: ${words.length} answers instead of ${count}`, stdout)
  return words.map((word) => {
    const end = ends.find((known) => known === word)
    if (end === undefined) throw unreadable('zfs program: an odd answer', word)
    return end
  })
}

/** What a channel program returned, if it is a text. */
function returnedText(stdout: string): string {
  let answer: unknown
  try {
    answer = JSON.parse(stdout)
  } catch {
    throw unreadable('zfs program: no JSON', stdout)
  }
  if (
    typeof answer === 'object' &&
    answer !== null &&
    'return' in answer &&
    typeof answer.return === 'string'
  )
    return answer.return
  throw unreadable('zfs program: no text returned', stdout)
}

/** `zfs get -Hp -o name,value guid`: the GUID of each snapshot or bookmark, by its path. */
export function parseGuids(stdout: string): ReadonlyMap<string, string> {
  return new Map(
    linesOf(stdout).map((line) => {
      const [path = '', guid] = fields(line, 2, 'zfs get')
      return [path, digits(guid, 'a GUID')]
    }),
  )
}

/** `zfs holds -H`: a line for each hold, and none for a snapshot without any. */
export const parseHolds = (stdout: string): readonly { readonly path: string; readonly tag: string }[] =>
  linesOf(stdout).map((line) => {
    const [path = '', tag = ''] = fields(line, 3, 'zfs holds')
    return { path, tag }
  })

/** `zfs get -Hp -o name,property,value written#...`: bytes by snapshot and property; null where ZFS cannot tell. */
export function parseWritten(stdout: string): ReadonlyMap<string, ReadonlyMap<string, bigint | null>> {
  const written = new Map<string, Map<string, bigint | null>>()
  for (const line of linesOf(stdout)) {
    const [path = '', property = '', value] = fields(line, 3, 'zfs get')
    const ofPath = written.get(path) ?? new Map<string, bigint | null>()
    ofPath.set(property, value === '-' ? null : unsigned(value, property))
    written.set(path, ofPath)
  }
  return written
}

/**
 * `zfs get -Hp -o property,value,source` of these properties. A user property's value may contain tabs and newlines:
 * every line that does not begin with the next property asked for belongs to the value before it.
 */
export function parseProperties(
  stdout: string,
  names: readonly string[],
): ReadonlyMap<string, { readonly value: string; readonly source: string }> {
  const properties = new Map<string, { readonly value: string; readonly source: string }>()
  const lines = linesOf(stdout)
  let at = 0
  for (const [index, name] of names.entries()) {
    const next = names[index + 1]
    const start = at
    if (lines[start]?.startsWith(`${name}\t`) !== true) throw unreadable(`zfs get: no ${name}`, stdout)
    do at++
    while (at < lines.length && (next === undefined || lines[at]?.startsWith(`${next}\t`) !== true))
    const columns = lines.slice(start, at).join('\n').split('\t')
    if (columns.length < 3) throw unreadable(`zfs get: ${columns.length} columns instead of 3`, stdout)
    properties.set(name, { value: columns.slice(1, -1).join('\t'), source: columns.at(-1) ?? '' })
  }
  return properties
}

/**
 * `zfs get -Hp -r -o name,property,value,source` of these properties. Nothing is known of values that somebody else set,
 * so what is no line of this form, about a property that was asked for, belongs to such a value and is passed over.
 */
export function parsePropertyTable(
  stdout: string,
  names: readonly string[],
): ReadonlyMap<DatasetName, ReadonlyMap<string, { readonly value: string; readonly source: string }>> {
  const table = new Map<DatasetName, Map<string, { readonly value: string; readonly source: string }>>()
  for (const line of linesOf(stdout)) {
    const [name = '', property = '', value = '', source, ...more] = line.split('\t')
    if (source === undefined || more.length > 0 || !names.includes(property)) continue
    if (isHidden(name)) continue
    const dataset = datasetName(name)
    const properties = table.get(dataset) ?? new Map()
    // Each is told once: a second time, it is another one's value that looks like it.
    if (!properties.has(property)) properties.set(property, { value, source })
    table.set(dataset, properties)
  }
  return table
}

/**
 * `zfs get -Hp -o property,received all`, where `-` stands for nothing. A user property's value may contain tabs and
 * newlines: a line that cannot begin a property belongs to the value before it. ZFS tells its own properties first.
 */
export function parseReceived(stdout: string): ReadonlyMap<string, string> {
  const received = new Map<string, string>()
  let last: string | null = null
  for (const line of linesOf(stdout)) {
    const [, name, value] = /^([a-z0-9_:.-]+)\t(.*)$/s.exec(line) ?? []
    const begins = name?.includes(':') === true || last?.includes(':') !== true
    if (name !== undefined && value !== undefined && begins) {
      received.set(name, value)
      last = name
    } else {
      if (last === null) throw unreadable('zfs get: no property', line)
      received.set(last, `${received.get(last)}\n${line}`)
    }
  }
  if (received.size === 0) throw unreadable('zfs get: no property at all', stdout)
  return new Map([...received].filter(([, value]) => value !== '-'))
}
