// Commands inside the guest, over the agent's virtio-serial port: many at a time, their output streamed. Knows nothing
// of QEMU or of what runs; the other end is image/files/usr/local/lib/machine/agent.mjs.
import type { Socket } from 'node:net'
import { eachLine } from './lines.ts'

export type CommandResult = { readonly exitCode: number; readonly stdout: string; readonly stderr: string }

export type CommandOptions = {
  readonly deadlineMs?: number
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** false: a nonzero exit is an answer, not a failure. */
  readonly reject?: boolean
}

export type GuestProcess = {
  /** Resolves when the command has ended, whatever its exit code (128 + 9 and the like where a signal ended it). */
  readonly wait: (options?: { readonly deadlineMs?: number }) => Promise<CommandResult>
  readonly kill: (signal?: NodeJS.Signals) => void
  /** What it has written so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly stdoutBytes: () => Buffer
}

export type Guest = {
  readonly start: (
    argv: readonly string[],
    options?: Omit<CommandOptions, 'deadlineMs' | 'reject'>,
  ) => GuestProcess
  readonly run: (argv: readonly string[], options?: CommandOptions) => Promise<CommandResult>
  /** Waits until the agent answers. */
  readonly hello: (deadlineMs: number) => Promise<void>
}

class GuestCommandFailed extends Error {
  readonly argv: readonly string[]
  readonly result: CommandResult

  constructor(argv: readonly string[], result: CommandResult) {
    const said = result.stderr.trim() || result.stdout.trim()
    super(`in the guest: ${argv.join(' ')} ended with ${result.exitCode}${said === '' ? '' : `: ${said}`}`)
    this.argv = argv
    this.result = result
  }
}

class GuestDeadline extends Error {}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGTERM: 15,
}

type Message = {
  readonly id: number
  readonly out?: string
  readonly err?: string
  readonly exit?: number | null
  readonly signal?: string | null
  readonly failed?: string
  readonly hello?: true
}

type Conversation = { readonly hear: (message: Message) => void; readonly lost: () => void }

let nextId = 1

export function openGuest(socket: Socket): Guest {
  const conversations = new Map<number, Conversation>()

  eachLine(socket, (line) => {
    const message = parseLine(line)
    if (message !== undefined) conversations.get(message.id)?.hear(message)
  })
  const gone = () => {
    for (const conversation of [...conversations.values()]) conversation.lost()
    conversations.clear()
  }
  socket.on('close', gone)
  socket.on('error', gone)

  function send(message: Readonly<Record<string, unknown>>): void {
    if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`)
  }

  const start: Guest['start'] = (argv, { input, env, cwd } = {}) => {
    const id = nextId++
    const out: Buffer[] = []
    const err: Buffer[] = []
    const stdoutBytes = () => Buffer.concat(out)
    const stdout = () => stdoutBytes().toString()
    const stderr = () => Buffer.concat(err).toString()
    const ended = new Promise<number>((resolve, reject) => {
      conversations.set(id, {
        lost: () => reject(new GuestDeadline(`the machine went away while it ran: ${argv.join(' ')}`)),
        hear: (message) => {
          if (message.out !== undefined) out.push(Buffer.from(message.out, 'base64'))
          if (message.err !== undefined) err.push(Buffer.from(message.err, 'base64'))
          if (message.failed === undefined && message.exit === undefined) return
          conversations.delete(id)
          if (message.failed !== undefined)
            reject(new Error(`in the guest: ${argv.join(' ')}: ${message.failed}`))
          else resolve(message.exit ?? 128 + (signalNumbers[message.signal ?? ''] ?? 0))
        },
      })
      if (socket.destroyed) reject(new GuestDeadline(`the machine is not running: ${argv.join(' ')}`))
    })
    // A caller may start something and never wait for it.
    ended.catch(() => undefined)
    send({ id, op: 'exec', argv, env, cwd })
    if (input !== undefined) {
      const bytes = Buffer.from(input)
      for (let at = 0; at < bytes.length; at += 48 * 1024) {
        send({ id, op: 'stdin', data: bytes.subarray(at, at + 48 * 1024).toString('base64') })
      }
    }
    send({ id, op: 'end' })

    return {
      stdout,
      stderr,
      stdoutBytes,
      kill: (signal = 'SIGTERM') => send({ id, op: 'kill', signal }),
      wait: async ({ deadlineMs } = {}) => {
        const exitCode = await within(ended, deadlineMs, () => {
          const said = [stdout(), stderr()]
            .map((text) => text.trim().slice(-2000))
            .filter((text) => text !== '')
          return ['in the guest: no end within', deadlineMs, 'ms:', argv.join(' '), ...said].join(' ')
        })
        return { exitCode, stdout: stdout(), stderr: stderr() }
      },
    }
  }

  return {
    start,
    run: async (argv, { deadlineMs = 60_000, reject = true, ...options } = {}) => {
      const running = start(argv, options)
      const result = await running.wait({ deadlineMs }).catch((error: unknown) => {
        running.kill('SIGKILL')
        throw error
      })
      if (reject && result.exitCode !== 0) throw new GuestCommandFailed(argv, result)
      return result
    },
    hello: (deadlineMs) => {
      const id = nextId++
      const answer = new Promise<void>((resolve, reject) => {
        conversations.set(id, {
          hear: () => resolve(),
          lost: () => reject(new GuestDeadline('the machine went away before its agent answered')),
        })
      })
      // Whatever the port still carries of a line from before is ended by the first newline.
      socket.write('\n')
      send({ id, op: 'hello' })
      return within(
        answer,
        deadlineMs,
        () => `the agent in the guest did not answer within ${deadlineMs} ms`,
      ).finally(() => conversations.delete(id))
    },
  }
}

// Right after a load the port can carry the end of a line that was written before the save.
function parseLine(line: string): Message | undefined {
  try {
    return JSON.parse(line) as Message
  } catch {
    return undefined
  }
}

async function within<T>(
  promise: Promise<T>,
  deadlineMs: number | undefined,
  describe: () => string,
): Promise<T> {
  if (deadlineMs === undefined) return promise
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new GuestDeadline(describe())), deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
