// Mail: over SMTP, always with TLS, or handed to the machine's own sendmail.

import { createTransport } from 'nodemailer'
import type { Smtp } from '../config.ts'
import { NotDelivered } from '../errors.ts'
import type { ChannelOf, Send } from './channel.ts'
import { bodyAt, type Notice } from './notice.ts'
import type { RunProgram } from './program.ts'
import { readSecret } from './secret.ts'

interface EmailDeps {
  readonly now: () => Date
  readonly run: RunProgram
  readonly trust?: string
}

const quietMs = 20_000

export function createEmail({ to, from, smtp }: ChannelOf<'email'>, deps: EmailDeps): Send {
  const mailOf = (notice: Notice) => ({
    from,
    to: [...to],
    subject: notice.title,
    text: `${bodyAt(notice, deps.now())}\n\n-- \nwalkaway on ${notice.host}\n`,
    date: new Date(notice.at),
    // The same for every try: mail servers and readers drop the second of two.
    messageId: `<${notice.id}@walkaway.invalid>`,
    headers: {
      // RFC 3834: nobody's absence note answers it.
      'Auto-Submitted': 'auto-generated',
      'X-Walkaway-Event': notice.event,
      ...(notice.urgency === 'high' && { Importance: 'high', 'X-Priority': '1' }),
    },
  })
  return async (notice, signal) =>
    smtp === null
      ? handToSendmail(mailOf(notice), { bareFrom: bare(from), to: to.map(bare) }, deps, signal)
      : sendOverSmtp({ ...mailOf(notice), signal }, smtp, deps)
}

type Mail = Parameters<ReturnType<typeof createTransport>['sendMail']>[0]

async function handToSendmail(
  mail: Mail,
  { bareFrom, to }: { readonly bareFrom: string; readonly to: readonly string[] },
  { run }: EmailDeps,
  signal: AbortSignal,
): Promise<void> {
  const composer = createTransport({ streamTransport: true, buffer: true, newline: 'unix' })
  const { message } = await composer.sendMail(mail)
  await run(['/usr/sbin/sendmail', '-i', '-f', bareFrom, '--', ...to], {
    input: Buffer.isBuffer(message) ? message.toString() : '',
    signal,
  })
}

/** `Name <me@example.org>` -> `me@example.org` */
const bare = (address: string): string => /<([^<>]+)>$/.exec(address)?.[1] ?? address

async function sendOverSmtp(
  mail: Mail,
  { host, port, user, password }: Smtp,
  deps: EmailDeps,
): Promise<void> {
  const transport = createTransport({
    host,
    port,
    // 465: TLS from the first byte. Otherwise STARTTLS, and nothing at all without it.
    secure: port === 465,
    requireTLS: true,
    ...(user !== null && password !== null && { auth: { user, pass: await readSecret(password) } }),
    connectionTimeout: quietMs,
    greetingTimeout: quietMs,
    socketTimeout: quietMs,
    dnsTimeout: quietMs,
    ...(deps.trust !== undefined && { tls: { ca: deps.trust } }),
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  try {
    await transport.sendMail(mail)
  } catch (error) {
    throw notDelivered(host, error)
  } finally {
    transport.close()
  }
}

/** Of what the server says only its number: it may quote what was sent to it. */
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
