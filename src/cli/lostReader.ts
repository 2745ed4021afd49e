// What becomes of a command that nobody reads any more (a closed pipe, a broken ssh, a journal that went away), or that is
// read more slowly than it writes.
import type { EventEmitter } from 'node:events'
import { within } from '../linux/within.ts'

/** Of a stream, what is needed here. */
export interface Written extends EventEmitter {
  readonly writableLength: number
  readonly destroyed: boolean
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

/** `leave` is called when stdout cannot be written to any more. */
export function watchReader(
  streams: { readonly stdout: Written; readonly stderr: Written },
  leave: () => void,
): Reader {
  let outlived = false
  let lastWordsMs: number | null = null
  streams.stdout.on('error', () => {
    if (!outlived) leave()
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

/** What is written is called back when all before it was taken, and also when it failed. */
function taken(stream: Written): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    stream.once('close', resolve)
    stream.write('', resolve)
  })
}
