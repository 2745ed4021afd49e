// Clones: in which order datasets are sent so that a clone finds its origin on the disk, and which origin that is. Pure.
// What is sent from there is replication.ts.

import type { Dataset, Snapshot } from './model.ts'
import { ancestorsOf, type Move, type Placed } from './placement.ts'

/** Why a clone has to be sent in full. */
export interface MissingOrigin {
  readonly kind: 'missing'
  /** `pool/dataset@snapshot` on the source. */
  readonly path: string
  readonly because: /** Its dataset is excluded, of another source, or could not be read. */
    | 'not-backed-up'
    /** The disk does not have it: it was given up there before, or could not be sent. */
    | 'not-on-disk'
    /** Its dataset lies below the clone, or below what waits for the clone. */
    | 'comes-later'
    /** The disk has it decrypted; the clone is sent as it is. */
    | 'not-encrypted'
}

/** The origin of a clone that the disk has no copy of, and which of the datasets it belongs to. */
export type Origin<T> = { readonly kind: 'of'; readonly snapshot: Snapshot; readonly of: T } | MissingOrigin

export interface OriginPlan<T> {
  /** Every dataset after what must be above it on the disk or above its copy that is followed, every clone after its origin. */
  readonly order: readonly T[]
  /** Only of clones that are still to be received. */
  readonly origins: ReadonlyMap<T, Origin<T>>
}

interface Clonable extends Placed {
  readonly target: Dataset | null
  readonly move: Move | null
}

/** A clone is one only from its first snapshot on the disk: what was received otherwise stays what it is. */
const isToBeReceived = ({ target }: Clonable): boolean =>
  target === null || (target.snapshots.length === 0 && target.resumeToken !== null)

/**
 * `tasks`: in any order. An origin that could only be sent after its clone (their places on the disk are turned round:
 * renames can do that) counts as missing; places come first, for what lies below another cannot be received before it.
 */
export function planOrigins<T extends Clonable>(tasks: readonly T[]): OriginPlan<T> {
  const bySource = new Map<string, T>(tasks.map((task) => [task.source.name, task]))
  const byPlace = new Map<string, T>(tasks.map((task) => [task.targetName, task]))
  const origins = new Map<T, Origin<T>>()
  const placedAt = (name: string): readonly T[] => {
    const found = byPlace.get(name)
    return found === undefined ? [] : [found]
  }
  const before = (task: T): readonly T[] => {
    const origin = origins.get(task)
    const above = ancestorsOf(task.targetName).flatMap(placedAt)
    // A copy that is followed out of what is itself still to come to its place is found only then.
    const left = task.move?.kind === 'follow' ? ancestorsOf(task.move.from).flatMap(placedAt) : []
    const toCome = left.filter(({ target, move }) => target === null || move !== null)
    return [...above, ...toCome, ...(origin?.kind === 'of' ? [origin.of] : [])]
  }
  const waitsFor = (task: T, other: T): boolean => {
    const seen = new Set<T>([task])
    for (const one of seen) for (const next of before(one)) seen.add(next)
    return seen.has(other)
  }

  for (const task of tasks) {
    const path = task.source.origin
    if (path === null || !isToBeReceived(task)) continue
    const [name = '', short] = path.split('@')
    const of = bySource.get(name)
    const snapshot = of?.source.snapshots.find((candidate) => candidate.name === short)
    if (of === undefined || snapshot === undefined)
      origins.set(task, { kind: 'missing', path, because: 'not-backed-up' })
    else if (waitsFor(of, task)) origins.set(task, { kind: 'missing', path, because: 'comes-later' })
    else origins.set(task, { kind: 'of', snapshot, of })
  }

  const reached = new Set<T>()
  const order = new Set<T>()
  const add = (task: T): void => {
    if (reached.has(task)) return
    reached.add(task)
    before(task).forEach(add)
    order.add(task)
  }
  tasks.forEach(add)
  return { order: [...order], origins }
}

/** The snapshots that a clone has before its own: those of its origin's dataset, up to the origin. None for others. */
export function inheritedBy(source: Dataset, all: ReadonlyMap<string, Dataset>): readonly Snapshot[] {
  const [name = '', short] = source.origin?.split('@') ?? []
  const snapshots = all.get(name)?.snapshots ?? []
  return snapshots.slice(0, snapshots.findIndex((candidate) => candidate.name === short) + 1)
}

/** Why a clone is sent in full, for a person. */
export function describeMissingOrigin({ path, because }: MissingOrigin): string {
  switch (because) {
    case 'not-backed-up':
      return `its origin ${path} is not among what is backed up`
    case 'not-on-disk':
      return `its origin ${path} is not on the disk`
    case 'comes-later':
      return `its origin ${path} cannot be sent before it`
    case 'not-encrypted':
      return `its origin ${path} is not on the disk as it is here, encrypted`
  }
}

/** As what a dataset was sent. */
export interface HowSent {
  readonly how: 'full' | 'incremental' | 'resumed' | 'clone'
  /** Why a clone took the room of a whole dataset; null: it did not, or is none. */
  readonly missingOrigin: MissingOrigin | null
}

/** In a word or two, for a person. */
export function describeSending({ how, missingOrigin }: HowSent): string {
  if (how === 'clone') return 'as a clone'
  return missingOrigin === null ? how : `in full: ${describeMissingOrigin(missingOrigin)}`
}
