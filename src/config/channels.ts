// The keys of the notification channels. How each is delivered is told in notify/.

import * as z from 'zod/mini'
import {
  fileOrCredential,
  httpAddress,
  list,
  oneOrMore,
  scalar,
  secret,
  section,
  textOrNumber,
  wholeNumber,
  word,
} from './blocks.ts'
import { eventNames } from './eventNames.ts'
import * as read from './values.ts'

const on = z.optional(
  list(word(eventNames, 'An event.'), 'a list of events such as [safe-to-remove, disk-overdue]').check(
    z.meta({ description: 'The events that are told here; when missing, those that a person must know.' }),
  ),
)
const type = <const T extends string>(name: T) =>
  z.literal(name).check(z.meta({ description: 'The kind of channel.' }))
const secretFile = (describe: string) =>
  scalar(read.readKeyFile, {
    expected: 'an absolute path of a file, or credential:NAME',
    describe: `${describe}, which only its owner may read; or a systemd credential.`,
    json: fileOrCredential,
    // Whoever writes the secret itself in its place is not to find it in the journal.
    params: { secret: true },
  })
const token = {
  token: z.optional(secret('The access token. The configuration must then be readable by root alone.')),
  tokenFile: z.optional(secretFile('A file with the access token in its first line')),
}
const address = (describe: string) =>
  scalar(read.readMailAddress, {
    expected: 'a mail address such as me@example.org',
    describe,
    json: { pattern: '^([^<>]*<)?[^ <>,;"@-][^ <>,;"@]*(@[^ <>,;"@]+)?>?$' },
  })

const smtp = section(
  {
    host: scalar(read.readHostName, {
      expected: 'the name of a mail server such as mail.example.org',
      describe: 'The mail server.',
      json: { pattern: '^[A-Za-z0-9:][A-Za-z0-9.:-]*$' },
    }),
    port: z.prefault(wholeNumber(1, 65_535, '587 and 25: STARTTLS; 465: TLS from the first byte.'), '587'),
    user: z.optional(
      scalar(read.readText, {
        expected: 'the user name in one line',
        describe: 'The user to log in as; without it there is no login.',
        json: textOrNumber,
      }),
    ),
    password: z.optional(secret('The password. The configuration must then be readable by root alone.')),
    passwordFile: z.optional(secretFile('A file with the password in its first line')),
  },
  "The mail server; without it the machine's own sendmail is used.",
)

export const channel = z
  .discriminatedUnion(
    'type',
    [
      section({ type: type('desktop'), on }, 'A notification on the desktop of whoever is logged in.'),
      section({ type: type('wall'), on }, 'A line on every terminal.'),
      section(
        {
          type: type('email'),
          to: oneOrMore(address('To whom.'), 'a mail address, or a list of them', 'To whom.'),
          from: address('From whom.'),
          smtp: z.optional(smtp),
          on,
        },
        'A mail.',
      ),
      section(
        {
          type: type('ntfy'),
          url: httpAddress('Server and topic.'),
          ...token,
          click: z.optional(httpAddress('Opened when the notification is tapped.')),
          on,
        },
        'ntfy.',
      ),
      section({ type: type('gotify'), url: httpAddress('The server.'), ...token, on }, 'Gotify.'),
      section(
        { type: type('webhook'), url: httpAddress('Gets the event as JSON in a POST.'), ...token, on },
        'Any service that takes a POST; the token, if any, is sent as a bearer token.',
      ),
      section(
        { type: type('healthchecks'), url: httpAddress('The ping address of the check.'), on },
        'healthchecks.io or its like.',
      ),
      section(
        {
          type: type('command'),
          run: list(
            scalar(read.readArgument, {
              expected: 'a text',
              describe: '{event}, {disk}, {pool}, {outcome} and {message} are replaced.',
              json: textOrNumber,
            }),
            'a list: the path of a program and its arguments',
          ).check(z.minLength(1, { error: 'a list: the path of a program and its arguments' })),
          on,
        },
        'A program of your own; no shell is involved.',
      ),
    ],
    {
      error:
        'a channel with its `type`: desktop, wall, email, ntfy, gotify, webhook, healthchecks or command',
    },
  )
  .check(z.meta({ description: 'One way to tell people.' }))
