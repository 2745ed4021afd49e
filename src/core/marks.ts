// What a disk says of itself in user properties of its datasets: their names, what is written there and how it is read
// again. Pure. Who writes them is explain.ts and the receive itself (zfs/transfer.ts); nothing is decided by them but a
// restore, and that believes only what is set on the very dataset: user properties are inherited, and travel.

import { type Dataset, type DatasetName, datasetName } from './model.ts'

/** The user properties that walkaway sets on a backup disk. */
export const mark = {
  /** On a copy: the dataset that it is a copy of. */
  source: 'walkaway:source',
  /** On a copy and on the dataset that the backups of a host live under: the host's name. */
  host: 'walkaway:host',
  /** On a copy: `raw` or `plain`, the kind of stream it was received as. */
  mode: 'walkaway:mode',
  /** On a copy: what limited the source (`quota=1024 reservation=512`), which is never in force on the disk. */
  limits: 'walkaway:limits',
  /** On a copy: name of the snapshot that was read back from the disk as its newest. */
  state: 'walkaway:state',
  /** On the dataset that the backups of a host live under: when a visit last was complete, in UTC. */
  complete: 'walkaway:complete',
  /** On the pool's root dataset: of what was written last, number of parts, fingerprint, that of what it is about, and comment. */
  text: 'walkaway:text',
  /** On the pool's root dataset: how to restore without walkaway; continued in `walkaway:restore-2` and so on. */
  restore: 'walkaway:restore',
} as const

/** A property's value and where it comes from, in ZFS's words. */
interface Valued {
  readonly value: string
  readonly source: string
}
export type PropertiesOf = ReadonlyMap<string, Valued>

/** What is set on this very dataset; null for what it inherits, or got with a stream. */
export function ownValue(properties: PropertiesOf | undefined, name: string): string | null {
  const found = properties?.get(name)
  return found?.source === 'local' ? found.value : null
}

/** Limits of a dataset: never in force on a backup disk, where they could only stop a backup; back after a restore. */
export const limitProperties = ['quota', 'refquota', 'reservation', 'refreservation'] as const
type Limit = (typeof limitProperties)[number]
export type Limits = Partial<Readonly<Record<Limit, string>>>

/** What somebody has set, in bytes; ZFS's own defaults (0) are none. */
export function limitsOf(properties: PropertiesOf | undefined): Limits {
  const limits: { [L in Limit]?: string } = {}
  for (const name of limitProperties) {
    const found = properties?.get(name)
    const isSet = found?.source === 'local' || found?.source === 'received'
    if (isSet && /^[1-9]\d{0,19}$/.test(found.value)) limits[name] = found.value
  }
  return limits
}

/** Each limit as `property=bytes`, as `zfs set` takes it. */
export const assignmentsOf = (limits: Limits): readonly string[] =>
  limitProperties.flatMap((name) => (limits[name] === undefined ? [] : [`${name}=${limits[name]}`]))

/** Reads what `marksOf` wrote. Whatever else stands there, from whomever, is no limit. */
export function parseLimits(text: string | null): Limits {
  const limits: { [L in Limit]?: string } = {}
  for (const word of (text ?? '').split(' ')) {
    const [name, bytes, ...more] = word.split('=')
    const known = limitProperties.find((limit) => limit === name)
    if (known !== undefined && bytes !== undefined && more.length === 0 && /^[1-9]\d{0,19}$/.test(bytes))
      limits[known] = bytes
  }
  return limits
}

/** What the copy of this dataset is told about itself as it is received. */
export const marksOf = (
  source: Pick<Dataset, 'name' | 'encrypted'>,
  { host, limits }: { readonly host: string; readonly limits: Limits },
): Readonly<Record<string, string>> => ({
  [mark.source]: source.name,
  [mark.host]: host,
  [mark.mode]: source.encrypted ? 'raw' : 'plain',
  [mark.limits]: assignmentsOf(limits).join(' ') || 'none',
})

/** A dataset on a backup disk, with what it says of itself. */
export interface Copy {
  readonly name: DatasetName
  readonly type: Dataset['type']
  /**
   * Itself: it was sent raw, and its key is the one of its source. Another dataset: it is encrypted as all of the disk is,
   * with the key of that one. null: it is not encrypted.
   */
  readonly encryptionRoot: DatasetName | null
  /** null: it does not say. */
  readonly source: string | null
  readonly host: string | null
  readonly state: string | null
  readonly limits: Limits
}

/** Sent as it is, no key needed. */
export const isRaw = ({ name, encryptionRoot }: Pick<Copy, 'name' | 'encryptionRoot'>): boolean =>
  encryptionRoot === name

/** Whose key must be loaded before it can be read; null: none. */
export const keyNeededFor = (copy: Pick<Copy, 'name' | 'encryptionRoot'>): DatasetName | null =>
  isRaw(copy) ? null : copy.encryptionRoot

/** Every property that `copyOf` reads. */
export const copyProperties: readonly string[] = [
  'type',
  'encryptionroot',
  mark.source,
  mark.host,
  mark.state,
  mark.limits,
]

/** What the datasets of a disk say of themselves; in the order of the listing, parents first. */
export const copiesOf = (table: ReadonlyMap<DatasetName, PropertiesOf>): readonly Copy[] =>
  [...table].flatMap(([name, properties]) => copyOf(name, properties) ?? [])

/** Null for what is neither file system nor volume. */
function copyOf(name: DatasetName, properties: PropertiesOf): Copy | null {
  const type = properties.get('type')?.value
  if (type !== 'filesystem' && type !== 'volume') return null
  const root = properties.get('encryptionroot')?.value ?? '-'
  return {
    name,
    type,
    encryptionRoot: root === '-' ? null : datasetName(root),
    source: ownValue(properties, mark.source),
    host: ownValue(properties, mark.host),
    state: ownValue(properties, mark.state),
    limits: parseLimits(ownValue(properties, mark.limits)),
  }
}

/**
 * The datasets that the backups of a host live under, most of all one. Without a mark of ours, what lies right below the
 * pool counts.
 */
export function hostRoots(
  pool: string,
  copies: readonly Pick<Copy, 'name' | 'source' | 'host'>[],
): readonly DatasetName[] {
  const marked = copies.filter(({ host, source }) => host !== null && source === null).map(({ name }) => name)
  const below = (name: string, root: string): boolean => name === root || name.startsWith(`${root}/`)
  const others = copies.filter(
    ({ name }) =>
      name.split('/').length === 2 &&
      name.startsWith(`${pool}/`) &&
      !marked.some((root) => below(name, root) || below(root, name)),
  )
  return [...marked, ...others.map(({ name }) => name)]
}
