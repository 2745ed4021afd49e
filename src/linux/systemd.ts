// What the service manager is told (ready, status, watchdog, stopping) and what it is asked (do not sleep or shut
// down now). Without a service manager all of it does nothing.

import type { Run } from './run.ts'

export interface Notifier {
  /** Resolves when the manager has been told, so that what comes after is after. Never throws. */
  ready(): Promise<void>
  /** The line in `systemctl status`: sent when it changed, at most once a second; the last one always gets out. */
  status(text: string): void
  /** Between this and the next `ready()` the service counts as reloading. */
  reloading(): Promise<void>
  stopping(): Promise<void>
  /** Pats the watchdog at half of WATCHDOG_USEC from the main loop until `close()`. */
  startWatchdog(): void
  /** Ends the timers; sends a status that is still waiting. */
  close(): Promise<void>
}

export interface NotifierOptions {
  readonly run: Run
  readonly env: Readonly<Record<string, string | undefined>>
  readonly onWarning?: (text: string) => void
}

export declare function createNotifier(options: NotifierOptions): Notifier

export interface Inhibitor {
  /** False when logind could not be asked (no logind, no bus): nothing is inhibited. */
  readonly held: boolean
  /** Lets go. Twice is not an error. Never throws. */
  release(): Promise<void>
}

/** Asks logind not to `what` (e.g. `sleep:shutdown`) until released. Never throws. */
export declare function inhibit(options: {
  readonly what: string
  readonly why: string
  readonly mode: 'block' | 'delay'
}): Promise<Inhibitor>
