// A command's end of the control socket: asks one thing and hangs up. "Not running" is a normal answer.
import { connect } from 'node:net'
import { BadInput, DeadlineExceeded, UnreadableAnswer } from '../errors.ts'
import {
  formatRequest,
  type HistoryReply,
  maxReplyBytes,
  parseReply,
  type Refusal,
  type Reply,
  type Request,
  type StatusReply,
} from './protocol.ts'

export interface NotRunning {
  readonly kind: 'not-running'
}

/**
 * Asks the daemon that listens on `path`. Throws `DeadlineExceeded`, `UnreadableAnswer` (also when the daemon hangs up
 * without an answer), and `BadInput` when this user may not use the socket.
 */
export function ask(
  path: string,
  request: Request,
  { deadlineMs }: { readonly deadlineMs: number },
): Promise<Reply | NotRunning> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const chunks: Buffer[] = []
    let receivedBytes = 0
    const done = (settle: () => void) => {
      clearTimeout(deadline)
      socket.destroy()
      settle()
    }
    const fail = (error: unknown) => done(() => reject(error))
    // When this process was busy all the time nothing was read yet: between timer and immediate the socket is.
    const deadline = setTimeout(
      () => setImmediate(() => fail(new DeadlineExceeded("the daemon's answer", deadlineMs))),
      deadlineMs,
    )

    socket.on('connect', () => socket.end(formatRequest(request)))
    socket.on('data', (chunk) => {
      const end = chunk.indexOf(0x0a)
      chunks.push(end === -1 ? chunk : chunk.subarray(0, end))
      receivedBytes += chunk.length
      if (end !== -1) done(() => resolve(parseReplyOf(chunks)))
      else if (receivedBytes > maxReplyBytes) fail(new UnreadableAnswer("the daemon's answer has no end"))
    })
    socket.on('end', () => fail(hungUp()))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      switch (error.code) {
        case 'ENOENT':
        case 'ECONNREFUSED':
          return done(() => resolve({ kind: 'not-running' }))
        case 'EACCES':
        case 'EPERM':
          return fail(
            new BadInput(`you may not use ${path}`, {
              hint: 'run this as root, or put your group into control.group of the configuration',
              cause: error,
            }),
          )
        case 'EPIPE':
        case 'ECONNRESET':
          return fail(hungUp(error))
        default:
          return fail(error)
      }
    })
  })
}

const hungUp = (cause?: unknown) =>
  new UnreadableAnswer('the daemon hung up without an answer', {
    hint: 'it may be stopping, or too many clients are connected: ask again',
    cause,
  })

/** A promise, so that what it throws rejects. */
const parseReplyOf = async (chunks: readonly Buffer[]): Promise<Reply> =>
  parseReply(Buffer.concat(chunks).toString('utf8'))

/** As `ask`, of what is answered with how things stand. */
export async function askStatus(
  path: string,
  request: Exclude<Request, { readonly command: 'history' }>,
  options: { readonly deadlineMs: number },
): Promise<StatusReply | Refusal | NotRunning> {
  const reply = await ask(path, request, options)
  if ('history' in reply) throw new UnreadableAnswer('the daemon answered something else than was asked')
  return reply
}

/** As `ask`, of what is answered with visits. */
export async function askHistory(
  path: string,
  disk: string | null,
  options: { readonly deadlineMs: number },
): Promise<HistoryReply | Refusal | NotRunning> {
  const reply = await ask(path, { version: 1, command: 'history', disk }, options)
  if ('status' in reply) throw new UnreadableAnswer('the daemon answered something else than was asked')
  return reply
}
