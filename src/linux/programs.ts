// Where programs are, and the environment that all of them get. Nothing of our own environment decides what is started.

import { accessSync, constants, statSync } from 'node:fs'

const folders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const
/** Of an OpenZFS that was built from source. Only where root alone can put something. */
const localFolders = ['/usr/local/sbin', '/usr/local/bin'] as const

/** The whole environment of a child. */
export const childEnvironment = { PATH: folders.join(':'), LC_ALL: 'C' } as const

const found = new Map<string, string>()

/**
 * The absolute path of a program; null: there is none of that name. What has a slash in it is a path already. What was found
 * once is not looked for again.
 */
export function programPath(file: string): string | null {
  if (file.includes('/')) return file
  const known = found.get(file)
  if (known !== undefined) return known
  const folder =
    folders.find((each) => isProgram(`${each}/${file}`)) ??
    localFolders.find((each) => isOfRootAlone(each) && isProgram(`${each}/${file}`))
  if (folder === undefined) return null
  found.set(file, `${folder}/${file}`)
  return `${folder}/${file}`
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    // Not there, or not for us: either way it cannot be started.
    return false
  }
}

/** Debian lets its group `staff` write there. */
export function isOfRootAlone(path: string): boolean {
  try {
    const { uid, mode } = statSync(path)
    return uid === 0 && (mode & 0o022) === 0
  } catch {
    return false
  }
}
