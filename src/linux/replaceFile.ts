// Replaces a file as a whole: after a crash or a power cut it is the old one or the new one, never a part of either.

import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Who may do what with it, whatever the umask says, and whose it is; without an owner: of whoever writes it. */
export interface Ownership {
  readonly uid?: number
  readonly gid?: number
  readonly mode: number
}

/**
 * On the disk when it resolves. Throws, with the file as it was. One at a time for a file. `owned` left out: 0640 as far as
 * the umask lets it. The folder may be another user's: nothing that somebody put in the place of the temporary file, such as
 * a link, is written to.
 */
export async function replaceFile(file: string, text: string, owned?: Ownership): Promise<void> {
  // By a name that nobody gives to a file of their own: `config.yaml.new` may be a person's draft.
  const temporary = join(dirname(file), `.${basename(file)}.walkaway-new`)
  await rm(temporary, { force: true })
  const handle = await open(temporary, 'wx', owned === undefined ? 0o640 : 0o600)
  try {
    if (owned !== undefined) {
      const { uid, gid, mode } = owned
      if (uid !== undefined && gid !== undefined) await handle.chown(uid, gid)
      await handle.chmod(mode & 0o7777)
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
