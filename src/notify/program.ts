// Programs that are none of ours: a person's command, sendmail. The service's own sandbox would stop them (a read-only file
// system, no set-group-id), so they are started outside of it.

import { CommandFailed, DeadlineExceeded, NotDelivered } from '../errors.ts'
import type { Run } from '../linux/run.ts'

/** Throws `NotDelivered` unless it ended with 0 in time. */
export type RunProgram = (
  argv: readonly [file: string, ...args: readonly string[]],
  options: { readonly input: string; readonly signal: AbortSignal },
) => Promise<void>

const deadlineMs = 30_000

export function createRunProgram(run: Run): RunProgram {
  return async ([file, ...args], { input, signal }) => {
    try {
      await run(file, args, { input, signal, deadlineMs })
    } catch (error) {
      throw new NotDelivered('refused', explain(file, error), { cause: error })
    }
  }
}

/** Neither its arguments nor what it says: there may be secrets in both. */
function explain(file: string, error: unknown): string {
  if (error instanceof DeadlineExceeded) return `${file} did not end within ${deadlineMs / 1000} s`
  if (!(error instanceof CommandFailed)) return `${file} was ended`
  return error.exitCode === null ? `${file} could not be run` : `${file} ended with ${error.exitCode}`
}
