// Where on the disk the copy of each dataset is, when it is not where it belongs: moved with a source that was renamed, set
// aside when it cannot be continued. Pure: from the listings of both sides to renames on the disk, parents first.

import { type Conflict, describeConflict } from './conflict.ts'
import type { Dataset, DatasetName } from './model.ts'
import { datasetName } from './model.ts'
import { isWithin } from './selection.ts'

/** A dataset that has a place on the disk. */
export interface Placed {
  readonly source: Dataset
  readonly targetName: DatasetName
}

/** What is done to the copy before anything is sent to it. */
export type Move =
  /** Its source has another name now, or its parent was set aside: it is brought where it belongs. */
  | { readonly kind: 'follow'; readonly from: DatasetName; readonly type: Dataset['type'] }
  /** It is in the way and cannot be continued: it keeps everything, under another name, with what is below it. */
  | {
      readonly kind: 'set-aside'
      readonly to: DatasetName
      readonly type: Dataset['type']
      readonly conflict: Conflict
    }

export type Arranged<T extends Placed> = T & {
  /** The copy as it is once the moves of this dataset and of those before it are done; null: there is none. */
  readonly target: Dataset | null
  readonly move: Move | null
}

export interface Arrangement<T extends Placed> {
  /** In the order of their places on the disk: parents first. Moves belong in this order. */
  readonly tasks: readonly Arranged<T>[]
  /** Copies of what the source does not have any more. They stay as they are. */
  readonly orphans: readonly DatasetName[]
}

export interface ArrangeInput<T extends Placed> {
  readonly tasks: readonly T[]
  readonly onDisk: readonly Dataset[]
  /** The dataset that would be backed up to this place of the disk; null if none would. */
  readonly sourceOf: (place: DatasetName) => string | null
  /** Whether such a dataset is there, backed up or not; true also if that cannot be known now. */
  readonly exists: (source: string) => boolean
  /** Why a copy cannot be continued and shall be set aside; null: it stays. */
  readonly inTheWay: (task: T, target: Dataset) => Conflict | null
  /** When: `20261122T210000Z`. */
  readonly stamp: string
}

/**
 * A copy is followed only if it is certain: its newest snapshot is one that the source has (by GUID, as snapshot or
 * bookmark), it is the only such copy, no dataset belongs at its place, and what was backed up to it is gone. What is below
 * a copy goes with it.
 */
export function arrange<T extends Placed>(input: ArrangeInput<T>): Arrangement<T> {
  const { exists, sourceOf, stamp, inTheWay } = input
  // With `as`, a dataset may land below one that is configured after it; on the disk the parent comes first.
  const ordered = [...input.tasks].sort((a, b) => (a.targetName < b.targetName ? -1 : 1))
  const places = new Set<string>(ordered.map(({ targetName }) => targetName))
  let disk = new Map<string, Dataset>(input.onDisk.map((dataset) => [dataset.name, dataset]))
  const isAbandoned = (name: DatasetName): boolean => {
    if (places.has(name)) return false
    const source = sourceOf(name)
    return source === null || !exists(source)
  }
  /** Those that may be a copy of something else by now, by the GUID of their newest snapshot. */
  const findable = new Map<string, Dataset[]>()
  for (const dataset of input.onDisk) {
    const guid = dataset.snapshots.at(-1)?.guid
    if (guid !== undefined) findable.set(guid, [...(findable.get(guid) ?? []), dataset])
  }
  const movedFrom = new Map<string, string>()
  const nameNow = (name: string): string => {
    let now = name
    for (const [from, to] of movedFrom) if (isWithin(now, from)) now = to + now.slice(from.length)
    return now
  }
  const rename = (from: DatasetName, to: DatasetName): void => {
    movedFrom.set(from, to)
    disk = new Map(
      [...disk.values()].map((dataset) => {
        const name = isWithin(dataset.name, from)
          ? datasetName(to + dataset.name.slice(from.length))
          : dataset.name
        return [name, { ...dataset, name }]
      }),
    )
  }
  const findCopy = (source: Dataset): Dataset | null => {
    const guids = new Set([...source.snapshots, ...source.bookmarks].map(({ guid }) => guid))
    const found = [...guids]
      .flatMap((guid) => findable.get(guid) ?? [])
      .flatMap(({ name }) => disk.get(nameNow(name)) ?? [])
      .filter(({ name, type, encrypted }) => {
        const sameKind = type === source.type && (encrypted || !source.encrypted)
        return sameKind && isAbandoned(name)
      })
    return found.length === 1 ? (found[0] ?? null) : null
  }

  const tasks = ordered.map((task): Arranged<T> => {
    const there = disk.get(task.targetName) ?? null
    if (there === null) {
      const copy = findCopy(task.source)
      if (copy === null) return { ...task, target: null, move: null }
      rename(copy.name, task.targetName)
      const move: Move = { kind: 'follow', from: copy.name, type: copy.type }
      return { ...task, target: { ...copy, name: task.targetName }, move }
    }
    const conflict = inTheWay(task, there)
    const to = datasetName(`${task.targetName}_diverged_${stamp}`)
    if (conflict === null || disk.has(to)) return { ...task, target: there, move: null }
    rename(task.targetName, to)
    return { ...task, target: null, move: { kind: 'set-aside', to, type: there.type, conflict } }
  })
  const orphans = [...disk.values()]
    .filter(({ name, snapshots }) => snapshots.length > 0 && !places.has(name))
    .flatMap(({ name }) => {
      const source = sourceOf(name)
      return source === null || exists(source) || wasSetAside(name) ? [] : [name]
    })
  return { tasks, orphans }
}

const wasSetAside = (name: string): boolean => /_diverged_\d{8}T\d{6}Z(\/|$)/.test(name)

/** Everything above it, the nearest first, without the pool's own root. */
export function ancestorsOf(name: string): readonly string[] {
  const parent = name.slice(0, name.lastIndexOf('/'))
  return parent.includes('/') ? [parent, ...ancestorsOf(parent)] : []
}

/** What a plan does besides sending, for a person. */
export function describeArrangement({ tasks, orphans }: Arrangement<Placed>): readonly string[] {
  return [
    ...tasks.flatMap(({ source, move }) => {
      if (move === null) return []
      return move.kind === 'follow'
        ? [`${source.name} is the renamed ${move.from}`]
        : [`the old copy of ${source.name} is set aside as ${move.to}: ${describeConflict(move.conflict)}`]
    }),
    ...(orphans.length === 0 ? [] : [`not on the source any more, kept: ${few(orphans)}`]),
  ]
}

const few = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
