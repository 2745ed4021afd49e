// What becomes of a command that nobody reads any more (a closed pipe, a broken ssh, a journal that went away), or that is
// read more slowly than it writes.
import type { EventEmitter } from 'node:events'
import { within } from '../linux/within.ts'

/** Of a stream, what is needed here. */
export interface Written extends EventEmitter {
  write(text: string, written: () => void): unknown
}

export interface Reader {
  /** From now on the work is done to its end, read or not. Its last words wait for their reader for so long at most. */
  outlive(options?: { readonly lastWordsMs: number }): void
  /**
   * Resolves when all that was written was taken, or nobody takes it any more: what a pipe has no room for yet is lost when
   * the process exits. That may take as long as the reader does (`walkaway history | less`).
   */
  caughtUp(): Promise<void>
}

/**
 * `leave` is called when stdout cannot be written to any more, with what to exit with: that its reader went away
 * (`walkaway status | head -1`) is not a failure of ours, a file that has no room for the answer is one.
 */
export function watchReader(
  streams: { readonly stdout: Written; readonly stderr: Written },
  leave: (exitCode: 0 | 1) => void,
): Reader {
  let outlived = false
  let lastWordsMs: number | null = null
  streams.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!outlived) leave(error.code === 'EPIPE' ? 0 : 1)
  })
  // Without a listener the process would end of it.
  streams.stderr.on('error', () => undefined)
  return {
    outlive(options) {
      outlived = true
      lastWordsMs = options?.lastWordsMs ?? null
    },
    async caughtUp() {
      const all = Promise.all([taken(streams.stdout), taken(streams.stderr)])
      await (lastWordsMs === null ? all : within(lastWordsMs, all))
    },
  }
}

/** What is written is called back when all before it was taken or has failed, and also of a stream that is closed. */
function taken(stream: Written): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', resolve)
    stream.write('', resolve)
  })
}
