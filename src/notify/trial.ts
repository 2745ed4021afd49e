// A message that says of itself that it is a test, sent at once and not kept: whether a channel works.

import { randomUUID } from 'node:crypto'
import type { Channel } from '../config.ts'
import { NotDelivered } from '../errors.ts'
import { type ChannelDeps, labelOf, openChannel } from './channel.ts'
import type { Notice } from './notice.ts'

export interface Trial {
  /** The channel, without secrets. */
  readonly channel: string
  /** null: it was taken. */
  readonly failure: string | null
}

const limitMs = 30_000

export async function tryChannel(
  channel: Channel,
  deps: ChannelDeps & { readonly host: string },
): Promise<Trial> {
  try {
    const send = await openChannel(channel, deps)
    await send(testNotice(deps.host, deps.now()), AbortSignal.timeout(limitMs))
    return { channel: labelOf(channel), failure: null }
  } catch (error) {
    if (!(error instanceof NotDelivered)) throw error
    return { channel: labelOf(channel), failure: error.message }
  }
}

const testNotice = (host: string, at: Date): Notice => ({
  version: 1,
  id: randomUUID(),
  at: at.toISOString(),
  host,
  event: 'test',
  disk: null,
  pool: null,
  outcome: null,
  urgency: 'normal',
  mayUnplug: null,
  title: `${host}: a test message of walkaway`,
  body: 'If you can read this, this channel works. Nothing has happened to any disk.',
  message: 'a test message of walkaway',
  data: {},
})
