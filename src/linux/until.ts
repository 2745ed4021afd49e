// A wait with a deadline and a condition that is read again.

import { setTimeout as after } from 'node:timers/promises'

const pollMs = 250

/** False: the condition did not come true in that time. */
export async function until(condition: () => Promise<boolean>, deadlineMs: number): Promise<boolean> {
  for (const deadline = performance.now() + deadlineMs; performance.now() < deadline; ) {
    if (await condition()) return true
    await after(pollMs)
  }
  return condition()
}
