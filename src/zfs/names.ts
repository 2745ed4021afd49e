// What ZFS accepts as a name. Names come from configuration, sockets and foreign pools: whatever reaches a command
// line was checked here, so that none is read as an option, a pattern or somebody else's snapshot. Pure.
import type { DatasetName } from '../core/model.ts'
import { BadInput } from '../errors.ts'

/** ZFS's limit for a whole name, snapshot or bookmark included (ZFS_MAX_DATASET_NAME_LEN less the final zero). */
export const MAX_NAME_LENGTH = 255
const component = /^[A-Za-z0-9_.: -]+$/

const isComponent = (text: string): boolean => component.test(text) && text !== '.' && text !== '..'

/** `pool/path/to/dataset` that ZFS would take. A pool's name begins with a letter, so it is never an option. */
export function isDatasetName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && /^[A-Za-z]/.test(text) && text.split('/').every(isComponent)
}

/** `dataset@snapshot` or, with `separator` `#`, `dataset#bookmark`. */
function isPointPath(text: string, separator: '@' | '#'): boolean {
  const [dataset = '', name = '', ...more] = text.split(separator)
  return text.length <= MAX_NAME_LENGTH && more.length === 0 && isDatasetName(dataset) && isComponent(name)
}

/** Throws `BadInput` unless every one could be a dataset. */
export function checkDatasets(...names: readonly string[]): void {
  for (const name of names)
    if (!isDatasetName(name)) throw new BadInput(`not a dataset's name: ${quote(name)}`)
}

/** Throws `BadInput` unless every one could be a snapshot. */
export function checkSnapshots(paths: readonly string[]): void {
  for (const path of paths)
    if (!isPointPath(path, '@')) throw new BadInput(`not a snapshot's name: ${quote(path)}`)
}

/** Throws `BadInput` unless it could be a bookmark. */
export function checkBookmark(path: string): void {
  if (!isPointPath(path, '#')) throw new BadInput(`not a bookmark's name: ${quote(path)}`)
}

/** Throws `BadInput` unless it could be a pool: one component, beginning with a letter. */
export function checkPool(name: string): void {
  if (!isDatasetName(name) || name.includes('/')) throw new BadInput(`not a pool's name: ${quote(name)}`)
}

/**
 * Whether it is what the kernel calls a pool that `zpool import` only looks at (OpenZFS, spa.c: spa_tryimport; `$import`,
 * with an address and the pool's name after it from 2.3 on). It holds the GUID of that pool for a moment, and nothing
 * is imported.
 */
export const isLook = (name: string): boolean => name.startsWith('$')

/** Throws `BadInput` unless it is a number of at most 64 bits. */
export function checkPoolGuid(guid: string): void {
  if (!/^\d{1,20}$/.test(guid)) throw new BadInput(`not a pool's GUID: ${quote(guid)}`)
}

/** Throws `BadInput` unless there is at least one and every one is an absolute path. */
export function checkDevices(links: readonly string[]): void {
  if (links.length === 0) throw new BadInput('no device to import from')
  for (const link of links) if (!link.startsWith('/')) throw new BadInput(`not a device: ${quote(link)}`)
}

/** Throws `BadInput` unless it is an absolute path. */
export function checkKeyFile(path: string): void {
  if (!path.startsWith('/') || path.includes('\0')) throw new BadInput(`not a key file: ${quote(path)}`)
}

/** Throws `BadInput` unless ZFS would take it as a tag of a hold. */
export function checkTag(tag: string): void {
  if (!/^[A-Za-z0-9_:][A-Za-z0-9_.: -]{0,199}$/.test(tag)) throw new BadInput(`not a tag: ${quote(tag)}`)
}

/** Throws `BadInput` unless it could be a property, native or a user's. */
export function checkProperty(name: string): void {
  if (!/^[a-z0-9_@][a-z0-9_:.@/-]{0,254}$/.test(name)) throw new BadInput(`not a property: ${quote(name)}`)
}

/** Throws `BadInput` unless it could be a property's value (ZAP_MAXVALUELEN, with the final zero). */
function checkValue(value: string): void {
  if (value.includes('\0') || Buffer.byteLength(value) > 8191)
    throw new BadInput(`not a property's value: ${quote(value)}`)
}

/** Throws `BadInput` unless every one could be set. Returns them. */
export function checkAssignments<T extends Readonly<Record<string, string>>>(assignments: T): T {
  for (const [name, value] of Object.entries(assignments)) {
    checkProperty(name)
    checkValue(value)
  }
  return assignments
}

/** Throws `BadInput` unless it could be a pool's comment (ZPROP_MAX_COMMENT). */
export function checkComment(text: string): void {
  if (!/^[\x20-\x7e]{0,32}$/.test(text)) throw new BadInput(`not a comment: ${quote(text)}`)
}

/** Throws `BadInput` unless it looks like a resume token. */
export function checkToken(token: string): void {
  if (!/^[0-9a-f]+(-[0-9a-f]+)+$/.test(token)) throw new BadInput(`not a resume token: ${quote(token)}`)
}

export const poolOf = (dataset: DatasetName): string => dataset.split('/', 1)[0] ?? dataset

/** In the order given, apart for each pool: no command works on several. */
export function byPool<T>(
  items: readonly T[],
  datasetOf: (item: T) => DatasetName,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const pool = poolOf(datasetOf(item))
    const group = groups.get(pool)
    if (group === undefined) groups.set(pool, [item])
    else group.push(item)
  }
  return groups
}

const quote = (text: string): string => JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}...` : text)
