// Disks that somebody else imported, and a crowd of others.
import { expect } from 'vitest'
import {
  type BackupDisk,
  configure,
  expectSafe,
  setUpHome,
  startService,
  statusOf,
  visitDeadlineMs,
} from '../home.ts'
import { diskLink } from '../machine.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, messages, propertyOf, said, soonMs } from '../service.ts'
import { plugSlowly, untilPartlyReceived, writeBigFile } from '../slowVisit.ts'

scenario(
  'a pool that somebody imported by hand is backed up to, left imported, and released after their export',
  async (s) => {
    const home = await setUpHome(s)
    const { nas } = home
    const [disk] = home.disks
    if (disk === undefined) throw new Error('no disk')
    await nas.plug(disk.image, { serial: disk.serial })
    await nas.run(['zpool', 'import', '-d', diskLink(disk.serial, 1), disk.poolGuid])
    const start = nas.journal.mark()
    await startService(nas)
    const told = await nas.journal.waitFor(
      { event: ['not-safe-to-remove', 'safe-to-remove'], disk: disk.name },
      { deadlineMs: visitDeadlineMs, after: start },
    )

    expect(told['WALKAWAY_EVENT']).toBe('not-safe-to-remove')
    const held = await statusOf(nas, disk)
    expect(held).toMatchObject({ state: 'not-removable', lastVisit: { outcome: 'complete' } })
    expect(held.reason).toContain('imported by somebody else')
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name,health'])).stdout).toContain(
      `${disk.pool}\tONLINE`,
    )
    expect((await nas.run(['findmnt', '--noheadings', '--types', 'zfs'])).stdout).not.toContain(disk.pool)

    const exported = nas.journal.mark()
    await nas.run(['zpool', 'export', disk.pool])
    const safe = await nas.journal.waitFor(
      { event: 'safe-to-remove', disk: disk.name },
      { deadlineMs: soonMs, after: exported },
    )
    expect(safe['WALKAWAY_OUTCOME']).toBe('complete')
    expect(
      nas.journal.events({ event: ['safe-to-remove', 'not-safe-to-remove'], after: start }),
    ).toHaveLength(2)
    expect(await statusOf(nas, disk)).toMatchObject({ state: 'removable', reason: null })
    await expectFullCopy(s, home, disk)
  },
)

const sticks = 10
const ramDisks = 40

scenario('fifty other devices come in a burst and go during a visit, and it does not notice', async (s) => {
  const home = await setUpHome(s)
  const { nas } = home
  const [disk] = home.disks
  if (disk === undefined) throw new Error('no disk')
  await writeBigFile(nas)
  await startService(nas)
  const before = nas.journal.mark()
  await plugSlowly(home, disk)
  await untilPartlyReceived(nas, disk)
  // The burst takes an emulated machine minutes; the visit must not be over before.
  await nas.usb.throttle(disk.image, 100_000)

  const serials = Array.from({ length: sticks }, (_, number) => `STICK000${number}`)
  const [pulls] = await Promise.all([
    Promise.all(serials.map((serial) => nas.usb.plugStick({ serial }))),
    nas.script(`
      modprobe zram num_devices=1
      for number in $(seq ${ramDisks}); do cat /sys/class/zram-control/hot_add; done
    `),
  ])
  await nas.until(['sh', '-c', 'ls /dev/disk/by-id | grep -c STICK000'], {
    deadlineMs: soonMs,
    stdout: (text) => text.trim() === String(sticks),
  })
  await nas.run(['udevadm', 'trigger', '--subsystem-match=block', '--action=add'])
  // A RAM disk goes only when udev has let go of it.
  await nas.run(['udevadm', 'settle', '--timeout=120'], { deadlineMs: soonMs + 30_000 })
  await Promise.all([
    ...pulls.map((pull) => pull()),
    nas.script(
      `for number in $(seq ${ramDisks}); do echo "$number" > /sys/class/zram-control/hot_remove; done`,
    ),
  ])
  expect(nas.journal.events({ event: 'backup-finished', after: before })).toEqual([])
  await nas.usb.throttle(disk.image, 0)
  await expectSafe(nas, disk, before)

  const story = nas.journal.events({ after: before, disk: disk.name }).map((entry) => entry['WALKAWAY_EVENT'])
  expect(story.filter((event) => event !== 'dataset-sent')).toEqual([
    'disk-arrived',
    'pool-imported',
    'snapshot-taken',
    'plan-made',
    'verified',
    'backup-finished',
    'pool-exported',
    'safe-to-remove',
  ])
  expect(messages(said(nas, before, { worse: true }))).toEqual([])
  expect(await propertyOf(nas, 'NRestarts')).toBe('0')
  await expectFullCopy(s, home, disk)
})

scenario(
  'two disks whose pools have one name, plugged in at once: one after the other, both complete',
  async (s) => {
    const home = await setUpHome(s)
    const { nas } = home
    const disks: BackupDisk[] = []
    for (const number of [1, 2]) {
      const serial = `WDTWIN000${number}`
      const image = await s.createDisk(`twin-${number}`, { sizeMb: 600 })
      const { poolGuid } = await nas.makePool(image, { serial, pool: 'backup' })
      disks.push({ name: `twin-${number}`, serial, pool: 'backup', image, poolGuid })
    }
    await configure(nas, disks)
    await startService(nas)
    const before = nas.journal.mark()
    for (const { image, serial } of disks) await nas.plug(image, { serial, wait: false })
    for (const disk of disks) await expectSafe(nas, disk, before)
    expect(messages(said(nas, before, { worse: true }))).toEqual([
      expect.stringMatching(/^twin-\d: waits for another disk: their pools have one name, backup$/),
    ])
    // Never both at once, and each was exported before the next one came.
    const story = nas.journal
      .events({ event: ['pool-imported', 'pool-exported'], after: before })
      .map((entry) => `${entry['WALKAWAY_EVENT']} ${entry['WALKAWAY_DISK']}`)
    const [first, second] = story[0]?.endsWith('twin-1') ? ['twin-1', 'twin-2'] : ['twin-2', 'twin-1']
    expect(story).toEqual(
      [first, second].flatMap((name) => [`pool-imported ${name}`, `pool-exported ${name}`]),
    )
    for (const disk of disks) {
      expect(await statusOf(nas, disk)).toMatchObject({
        state: 'removable',
        lastVisit: { outcome: 'complete' },
      })
      await expectFullCopy(s, home, disk)
    }
  },
)
