// One POST to a service that takes messages. No redirects: a token goes where the configuration says and nowhere else.
// What the answer says is read as a number only, because a page may quote what was sent to it.

import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { NotDelivered } from '../errors.ts'
import { trustedCertificates } from './certificates.ts'
import type { Post } from './letter.ts'

/** Resolves when it was answered with 2xx. Throws `NotDelivered`. */
export async function post(
  { url, headers, body }: Post,
  signal: AbortSignal,
  trusted = trustedCertificates,
): Promise<void> {
  const to = new URL(url)
  const isTls = to.protocol === 'https:'
  const request = isTls ? requestTls : requestPlain
  const ca = isTls ? { ca: await trusted() } : {}
  const bytes = Buffer.from(body)
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new NotDelivered('unreachable', reason))
    const outgoing = request(
      to,
      {
        method: 'POST',
        agent: false,
        signal,
        ...ca,
        headers: { 'user-agent': 'walkaway', ...headers, 'content-length': String(bytes.length) },
      },
      (answer) => {
        // The rest of the answer is of no interest, nor is whether it breaks off.
        answer.on('error', () => undefined)
        answer.resume()
        const status = answer.statusCode ?? 0
        if (status >= 200 && status < 300) resolve()
        else reject(new NotDelivered(whyOf(status), `${to.host} answered ${status}`))
      },
    )
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      fail(
        signal.aborted
          ? `${to.host} did not answer in time`
          : `${to.host}: ${error.code ?? 'the connection failed'}`,
      ),
    )
    outgoing.end(bytes)
  })
}

/** Too many requests, a timeout, or a server in trouble: whatever comes next would not get through either. */
const whyOf = (status: number): 'unreachable' | 'refused' =>
  status >= 500 || status === 408 || status === 429 ? 'unreachable' : 'refused'

/** A header in RFC 2047's encoding where it is not plain ASCII, which is all that HTTP has. */
export const headerText = (text: string): string =>
  /^[ -~]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`
