// What `walkaway doctor` looks at the machine through, and what a check says of it. Nothing is decided here.
import type { ConfigResult } from '../../config/load.ts'
import type { Config } from '../../config.ts'
import type { NotRunning } from '../../control/client.ts'
import type { Refusal, StatusReply } from '../../control/protocol.ts'
import type { BlockDevice } from '../../core/model.ts'
import type { History } from '../../linux/history.ts'
import type { Run } from '../../linux/run.ts'
import type { Trial } from '../../notify/trial.ts'
import type { Pools } from '../../zfs/pool.ts'
import type { Zfs } from '../../zfs/zfs.ts'

export type Level = 'ok' | 'warning' | 'problem'

/** One sentence of a check. */
export interface Verdict {
  readonly level: Level
  readonly says: string
  /** A command, or what else to do about it; null where there is nothing to do. */
  readonly mend: string | null
}

export const ok = (says: string): Verdict => ({ level: 'ok', says, mend: null })
export const warning = (says: string, mend: string | null): Verdict => ({ level: 'warning', says, mend })
export const problem = (says: string, mend: string | null): Verdict => ({ level: 'problem', says, mend })

export interface Surroundings {
  /** Goes before the path of each file that is looked at; empty but in tests. */
  readonly root: string
  readonly uid: number
  readonly run: Run
  readonly zfs: Pick<Zfs, 'heldBelow' | 'observeIfPresent' | 'properties'>
  readonly pools: Pick<Pools, 'answers' | 'imported'>
  readonly scan: () => Promise<readonly BlockDevice[]>
  /** In a sentence why the fast engine for udev's events cannot be used; null: it can. */
  readonly engineFault: () => string | null
  readonly history: Pick<History, 'read'>
  readonly now: () => Date
  readonly configFile: string
  readonly loadConfig: () => Promise<ConfigResult>
  /** Throws what `ask` throws. */
  readonly askStatus: () => Promise<StatusReply | Refusal | NotRunning>
  readonly version: string
  /** Sends a message by each channel. */
  readonly tryChannels: (config: Config) => Promise<readonly Trial[]>
}

/** Whether ZFS may be asked, found out once and before anything else: who asks a ZFS that hangs, hangs as well. */
export type ZfsAccess =
  | { readonly kind: 'open' }
  /** `suspended`: pools that wait for their disk. */
  | { readonly kind: 'closed'; readonly why: string; readonly suspended: readonly string[] }

/** What the checks have in common, looked at once. */
export interface Shared {
  readonly access: ZfsAccess
  /** null: it cannot be used. */
  readonly config: Config | null
  /** There is no file: then the service does not start, and nothing is wrong with it. */
  readonly unconfigured: boolean
}

export interface Check {
  readonly name: string
  /** At least one verdict. What it throws is told as a problem. */
  readonly look: (surroundings: Surroundings, shared: Shared) => Promise<readonly Verdict[]>
}
