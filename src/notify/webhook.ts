// A webhook: the notice as JSON in a POST. The manual page says what is in it.

import type { ChannelOf, Send } from './channel.ts'
import type { Deliver } from './letter.ts'
import { bearer } from './secret.ts'

export function createWebhook({ url, token }: ChannelOf<'webhook'>, deliver: Deliver): Send {
  return async (notice, signal) =>
    deliver(
      {
        kind: 'post',
        url,
        headers: {
          'content-type': 'application/json',
          'idempotency-key': notice.id,
          ...(await bearer(token)),
        },
        body: JSON.stringify(notice),
      },
      signal,
    )
}
