// The daemon's end of the control socket. One request a line, one reply a line, in turn. Whatever a client does (hang,
// flood, half a line, a huge one) costs only that client. Being the one who listens here is also what makes a daemon
// the only one of its machine.
import { chmod, chown, lstat, mkdir, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { AlreadyRunning, BadInput, messageOf } from '../errors.ts'
import { formatReply, maxRequestBytes, parseRequest, type Reply, type Request, refusal } from './protocol.ts'

export interface ControlServerOptions {
  readonly path: string
  /** Gid that may use the socket besides root; null or left out: only root. */
  readonly group?: number | null
  /** Gives the socket to that group; who runs without CAP_CHOWN needs another way than chown(2). */
  readonly giveTo?: (path: string, group: number) => Promise<void>
  readonly answer: (request: Request) => Promise<Reply> | Reply
  /** Told of what is wrong on our side. What clients do wrong is told to them. */
  readonly onProblem: (problem: unknown) => void
  readonly limits?: Partial<Limits>
}

export interface Limits {
  readonly clients: number
  /** For a whole request line to come in, and for a reply to be taken. */
  readonly patienceMs: number
  /** For `answer` to settle. */
  readonly answerMs: number
  /** For another daemon that is just starting. */
  readonly lockMs: number
}
const defaultLimits: Limits = { clients: 200, patienceMs: 5_000, answerMs: 10_000, lockMs: 10_000 }

export interface ControlServer {
  /** The gid that may use the socket from here on; null: only root. Never throws. */
  admit(group: number | null): Promise<void>
  /** Hangs up on everybody and removes the socket. Twice is once. */
  close(): Promise<void>
}

/**
 * Listens; resolves when the socket is there with its mode and group. The socket of a daemon that died is replaced.
 * Throws `AlreadyRunning` when a living daemon listens, `BadInput` when something else than a socket is in the place.
 */
export async function createControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { path, onProblem, answer, giveTo = (it, gid) => chown(it, -1, gid) } = options
  const limits = { ...defaultLimits, ...options.limits }
  const clients = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    clients.add(socket)
    socket.on('close', () => clients.delete(socket))
    // A client that goes away in the middle, or was thrown out, is no problem of ours; neither may a late error be.
    socket.on('error', () => socket.destroy())
    converse(socket, { answer, onProblem, limits }).then(
      () => socket.destroySoon(),
      () => socket.destroy(),
    )
  })
  server.maxConnections = limits.clients

  // Who may use the socket has to reach it, whatever the umask is.
  if ((await mkdir(dirname(path), { recursive: true })) !== undefined) await chmod(dirname(path), 0o755)
  await occupy(server, path, limits)
  server.on('error', onProblem)
  const give = (group: number): Promise<boolean> =>
    giveTo(path, group).then(
      () => true,
      (error: unknown) => {
        // Backups do not depend on who may ask for the status.
        onProblem(error)
        return false
      },
    )
  const group = options.group ?? null
  const given = group !== null && (await give(group)) ? group : null
  await chmod(path, 0o660)
  await checkAccess(path, given).catch((error: unknown) => {
    server.close()
    throw error
  })

  let closed: Promise<void> | undefined
  const close = () =>
    new Promise<void>((resolve) => {
      // Node unlinks the path that it bound.
      server.close(() => resolve())
      for (const socket of clients) socket.destroy()
    })
  return {
    async admit(next) {
      const wanted = next ?? process.getgid?.() ?? 0
      const owner = await lstat(path).catch(onProblem)
      if (owner !== undefined && owner.gid !== wanted) await give(wanted)
    },
    close() {
      closed ??= close()
      return closed
    },
  }
}

/** Looks again: who may use the socket is who may command the service. Throws `BadInput`. */
async function checkAccess(path: string, group: number | null): Promise<void> {
  const { mode, uid, gid } = await lstat(path)
  const isOurs = uid === process.getuid?.() && (mode & 0o7777) === 0o660
  if (isOurs && (group === null || gid === group)) return
  throw new BadInput(`${path} is not for root and its group alone, as it has to be`, {
    hint: `is its folder on a file system without owners and modes? It is: stat ${path}`,
  })
}

/** Binds the path, or finds out that a living daemon has it. Of daemons that start at once, one wins. */
async function occupy(server: Server, path: string, { lockMs }: Limits): Promise<void> {
  // Under the lock nobody else removes the socket, and nobody binds it: what is asked is what is removed.
  const letGo = await lock(path, lockMs)
  try {
    if (await listen(server, path)) return
    await removeDead(path)
    if (!(await listen(server, path))) throw anotherOne(path)
  } finally {
    await letGo()
  }
}

const lockPollMs = 5

/**
 * An abstract socket (unix(7)): of one process at a time, and gone with it, so that none is left behind by a crash. Everybody
 * can take such a name: whoever keeps it for longer than a daemon needs is not waited for.
 */
async function lock(path: string, limitMs: number): Promise<() => Promise<void>> {
  const until = performance.now() + limitMs
  const held = createServer((socket) => socket.destroy())
  // Who connects to it is no business of ours, and must end nothing.
  held.on('error', () => undefined)
  while (!(await listen(held, `\0${path}`))) {
    if (performance.now() > until) return async () => undefined
    await after(lockPollMs)
  }
  return () => new Promise((resolve) => held.close(() => resolve()))
}

/** Removes a socket that nobody listens on. Throws `AlreadyRunning` when somebody does. */
async function removeDead(path: string): Promise<void> {
  try {
    const asked = await lstat(path)
    if (await someoneListens(path)) throw anotherOne(path)
    const dead = await lstat(path)
    // Whoever did not wait for the lock, because it was kept for long, has taken the place meanwhile.
    if (dead.ino !== asked.ino) throw anotherOne(path)
    if (!dead.isSocket()) {
      throw new BadInput(`${path} is in the way: it is not a socket`, {
        hint: 'move it away and start again',
      })
    }
    await unlink(path)
  } catch (error) {
    // A daemon that was just stopping has removed it itself.
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

const isErrno = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

const anotherOne = (path: string) =>
  new AlreadyRunning(`another walkaway daemon is running (it listens on ${path})`, {
    hint: 'systemctl status walkaway',
  })

/** False when the path is taken. */
function listen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      server.off('listening', listening)
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    }
    const listening = () => {
      server.off('error', failed)
      resolve(true)
    }
    server.once('error', failed)
    server.once('listening', listening)
    server.listen(path)
  })
}

/** Only a refused connection proves that nobody listens; a daemon that is busy or stopped is still one. */
function someoneListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}

interface Conversation {
  readonly answer: ControlServerOptions['answer']
  readonly onProblem: ControlServerOptions['onProblem']
  readonly limits: Limits
}

/** Reads request lines and answers each before the next is read. Rejects when the client is gone or thrown out. */
async function converse(socket: Socket, conversation: Conversation): Promise<void> {
  const { patienceMs } = conversation.limits
  const throwOut = () => socket.destroy()
  let patience = setTimeout(throwOut, patienceMs)
  socket.once('close', () => clearTimeout(patience))
  const say = async (reply: Reply) => {
    clearTimeout(patience)
    if (socket.destroyed) return
    patience = setTimeout(throwOut, patienceMs)
    await write(socket, checkedLine(reply, conversation))
  }

  let received: Buffer = Buffer.alloc(0)
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    received = Buffer.concat([received, chunk])
    for (let end = received.indexOf('\n'); end !== -1; end = received.indexOf('\n')) {
      if (end > maxRequestBytes) return say(refusal('the request is too long', 2))
      const parsed = parseRequest(received.toString('utf8', 0, end))
      received = received.subarray(end + 1)
      switch (parsed.kind) {
        case 'bad':
          return say(refusal(parsed.why, 2))
        case 'request':
          // What the answer takes is not the client's fault.
          clearTimeout(patience)
          await say(await answered(parsed.request, conversation))
      }
    }
    if (received.length > maxRequestBytes) return say(refusal('the request is too long', 2))
  }
  if (received.length > 0) return say(refusal('the request does not end with a line feed', 2))
}

async function answered(request: Request, { answer, onProblem, limits }: Conversation): Promise<Reply> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Reply>((resolve) => {
    timer = setTimeout(
      () => resolve(refusal('the daemon did not find its answer in time', 1)),
      limits.answerMs,
    )
  })
  try {
    return await Promise.race([(async () => answer(request))(), late])
  } catch (problem) {
    onProblem(problem)
    return refusal(messageOf(problem), 1)
  } finally {
    clearTimeout(timer)
  }
}

function checkedLine(reply: Reply, { onProblem }: Conversation): string {
  try {
    return formatReply(reply)
  } catch (problem) {
    onProblem(problem)
    return formatReply(refusal(messageOf(problem), 1))
  }
}

function write(socket: Socket, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(line, (error) => (error ? reject(error) : resolve()))
  })
}
