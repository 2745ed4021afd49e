// One QMP connection to a running QEMU: commands with their answers, and events. QEMU connects to us, so there is no
// moment at which its socket does not exist yet. Knows nothing of what the commands mean.
import { createServer, type Socket } from 'node:net'
import { eachLine } from './lines.ts'

export type QmpEvent = { readonly event: string; readonly data?: Readonly<Record<string, unknown>> }

export type Qmp = {
  /** Throws QmpError with QEMU's own words. */
  readonly command: (name: string, args?: Readonly<Record<string, unknown>>) => Promise<unknown>
  /** Resolves with the first event that matches, from now on. */
  readonly nextEvent: (matches: (event: QmpEvent) => boolean, deadlineMs: number) => Promise<QmpEvent>
  readonly close: () => void
}

class QmpError extends Error {}

type Waiting = { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }

/** Listens on a unix socket and resolves with the first one who connects. */
export function acceptOne(path: string): {
  readonly listening: Promise<void>
  readonly connected: Promise<Socket>
} {
  const server = createServer()
  const connected = new Promise<Socket>((resolve, reject) => {
    server.once('error', reject)
    server.once('connection', (socket) => {
      server.close()
      resolve(socket)
    })
  })
  // The caller awaits `connected` later than a failure of listen() can happen.
  connected.catch(() => undefined)
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  server.unref()
  return { listening, connected }
}

export async function openQmp(socket: Socket): Promise<Qmp> {
  const waiting = new Map<number, Waiting>()
  const listeners = new Set<(event: QmpEvent) => void>()
  let nextId = 1

  eachLine(socket, (line) => {
    const message = JSON.parse(line) as {
      id?: number
      return?: unknown
      error?: { desc: string }
      event?: string
    }
    if (message.event !== undefined) {
      for (const listener of [...listeners]) listener(message as QmpEvent)
      return
    }
    const caller = message.id === undefined ? undefined : waiting.get(message.id)
    if (message.id === undefined || caller === undefined) return
    waiting.delete(message.id)
    if (message.error === undefined) caller.resolve(message.return)
    else caller.reject(new QmpError(message.error.desc))
  })
  const gone = () => {
    for (const caller of waiting.values()) caller.reject(new QmpError('QEMU has gone'))
    waiting.clear()
  }
  socket.on('close', gone)
  socket.on('error', gone)

  const command: Qmp['command'] = (name, args) =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) return reject(new QmpError(`QEMU has gone; ${name} not sent`))
      const id = nextId++
      waiting.set(id, { resolve, reject })
      socket.write(
        `${JSON.stringify({ execute: name, id, ...(args === undefined ? {} : { arguments: args }) })}\n`,
      )
    })

  const nextEvent: Qmp['nextEvent'] = (matches, deadlineMs) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        listeners.delete(listener)
        reject(new QmpError(`no such event from QEMU within ${deadlineMs} ms`))
      }, deadlineMs)
      const listener = (event: QmpEvent) => {
        if (!matches(event)) return
        clearTimeout(timer)
        listeners.delete(listener)
        resolve(event)
      }
      listeners.add(listener)
    })

  await command('qmp_capabilities')
  return { command, nextEvent, close: () => socket.destroy() }
}
