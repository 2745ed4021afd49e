// Questions to a person at a terminal, answered with a line. Without a terminal nobody is asked.
import { createInterface } from 'node:readline'
import type { Output } from './words.ts'

export type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean }

export interface Asker {
  /** The line that was typed, without blanks around it; null: the input ended, or was interrupted. */
  ask(question: string): Promise<string | null>
  close(): void
}

/** Null when the input is no terminal. */
export function openAsker(input: Input, output: Output, interrupted: AbortSignal): Asker | null {
  if (input.isTTY !== true) return null
  // Not `terminal`: the kernel's own line editing does, and Ctrl-C stays a signal.
  const reader = createInterface({ input, terminal: false, crlfDelay: Number.POSITIVE_INFINITY })
  const lines = reader[Symbol.asyncIterator]()
  const close = (): void => reader.close()
  interrupted.addEventListener('abort', close, { once: true })
  return {
    async ask(question) {
      if (interrupted.aborted) return null
      output.write(question)
      const next = await lines.next()
      if (next.done !== true) return next.value.trim()
      output.write('\n')
      return null
    },
    close,
  }
}
