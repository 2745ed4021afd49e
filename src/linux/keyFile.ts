// Makes the file with the key of a new encrypted pool. The key is in no argument, message or log.
import { randomBytes } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BadInput } from '../errors.ts'
import { syncFolder } from './replaceFile.ts'

/** 256 bits for AES-256, as 64 hexadecimal digits: they can be typed in from paper. */
const keyBytes = 32

/** On the disk when it resolves, for its owner alone. Throws `BadInput` when there is such a file: it may be a key. */
export async function makeKeyFile(path: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    throw new BadInput(`${path} is there already, and may be the key of another disk`, {
      hint: 'give the disk another name, or move that file away',
    })
  })
  try {
    await handle.writeFile(`${randomBytes(keyBytes).toString('hex')}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await syncFolder(dirname(path))
}

/** Only of a key that nothing was encrypted with. */
export const removeKeyFile = (path: string): Promise<void> => rm(path, { force: true })
