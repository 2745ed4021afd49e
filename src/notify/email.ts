// Mail: over SMTP, or handed to the machine's own sendmail.

import { createTransport } from 'nodemailer'
import type { Smtp } from '../config.ts'
import type { ChannelOf, Send } from './channel.ts'
import type { Deliver, Mail } from './letter.ts'
import { bodyAt, type Notice } from './notice.ts'
import type { RunProgram } from './program.ts'
import { readSecret } from './secret.ts'

interface EmailDeps {
  readonly now: () => Date
  readonly run: RunProgram
  readonly deliver: Deliver
  readonly trust?: string
}

/** A mail without the way it takes. */
type Written = Omit<Mail, 'kind' | 'server' | 'login' | 'trust'>

export function createEmail({ to, from, smtp }: ChannelOf<'email'>, deps: EmailDeps): Send {
  const write = (notice: Notice): Written => ({
    from,
    to: [...to],
    subject: notice.title,
    text: `${bodyAt(notice, deps.now())}\n\n-- \nwalkaway on ${notice.host}\n`,
    date: notice.at,
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
      ? handToSendmail(write(notice), deps, signal)
      : deps.deliver(await address(write(notice), smtp, deps), signal)
}

async function handToSendmail(mail: Written, { run }: EmailDeps, signal: AbortSignal): Promise<void> {
  const composer = createTransport({ streamTransport: true, buffer: true, newline: 'unix' })
  const { message } = await composer.sendMail({ ...mail, date: new Date(mail.date) })
  await run(['/usr/sbin/sendmail', '-i', '-f', bare(mail.from), '--', ...mail.to.map(bare)], {
    input: Buffer.isBuffer(message) ? message.toString() : '',
    signal,
  })
}

/** `Name <me@example.org>` -> `me@example.org` */
const bare = (address: string): string => /<([^<>]+)>$/.exec(address)?.[1] ?? address

async function address(
  mail: Written,
  { host, port, user, password }: Smtp,
  { trust = null }: { readonly trust?: string | null },
): Promise<Mail> {
  const login = user === null || password === null ? null : { user, password: await readSecret(password) }
  return { kind: 'mail', server: { host, port }, login, trust, ...mail }
}
