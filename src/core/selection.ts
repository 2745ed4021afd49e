// Which datasets are backed up, and where each one lands on a disk. Pure: from the configured sources and names
// to names. What is then sent, if anything, is decided by replication.ts.

import type { DatasetName, PoolName } from './model.ts'
import { datasetName } from './model.ts'

/** One entry of `sources`: a dataset and everything below it, less what is excluded. */
export interface Source {
  readonly dataset: DatasetName
  /** Where it lies on a disk, below `into`: its own name, or what `as` says. */
  readonly place: string
  /** Patterns for whole dataset names; `*` stands for any characters but `/`. A match takes all below it along. */
  readonly exclude: readonly string[]
}

/** Whether `inner` is `outer` or lies below it. Works on any `/`-separated names. */
export function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(`${outer}/`)
}

/** Whether the pattern matches the dataset itself or one of its parents. */
export function isPatternMatch(pattern: string, dataset: string): boolean {
  const patternParts = pattern.split('/')
  const parts = dataset.split('/')
  return (
    parts.length >= patternParts.length && patternParts.every((part, i) => matchesPart(part, parts[i] ?? ''))
  )
}

/** Whether the source's `exclude` takes this dataset out of the backup. */
export function isExcluded(source: Pick<Source, 'exclude'>, dataset: string): boolean {
  return source.exclude.some((pattern) => isPatternMatch(pattern, dataset))
}

/** The source that this dataset is backed up by; null when none is, or when it is excluded. */
export function chooseSource(sources: readonly Source[], dataset: string): Source | null {
  return sources.find((source) => isWithin(dataset, source.dataset) && !isExcluded(source, dataset)) ?? null
}

/** Those of `names` that are backed up, in the order given. */
export function selectDatasets(
  sources: readonly Source[],
  names: readonly DatasetName[],
): readonly DatasetName[] {
  return names.filter((name) => chooseSource(sources, name) !== null)
}

/** Whether there can be a dataset below `dataset` that the pattern matches. */
export function canMatchBelow(pattern: string, dataset: string): boolean {
  const parts = pattern.split('/')
  const depth = dataset.split('/').length
  return parts.length > depth && isPatternMatch(parts.slice(0, depth).join('/'), dataset)
}

/** The `exclude` patterns that could match, and match none of the datasets that exist: most likely spelled wrong. */
export function findUnmatchedExcludes(
  config: { readonly sources: readonly Source[] },
  datasets: readonly string[],
): readonly { readonly source: Source; readonly pattern: string }[] {
  return config.sources.flatMap((source) => {
    const candidates = datasets.filter((dataset) => isWithin(dataset, source.dataset))
    return source.exclude
      .filter((pattern) => canMatchBelow(pattern, source.dataset))
      .filter((pattern) => !candidates.some((dataset) => isPatternMatch(pattern, dataset)))
      .map((pattern) => ({ source, pattern }))
  })
}

/** The part of Config that says where a dataset lands. */
export interface Placement {
  readonly sources: readonly Source[]
  readonly backup: { readonly into: string }
}

/**
 * The dataset on the disk's pool that holds the copy of `dataset`: `<pool>/<into>/<place>/<rest>`.
 * Throws RangeError for a dataset that no source selects: asking for it is a bug.
 */
export function targetOf(
  config: Placement,
  disk: { readonly pool: PoolName },
  dataset: DatasetName,
): DatasetName {
  const source = chooseSource(config.sources, dataset)
  if (source === null) throw new RangeError(`no source selects ${dataset}`)
  return datasetName(`${disk.pool}/${config.backup.into}/${placeOf(source, dataset)}`)
}

/** What all copies lie below: the first component of `into` only, which may have several, and all of it must be seen. */
export const rootOnDisk = ({
  pool,
  config,
}: {
  readonly pool: PoolName
  readonly config: Pick<Placement, 'backup'>
}): DatasetName => datasetName(`${pool}/${config.backup.into.split('/', 1)[0]}`)

/**
 * The dataset whose copy would be at this place of the disk's pool, whether there is such a dataset or not; null where
 * no source's copies are.
 */
export function sourceOf(
  config: Placement,
  disk: { readonly pool: PoolName },
  place: DatasetName,
): DatasetName | null {
  const root = `${disk.pool}/${config.backup.into}/`
  if (!place.startsWith(root)) return null
  const inside = place.slice(root.length)
  const found = config.sources
    .filter((source) => isWithin(inside, source.place))
    .toSorted((a, b) => b.place.length - a.place.length)[0]
  return found === undefined ? null : datasetName(found.dataset + inside.slice(found.place.length))
}

/** Where a dataset of this source lies below `into`. */
function placeOf(source: Pick<Source, 'dataset' | 'place'>, dataset: string): string {
  return source.place + dataset.slice(source.dataset.length)
}

// Greedy with one point to go back to: linear in practice, quadratic at worst, whatever the pattern; a regular
// expression made of `a*a*a*b` would not be.
function matchesPart(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  let star = -1
  let resumeAt = 0
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++
      resumeAt = t
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++resumeAt
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
