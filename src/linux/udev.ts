// What udev says of the machine's block devices, behind one interface with two engines: node-udev, and the udevadm
// program where that addon is not there. Owns the choice between them; a scan is the truth, events only make it sooner.

import { existsSync } from 'node:fs'
import type { BlockDevice } from '../core/model.ts'
import { createNodeUdev, loadNodeUdev } from './nodeUdev.ts'
import type { Run } from './run.ts'
import { createUdevadm } from './udevadm.ts'

/** Something happened to a block device. Events may be coalesced into one `rescan`, so a scan follows every one. */
export interface DiskEvent {
  /** udev's word (`add`, `remove`, `change`, ...), or `rescan`: events may have been missed. The first one is that. */
  readonly action: string
  /** `/dev/sdb1`; empty for a `rescan`. */
  readonly node: string
  /** The kernel's sequence number of the disk; empty where the event carries none. */
  readonly diskSeq: string
  readonly syspath: string
  /** When it was received, in milliseconds since the epoch. */
  readonly at: number
}

export type UdevEngine = 'node-udev' | 'udevadm'

export interface Udev {
  readonly engine: UdevEngine
  /**
   * Subscribes at once (not at the first `next()`), so that nothing is missed between this call and a scan. Ends only
   * when the consumer leaves the loop. Never throws.
   */
  events(): AsyncIterable<DiskEvent>
  /**
   * Every disk and partition that could be or carry a backup disk: no loop, ram, zram or zvol devices.
   * Throws UnreadableAnswer, CommandFailed or DeadlineExceeded: never an empty list for a failed listing.
   */
  scan(): Promise<readonly BlockDevice[]>
}

export interface UdevOptions {
  readonly run: Run
  /** A line for the log: the other engine had to be chosen, a monitor died and was started again. */
  readonly onWarning: (text: string) => void
  readonly prefer?: UdevEngine
}

/**
 * Chooses the engine: node-udev where it can be loaded (unless `prefer` says otherwise), else udevadm, and warns of
 * what makes the choice worse than it could be. Nothing runs before `events()` or `scan()` is called. Never throws.
 */
export async function createUdev({ run, onWarning, prefer = 'node-udev' }: UdevOptions): Promise<Udev> {
  if (!existsSync('/run/udev/control'))
    onWarning('systemd-udevd does not seem to run here: no disk will be noticed')
  if (prefer === 'udevadm') return createUdevadm({ run, onWarning })
  const native = loadNodeUdev()
  if (typeof native !== 'string') return createNodeUdev(native, onWarning)
  onWarning(`node-udev cannot be used (${native}); udevadm is used instead`)
  return createUdevadm({ run, onWarning })
}
