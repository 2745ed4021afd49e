// What has to be written on a disk so that it explains itself: from what it says now and what a visit found, to the
// properties that differ. Pure. Executed by explain.ts.

import { type Copy, copiesOf, copyProperties, mark, ownValue, type PropertiesOf } from './marks.ts'
import {
  type Dataset,
  type DatasetName,
  datasetName,
  type LuksUuid,
  type PoolGuid,
  type PoolName,
} from './model.ts'
import { commentFor, restoreProperty, restoreText } from './restoreText.ts'

export interface Explanation {
  /** In this order: what describes the copies comes before the text that is made from it. */
  readonly writes: readonly {
    readonly datasets: readonly DatasetName[]
    readonly values: Readonly<Record<string, string>>
  }[]
  /** null: it was written before. */
  readonly comment: string | null
}

export interface ExplanationRequest {
  readonly pool: PoolName
  readonly guid: PoolGuid
  /** Of the LUKS container that the pool lies in; null: it lies in none. */
  readonly luks: LuksUuid | null
  /** The dataset that the backups of this host live under. */
  readonly root: DatasetName
  readonly host: string
  /** The whole pool, as the disk says it. */
  readonly table: ReadonlyMap<DatasetName, PropertiesOf>
  /** Of each copy that was read back in this visit: the name of its newest snapshot. */
  readonly states: ReadonlyMap<DatasetName, string>
  /** Of the same copies: the dataset that each is a copy of, which may have had another name before. */
  readonly sources: ReadonlyMap<DatasetName, DatasetName>
  /** Changes with what the disk has, as the visit leaves it (`contentOf`), and with whatever else it says. */
  readonly content: string
  /** When the visit was complete; null: it was not. */
  readonly completeAt: Date | null
  readonly fingerprintOf: (text: string) => string
}

/** Every property that the table must have. */
export const explanationProperties: readonly string[] = [...copyProperties, mark.complete, mark.text]

/** Who is backed up where: of each copy that was read back. */
interface Covered {
  readonly source: Pick<Dataset, 'name'>
  readonly targetName: DatasetName
}

/**
 * A text that changes with each copy that comes, goes, is renamed or brought up to date, with which of them were read back, and
 * with what they are copies of: all that this machine's visits explain but limits, which come with a stream.
 */
export function contentOf(onDisk: readonly Dataset[], verified: readonly Covered[]): string {
  const copies = onDisk.map(({ name, guid, snapshots }) => {
    const newest = snapshots.at(-1)
    return `${name} ${guid} ${newest?.guid} ${newest?.name}`
  })
  return [
    ...copies,
    ...verified.map(({ source, targetName }) => `${targetName} of ${source.name}`).sort(),
  ].join('\n')
}

/** Whether all that the disk says was written when it had this content, as far as its own root dataset tells. */
export const isExplained = (
  { pool, table }: Pick<ExplanationRequest, 'pool' | 'table'>,
  fingerprint: string,
): boolean => readSaid(ownValue(table.get(datasetName(pool)), mark.text)).content === fingerprint

/** What has to be written on a disk that explains itself already. */
export const keepExplained = (
  request: Pick<ExplanationRequest, 'root' | 'host' | 'table' | 'completeAt'>,
): Explanation => ({ writes: visitWrites(request), comment: null })

/** The least that has to be written; a copy that this visit did not read back keeps what it says. */
export function planExplanation(request: ExplanationRequest): Explanation {
  const { pool, table, states, sources } = request
  const copies = copiesOf(table).map(
    (copy): Copy => ({
      ...copy,
      state: states.get(copy.name) ?? copy.state,
      source: sources.get(copy.name) ?? copy.source,
    }),
  )
  const sourceWrites = copies.flatMap(({ name, source }) =>
    source === null || source === ownValue(table.get(name), mark.source)
      ? []
      : [{ datasets: [name], values: { [mark.source]: source } }],
  )
  const changed = new Map<string, DatasetName[]>()
  for (const { name, state } of copies)
    if (state !== null && state !== ownValue(table.get(name), mark.state))
      changed.set(state, [...(changed.get(state) ?? []), name])
  const stateWrites = [...changed].map(([state, datasets]) => ({ datasets, values: { [mark.state]: state } }))

  const before = readSaid(ownValue(table.get(rootDataset(pool, table)), mark.text))
  const parts = restoreText({
    pool,
    guid: request.guid,
    luks: request.luks,
    copies: withHost(copies, request),
  })
  const comment = commentFor(pool)
  const content = request.fingerprintOf(request.content)
  const said = `${parts.length} ${request.fingerprintOf(parts.join('\n'))} ${content} ${comment}`
  const textValues: Record<string, string> = { [mark.text]: said }
  for (const [at, text] of parts.entries()) textValues[restoreProperty(at)] = text
  // A property cannot be unset by the command that sets others; empty ones say nothing.
  for (let at = parts.length; at < before.parts; at++) textValues[restoreProperty(at)] = ''
  const isNew = before.text !== said

  return {
    writes: [
      ...sourceWrites,
      ...stateWrites,
      ...visitWrites(request),
      ...(isNew ? [{ datasets: [rootDataset(pool, table)], values: textValues }] : []),
    ],
    comment: before.comment === comment ? null : comment,
  }
}

function visitWrites({
  root,
  host,
  table,
  completeAt,
}: Pick<ExplanationRequest, 'root' | 'host' | 'table' | 'completeAt'>): Explanation['writes'] {
  if (!table.has(root)) return []
  const values: Record<string, string> = {}
  if (ownValue(table.get(root), mark.host) !== host) values[mark.host] = host
  if (completeAt !== null) values[mark.complete] = `${completeAt.toISOString().slice(0, 19)}Z`
  return Object.keys(values).length === 0 ? [] : [{ datasets: [root], values }]
}

/** The copies as they are once everything is written. */
const withHost = (copies: readonly Copy[], { root, host }: ExplanationRequest): readonly Copy[] =>
  copies.map((copy) => (copy.name === root ? { ...copy, host } : copy))

/** The pool's root dataset has the pool's name. */
const rootDataset = (pool: PoolName, table: ReadonlyMap<DatasetName, PropertiesOf>): DatasetName => {
  const [first] = table.keys()
  if (first === undefined || String(first) !== String(pool)) throw new RangeError(`not a listing of ${pool}`)
  return first
}

/** `mark.text` as it was written; from anybody else, it says nothing. */
function readSaid(text: string | null): {
  readonly text: string | null
  readonly parts: number
  /** Fingerprint of `contentOf`; null: it did not say. */
  readonly content: string | null
  readonly comment: string | null
} {
  const match = /^(?<parts>\d{1,3}) [0-9a-f]+ (?:(?<content>[0-9a-f]{16}) )?(?<comment>.{1,32})$/.exec(
    text ?? '',
  )
  const { parts = '0', content = null, comment = null } = match?.groups ?? {}
  return { text, parts: Number(parts), content, comment }
}
