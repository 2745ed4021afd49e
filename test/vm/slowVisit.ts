// A visit that lasts long enough to be disturbed in its middle: a slow disk, something big to send, a look at how far it
// is; and a witness of when the pool was imported. What is done to the visit is the scenario's matter.

import { expect } from 'vitest'
import { type BackupDisk, type Home, visitDeadlineMs } from './home.ts'
import type { JournalEntry } from './journal.ts'
import type { Machine } from './machine.ts'
import type { PlugOptions } from './usb.ts'

const slowBytesPerSecond = 2_000_000

/**
 * Puts a file of this size into tank/photos. ZFS is told to keep little unwritten data in memory: otherwise all of a
 * small machine's backup is "sent" before the disk has seen any of it.
 */
export async function writeBigFile(nas: Machine, { sizeMb = 40 } = {}): Promise<void> {
  await nas.script(
    `echo ${8 * 1024 * 1024} > /sys/module/zfs/parameters/zfs_dirty_data_max
     head -c ${sizeMb}M /dev/urandom > /tank/photos/film.mp4
     zpool sync tank`,
    // A busy emulated machine encrypts less than a megabyte in a second.
    { deadlineMs: 120_000 + sizeMb * 2000 },
  )
}

/** Plugs in a disk that writes no faster than an old stick, until `nas.usb.throttle(disk.image, 0)`. */
export async function plugSlowly(
  { nas }: Home,
  disk: BackupDisk,
  options: Omit<PlugOptions, 'serial' | 'wait' | 'bytesPerSecond'> = {},
): Promise<void> {
  await nas.plug(disk.image, {
    ...options,
    serial: disk.serial,
    bytesPerSecond: slowBytesPerSecond,
    wait: false,
  })
}

/** Waits until a part of the big file, and not all of it, is safely on the disk: there is a resume token. */
export async function untilPartlyReceived(nas: Machine, disk: BackupDisk): Promise<void> {
  const copy = `${disk.pool}/nas/tank/photos`
  await nas.until(['zfs', 'get', '-H', '-o', 'value', 'receive_resume_token', copy], {
    deadlineMs: visitDeadlineMs,
    stdout: (text) => text.trim().length > 20,
  })
  expect(nas.journal.events({ event: 'backup-finished', disk: disk.name })).toEqual([])
}

export type PoolWatch = {
  /** Ends the watch; fails if the pool was in the kernel when, or after, the disk was said to be safe to remove. */
  readonly expectNoLie: (safe: JournalEntry) => Promise<void>
}

/** Looks ten times a second whether the kernel has this pool, with the clock that the journal has too. */
export function watchPool(nas: Machine, disk: BackupDisk): PoolWatch {
  const loop = nas.start([
    'bash',
    '-c',
    'while sleep 0.1; do if [ -e "/proc/spl/kstat/zfs/$1" ]; then read -r up _ < /proc/uptime; echo "$up"; fi; done',
    'bash',
    disk.pool,
  ])
  return {
    expectNoLie: async (safe) => {
      loop.kill()
      await loop.wait({ deadlineMs: 60_000 })
      const seen = loop
        .stdout()
        .split('\n')
        .filter((line) => line !== '')
        .map(Number)
      expect(seen.length, 'the watch saw the pool while it was imported').toBeGreaterThan(0)
      const saidAt = Number(BigInt(safe['__MONOTONIC_TIMESTAMP'] ?? '0') / 1000n) / 1000
      expect(Math.max(...seen), 'the last time that the pool was seen imported').toBeLessThan(saidAt)
    },
  }
}
