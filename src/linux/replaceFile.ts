// Replaces a file as a whole: after a crash or a power cut it is the old one or the new one, never a part of either.

import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Whose it is, and who may do what with it. */
export interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/** On the disk when it resolves. Throws, with the file as it was. One at a time for a file. */
export async function replaceFile(file: string, text: string, owned?: Ownership): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', owned === undefined ? 0o640 : 0o600)
  try {
    if (owned !== undefined) {
      await handle.chown(owned.uid, owned.gid)
      await handle.chmod(owned.mode & 0o7777)
    }
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  await syncFolder(dirname(file))
}

/** Makes what was created or renamed in it last. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
