// What goes out over the network, ready to be sent: a POST or a mail, with its secret. It is on no disk and in no argument.

import * as z from 'zod/mini'

const postSchema = z.object({
  kind: z.literal('post'),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
})
const mailSchema = z.object({
  kind: z.literal('mail'),
  server: z.object({ host: z.string(), port: z.number() }),
  login: z.nullable(z.object({ user: z.string(), password: z.string() })),
  /** Certificates to trust in place of the machine's, in PEM. */
  trust: z.nullable(z.string()),
  from: z.string(),
  to: z.array(z.string()),
  subject: z.string(),
  text: z.string(),
  date: z.iso.datetime(),
  messageId: z.string(),
  headers: z.record(z.string(), z.string()),
})
export const letterSchema = z.discriminatedUnion('kind', [postSchema, mailSchema])

export type Post = Readonly<z.infer<typeof postSchema>>
export type Mail = Readonly<z.infer<typeof mailSchema>>
export type Letter = Post | Mail

/** Resolves when somebody else is responsible for it. Throws `NotDelivered`. */
export type Deliver = (letter: Letter, signal: AbortSignal) => Promise<void>

/** From this process itself. */
export const deliverHere: Deliver = async (letter, signal) => {
  switch (letter.kind) {
    case 'post':
      return (await import('./http.ts')).post(letter, signal)
    case 'mail':
      return (await import('./smtp.ts')).mail(letter, signal)
  }
}
