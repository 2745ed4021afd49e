// What has to be sent back from a backup disk, and whether that may be done at all: from what is on the disk and what the
// machine has already, to steps or a refusal with its reason. Pure. Executed by restore.ts.

import { assignmentsOf, type Copy, hostRoots, isRaw, keyNeededFor } from './marks.ts'
import { type Dataset, type DatasetName, datasetName, type PoolName, type Snapshot } from './model.ts'
import type { BroughtBack, RestoreStep } from './restoreCommands.ts'

/** A dataset of the disk: what it holds, and what it says of itself. */
export interface Backup extends Copy {
  /** Oldest first. */
  readonly snapshots: readonly Snapshot[]
}

export const backupOf = (dataset: Dataset, copy: Copy): Backup => ({
  ...copy,
  name: dataset.name,
  type: dataset.type,
  snapshots: dataset.snapshots,
})

/** A name of a snapshot; when it also reads as a time, no snapshot needs to have that name. null: the newest there is. */
export type PointInTime = { readonly text: string; readonly time: Date | null } | null

export interface RestoreRequest {
  readonly pool: PoolName
  /** `backup.into` of this machine; null without a configuration. */
  readonly into: string | null
  /** Everything on the disk, parents first. */
  readonly backups: readonly Backup[]
  /** The source's name, or a dataset of the disk; null: everything. */
  readonly wanted: string | null
  readonly to: DatasetName
  readonly at: PointInTime
  /** Names of the datasets that are there already, in the pool of `to`; empty: there is no such pool. */
  readonly present: ReadonlySet<string>
}

export type RestoreRefusal =
  | { readonly kind: 'unknown'; readonly wanted: string }
  | { readonly kind: 'ambiguous'; readonly wanted: string | null; readonly found: readonly DatasetName[] }
  | { readonly kind: 'no-snapshot'; readonly at: PointInTime }
  | { readonly kind: 'onto-the-disk'; readonly to: DatasetName }
  | { readonly kind: 'no-place'; readonly parent: string }
  | { readonly kind: 'exists'; readonly datasets: readonly DatasetName[] }

/** A dataset that is not brought back, and why. */
export interface LeftOut {
  readonly dataset: DatasetName
  readonly reason: string
}

export type RestorePlan =
  | { readonly kind: 'steps'; readonly steps: readonly PlannedStep[]; readonly leftOut: readonly LeftOut[] }
  | { readonly kind: 'refused'; readonly refusal: RestoreRefusal }

/** A step that sends knows the snapshot, and so the GUID that has to arrive. */
export interface PlannedSend {
  readonly kind: 'send'
  readonly from: Snapshot
  readonly type: Dataset['type']
  readonly raw: boolean
  /** The encryption root whose key must be loaded before it can be sent; null: none. */
  readonly keyOf: DatasetName | null
  readonly target: DatasetName
}
type OtherStep = Exclude<RestoreStep, { readonly kind: 'send' }>
export type PlannedStep = OtherStep | PlannedSend

/** All that is needed to execute it. */
export type ReadyStep = OtherStep | ReadySend
export type ReadySend = PlannedSend & { readonly properties: BroughtBack }

const isWithin = (name: string, root: string): boolean => name === root || name.startsWith(`${root}/`)
const parentOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('/')))

/** Decides everything before anything is done. Steps come parents first, and none of their targets exists. */
export function planRestore(request: RestoreRequest): RestorePlan {
  const refuse = (refusal: RestoreRefusal): RestorePlan => ({ kind: 'refused', refusal })
  const { pool, to, at, present, backups } = request
  if (isWithin(to, pool)) return refuse({ kind: 'onto-the-disk', to })
  const found = findBackups(request)
  if (found.kind === 'refused') return found
  const inside = backups.filter(({ name }) => isWithin(name, found.root))
  const time = timeOf(at, inside)
  if (time === 'unknown') return refuse({ kind: 'no-snapshot', at })

  const chosen = inside.flatMap((backup) => {
    const from = chooseSnapshot(backup, at, time)
    return from === null
      ? []
      : [{ backup, from, target: datasetName(to + backup.name.slice(found.root.length)) }]
  })
  if (chosen.length === 0) return refuse({ kind: 'no-snapshot', at })
  const existing = chosen.map(({ target }) => target).filter((target) => present.has(target))
  if (existing.length > 0) return refuse({ kind: 'exists', datasets: existing })
  const place = present.has(to) ? to : parentOf(to)
  if (!present.has(place)) return refuse({ kind: 'no-place', parent: place === '' ? to : place })

  const steps: PlannedStep[] = []
  const there = new Set(present)
  for (const { backup, from, target } of chosen) {
    const missing: DatasetName[] = []
    for (let above = parentOf(target); !there.has(above); above = parentOf(above))
      missing.unshift(datasetName(above))
    for (const container of missing) steps.push({ kind: 'container', target: container })
    const encryption = { raw: isRaw(backup), keyOf: keyNeededFor(backup) }
    steps.push({ kind: 'send', from, ...encryption, type: backup.type, target })
    for (const name of [...missing, target]) there.add(name)
  }
  // Last: a quota counts what lies below it, too.
  for (const { backup, target } of chosen)
    if (assignmentsOf(backup.limits).length > 0) steps.push({ kind: 'limits', target, limits: backup.limits })
  const leftOut = inside.flatMap(({ name, snapshots }) =>
    snapshots.length === 0 || chosen.some(({ backup }) => backup.name === name)
      ? []
      : [{ dataset: name, reason: 'it has no snapshot that is as old as that' }],
  )
  return { kind: 'steps', steps, leftOut }
}

/** The dataset on the disk that is wanted with all below it. */
export function findBackups({
  pool,
  into,
  backups,
  wanted,
}: Pick<RestoreRequest, 'pool' | 'into' | 'backups' | 'wanted'>):
  | { readonly kind: 'found'; readonly root: DatasetName }
  | Extract<RestorePlan, { kind: 'refused' }> {
  const own = into === null ? null : datasetName(`${pool}/${into}`)
  const roots = hostRoots(pool, backups)
  const ambiguous = (found: readonly DatasetName[]) =>
    ({ kind: 'refused', refusal: { kind: 'ambiguous', wanted, found } }) as const
  const oneOf = (found: readonly DatasetName[]) => {
    const mine = own === null ? [] : found.filter((name) => isWithin(name, own))
    const [first, ...others] = mine.length > 0 ? mine : found
    if (first === undefined) return null
    return others.length > 0 ? ambiguous([first, ...others]) : ({ kind: 'found', root: first } as const)
  }
  const nothing = { kind: 'refused', refusal: { kind: 'unknown', wanted: wanted ?? pool } } as const
  if (wanted === null) return oneOf(roots) ?? nothing

  const bySource = backups.filter(({ source }) => source === wanted).map(({ name }) => name)
  // What was set aside on the disk still says whose copy it was.
  const current = bySource.filter((name) => !/_diverged_\d{8}T\d{6}Z(\/|$)/.test(name))
  const places = new Set([wanted, `${pool}/${wanted}`, ...roots.map((root) => `${root}/${wanted}`)])
  const byPlace = backups.map(({ name }) => name).filter((name) => places.has(name) && name.includes('/'))
  return oneOf(current) ?? oneOf(byPlace) ?? oneOf(bySource) ?? nothing
}

/** The instant that is meant, if any. A name stands for the time of whichever snapshot has it. */
function timeOf(at: PointInTime, inside: readonly Backup[]): Date | null | 'unknown' {
  if (at === null) return null
  const named = inside.flatMap(({ snapshots }) => snapshots.filter(({ name }) => name === at.text))
  if (named.length === 0) return at.time ?? 'unknown'
  return new Date(Math.max(...named.map(({ creation }) => creation.getTime())))
}

/** A dataset in which nothing had changed may lack the snapshot of that name: what it had before is the same. */
function chooseSnapshot({ snapshots }: Backup, at: PointInTime, time: Date | null): Snapshot | null {
  if (at === null || time === null) return snapshots.at(-1) ?? null
  const named = snapshots.find(({ name }) => name === at.text)
  if (named !== undefined) return named
  return snapshots.filter(({ creation }) => creation <= time).at(-1) ?? null
}

/** The encryption roots whose keys the plan needs, each once. */
export const keysFor = (steps: readonly PlannedStep[]): readonly DatasetName[] => [
  ...new Set(steps.flatMap((step) => (step.kind === 'send' && step.keyOf !== null ? [step.keyOf] : []))),
]

/** True for what must not be done, as against what was asked wrongly. */
export const isUnsafe = ({ kind }: RestoreRefusal): boolean => kind === 'exists' || kind === 'onto-the-disk'

const listed = (names: readonly string[]): string => {
  const shown = names.slice(0, 10).join(', ')
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown
}

/** A refusal in a sentence for a person. */
export function explainRestoreRefusal(refusal: RestoreRefusal): string {
  switch (refusal.kind) {
    case 'unknown':
      return `there is no backup of ${refusal.wanted} on this disk; --list shows what there is`
    case 'ambiguous': {
      const what =
        refusal.wanted === null
          ? 'there are backups of several hosts'
          : `${refusal.wanted} is there several times`
      return `${what}: say which one with its name on the disk: ${listed(refusal.found)}`
    }
    case 'no-snapshot': {
      if (refusal.at === null) return 'there is no snapshot in it, so there is nothing to restore'
      return refusal.at.time === null
        ? `no snapshot of it is called ${refusal.at.text}, and that is no time either (2026-11-22, 2026-11-22T18:30)`
        : `no snapshot of it is as old as ${refusal.at.text}; --list shows what there is`
    }
    case 'onto-the-disk':
      return `${refusal.to} is on the backup disk itself; nothing was done`
    case 'no-place':
      return `there is no dataset ${refusal.parent} on this machine to restore into; make it first`
    case 'exists':
      return `nothing is overwritten, and nothing was done: ${listed(refusal.datasets)} ${refusal.datasets.length === 1 ? 'exists' : 'exist'} already; restore to another name`
  }
}
