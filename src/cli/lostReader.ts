// What becomes of a command that nobody reads any more: a closed pipe, a broken ssh, a journal that went away.
import type { EventEmitter } from 'node:events'

export interface Reader {
  /** From now on the work is done to its end, read or not. */
  outlive(): void
}

/** `leave` is called when stdout cannot be written to any more. */
export function watchReader(
  { stdout, stderr }: { readonly stdout: EventEmitter; readonly stderr: EventEmitter },
  leave: () => void,
): Reader {
  let outlived = false
  stdout.on('error', () => {
    if (!outlived) leave()
  })
  return {
    outlive() {
      outlived = true
      // Without a listener the process would end of it.
      stderr.on('error', () => undefined)
    },
  }
}
