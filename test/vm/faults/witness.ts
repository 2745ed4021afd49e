// Looks at the kernel all the time, ten times a second, with the clock that the journal has, too: whether a pool was imported
// while its disk was said to be safe to remove. Starts anew after every boot.

import type { GuestProcess } from '../guest.ts'
import type { BackupDisk } from '../home.ts'
import type { Mark } from '../journal.ts'
import type { Machine } from '../machine.ts'

export type Witness = {
  /** After every boot of the machine. */
  readonly begin: () => Promise<void>
  /** `disk: seconds after the boot` at which its pool was imported although it had been said to be safe to remove. */
  readonly lies: (after: Mark) => readonly string[]
}

type Watch = { readonly bootId: string; readonly process: GuestProcess }

/** `read` waits without starting a process; a bash that only forks would take half of an emulated processor. */
const script = `
exec 9<> <(:)
while true; do
  for pool; do if [ -e "/proc/spl/kstat/zfs/$pool" ]; then read -r up _ < /proc/uptime; echo "$pool $up"; fi; done
  read -rt 0.1 -u 9
done`

export async function watchPools(nas: Machine, disks: readonly BackupDisk[]): Promise<Witness> {
  const watches: Watch[] = []
  const begin = async (): Promise<void> => {
    const bootId = (await nas.readFile('/proc/sys/kernel/random/boot_id')).trim().replaceAll('-', '')
    const argv = ['bash', '-c', script, 'bash', ...disks.map(({ pool }) => pool)]
    const process = nas.start(argv)
    // It ends with the machine.
    process.wait().catch(() => undefined)
    watches.push({ bootId, process })
  }
  await begin()

  const importedAt = (bootId: string, pool: string): readonly number[] =>
    watches
      .filter((watch) => watch.bootId === bootId)
      .flatMap((watch) => watch.process.stdout().split('\n'))
      .flatMap((line) => (line.startsWith(`${pool} `) ? [Number(line.slice(pool.length + 1))] : []))

  return {
    begin,
    lies: (after) =>
      disks.flatMap(({ name: disk, pool }) => {
        const told = nas.journal.events({
          event: ['safe-to-remove', 'not-safe-to-remove', 'disk-arrived', 'pool-imported'],
          disk,
          after,
        })
        return told.flatMap((entry, at) => {
          if (entry['WALKAWAY_EVENT'] !== 'safe-to-remove') return []
          const next = told[at + 1]
          const bootId = entry['_BOOT_ID'] ?? ''
          const until = next?.['_BOOT_ID'] === bootId ? secondsOf(next) : Number.POSITIVE_INFINITY
          return importedAt(bootId, pool)
            .filter((second) => second > secondsOf(entry) && second < until)
            .map((second) => `${disk}: ${second}, said at ${secondsOf(entry)}`)
        })
      }),
  }
}

const secondsOf = (entry: Readonly<Record<string, string>>): number =>
  Number(BigInt(entry['__MONOTONIC_TIMESTAMP'] ?? '0') / 1000n) / 1000
