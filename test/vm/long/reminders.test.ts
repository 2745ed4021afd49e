// What a person is reminded of when nothing happens for long: the guest's clock is moved, and the service looks again
// within a minute.
import { expect } from 'vitest'
import { expectSafe, type Home, setUpHome, startService, statusOf, takeAway, visitWith } from '../home.ts'
import type { Mark } from '../journal.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'

/** A look comes every minute, and under emulation takes its time. */
const nextLookMs = 180_000

const setClock = (nas: Machine, byHours: number) =>
  nas.run(['sh', '-c', `date --set "@$(($(date +%s) + ${byHours * 3600}))"`])

/** Waits for the look at which the service takes note of it: what it reminds of is counted from then. */
const untilNoted = (nas: Machine, what: string) =>
  nas.until(['cat', '/var/lib/walkaway/reminders.json'], {
    deadlineMs: nextLookMs,
    stdout: (text) => text.includes(what),
  })

/** What was said of these kinds since then, once two more looks have had the time to say it again. */
async function remindersSince(
  { nas }: Home,
  after: Mark,
  kinds: readonly string[],
): Promise<readonly string[]> {
  await new Promise((resolve) => setTimeout(resolve, nextLookMs))
  await nas.settleJournal()
  return nas.journal
    .events({ event: kinds, after })
    .map((entry) => [entry['WALKAWAY_EVENT'], entry['WALKAWAY_DISK']].filter(Boolean).join(' '))
    .sort()
}

scenario(
  'reminders: the clock goes 40 days ahead: a disk that is away is overdue, and told once',
  async (s) => {
    const home = await setUpHome(s)
    const { nas, disk } = home
    await startService(nas)
    await visitWith(home, disk)
    await takeAway(home, disk)
    const before = nas.journal.mark()
    await setClock(nas, 40 * 24)
    const told = await nas.journal.waitFor(
      { event: 'disk-overdue', disk: disk.name },
      { deadlineMs: nextLookMs, after: before },
    )
    expect(told['MESSAGE']).toMatch(/^offsite-1: OVERDUE, no complete backup for 40 days: bring it/)
    expect(told['PRIORITY']).toBe('4')
    expect(await statusOf(nas, disk)).toMatchObject({ state: 'absent', overdue: true })
    await nas.run(['systemctl', 'restart', 'walkaway'], { deadlineMs: 120_000 })
    expect(await remindersSince(home, before, ['disk-overdue'])).toEqual(['disk-overdue offsite-1'])

    await visitWith(home, disk)
    expect(await statusOf(nas, disk)).toMatchObject({ state: 'removable', overdue: false })
  },
)

scenario('reminders: a finished disk left in for 13 hours; then both disks at home', async (s) => {
  const home = await setUpHome(s, { disks: 2 })
  const { nas, disk } = home
  const second = home.disks[1]
  if (second === undefined) throw new Error('no second disk')
  await startService(nas)
  await visitWith(home, disk)
  await untilNoted(nas, `take-disk-away ${disk.poolGuid}`)
  const before = nas.journal.mark()
  await setClock(nas, 13)
  const told = await nas.journal.waitFor(
    { event: 'take-disk-away', disk: disk.name },
    { deadlineMs: nextLookMs, after: before },
  )
  expect(told['MESSAGE']).toMatch(/^offsite-1: still plugged in, 13h.*SAFE TO REMOVE/)

  const arrived = nas.journal.mark()
  await nas.plug(second.image, { serial: second.serial, wait: false })
  await expectSafe(nas, second, arrived)
  expect(nas.journal.events({ event: 'nothing-offsite' })).toEqual([])
  await untilNoted(nas, 'nothing-offsite')
  const bothHome = nas.journal.mark()
  await setClock(nas, 25)
  const nothing = await nas.journal.waitFor(
    { event: 'nothing-offsite' },
    { deadlineMs: nextLookMs, after: bothHome },
  )
  expect(nothing['MESSAGE']).toMatch(/^NOTHING IS OFFSITE: both backup disks .*take offsite-2 away/)
  const kinds = ['take-disk-away', 'nothing-offsite']
  expect(await remindersSince(home, bothHome, kinds)).toEqual(['nothing-offsite', 'take-disk-away offsite-1'])

  // The clock goes back: nothing is said again, and when the disks leave it is over.
  const back = nas.journal.mark()
  await setClock(nas, -48)
  await takeAway(home, second)
  expect(await remindersSince(home, back, kinds)).toEqual([])
})
