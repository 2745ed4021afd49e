// The keys of the notification channels. How each is delivered is told in notify/.

import * as z from 'zod'
import {
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

const on = list(word(eventNames, 'An event.'), 'a list of events such as [safe-to-remove, disk-overdue]')
  .meta({ description: 'The events that are told here; when missing, those that a person must know.' })
  .optional()
const type = <const T extends string>(name: T) =>
  z.literal(name).meta({ description: 'The kind of channel.' })
const secretFile = (describe: string) =>
  scalar(read.readKeyFile, {
    expected: 'an absolute path of a file, or credential:NAME',
    describe: `${describe}, which only its owner may read; or a systemd credential.`,
  })
const token = {
  token: secret('The access token. The configuration must then be readable by root alone.').optional(),
  tokenFile: secretFile('A file with the access token in its first line').optional(),
}
const address = (describe: string) =>
  scalar(read.readMailAddress, {
    expected: 'a mail address such as me@example.org',
    describe,
  })

const smtp = section(
  {
    host: scalar(read.readHostName, {
      expected: 'the name of a mail server such as mail.example.org',
      describe: 'The mail server.',
    }),
    port: wholeNumber(1, 65_535, '587 and 25: STARTTLS; 465: TLS from the first byte.').prefault('587'),
    user: scalar(read.readText, {
      expected: 'the user name in one line',
      describe: 'The user to log in as; without it there is no login.',
      json: textOrNumber,
    }).optional(),
    password: secret('The password. The configuration must then be readable by root alone.').optional(),
    passwordFile: secretFile('A file with the password in its first line').optional(),
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
          smtp: smtp.optional(),
          on,
        },
        'A mail.',
      ),
      section(
        {
          type: type('ntfy'),
          url: httpAddress('Server and topic.'),
          ...token,
          click: httpAddress('Opened when the notification is tapped.').optional(),
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
          ).min(1, { error: 'a list: the path of a program and its arguments' }),
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
  .meta({ description: 'One way to tell people.' })
