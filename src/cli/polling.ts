// Asking the daemon again and again, for commands that follow what goes on.
import { setTimeout as after } from 'node:timers/promises'
import { askStatus, type NotRunning } from '../control/client.ts'
import type { Refusal, StatusReply } from '../control/protocol.ts'
import { UnreadableAnswer } from '../errors.ts'

const deadlineMs = 15_000
/** A daemon that stops, or has too many clients just now, hangs up. */
const mostHangUps = 5

/** How things stand after a pause of `pollMs`; null: interrupted meanwhile. Throws what `askStatus` throws. */
export async function nextStatus(options: {
  readonly socket: string
  readonly pollMs: number
  readonly interrupted: AbortSignal
}): Promise<StatusReply | Refusal | NotRunning | null> {
  const { socket, pollMs, interrupted } = options
  for (let hangUps = 0; ; hangUps++) {
    await after(pollMs, undefined, { signal: interrupted }).catch(() => undefined)
    if (interrupted.aborted) return null
    try {
      return await askStatus(socket, { version: 1, command: 'status' }, { deadlineMs })
    } catch (error) {
      if (!(error instanceof UnreadableAnswer) || hangUps >= mostHangUps) throw error
    }
  }
}
