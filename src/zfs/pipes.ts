// Pipes of the kernel between two programs. Node makes none (the pipes of its children are sockets), mkfifo(1) does, at the
// price of a process: so that a pipe serves one stream after the other.
import { randomUUID } from 'node:crypto'
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Run } from '../linux/run.ts'

export interface Pipe {
  readonly readEnd: number
  readonly writeEnd: number
  /** Closes our ends: the end of the stream is seen when its last writer is gone. Twice is not an error. */
  close(): void
  /** Both programs have ended: nobody has it open any more, so that it is empty and serves the next stream. */
  giveBack(): void
  /** Somebody may still have it open: it serves nobody else. */
  discard(): void
}

export interface Pipes {
  /** Makes one beside other work, so that a stream need not wait for it. Never throws: the stream will. */
  prepare(): void
  open(): Promise<Pipe>
}

const MKFIFO_MS = 10_000
/** A descriptor that is neither a reader nor a writer (open(2), O_PATH); of Linux alone, and so not among Node's. */
const O_PATH = 0o10000000

/** Only root may write in `runtimeDir`: a pipe has a name there for the moment that it takes to open it. */
export function createPipes(run: Run, runtimeDir: string): Pipes {
  const free: number[] = []
  let preparing: Promise<void> | null = null

  async function make(): Promise<number> {
    const path = join(runtimeDir, `stream-${randomUUID()}`)
    try {
      await run('mkfifo', ['-m', '600', path], { deadlineMs: MKFIFO_MS })
      return openSync(path, O_PATH)
    } finally {
      rmSync(path, { force: true })
    }
  }

  function prepare(): void {
    if (preparing !== null || free.length > 0) return
    preparing = make()
      .then(
        (pipe) => void free.push(pipe),
        () => undefined,
      )
      .finally(() => {
        preparing = null
      })
  }

  async function open(): Promise<Pipe> {
    await preparing
    const pipe = free.pop() ?? (await make())
    const opened: number[] = []
    const openAs = (flags: number): number => {
      const fd = openSync(`/proc/self/fd/${pipe}`, flags)
      opened.push(fd)
      return fd
    }
    const close = (): void => {
      for (const fd of opened.splice(0)) closeSync(fd)
    }
    try {
      // Opened for both first: opening one end alone would wait for the other.
      const both = openAs(constants.O_RDWR)
      const readEnd = openAs(constants.O_RDONLY)
      const writeEnd = openAs(constants.O_WRONLY)
      closeSync(both)
      opened.shift()
      return {
        readEnd,
        writeEnd,
        close,
        giveBack: () => void free.push(pipe),
        discard: () => closeSync(pipe),
      }
    } catch (error) {
      close()
      closeSync(pipe)
      throw error
    }
  }
  return { prepare, open }
}
