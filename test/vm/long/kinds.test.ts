// Datasets that are not simply folders with files: a volume, one with a million bytes of properties, an empty one, and
// one that appears between two visits.
import { expect } from 'vitest'
import {
  fingerprintOf,
  lookElsewhere,
  mountCopy,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  takeAway,
  travelled,
  visitWith,
} from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'

const propertyCount = 128

scenario('a zvol, a million bytes of properties, an empty dataset, one created between visits', async (s) => {
  const home = await setUpHome(s)
  const { nas, disk } = home
  await nas.script(`
    zfs create -s -V 32M tank/volume
    zfs create tank/empty
    zfs create tank/described
    echo described > /tank/described/file.txt
    value=$(head -c 6000 /dev/urandom | base64 --wrap=0)
    properties=()
    for number in $(seq 1 ${propertyCount}); do properties+=("org.example:note-$number=$number $value"); done
    zfs set "\${properties[@]}" tank/described
    udevadm settle
    dd if=/dev/urandom of=/dev/zvol/tank/volume bs=1M count=5 seek=3 oflag=direct status=none
    zpool sync tank
  `)
  expect((await describedAs(nas, 'tank/described')).length).toBeGreaterThan(1_000_000)
  await startService(nas)
  await visitWith(home, disk)
  expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
    datasets: { total: 10, sent: 10, unchanged: 0, failed: 0 },
  })
  await takeAway(home, disk)

  await nas.script(`
    zfs create -p tank/new/inside
    echo new > /tank/new/inside/file.txt
    zfs create -s -V 16M tank/volume2
    udevadm settle
    dd if=/dev/urandom of=/dev/zvol/tank/volume bs=1M count=1 seek=20 oflag=direct status=none
    dd if=/dev/urandom of=/dev/zvol/tank/volume2 bs=1M count=1 oflag=direct status=none
    zpool sync tank
  `)
  const { before } = await visitWith(home, disk)
  const sent = nas.journal.events({ event: 'dataset-sent', after: before })
  const full = sent.filter(({ MESSAGE }) => MESSAGE?.includes('(full)'))
  expect(full.map((entry) => entry['WALKAWAY_DATASET']).sort()).toEqual([
    'tank/new',
    'tank/new/inside',
    'tank/volume2',
  ])
  expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
    // The root has a new folder to mount tank/new in.
    datasets: { total: 13, sent: 5, unchanged: 8, failed: 0 },
  })

  const snapshots = travelled(await snapshotsUnder(nas, 'tank'), nas, before)
  const files = await fingerprintOf(nas, '/tank')
  const described = await describedAs(nas, 'tank/described')
  const volumes = await checksums(nas, '/dev/zvol/tank/volume', '/dev/zvol/tank/volume2')
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    expect(await snapshotsUnder(elsewhere, `${root}/tank`)).toEqual(snapshots)
    expect(await fingerprintOf(elsewhere, await mountCopy(elsewhere, `${root}/tank`))).toBe(files)
    expect(await describedAs(elsewhere, `${root}/tank/described`)).toBe(described)
    // As a person restores them there: the copies themselves give no device.
    await elsewhere.script(`
      test ! -e /dev/zvol/${disk.pool}
      for name in volume volume2; do
        newest=$(zfs list -H -o name -t snapshot -s createtxg -d 1 "${root}/tank/$name" | tail -n 1)
        zfs send "$newest" | zfs receive "tank/$name"
      done
      udevadm settle
    `)
    expect(await checksums(elsewhere, '/dev/zvol/tank/volume', '/dev/zvol/tank/volume2')).toBe(volumes)
  })
})

/** The dataset's own notes, each a line with name and value. */
const describedAs = (machine: Machine, dataset: string) =>
  machine.script(`zfs get -Hp -o property,value all '${dataset}' | grep '^org.example:note-' | LC_ALL=C sort`)

const checksums = async (machine: Machine, ...devices: readonly string[]) =>
  (await machine.run(['sha256sum', ...devices])).stdout
