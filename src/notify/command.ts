// A program of the person's own: arguments with placeholders, the notice as JSON on its standard input, no shell.

import { NotDelivered } from '../errors.ts'
import type { ChannelOf, Send } from './channel.ts'
import type { Notice } from './notice.ts'
import type { RunProgram } from './program.ts'

export function createCommand({ run: [file = '', ...args] }: ChannelOf<'command'>, run: RunProgram): Send {
  return async (notice, signal) => {
    if (file === '') throw new NotDelivered('refused', 'no program is configured')
    await run([file, ...args.map((text) => fillIn(text, notice))], {
      input: `${JSON.stringify(notice)}\n`,
      signal,
    })
  }
}

/** In one go: what is filled in may look like a placeholder. */
function fillIn(text: string, notice: Notice): string {
  const { event, disk, pool, outcome, message } = notice
  const values: Readonly<Record<string, string>> = {
    event,
    disk: disk ?? '',
    pool: pool ?? '',
    outcome: outcome ?? '',
    message,
  }
  return text.replaceAll(/\{(event|disk|pool|outcome|message)\}/g, (_, name: string) => values[name] ?? '')
}
