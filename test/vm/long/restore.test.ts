// Fire, flood, ransomware: the server is gone, and a machine that never heard of walkaway gets everything back from the
// disk, by the text that the disk itself carries.
import { expect } from 'vitest'
import { fingerprintOf, mountCopy, setUpHome, startService, visitWith } from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'

const properties = [
  ...['compression', 'recordsize', 'quota', 'refquota', 'acltype', 'xattr', 'atime', 'org.example:owner'],
  ...[
    'mountpoint',
    'canmount',
    'readonly',
    'setuid',
    'devices',
    'exec',
    'volsize',
    'volmode',
    'refreservation',
  ],
]

scenario('restore drill: the text on the disk brings everything back, without walkaway', async (s) => {
  const home = await setUpHome(s)
  const { nas, disk } = home
  await nas.script(`
    zfs create -o compression=zstd -o quota=100M -o refquota=64M -o setuid=off -o acltype=posix -o xattr=sa \\
      -o org.example:owner='Anna and Ben' tank/kept
    echo kept > /tank/kept/file.txt
    setfattr -n user.note -v hello /tank/kept/file.txt
    setfacl -m u:nobody:r /tank/kept/file.txt
    zfs create -o mountpoint=/srv/www -o canmount=noauto tank/www
    mkdir /tank/www
    zfs create -s -V 16M -o volmode=dev tank/volume
    udevadm settle
    dd if=/dev/urandom of=/dev/zvol/tank/volume bs=1M count=3 seek=5 oflag=direct status=none
    head -c 32 /dev/zero | tr '\\0' k > /root/key
    zfs create -o encryption=on -o keyformat=raw -o keylocation=file:///root/key -o compression=gzip tank/secret
    echo secret > /tank/secret/file.txt
    zpool sync tank
  `)
  await startService(nas)
  await visitWith(home, disk)
  const files = await fingerprintOf(nas, '/tank')
  const volume = await nas.script('sha256sum < /dev/zvol/tank/volume')
  const attributes = await attributesOf(nas, '/tank/kept/file.txt')
  const settings = await settingsBelow(nas, 'tank')
  await nas.pull(disk.image)
  await nas.close()

  const rescue = await s.secondMachine()
  await rescue.plug(disk.image, { serial: disk.serial })
  // A comment has room for 32 characters, and no more of the command fits with this pool's name.
  expect(await rescue.script('zpool import -d /dev/disk/by-id')).toContain(
    'comment: zfs get walkaway:restore\n',
  )
  // What the text begins with has to be done to read it.
  await rescue.script(`zpool import -N -o readonly=on -d /dev/disk/by-id ${disk.pool}`)
  const text = await rescue.script(`zfs get -H -o value walkaway:restore ${disk.pool}`)
  await rescue.script(`zpool export ${disk.pool}; zfs create tank/back`)
  expect(text).toContain('\nTO=newpool\n')
  await rescue.writeFile('/root/restore.sh', text.replace('\nTO=newpool\n', '\nTO=tank/back\n'))
  await rescue.run(['sh', '-eu', '/root/restore.sh'], { deadlineMs: 600_000 })

  expect(await settingsBelow(rescue, 'tank/back/tank')).toEqual(settings)
  await rescue.script(`
    head -c 32 /dev/zero | tr '\\0' k > /root/key
    zfs load-key -L file:///root/key tank/back/tank/secret
    udevadm settle
  `)
  const folder = await mountCopy(rescue, 'tank/back/tank')
  expect(await fingerprintOf(rescue, folder)).toBe(files)
  expect(await attributesOf(rescue, `${folder}/kept/file.txt`)).toBe(attributes)
  expect(await rescue.script('sha256sum < /dev/zvol/tank/back/tank/volume')).toBe(volume)
  expect((await rescue.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')

  await rescue.run(['umount', '--recursive', folder])

  // Once more, onto what is there now: refused, and nothing is changed.
  const again = await rescue.run(['sh', '-u', '/root/restore.sh'], { reject: false, deadlineMs: 600_000 })
  expect(again.stderr).toContain('exists')
  expect(await settingsBelow(rescue, 'tank/back/tank')).toEqual(settings)
})

/** Every property that a person may have set below a dataset, as it is in force; names cut as for two places. */
async function settingsBelow(machine: Machine, dataset: string): Promise<readonly string[]> {
  const { stdout } = await machine.run([
    ...['zfs', 'get', '-Hp', '-r', '-t', 'filesystem,volume', '-o', 'name,property,value'],
    properties.join(','),
    dataset,
  ])
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(dataset.length))
}

const attributesOf = (machine: Machine, path: string) =>
  machine.script(`cd "$(dirname '${path}')"; getfattr -d file.txt; getfacl -n file.txt`)
