// Reminds the person: after each look at the machine, of what is due by then. Which that is, core/reminders.ts decides;
// it needs no timer of its own, and a clock that jumped is noticed at the next look.

import { type DiskFacts, type Notes, planReminders, type Reminder } from './core/reminders.ts'
import { messageOf } from './errors.ts'
import type { WalkawayEvent } from './events.ts'
import type { ReminderNotes } from './linux/reminderNotes.ts'

export interface ReminderDeps {
  readonly reminderNotes: ReminderNotes
  readonly now: () => Date
  readonly tell: (event: WalkawayEvent) => void
  readonly warn: (message: string) => void
}

export interface Reminders {
  /**
   * Says what is due. Returns at once: a slow /var must not keep the daemon from the next look, which makes up for one that
   * comes while this is still going on.
   */
  look(of: World): void
}

interface World {
  readonly disks: () => readonly DiskFacts[]
  readonly takeAwayMs: number | null
  /** Asks again whether disks may still be taken away. Never throws. */
  readonly confirmReleased: () => Promise<void>
}

export function createReminders({ reminderNotes, now, tell, warn }: ReminderDeps): Reminders {
  let notes: Notes | null = null
  let failedBecause: string | null = null
  let isBusy = false

  const recall = async (): Promise<Notes> => {
    const { notes: found, problem } = await reminderNotes.read()
    if (problem !== null) warn(problem)
    return found
  }

  const keep = async (next: Notes): Promise<void> => {
    try {
      await reminderNotes.write(next)
      failedBecause = null
    } catch (error) {
      // This service remembers it all the same; only after a restart may something be said twice.
      const reason = messageOf(error)
      if (reason !== failedBecause) warn(`what was reminded of could not be recorded: ${reason}`)
      failedBecause = reason
    }
  }

  const remind = async ({ disks, takeAwayMs, confirmReleased }: World): Promise<void> => {
    const known = notes ?? (await recall())
    const plan = () => planReminders(disks(), known, { takeAwayMs, now: now() })
    if (plan().due.some(saysMayBeTaken)) await confirmReleased()
    const { due, notes: next } = plan()
    notes = next
    await keep(next)
    // That took its time: a disk may be in use again. What is not true any more is said another day, if it is then.
    const still = new Set(plan().due.map(aboutOf))
    for (const reminder of due) if (still.has(aboutOf(reminder))) tell(reminder)
  }

  return {
    look(world) {
      if (isBusy) return
      isBusy = true
      remind(world)
        .catch((error: unknown) => warn(`reminding failed: ${messageOf(error)}`))
        .finally(() => {
          isBusy = false
        })
    },
  }
}

const aboutOf = (reminder: Reminder): string =>
  reminder.kind === 'nothing-offsite'
    ? `${reminder.kind} ${reminder.take}`
    : `${reminder.kind} ${reminder.disk} ${'place' in reminder ? reminder.place : ''}`

function saysMayBeTaken(reminder: Reminder): boolean {
  switch (reminder.kind) {
    case 'take-disk-away':
    case 'backup-incomplete':
      return true
    case 'disk-overdue':
      return reminder.place === 'removable'
    case 'nothing-offsite':
      return reminder.take !== null
    case 'disk-unused':
      return false
  }
}
