// One mail over SMTP, always with TLS. Of what the server says only its number is read: it may quote what was sent to it.

import { createTransport } from 'nodemailer'
import { NotDelivered } from '../errors.ts'
import { trustedCertificates } from './certificates.ts'
import type { Mail } from './letter.ts'

const quietMs = 20_000

/** Resolves when the server has taken it. Throws `NotDelivered`. */
export async function mail(
  { server: { host, port }, login, trust, from, to, subject, text, date, messageId, headers }: Mail,
  signal: AbortSignal,
): Promise<void> {
  const transport = createTransport({
    host,
    port,
    // 465: TLS from the first byte. Otherwise STARTTLS, and nothing at all without it.
    secure: port === 465,
    requireTLS: true,
    ...(login !== null && { auth: { user: login.user, pass: login.password } }),
    connectionTimeout: quietMs,
    greetingTimeout: quietMs,
    socketTimeout: quietMs,
    dnsTimeout: quietMs,
    tls: { ca: trust ?? (await trustedCertificates()) },
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  try {
    await transport.sendMail({
      from,
      to: [...to],
      subject,
      text,
      date: new Date(date),
      messageId,
      headers,
      signal,
    })
  } catch (error) {
    if (signal.aborted) throw new NotDelivered('unreachable', `${host} did not answer in time`)
    throw notDelivered(host, error)
  } finally {
    transport.close()
  }
}

function notDelivered(host: string, error: unknown): NotDelivered {
  const fields: { readonly code?: unknown; readonly responseCode?: unknown } =
    typeof error === 'object' && error !== null ? error : {}
  const { code, responseCode } = fields
  const number = typeof responseCode === 'number' ? ` (${responseCode})` : ''
  switch (code) {
    case 'EAUTH':
    case 'ENOAUTH':
      return new NotDelivered('unreachable', `${host} refused user or password${number}`)
    case 'EENVELOPE':
    case 'EMESSAGE':
      return new NotDelivered('refused', `${host} refused the mail${number}`)
    case 'ETLS':
      return new NotDelivered('unreachable', `${host} has no TLS that can be trusted`)
    case 'ETIMEDOUT':
      return new NotDelivered('unreachable', `${host} did not answer in time`)
    default:
      return new NotDelivered(
        'unreachable',
        `${host} could not be reached${typeof code === 'string' ? ` (${code})` : ''}${number}`,
      )
  }
}
