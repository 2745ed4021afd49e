// What every command is given by the front door, and what their definitions share.

import type { Reader } from '../lostReader.ts'

export interface Front {
  /** The configuration file that was asked for. */
  readonly file: () => string
  readonly streams: { readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream }
  readonly reader: Reader
  /** The exit code of what was done. */
  readonly end: (exitCode: number) => void
}

/** The exit code of a monitoring plugin that was called in a wrong way: unknown. All other commands end with 2 then. */
export const usageOfPlugin = 3

/** Ends what follows, looks or asks; asked for a second time, the process ends as any other. */
export function onInterrupt(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => controller.abort())
  return controller.signal
}

export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  ${line}\n`).join('')}`
