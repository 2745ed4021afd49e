// The service has no network: a process of its own, without rights and without files, brings each letter out and says how
// it went. What a peer answers is read there and not in the process that may destroy pools.

import * as z from 'zod/mini'
import { NotDelivered } from '../errors.ts'
import { createOutside, onlyNetwork } from '../linux/outside.ts'
import type { Run } from '../linux/run.ts'
import { type Deliver, deliverHere, letterSchema } from './letter.ts'

/** What the messenger writes: how it went with its letter. */
const reportSchema = z.union([
  z.object({ delivered: z.literal(true) }),
  z.object({
    delivered: z.literal(false),
    why: z.enum(['unreachable', 'refused', 'nobody']),
    message: z.string(),
  }),
])
type Report = z.infer<typeof reportSchema>

/** Less than what the service waits for one try. */
const limitMs = 45_000
const deadlineMs = 55_000

/** The service's end: starts a messenger for each letter. `program` is walkaway itself, as an argument list. */
export function createMessenger(
  run: Run,
  program: readonly [file: string, ...args: readonly string[]],
): Deliver {
  const outside = createOutside(run, {
    description: 'a message of walkaway',
    limitMs: deadlineMs,
    properties: onlyNetwork,
  })
  const [file, ...args] = program
  return async (letter, signal) => {
    let answer: string
    try {
      const input = JSON.stringify(letter)
      answer = (await outside(file, [...args, '__messenger'], { input, signal, deadlineMs })).stdout
    } catch (error) {
      // Neither its arguments nor what it says: whoever throws something unexpected may quote a secret.
      throw new NotDelivered('unreachable', 'the process that sends messages failed', { cause: error })
    }
    const report = readReport(answer)
    if (!report.delivered) throw new NotDelivered(report.why, report.message)
  }
}

function readReport(answer: string): Report {
  try {
    return reportSchema.parse(JSON.parse(answer))
  } catch (error) {
    throw new NotDelivered('unreachable', 'the process that sends messages gave no answer', { cause: error })
  }
}

/** The messenger's end: delivers the letter that it was given; answers with the report to write. Never throws. */
export async function carry(letter: string, deliver: Deliver = deliverHere): Promise<string> {
  const report = await attempt(letter, deliver)
  return `${JSON.stringify(report)}\n`
}

async function attempt(text: string, deliver: Deliver): Promise<Report> {
  try {
    await deliver(letterSchema.parse(JSON.parse(text)), AbortSignal.timeout(limitMs))
    return { delivered: true }
  } catch (error) {
    if (error instanceof NotDelivered) return { delivered: false, why: error.why, message: error.message }
    // What is thrown by libraries may quote anything.
    const name = error instanceof Error ? error.name : 'unknown'
    return { delivered: false, why: 'unreachable', message: `an unexpected failure (${name})` }
  }
}
