// A backup pool that is encrypted as a whole, with sources that are not: its key is there for the visit only, and on
// another computer nothing can be read without it.
import { expect } from 'vitest'
import {
  type BackupDisk,
  configure,
  fingerprintOf,
  type Home,
  mountCopy,
  startService,
  takeAway,
  visitWith,
} from '../home.ts'
import { scenario } from '../scenario.ts'

const keyFile = '/etc/walkaway/offsite-1.key'
const [serial, pool] = ['WDOFFSITE0001', 'offsite-1']

scenario(
  'unencrypted to encrypted pool: complete with its key, nothing without it, readable elsewhere with it alone',
  async (s) => {
    const nas = await s.startMachine({ layer: 'installed' })
    await nas.script(`umask 077; mkdir -p /etc/walkaway; head -c 32 /dev/urandom > ${keyFile}`)
    const image = await s.createDisk(pool)
    const encryption = ['encryption=on', 'keyformat=raw', `keylocation=file://${keyFile}`]
    const options = encryption.flatMap((option) => ['-O', option])
    const { poolGuid } = await nas.makePool(image, { serial, pool, options })
    const disk: BackupDisk = { name: pool, serial, pool, poolGuid, image }
    const home: Home = { nas, disks: [disk], disk }
    await configure(nas, [], { disks: { [pool]: { serial, pool, poolGuid, keyFile } } })
    await startService(nas)

    await visitWith(home, disk)
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
    await takeAway(home, disk)

    // Another key: nothing is sent, and it is said why.
    await nas.script(`cp ${keyFile} /root/right.key; head -c 32 /dev/urandom > ${keyFile}`)
    const { before, safe } = await visitWith(home, disk, { outcome: 'failed' })
    expect(safe['MESSAGE']).toContain(`the key in ${keyFile} is not the key of ${pool}`)
    expect(nas.journal.events({ event: 'snapshot-taken', after: before })).toEqual([])
    await takeAway(home, disk)

    const files = await fingerprintOf(nas, '/tank')
    const key = await nas.script('base64 --wrap=0 /root/right.key')
    await nas.close()

    const rescue = await s.secondMachine()
    await rescue.plug(disk.image, { serial })
    await rescue.script(`zpool import -N -o readonly=on -d /dev/disk/by-id ${pool}`)
    const text = await rescue.script(`zfs get -H -o value walkaway:restore ${pool}`)
    const locked = await rescue.run(['mount', '-t', 'zfs', '-o', 'ro,zfsutil', `${pool}/nas/tank`, '/mnt'], {
      reject: false,
    })
    expect(locked.exitCode).not.toBe(0)
    await rescue.script(`
    zpool export ${pool}; zfs create tank/back
    base64 --decode > /root/key <<< '${key}'
  `)
    expect(text).toContain('\nKEY=prompt\n')
    const script = text
      .replace('\nTO=newpool\n', '\nTO=tank/back\n')
      .replace('\nKEY=prompt\n', '\nKEY=file:///root/key\n')
    await rescue.writeFile('/root/restore.sh', script)
    await rescue.run(['sh', '-eu', '/root/restore.sh'], { deadlineMs: 600_000 })
    expect(
      (await rescue.run(['zfs', 'get', '-H', '-o', 'value', 'encryption', 'tank/back/tank'])).stdout,
    ).toBe('off\n')
    expect(await fingerprintOf(rescue, await mountCopy(rescue, 'tank/back/tank'))).toBe(files)
  },
)
