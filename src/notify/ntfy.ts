// ntfy: the body is the message, everything else is in headers (https://docs.ntfy.sh/publish/).

import type { ChannelOf, Send } from './channel.ts'
import { headerText } from './http.ts'
import type { Deliver } from './letter.ts'
import { bodyAt, type Notice } from './notice.ts'
import { bearer } from './secret.ts'

/** 3 is ntfy's default; 5 goes through "do not disturb" on phones that allow it. */
const priorities = { low: '2', normal: '3', high: '5' } as const

export function createNtfy(
  { url, token, click }: ChannelOf<'ntfy'>,
  { now, deliver }: { readonly now: () => Date; readonly deliver: Deliver },
): Send {
  return async (notice, signal) =>
    deliver(
      {
        kind: 'post',
        url,
        headers: {
          title: headerText(notice.title),
          priority: priorities[notice.urgency],
          tags: tagOf(notice),
          // A message that comes twice takes the place of the first (ntfy 2.16; older ones do not look at it).
          'x-sequence-id': notice.id,
          ...(click !== null && { click }),
          ...(await bearer(token)),
          'content-type': 'text/plain; charset=utf-8',
        },
        body: bodyAt(notice, now()),
      },
      signal,
    )
}

/** ntfy shows these as emoji in front of the title: safe and not safe differ before a word is read. */
function tagOf({ mayUnplug, outcome, urgency }: Notice): string {
  if (mayUnplug === false) return urgency === 'low' ? 'arrows_counterclockwise' : 'no_entry'
  if (mayUnplug === true) return outcome === null || outcome === 'complete' ? 'white_check_mark' : 'warning'
  return urgency === 'low' ? 'floppy_disk' : 'warning'
}
