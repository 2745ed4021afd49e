// Nothing of a backup disk is ever mounted, whatever mount points the datasets bring along: a copy of `/` or `/home` that
// is mounted for a moment hides the real one.
import { expect } from 'vitest'
import {
  type BackupDisk,
  expectSafe,
  type Home,
  lookElsewhere,
  setUpHome,
  startService,
  takeAway,
  visitWith,
} from '../home.ts'
import { mountsOf, watchMounts } from '../mountWatch.ts'
import { scenario } from '../scenario.ts'

scenario('mount points / and /home: nothing of the disk is mounted at any time', async (s) => {
  const home = await setUpHome(s)
  const { nas, disk } = home
  // The source itself stays sane: mounted elsewhere while it is filled, and not by itself.
  await nas.script(`
    zfs create -o canmount=noauto -o mountpoint=/ tank/system
    zfs create -o canmount=noauto -o mountpoint=/home -o setuid=on -o devices=on tank/people
    zfs create -o mountpoint=/home/carl tank/people/carl
    zfs create -o canmount=noauto -o mountpoint=legacy tank/legacy
    zfs create -s -V 16M tank/volume
    echo 'carl was here' > /home/carl/file.txt
    mkdir /var/tmp/fill
    for name in system people; do
      mount -t zfs -o zfsutil "tank/$name" /var/tmp/fill
      mkdir /var/tmp/fill/etc
      echo "$name" > /var/tmp/fill/etc/passwd
      umount /var/tmp/fill
    done
    zpool sync tank
  `)
  const mounts = await mountsOf(nas)
  await startService(nas)

  const first = await watchMounts(nas, disk)
  await visitWith(home, disk)
  await first.expectNothing()
  await takeAway(home, disk)

  // The second visit is incremental, and the properties have changed on the source meanwhile.
  await nas.script(`
    zfs set sharenfs=on tank/docs 2>/dev/null || true
    test "$(zfs get -H -o value sharenfs tank/docs)" = on
    zfs set mountpoint=/srv tank/photos
    for file in /home/carl/more.txt /tank/docs/more.txt /srv/more.txt; do echo more > "$file"; done
    zpool sync tank
  `)
  const second = await watchMounts(nas, disk)
  await visitWith(home, disk)
  await second.expectNothing()
  await nas.script('zfs inherit sharenfs tank/docs; zfs inherit mountpoint tank/photos')
  expect(await mountsOf(nas)).toEqual(mounts)

  await rebootWith(home, disk)
  expect(await mountsOf(nas)).toEqual(mounts)

  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    // Imported carelessly, with neither -N nor another root: still nothing is mounted.
    const before = await mountsOf(elsewhere)
    await elsewhere.run(['zpool', 'export', disk.pool])
    await elsewhere.run(['zpool', 'import', disk.poolGuid])
    await elsewhere.run(['zfs', 'mount', '-a'])
    expect(await mountsOf(elsewhere)).toEqual(before)
    const risky = await elsewhere.script(
      `zfs get -Hp -r -t filesystem -o property,value canmount,sharenfs,sharesmb ${root} | sort -u`,
    )
    expect(risky.trim().split('\n').sort()).toEqual(
      expect.not.arrayContaining(['canmount\ton', 'sharenfs\ton', 'sharesmb\ton']),
    )
    expect(await elsewhere.script(`zfs get -H -o value volmode ${root}/tank/volume`)).toBe('none\n')
    const file = await elsewhere.script(
      `mkdir /mnt/look; mount -t zfs -o ro,zfsutil ${root}/tank/people/carl /mnt/look; cat /mnt/look/*`,
    )
    expect(file).toBe('carl was here\nmore\n')
  })
})

/** The disk is in the port while the machine starts, and gets its visit then. */
async function rebootWith({ nas }: Home, disk: BackupDisk): Promise<void> {
  await nas.run(['systemctl', 'enable', 'walkaway'])
  await nas.shutdown()
  const before = nas.journal.mark()
  await nas.boot({ until: 'first-command' })
  const watch = await watchMounts(nas, disk)
  await expectSafe(nas, disk, before)
  await watch.expectNothing()
}
