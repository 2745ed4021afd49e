// The few typed failures of the world. Each is made once, at the boundary that saw it, with the fields that a
// decision or a sentence needs; `hint` is for the person, `cause` for the debug log.

interface FailureOptions {
  readonly hint?: string
  readonly cause?: unknown
}

abstract class Failure extends Error {
  readonly hint: string | undefined
  /** What a command that ends of it exits with. The bundle has copies of this file, so a class says nothing out there. */
  readonly exitsWith: 1 | 2 = 1
  constructor(message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.hint = options.hint
  }
}

/** A child process ended with an exit code other than 0, or by a signal. `stderr` is its last 64 KiB. */
export class CommandFailed extends Failure {
  readonly command: readonly string[]
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stderr: string
  constructor(
    fields: {
      readonly command: readonly string[]
      readonly exitCode: number | null
      readonly signal: string | null
      readonly stderr: string
    },
    options: FailureOptions = {},
  ) {
    const how = fields.signal === null ? `exit code ${fields.exitCode}` : `signal ${fields.signal}`
    super(`${fields.command.slice(0, 3).join(' ')}: ${fields.stderr.trim() || how}`, options)
    this.command = fields.command
    this.exitCode = fields.exitCode
    this.signal = fields.signal
    this.stderr = fields.stderr
  }
}

/** Something did not end in time. The child, if it was one, is abandoned: it may still be running. */
export class DeadlineExceeded extends Failure {
  readonly deadlineMs: number
  constructor(what: string, deadlineMs: number, options: FailureOptions = {}) {
    super(`${what} did not end within ${Math.round(deadlineMs / 1000)} s`, options)
    this.deadlineMs = deadlineMs
  }
}

/** The disk's device is gone while it was needed. Nothing may be exported, synced or destroyed on its pool now. */
export class DiskVanished extends Failure {}

/** The disk has no room for the rest of a stream: `missingBytes` of it, by ZFS's estimate, if it had one. */
export class DiskFull extends Failure {
  readonly missingBytes: number | null
  constructor(message: string, missingBytes: number | null, options: FailureOptions = {}) {
    super(message, options)
    this.missingBytes = missingBytes
  }
}

/** The pool could not be exported because something uses it. */
export class PoolBusy extends Failure {
  readonly holders: readonly string[]
  constructor(message: string, holders: readonly string[], options: FailureOptions = {}) {
    super(message, options)
    this.holders = holders
  }
}

/** The disk's pool is encrypted and could not be unlocked: nothing can be written to it. */
export class KeyRefused extends Failure {}

/** ZFS would import this pool only with force, or not at all; walkaway never forces. */
export class ImportRefused extends Failure {}

/** The other end's fault or ours, of one dataset: the receiver is reported first, its broken pipe is the cause. */
export class TransferFailed extends Failure {
  readonly side: 'send' | 'receive'
  constructor(side: 'send' | 'receive', message: string, options: FailureOptions = {}) {
    super(message, options)
    this.side = side
  }
}

/** A stream got no further on the side of its source, which does not answer. */
export class TransferStalled extends Failure {}

/** A dataset, snapshot or pool that was there a moment ago is not there now: look again. */
export class NotFound extends Failure {}

/** A snapshot, bookmark or dataset of that name exists already. */
export class AlreadyExists extends Failure {}

/** A command did its work, but not on this one of many things, and did not say why. */
export class Refused extends Failure {}

/** The answer of a program could not be understood; nothing may be concluded from it. */
export class UnreadableAnswer extends Failure {}

/** A message did not reach whom it is for. Its sentence goes into the journal and the status: no secrets in it. */
export class NotDelivered extends Failure {
  readonly why: 'unreachable' | 'refused' | 'nobody'
  constructor(why: 'unreachable' | 'refused' | 'nobody', message: string, options: FailureOptions = {}) {
    super(message, options)
    this.why = why
  }
}

/** Another walkaway daemon serves this machine. */
export class AlreadyRunning extends Failure {}

/** The person gave something that cannot be used. Exit code 2. */
export class BadInput extends Failure {
  override readonly exitsWith = 2
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
