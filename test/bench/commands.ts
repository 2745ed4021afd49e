// What the journal tells of a visit's time: when something was said, and what each command took, from the debug lines of the
// service.
import type { JournalEntry, Mark } from '../vm/journal.ts'
import type { Machine } from '../vm/machine.ts'

/** Milliseconds of the guest's monotonic clock, which `udevadm monitor` prints too. */
export const millisOf = (entry: JournalEntry): number => Number(entry['__MONOTONIC_TIMESTAMP']) / 1000

export interface RanCommand {
  readonly command: readonly string[]
  readonly durationMs: number
}

/** In the order in which they ended. Wants `log.level: debug`. */
export function commandsSince(machine: Machine, after: Mark): readonly RanCommand[] {
  const line = /^command \(command=(\[.*\]), durationMs=([\d.]+), end=/
  return machine.journal
    .entries({ unit: 'walkaway.service', message: line, after })
    .map(({ MESSAGE }) => line.exec(MESSAGE ?? ''))
    .map((match) => ({ command: JSON.parse(match?.[1] ?? '[]'), durationMs: Number(match?.[2]) }))
}
