// Gotify: JSON to /message with the application's token (https://gotify.net/docs/pushmsg).

import type { ChannelOf, Send } from './channel.ts'
import type { Deliver } from './letter.ts'
import { bodyAt } from './notice.ts'
import { readSecret } from './secret.ts'

/** The app makes no sound below 4 and is loud from 8. */
const priorities = { low: 2, normal: 5, high: 8 } as const

export function createGotify(
  { url, token }: ChannelOf<'gotify'>,
  { now, deliver }: { readonly now: () => Date; readonly deliver: Deliver },
): Send {
  return async (notice, signal) =>
    deliver(
      {
        kind: 'post',
        url: `${url.replace(/\/+$/, '')}/message`,
        headers: {
          'content-type': 'application/json',
          ...(token !== null && { 'x-gotify-key': await readSecret(token) }),
        },
        body: JSON.stringify({
          title: notice.title,
          message: bodyAt(notice, now()),
          priority: priorities[notice.urgency],
        }),
      },
      signal,
    )
}
