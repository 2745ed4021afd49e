// healthchecks.io and its like: a ping when a visit starts, succeeds or fails; whatever else is listed in `on` goes into
// the check's log (https://healthchecks.io/docs/http_api/).

import type { ChannelOf, Send } from './channel.ts'
import type { Deliver } from './letter.ts'
import type { Notice } from './notice.ts'

export function createHealthchecks({ url }: ChannelOf<'healthchecks'>, deliver: Deliver): Send {
  return (notice, signal) =>
    deliver(
      {
        kind: 'post',
        url: withPath(url, pingOf(notice)),
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: notice.message,
      },
      signal,
    )
}

function pingOf({ event, outcome, data }: Notice): '' | '/start' | '/fail' | '/log' {
  switch (event) {
    case 'disk-arrived':
    case 'visit-asked':
      return '/start'
    case 'backup-finished':
      return outcome === 'complete' ? '' : '/fail'
    case 'disk-refused':
      return data['isAnotherDevice'] === true ? '/log' : '/fail'
    case 'disk-stuck':
      return '/fail'
    default:
      return '/log'
  }
}

/** Before the question mark, if there is one (`?create=1`). */
function withPath(url: string, path: string): string {
  const to = new URL(url)
  to.pathname = to.pathname.replace(/\/+$/, '') + path
  return to.href
}
