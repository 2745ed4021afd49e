// The disk and the source no longer fit together: each such dataset is told with its reason and left as it is, and all
// others are backed up.
import { expect } from 'vitest'
import {
  type BackupDisk,
  lookElsewhere,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  takeAway,
  visitWith,
} from '../home.ts'
import { diskLink, type Machine } from '../machine.ts'
import { type Scenario, scenario } from '../scenario.ts'

scenario('conflicts: told one by one, nothing destroyed, everything else complete', async (s) => {
  const home = await setUpHome(s)
  const { nas, disk } = home
  await startService(nas)
  await visitWith(home, disk)
  await takeAway(home, disk)

  const onDisk = await atTheOtherPlace(s, disk, async (elsewhere) => {
    await elsewhere.script(`
      zfs set readonly=off offsite-1/nas/tank/home
      mkdir /var/tmp/hand
      mount -t zfs -o zfsutil offsite-1/nas/tank/home /var/tmp/hand
      echo 'by hand' > /var/tmp/hand/note.txt
      umount /var/tmp/hand
      zfs snapshot offsite-1/nas/tank/home/ben@by-hand
    `)
    return snapshotsUnder(elsewhere, 'offsite-1/nas/tank')
  })
  await nas.script(`
    for name in readme.txt home/note.txt home/ben/note.txt photos/note.txt; do echo changed >> "/tank/$name"; done
    zfs create tank/home/carl
    echo carl > /tank/home/carl/file.txt
    zfs destroy -r tank/home/anna
    zfs destroy -r tank/docs
    zfs create tank/docs
    echo 'another dataset' > /tank/docs/readme.txt
    zfs destroy -r tank/scratch
    zfs create -s -V 16M tank/scratch
    zpool sync tank
  `)

  const { before, safe } = await visitWith(home, disk, { outcome: 'partial' })
  expect(safe['MESSAGE']).toContain('NOT complete')
  const reasons: Readonly<Record<string, RegExp>> = {
    'tank/home': /was changed after its newest snapshot/,
    'tank/home/ben': /went its own way after @walkaway_.*@by-hand/,
    'tank/docs': /no longer has a snapshot or bookmark in common/,
    'tank/scratch': /has a filesystem of this name/,
  }
  const failed = nas.journal.events({ event: 'dataset-failed', after: before })
  expect(failed.map((entry) => entry['WALKAWAY_DATASET']).sort()).toEqual(Object.keys(reasons).sort())
  for (const entry of failed) {
    expect(entry['MESSAGE']).toMatch(reasons[entry['WALKAWAY_DATASET'] ?? ''] ?? /no such dataset/)
    expect(entry['PRIORITY']).toBe('4')
  }
  const sent = nas.journal.events({ event: 'dataset-sent', after: before })
  expect(sent.map((entry) => entry['WALKAWAY_DATASET']).sort()).toEqual([
    'tank',
    'tank/home/carl',
    'tank/photos',
  ])
  const { lastVisit } = await statusOf(nas, disk)
  expect(lastVisit).toMatchObject({
    outcome: 'partial',
    datasets: { total: 7, sent: 3, unchanged: 0, failed: 4 },
  })
  const failures = lastVisit?.['failures'] as readonly { readonly dataset: string }[]
  expect(failures.map(({ dataset }) => dataset).sort()).toEqual(Object.keys(reasons).sort())

  const now = await snapshotsUnder(nas, 'tank')
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    const after = await snapshotsUnder(elsewhere, `${root}/tank`)
    expect(after).toEqual(expect.arrayContaining([...onDisk]))
    const added = after.filter((line) => !onDisk.includes(line))
    const complete = /^(|\/home\/carl|\/photos)@/
    expect(added).toEqual(now.filter((line) => complete.test(line) && !onDisk.includes(line)))
    const read = (dataset: string, path: string) => fileOf(elsewhere, `${root}/tank/${dataset}`, path)
    expect(await read('home', 'note.txt')).toBe('by hand\n')
    expect(await read('home/carl', 'file.txt')).toBe('carl\n')
    expect(await read('photos', 'note.txt')).toBe('changed\n')
    expect(await read('docs', 'letter 40.txt')).toContain('Letter 40')
    expect(await read('home/anna', 'Music/song.flac')).not.toBe('')
    expect(await read('scratch', 'not-wanted.bin')).not.toBe('')
  })
})

/** Somebody uses the disk by hand where it is kept; it is exported properly afterwards. */
async function atTheOtherPlace<T>(
  { secondMachine }: Scenario,
  disk: BackupDisk,
  work: (elsewhere: Machine) => Promise<T>,
): Promise<T> {
  const elsewhere = await secondMachine()
  await elsewhere.plug(disk.image, { serial: disk.serial })
  await elsewhere.run(['zpool', 'import', '-N', '-d', diskLink(disk.serial, 1), disk.poolGuid])
  const found = await work(elsewhere)
  await elsewhere.run(['zpool', 'export', disk.pool])
  await elsewhere.close()
  return found
}

async function fileOf(machine: Machine, dataset: string, path: string): Promise<string> {
  await machine.script(`mkdir -p /var/tmp/copy; mount -t zfs -o ro,zfsutil '${dataset}' /var/tmp/copy`)
  const text = await machine.readFile(`/var/tmp/copy/${path}`)
  await machine.run(['umount', '/var/tmp/copy'])
  return text
}
