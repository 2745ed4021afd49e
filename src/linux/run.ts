// Starts programs and lives through whatever they do: no shell, a fixed small environment, a deadline on everything.
// A child past its deadline is abandoned, never awaited: one that hangs in the kernel must hold neither a promise nor
// the exit of the daemon. Knows nothing of what it runs.

export interface RunOptions {
  /** How long the program may take before it is killed and abandoned. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal
  /** Text for its standard input; without it there is none. */
  readonly input?: string
}
export interface RunResult {
  readonly stdout: string
  /** The last 64 KiB of it. */
  readonly stderr: string
  readonly durationMs: number
}
/**
 * Runs a program to its end. Resolves only if it ended with exit code 0 and everything it wrote was read.
 *
 * Throws `CommandFailed` (other exit code, a signal, program missing, more output than allowed), `DeadlineExceeded`
 * (it is killed and abandoned: it may still be running), or the signal's reason when aborted (SIGTERM, then
 * abandoned too).
 */
export type Run = (file: string, args: readonly string[], options: RunOptions) => Promise<RunResult>
