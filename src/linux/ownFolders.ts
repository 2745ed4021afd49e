// Whether the folders that the service keeps things in are its own: what others can put there, it would take for what it wrote.

import type { Stats } from 'node:fs'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { isGone } from './sysfs.ts'

export interface OwnFolder {
  readonly path: string
  /** Whether others may look into it. */
  readonly isPublic: boolean
}
/** A sentence each. `refused`: nothing may be kept there as it is. */
export interface FolderFaults {
  readonly refused: readonly string[]
  readonly warned: readonly string[]
}

/** What is wrong with a folder, or a file in one, that belongs to the user `me` alone. Pure. */
export function judgeOwn(
  path: string,
  {
    stats,
    isPublic,
    kind,
  }: { readonly stats: Stats; readonly isPublic: boolean; readonly kind: 'folder' | 'file' },
  me: number,
): FolderFaults {
  const one = (refused: string): FolderFaults => ({ refused: [refused], warned: [] })
  if (kind === 'folder' && !stats.isDirectory()) return one(`${path} is no folder: a folder was expected`)
  if (stats.uid !== me && stats.uid !== 0)
    return one(`${path} belongs to the user with number ${stats.uid}: chown root ${path}`)
  if ((stats.mode & 0o002) !== 0) return one(`${path} can be written to by everybody: chmod go-w ${path}`)
  if ((stats.mode & 0o020) !== 0)
    return { refused: [], warned: [`${path} can be written to by its group: chmod go-w ${path}`] }
  const isOpen = !isPublic && (stats.mode & 0o077) !== 0
  return {
    refused: [],
    warned: isOpen ? [`${path} can be read by others than its owner: chmod go= ${path}`] : [],
  }
}

/**
 * Looks at folders and at what is in them; of a folder that a link leads to, at that. A folder that is not there yet is fine.
 * Throws what looking throws.
 */
export async function inspectOwnFolders(
  folders: readonly OwnFolder[],
  me: number = process.getuid?.() ?? 0,
): Promise<FolderFaults> {
  const found = (await Promise.all(folders.map((folder) => inspect(folder, me)))).flat()
  return { refused: found.flatMap(({ refused }) => refused), warned: found.flatMap(({ warned }) => warned) }
}

async function inspect(folder: OwnFolder, me: number): Promise<readonly FolderFaults[]> {
  const { isPublic } = folder
  const path = await realpath(folder.path).catch(() => folder.path)
  const stats = await statsOf(path)
  if (stats === null) return []
  const judged = judgeOwn(path, { stats, isPublic, kind: 'folder' }, me)
  // In a folder of ours alone nobody can put anything; files that were there before are looked at all the same.
  if (judged.refused.length > 0) return [judged]
  const files = (await readdir(path)).map(async (name): Promise<readonly FolderFaults[]> => {
    const file = join(path, name)
    const its = await statsOf(file)
    // Sockets are for whom their mode lets in; in a folder that nobody looks into, a file may be as it is.
    return its?.isFile() ? [judgeOwn(file, { stats: its, isPublic: true, kind: 'file' }, me)] : []
  })
  return [judged, ...(await Promise.all(files)).flat()]
}

async function statsOf(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
}
