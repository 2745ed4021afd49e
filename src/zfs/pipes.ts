// Pipes of the kernel between two programs. Node makes none (the pipes of its children are sockets), mkfifo(1) does, at the
// price of a process: so that a pipe serves one stream after the other.
import { randomUUID } from 'node:crypto'
import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Run } from '../linux/run.ts'

export interface Pipe {
  readonly readEnd: number
  readonly writeEnd: number
  /** Closes our ends: the end of the stream is seen when its last writer is gone. Twice is not an error. */
  close(): void
  /** Its stream is over, however it ended. It serves the next one only if nobody has it open any more. Closes our ends. */
  giveBack(): void
}

export interface Pipes {
  /** Makes one beside other work, so that a stream need not wait for it. Never throws: the stream will. */
  prepare(): void
  open(): Promise<Pipe>
}

const MKFIFO_MS = 10_000
/** A descriptor that is neither a reader nor a writer (open(2), O_PATH); of Linux alone, and so not among Node's. */
const O_PATH = 0o10000000

const reopen = (pipe: number, flags: number): number => openSync(`/proc/self/fd/${pipe}`, flags)

/**
 * Whether nobody reads or writes it, so that nothing is in it either (fifo(7)). That its programs have ended does not prove
 * it: they may have left children.
 */
function isFree(pipe: number): boolean {
  try {
    closeSync(reopen(pipe, constants.O_WRONLY | constants.O_NONBLOCK))
    return false
  } catch (error) {
    if (codeOf(error) !== 'ENXIO') return false
  }
  const end = reopen(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return readSync(end, Buffer.alloc(1)) === 0
  } catch {
    // A writer is left.
    return false
  } finally {
    closeSync(end)
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

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
    if (free.length === 0) await preparing
    const pipe = free.pop() ?? (await make())
    const opened: number[] = []
    const openAs = (flags: number): number => {
      const fd = reopen(pipe, flags)
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
        giveBack: () => {
          close()
          if (isFree(pipe)) free.push(pipe)
          else closeSync(pipe)
        },
      }
    } catch (error) {
      close()
      closeSync(pipe)
      throw error
    }
  }
  return { prepare, open }
}
