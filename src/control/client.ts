// A command's end of the control socket: asks one thing and hangs up. "Not running" is a normal answer.
import { connect } from 'node:net'
import { BadInput, DeadlineExceeded, UnreadableAnswer } from '../errors.ts'
import { formatRequest, maxReplyBytes, parseReply, type Reply, type Request } from './protocol.ts'

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
    const deadline = setTimeout(
      () => fail(new DeadlineExceeded("the daemon's answer", deadlineMs)),
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
