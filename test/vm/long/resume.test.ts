// One dataset that never gets through in one piece, and a token that does not fit the source any more.
import { expect } from 'vitest'
import {
  type BackupDisk,
  expectSafe,
  type Home,
  lookElsewhere,
  setUpHome,
  snapshotsUnder,
  startService,
  streamsSince,
  visitDeadlineMs,
} from '../home.ts'
import type { Machine } from '../machine.ts'
import { type Scenario, scenario } from '../scenario.ts'
import { expectFullCopy, soonMs } from '../service.ts'
import { plugSlowly, untilPartlyReceived, writeBigFile } from '../slowVisit.ts'

/** What the machine's own photos take besides. */
const photosMb = 12

scenario('interrupted and resumed 3 times in one dataset', async (s) => {
  // Each stop lets through what is on its way already, which is much on a slow machine.
  const filmMb = 150
  const { home, disk, start } = await halfReceived(s, { filmMb })
  const { nas } = home
  await interruptAgain(home, disk, 2)
  const { before, sentBytes } = await finish(home, disk)
  expect(resumedIn(nas, start)).toHaveLength(3)
  expect(streamsSince(nas, before)).toContain('tank/photos (resumed)')
  // Only the rest came this time.
  expect(sentBytes).toBeLessThan((filmMb + photosMb - 3) * 1024 * 1024)
  await expectFullCopy(s, home, disk)
})

scenario('interrupted and resumed 10 times in one dataset that is sent raw', async (s) => {
  const { home, disk, start } = await halfReceived(s, {
    filmMb: 650,
    prepare: `
      head -c 32 /dev/urandom > /root/key
      zfs destroy -r tank/photos
      zfs create -o encryption=on -o keyformat=raw -o keylocation=file:///root/key tank/photos
    `,
  })
  const { nas } = home
  await interruptAgain(home, disk, 9)
  const { before } = await finish(home, disk)
  expect(resumedIn(nas, start)).toHaveLength(10)
  expect(streamsSince(nas, before)).toContain('tank/photos (resumed)')
  const key = await nas.run(['base64', '/root/key'])
  const file = await nas.script('sha256sum < /tank/photos/film.mp4', { deadlineMs: visitDeadlineMs })
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    await elsewhere.run(['sh', '-c', 'base64 -d > /root/key'], { input: key.stdout })
    const copy = `${root}/tank/photos`
    expect(
      await elsewhere.script(
        `
        zfs load-key -L file:///root/key ${copy} 2> /dev/null
        mount -t zfs -o ro,zfsutil ${copy} /mnt
        sha256sum < /mnt/film.mp4
        umount /mnt
        `,
        { deadlineMs: visitDeadlineMs },
      ),
    ).toBe(file)
  })
})

scenario(
  'a token for a snapshot that was renamed is used; without its snapshot, it is sent anew',
  async (s) => {
    const { home, disk, start } = await halfReceived(s, { filmMb: 120 })
    const { nas } = home
    const snapshot = (await nas.script('zfs list -H -o name -t snapshot tank/photos')).trim()
    await nas.run(['zfs', 'rename', snapshot, 'tank/photos@renamed'])
    await interruptAgain(home, disk, 1)
    expect(resumedIn(nas, start)).toHaveLength(1)

    const tag = `walkaway:${disk.poolGuid}`
    await nas.run(['zfs', 'release', tag, 'tank/photos@renamed'])
    await nas.run(['zfs', 'destroy', 'tank/photos@renamed'])
    const { before } = await finish(home, disk)
    expect(resumedIn(nas, start)).toHaveLength(1)
    const ofPhotos = streamsSince(nas, before).filter((stream) => stream.startsWith('tank/photos'))
    // From the snapshots of the visits that were interrupted, and its own.
    expect(ofPhotos).toEqual(['tank/photos (full)', 'tank/photos (incremental)'])
    expect(nas.journal.events({ event: 'dataset-failed', after: start })).toEqual([])
    expect((await snapshotsUnder(nas, 'tank/photos')).join('\n')).not.toContain('@renamed')
    const bookmarks = await nas.run(['zfs', 'list', '-H', '-o', 'name', '-t', 'bookmark', 'tank/photos'])
    expect(
      bookmarks.stdout
        .trim()
        .split('\n')
        .filter((name) => !name.endsWith('_same')),
    ).toHaveLength(1)
    await expectFullCopy(s, home, disk)
  },
)

/** A visit that was interrupted in the middle of its biggest dataset; the service is stopped, the slow disk plugged in. */
async function halfReceived(
  s: Scenario,
  { filmMb, prepare = '' }: { readonly filmMb: number; readonly prepare?: string },
): Promise<{ readonly home: Home; readonly disk: BackupDisk; readonly start: number }> {
  const home = await setUpHome(s, { sizeMb: 1200 })
  const { nas, disk } = home
  await nas.script(`for name in home docs scratch; do zfs destroy -r tank/$name; done\n${prepare}`)
  await writeBigFile(nas, { sizeMb: filmMb })
  const start = nas.journal.mark()
  await startService(nas)
  await plugSlowly(home, disk)
  await untilPartlyReceived(nas, disk)
  // Each of the visits to come is to end before its biggest dataset does.
  await nas.usb.throttle(disk.image, 1_000_000)
  await stopService(nas)
  return { home, disk, start }
}

/** Lets the visit come a bit further and stops it again, so many times. */
async function interruptAgain({ nas }: Home, disk: BackupDisk, times: number): Promise<void> {
  const copy = `${disk.pool}/nas/tank/photos`
  for (let time = 0; time < times; time++) {
    const after = nas.journal.mark()
    await startService(nas)
    await nas.journal.waitFor({ event: 'plan-made' }, { deadlineMs: visitDeadlineMs, after })
    const tokenOf = ['zfs', 'get', '-H', '-o', 'value', 'receive_resume_token', copy]
    const token = (await nas.run(tokenOf)).stdout
    await nas.until(tokenOf, {
      deadlineMs: visitDeadlineMs,
      stdout: (text) => text !== token && text.trim().length > 20,
    })
    await stopService(nas)
    const [ended] = nas.journal.events({ event: 'backup-finished', after })
    expect(ended?.['WALKAWAY_OUTCOME'], ended?.['MESSAGE']).toBe('interrupted')
  }
}

async function stopService(nas: Machine): Promise<void> {
  const after = nas.journal.mark()
  await nas.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 95_000 })
  await nas.journal.waitFor({ event: 'backup-finished' }, { deadlineMs: soonMs, after })
}

/** Lets the visit come to its end; how much of the biggest dataset came in it at last. */
async function finish(
  { nas }: Home,
  disk: BackupDisk,
): Promise<{ readonly before: number; readonly sentBytes: number }> {
  await nas.usb.throttle(disk.image, 0)
  const before = nas.journal.mark()
  await startService(nas)
  await expectSafe(nas, disk, before)
  const [sent] = nas.journal
    .events({ event: 'dataset-sent', after: before })
    .filter((entry) => entry['WALKAWAY_DATASET'] === 'tank/photos')
  return { before, sentBytes: Number(sent?.['WALKAWAY_BYTES']) }
}

/** The visits that went on where an earlier one had to stop. */
const resumedIn = (nas: Machine, after: number) =>
  nas.journal
    .events({ event: 'plan-made', after })
    .filter(({ MESSAGE }) => /of them resumed/.test(MESSAGE ?? ''))
