// What the kernel shows of each pool it holds, a small file each: to read one never blocks, whatever its disk does.

import { readAttribute } from '../linux/sysfs.ts'

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
