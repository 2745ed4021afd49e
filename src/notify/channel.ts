// What a channel is: something that takes a notice, or says why not. Each is loaded when it is first used; a service
// without notifications has none of them in memory.

import { createHash } from 'node:crypto'
import type { Channel } from '../config.ts'
import type { Run } from '../linux/run.ts'
import type { Notice } from './notice.ts'
import { createRunProgram } from './program.ts'

export type ChannelOf<T extends Channel['type']> = Extract<Channel, { type: T }>

/** Resolves when somebody else is responsible for it. Throws `NotDelivered`. */
export type Send = (notice: Notice, signal: AbortSignal) => Promise<void>

export interface ChannelDeps {
  readonly run: Run
  readonly now: () => Date
  /** Whether we run in the sandbox of walkaway.service. */
  readonly sandboxed: boolean
  /** Certificates to trust besides the system's, in PEM; for tests. */
  readonly trust?: string
}

export async function openChannel(channel: Channel, deps: ChannelDeps): Promise<Send> {
  const { run, now } = deps
  switch (channel.type) {
    case 'desktop':
      return (await import('./desktop.ts')).createDesktop(run, now)
    case 'wall':
      return (await import('./wall.ts')).createWall(run, now)
    case 'email':
      return (await import('./email.ts')).createEmail(channel, {
        now,
        run: createRunProgram(run, deps),
        ...(deps.trust !== undefined && { trust: deps.trust }),
      })
    case 'ntfy':
      return (await import('./ntfy.ts')).createNtfy(channel, now)
    case 'gotify':
      return (await import('./gotify.ts')).createGotify(channel, now)
    case 'webhook':
      return (await import('./webhook.ts')).createWebhook(channel)
    case 'healthchecks':
      return (await import('./healthchecks.ts')).createHealthchecks(channel)
    case 'command':
      return (await import('./command.ts')).createCommand(channel, createRunProgram(run, deps))
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
