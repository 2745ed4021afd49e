// What the kernel shows of each pool it holds, a small file each: to read one never blocks, whatever its disk does.

import { readdir } from 'node:fs/promises'
import { readAttribute } from '../linux/sysfs.ts'
import { isLook } from './names.ts'

/** Where the kernel shows its pools, a folder each. */
export const KSTAT_ROOT = '/proc/spl/kstat/zfs'

/**
 * The content of one of these files without its line end; null when the kernel does not have it.
 *
 * A file that is taken away after it was opened answers EIO (Linux, fs/proc/inode.c: proc_reg_read): its pool was
 * exported in that moment. The name may stand for another pool by now, so it is looked up again.
 */
export async function readKstat(path: string, read = readAttribute): Promise<string | null> {
  try {
    return await read(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EIO') return await read(path)
    throw error
  }
}

/** The names of the pools that the kernel holds; none where there is no module. */
export async function kernelPools(root: string): Promise<readonly string[]> {
  const names = await readdir(root).catch((): string[] => [])
  return names.filter((name) => !isLook(name))
}
