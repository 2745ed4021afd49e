// What a channel is: something that takes a notice, or says why not. Each is loaded when it is first used; a service
// without notifications has none of them in memory.

import { createHash } from 'node:crypto'
import type { Channel } from '../config.ts'
import { createOutside } from '../linux/outside.ts'
import type { Run } from '../linux/run.ts'
import { type Deliver, deliverHere } from './letter.ts'
import { createMessenger } from './messenger.ts'
import type { Notice } from './notice.ts'
import { createRunProgram } from './program.ts'

export type ChannelOf<T extends Channel['type']> = Extract<Channel, { type: T }>

/** Resolves when somebody else is responsible for it. Throws `NotDelivered`. */
export type Send = (notice: Notice, signal: AbortSignal) => Promise<void>

export interface ChannelDeps {
  /** Starts programs of this machine: a person's own, and those that show something to whoever is logged in. */
  readonly run: Run
  readonly deliver: Deliver
  readonly now: () => Date
  /** Certificates to trust in place of the machine's, in PEM; for tests. */
  readonly trust?: string
}

/** Ways out of this process, for a person's own shell. */
export const waysFromShell = (run: Run): Pick<ChannelDeps, 'run' | 'deliver'> => ({
  run,
  deliver: deliverHere,
})

/** More than what the service waits for one of them. */
const programLimitMs = 35_000

/** Ways out of the sandbox of walkaway.service. `program` is walkaway itself, as an argument list. */
export const waysFromSandbox = (
  run: Run,
  program: readonly [file: string, ...args: readonly string[]],
): Pick<ChannelDeps, 'run' | 'deliver'> => ({
  run: createOutside(run, { description: 'a notification of walkaway', limitMs: programLimitMs }),
  deliver: createMessenger(run, program),
})

export async function openChannel(channel: Channel, deps: ChannelDeps): Promise<Send> {
  const { run, now, deliver } = deps
  switch (channel.type) {
    case 'desktop':
      return (await import('./desktop.ts')).createDesktop(run, now)
    case 'wall':
      return (await import('./wall.ts')).createWall(run, now)
    case 'email':
      return (await import('./email.ts')).createEmail(channel, {
        now,
        run: createRunProgram(run),
        deliver,
        ...(deps.trust !== undefined && { trust: deps.trust }),
      })
    case 'ntfy':
      return (await import('./ntfy.ts')).createNtfy(channel, { now, deliver })
    case 'gotify':
      return (await import('./gotify.ts')).createGotify(channel, { now, deliver })
    case 'webhook':
      return (await import('./webhook.ts')).createWebhook(channel, deliver)
    case 'healthchecks':
      return (await import('./healthchecks.ts')).createHealthchecks(channel, deliver)
    case 'command':
      return (await import('./command.ts')).createCommand(channel, createRunProgram(run))
  }
}

/** The channel in a few words. Of an address the host alone: the rest of it may be a secret. */
export function labelOf(channel: Channel): string {
  switch (channel.type) {
    case 'desktop':
    case 'wall':
      return channel.type
    case 'email':
      return `email to ${channel.to.join(', ')}`
    case 'ntfy':
    case 'gotify':
    case 'webhook':
    case 'healthchecks':
      return `${channel.type} at ${new URL(channel.url).host}`
    case 'command':
      return `command ${channel.run[0] ?? ''}`
  }
}

/** Tells channels apart over restarts, and says nothing about them: what is configured may be a secret. */
export function keyOf(channel: Channel): string {
  return createHash('sha256')
    .update(JSON.stringify([channel.type, ...addressOf(channel)]))
    .digest('hex')
    .slice(0, 16)
}

function addressOf(channel: Channel): readonly string[] {
  switch (channel.type) {
    case 'desktop':
    case 'wall':
      return []
    case 'email':
      return channel.to
    case 'ntfy':
    case 'gotify':
    case 'webhook':
    case 'healthchecks':
      return [channel.url]
    case 'command':
      return channel.run
  }
}

/** Only people sleep. */
export function isForPeople({ type }: Channel): boolean {
  switch (type) {
    case 'desktop':
    case 'wall':
    case 'email':
    case 'ntfy':
    case 'gotify':
      return true
    case 'webhook':
    case 'healthchecks':
    case 'command':
      return false
  }
}
