// Starts programs and lives through whatever they do: no shell, by their absolute path, a fixed small environment, a
// deadline on everything.
// A child past its deadline is abandoned, never awaited: one that hangs in the kernel must hold neither a promise nor
// the exit of the daemon. Knows nothing of what it runs.
import type { Readable } from 'node:stream'
import { execa } from 'execa'
import { CommandFailed, DeadlineExceeded, UnreadableAnswer } from '../errors.ts'
import { childEnvironment, programPath } from './programs.ts'

export interface RunOptions {
  /** How long the program may take before it is killed and abandoned. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal
  /** Text for its standard input; without it there is none. */
  readonly input?: string
  /** Who runs it, with no other groups; without it, we do. */
  readonly user?: User
  /** Hears what it writes to its standard output piece by piece, whatever its length; the result has none of it then. */
  readonly onStdout?: (text: string) => void
}
export interface User {
  readonly uid: number
  readonly gid: number
}
export interface RunResult {
  readonly stdout: string
  /** The last 64 KiB of it. */
  readonly stderr: string
  readonly durationMs: number
}
/**
 * Runs a program to its end. Resolves only if it ended with exit code 0 and everything that it wrote was read.
 *
 * Throws `CommandFailed` (other exit code, a signal, program missing), `UnreadableAnswer` (more output than allowed),
 * `DeadlineExceeded` (killed and abandoned: it may still be running), or the signal's reason when aborted (SIGTERM,
 * then abandoned likewise).
 */
export type Run = (file: string, args: readonly string[], options: RunOptions) => Promise<RunResult>

/** What a command was and how it went, for the debug log. */
export interface RunEntry {
  readonly command: readonly string[]
  readonly durationMs: number
  readonly end: string
  readonly stderr: string
}

/** How a child ended. `stderr` is the last 64 KiB of it. */
export type Ending =
  | {
      readonly kind: 'ended'
      readonly exitCode: number | null
      readonly signal: string | null
      readonly stderr: string
    }
  | { readonly kind: 'not-started'; readonly reason: string }
  | { readonly kind: 'abandoned'; readonly stderr: string }

/** A running child. Nothing about it keeps the daemon from exiting once it is abandoned. */
export interface Child {
  /** Resolves once the child has ended and its output was read, or was abandoned. Never rejects. */
  readonly ended: Promise<Ending>
  readonly kill: (signal: 'SIGTERM' | 'SIGKILL') => void
  /** Lets go of it whatever it does: closes our ends of its pipes and does not wait for it any more. */
  readonly abandon: () => void
}

export interface LaunchOptions {
  /** A descriptor for its standard input, or text for it; without it there is none. */
  readonly stdin?: number | { readonly text: string }
  /** A descriptor for its standard output, or who reads it. */
  readonly stdout: number | ((text: string) => void)
  readonly onStderr?: (text: string) => void
  readonly user?: User
  /** In a session of its own: no Ctrl-C and no hang-up of our terminal reaches it, only `kill` does. */
  readonly ownSession?: boolean
}

const MAX_STDERR = 64 * 1024
/** Enough for 8,000 datasets with hundreds of snapshots each. */
const MAX_STDOUT = 256 * 1024 * 1024
/** What a dead child left in its pipe is there already; a grandchild that keeps the pipe open is not waited for. */
const DRAIN_MS = 300
/** From SIGTERM to SIGKILL when a command is aborted. */
const ABORT_MS = 3000

/** Starts a program and returns at once; the deadline is the caller's. Prefer `Run` where a command has an answer. */
export function launch(file: string, args: readonly string[], options: LaunchOptions): Child {
  const { stdin, stdout, onStderr, user, ownSession = false } = options
  // Of one that is nowhere, execa says so.
  const child = execa(programPath(file) ?? file, [...args], {
    stdin: typeof stdin === 'number' ? descriptor(stdin) : stdin === undefined ? 'ignore' : 'pipe',
    stdout: typeof stdout === 'number' ? descriptor(stdout) : 'pipe',
    stderr: 'pipe',
    ...(typeof stdin === 'object' && { input: stdin.text }),
    ...user,
    buffer: false,
    reject: false,
    cleanup: false,
    detached: ownSession,
    forceKillAfterDelay: false,
    extendEnv: false,
    env: childEnvironment,
  })
  let stderr = ''
  if (typeof stdout === 'function') listen(child.stdout, stdout)
  listen(child.stderr, (text) => {
    stderr = (stderr + text).slice(-MAX_STDERR)
    onStderr?.(text)
  })
  const letGo = () => {
    child.unref()
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy()
  }

  const abandoned = new AbortController()
  const ended = new Promise<Ending>((resolve) => {
    abandoned.signal.addEventListener('abort', () => {
      letGo()
      resolve({ kind: 'abandoned', stderr })
    })
    child.once('exit', (exitCode, signal) => {
      const end = () => {
        letGo()
        resolve({ kind: 'ended', exitCode, signal, stderr })
      }
      // When the daemon was busy all the time nothing was read yet: between timer and immediate the pipes are.
      const drain = setTimeout(() => setImmediate(end), DRAIN_MS)
      child.once('close', () => clearTimeout(drain))
    })
    // execa settles when the child has ended and its pipes are closed, or when it could not be started.
    child.then(
      ({ exitCode, signal, code }) => {
        if (exitCode !== undefined || signal !== undefined) {
          resolve({ kind: 'ended', exitCode: exitCode ?? null, signal: signal ?? null, stderr })
        } else {
          const missing = `there is no program ${file} in ${childEnvironment.PATH}`
          resolve({
            kind: 'not-started',
            reason: code === 'ENOENT' ? missing : `${file} cannot be started (${code ?? 'unknown'})`,
          })
        }
      },
      (error: unknown) => resolve({ kind: 'not-started', reason: String(error) }),
    )
  })
  return { ended, kill: (signal) => void child.kill(signal), abandon: () => abandoned.abort() }
}

/** Of programs that are none of ours: neither their arguments nor what they say, there may be secrets in both. */
export const withoutSecrets =
  (debug: (entry: RunEntry) => void) =>
  ({ command: [file = ''], durationMs, end }: RunEntry): void =>
    debug({ command: [file], durationMs, end, stderr: '' })

/** `debug` hears of every command, however it ends. */
export function createRun({
  debug = () => undefined,
  maxStdoutLength = MAX_STDOUT,
}: {
  readonly debug?: (entry: RunEntry) => void
  readonly maxStdoutLength?: number
} = {}): Run {
  return async (file, args, { deadlineMs, signal, input, user, onStdout }) => {
    signal?.throwIfAborted()
    const command = [file, ...args]
    const startedMs = performance.now()
    const flood = new AbortController()
    const chunks: string[] = []
    let length = 0
    const child = launch(file, args, {
      ...(input !== undefined && { stdin: { text: input } }),
      ...(user !== undefined && { user }),
      // A terminal sends Ctrl-C to all that is in its foreground: a pool would be half made, or imported and not exported. What
      // becomes of a command that is interrupted is for us to say. The daemon has no terminal, and systemd goes by the cgroup.
      ownSession: true,
      stdout: (text) => {
        if (onStdout !== undefined) return onStdout(text)
        length += text.length
        if (length > maxStdoutLength) flood.abort()
        else chunks.push(text)
      },
    })

    const first = await firstOf(child, deadlineMs, { 'too much output': flood.signal, aborted: signal })
    let ending = first
    if (first === 'aborted') {
      child.kill('SIGTERM')
      ending = await firstOf(child, ABORT_MS, {})
    }
    if (typeof ending === 'string') {
      child.kill('SIGKILL')
      child.abandon()
    }
    const durationMs = performance.now() - startedMs
    const stderr = typeof ending === 'object' && ending.kind === 'ended' ? ending.stderr : ''
    debug({ command, durationMs, end: describe(ending, first), stderr })

    if (
      typeof ending === 'object' &&
      ending.kind === 'ended' &&
      ending.exitCode === 0 &&
      !flood.signal.aborted
    ) {
      return { stdout: chunks.join(''), stderr, durationMs }
    }
    signal?.throwIfAborted()
    if (flood.signal.aborted) {
      throw new UnreadableAnswer(`${file}: an answer of more than ${maxStdoutLength} characters`)
    }
    if (typeof ending === 'string' || ending.kind === 'abandoned') {
      throw new DeadlineExceeded(command.slice(0, 3).join(' '), deadlineMs)
    }
    throw commandFailed(command, ending)
  }
}

/** What a child's ending, other than exit code 0, is as a failure. */
export function commandFailed(
  command: readonly string[],
  ending: Exclude<Ending, { readonly kind: 'abandoned' }>,
): CommandFailed {
  switch (ending.kind) {
    case 'ended':
      return new CommandFailed({ command, ...ending })
    case 'not-started':
      return new CommandFailed({ command, exitCode: null, signal: null, stderr: ending.reason })
  }
}

/** The child's ending, or what came before it: `late`, or the name of a signal that fired. */
async function firstOf<Name extends string>(
  child: Child,
  deadlineMs: number,
  signals: { readonly [N in Name]: AbortSignal | undefined },
): Promise<Ending | Name | 'late'> {
  const over = new AbortController()
  const others = new Promise<Name | 'late'>((resolve) => {
    const timer = setTimeout(() => resolve('late'), deadlineMs)
    over.signal.addEventListener('abort', () => clearTimeout(timer))
    for (const name in signals) {
      signals[name]?.addEventListener('abort', () => resolve(name), { once: true, signal: over.signal })
      if (signals[name]?.aborted) resolve(name)
    }
  })
  try {
    return await Promise.race([child.ended, others])
  } finally {
    over.abort()
  }
}

function describe(ending: Ending | string, first: Ending | string): string {
  const before = first !== ending && typeof first === 'string' ? `${first}, ` : ''
  if (typeof ending === 'string') return `${before}${ending}: killed and abandoned`
  switch (ending.kind) {
    case 'ended':
      return before + (ending.signal === null ? `exit code ${ending.exitCode}` : `signal ${ending.signal}`)
    case 'not-started':
      return before + ending.reason
    case 'abandoned':
      return `${before}abandoned`
  }
}

/** execa takes any descriptor; its types name only 0 to 9. */
const descriptor = (fd: number): 3 => fd as 3

function listen(pipe: Readable | null, hear: (text: string) => void): void {
  pipe?.setEncoding('utf8')
  pipe?.on('data', (text: string) => hear(text))
}
