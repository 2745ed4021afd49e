// A notice: one event as the channels get it, in words and as data. The webhook and the standard input of commands have
// it as JSON, and so has the outbox: no secrets in it. The words are words.ts.

import { randomUUID } from 'node:crypto'
import * as z from 'zod/mini'
import type { WalkawayEvent } from '../events.ts'
import { render } from '../sentences.ts'
import { composeMessage } from './words.ts'

export const noticeSchema = z.object({
  version: z.literal(1),
  /** The same for every try, so that who gets it twice can tell. */
  id: z.string(),
  at: z.iso.datetime(),
  host: z.string(),
  event: z.string(),
  disk: z.nullable(z.string()),
  pool: z.nullable(z.string()),
  outcome: z.nullable(z.string()),
  urgency: z.enum(['low', 'normal', 'high']),
  /** Whether the disk may be unplugged. null: the event says nothing of that. */
  mayUnplug: z.nullable(z.boolean()),
  title: z.string(),
  body: z.string(),
  /** The line of the journal. */
  message: z.string(),
  /** The event with all that is known of it. */
  data: z.record(z.string(), z.unknown()),
})
export type Notice = Readonly<z.infer<typeof noticeSchema>>

export function createNotice(
  event: WalkawayEvent,
  { at, host }: { readonly at: Date; readonly host: string },
): Notice {
  const { message, fields } = render(event)
  return {
    version: 1,
    id: randomUUID(),
    at: at.toISOString(),
    host,
    event: event.kind,
    disk: diskOf(event),
    pool: 'pool' in event ? event.pool : null,
    outcome: fields['WALKAWAY_OUTCOME'] ?? null,
    ...composeMessage(event, host),
    message,
    data: z.record(z.string(), z.unknown()).parse(JSON.parse(JSON.stringify(event))),
  }
}

/** The one that it is about, or that it says may be taken. */
function diskOf(event: WalkawayEvent): string | null {
  if (event.kind === 'nothing-offsite') return event.take
  return 'disk' in event ? event.disk : null
}

const lateMs = 10 * 60_000

/** The body as it is said at `now`: what comes late says of when it is. */
export function bodyAt(notice: Notice, now: Date): string {
  const at = new Date(notice.at)
  if (now.getTime() - at.getTime() < lateMs) return notice.body
  const when = at.toLocaleString('en-GB', {
    day: 'numeric',
    month: 'long',
    hour: '2-digit',
    minute: '2-digit',
  })
  return `${notice.body}\n\nThis is from ${when}.`
}
