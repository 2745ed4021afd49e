// What becomes of a command that is interrupted while a disk's pool is in the kernel for it: looking ends at once, the disk is
// let go of, and it is said that nothing was changed.

import type { Run } from '../linux/run.ts'
import type { Output } from './words.ts'

/**
 * A `Run` for what only looks: its programs are ended by `interrupted`, and waited for, so that none of them keeps the pool
 * busy that is exported next.
 */
export const endedBy =
  (interrupted: AbortSignal, run: Run): Run =>
  (file, args, options) =>
    run(file, args, { signal: interrupted, ...options })

/** Is this what `throwIfAborted` of the signal throws? */
export const isInterruption = (error: unknown, interrupted: AbortSignal): boolean =>
  interrupted.aborted && error === interrupted.reason

/** The work's exit code; 1, in words, when the interruption came through. Throws whatever else the work throws. */
export async function unlessInterrupted<Code extends number>(
  { interrupted, stderr }: { readonly interrupted: AbortSignal; readonly stderr: Output },
  work: () => Promise<Code>,
): Promise<Code | 1> {
  try {
    return await work()
  } catch (error) {
    if (!isInterruption(error, interrupted)) throw error
    stderr.write('walkaway: interrupted; nothing was changed\n')
    return 1
  }
}
