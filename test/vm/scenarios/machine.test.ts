// The machine itself: that what the other scenarios stand on is true.
import { expect } from 'vitest'
import { DiskInUse } from '../disk.ts'
import { diskLink } from '../machine.ts'
import { scenario } from '../scenario.ts'

scenario(
  'machine: a disk carries a pool to another machine, with every byte',
  async ({ startMachine, secondMachine, createDisk }) => {
    const serial = 'WDOFFSITE0001'
    const disk = await createDisk('A')
    const nas = await startMachine({ layer: 'ready' })
    const { poolGuid } = await nas.makePool(disk, { serial, pool: 'offsite-1' })
    expect(poolGuid).toMatch(/^\d{10,20}$/)

    await nas.plug(disk, { serial })
    expect((await nas.run(['readlink', '-f', diskLink(serial)])).stdout).toMatch(/^\/dev\/sd[a-z]\n$/)
    await nas.script(`
    zpool import -d ${diskLink(serial, 1)} -N -o cachefile=none ${poolGuid}
    zfs snapshot tank/photos@carried
    zfs send tank/photos@carried | zfs receive -u offsite-1/photos
    zpool export offsite-1
  `)
    const sums = await nas.script('cd /tank/photos && sha256sum *.jpg')

    const elsewhere = await secondMachine()
    await expect(elsewhere.plug(disk, { serial })).rejects.toThrow(DiskInUse)
    await nas.pull(disk)
    await elsewhere.plug(disk, { serial })
    expect(await elsewhere.script('hostid')).toBe('0badcafe\n')
    expect(await nas.script('hostid')).not.toBe('0badcafe\n')
    const there = await elsewhere.script(`
    zpool import -d ${diskLink(serial, 1)} -N -R /mnt -o readonly=on ${poolGuid}
    zfs mount -o ro offsite-1/photos 2>/dev/null || mount -t zfs -o ro,zfsutil offsite-1/photos /mnt
    cd "$(findmnt --noheadings --output TARGET --source offsite-1/photos)" && sha256sum *.jpg
  `)
    expect(there).toBe(sums)
  },
)

scenario(
  'machine: a pool that was not exported is foreign to another machine',
  async ({ startMachine, secondMachine, createDisk }) => {
    const serial = 'WDOFFSITE0002'
    const disk = await createDisk('B')
    const nas = await startMachine({ layer: 'ready' })
    const { poolGuid } = await nas.makePool(disk, { serial, pool: 'offsite-2' })
    await nas.plug(disk, { serial })
    await nas.run(['zpool', 'import', '-N', '-o', 'cachefile=none', '-d', diskLink(serial, 1), poolGuid])
    await nas.script('zfs create offsite-2/written && zpool sync offsite-2')
    await nas.powerCut()
    await nas.close()

    const elsewhere = await secondMachine()
    await elsewhere.plug(disk, { serial })
    const refused = await elsewhere.run(['zpool', 'import', '-N', '-d', diskLink(serial, 1), poolGuid], {
      reject: false,
    })
    expect(refused.exitCode).not.toBe(0)
    expect(refused.stderr).toContain('nas')
  },
)

scenario(
  'machine: the journal is followed over a power cut and a cold boot',
  async ({ startMachine, createDisk }) => {
    const serial = 'WDOFFSITE0003'
    const disk = await createDisk('C', { sizeMb: 100 })
    const nas = await startMachine({ layer: 'ready' })
    const say = (event: string, name: string) =>
      nas.run(['logger', '--journald'], {
        input: `MESSAGE=${event} ${name}\nWALKAWAY_EVENT=${event}\nWALKAWAY_DISK=${name}\n`,
      })

    await say('safe-to-remove', 'offsite-2')
    const first = await nas.journal.waitFor(
      { event: 'safe-to-remove', disk: 'offsite-2' },
      { deadlineMs: 10_000 },
    )
    await expect(
      nas.journal.waitFor({ event: 'safe-to-remove' }, { deadlineMs: 500, after: first }),
    ).rejects.toThrow('not in the journal')
    const before = nas.journal.mark()

    await nas.script('echo kept > /root/kept; sync /root/kept; zfs snapshot tank@kept; zpool sync')
    await nas.plug(disk, { serial })
    await nas.powerCut()
    expect(nas.isRunning()).toBe(false)
    await nas.boot()
    expect(await nas.readFile('/root/kept')).toBe('kept\n')
    await nas.run(['zfs', 'list', 'tank@kept'])
    await nas.run(['test', '-b', diskLink(serial)])
    await say('disk-removed', 'offsite-2')
    await nas.journal.waitFor({ event: 'disk-removed' }, { deadlineMs: 10_000, after: before })
    expect(nas.journal.events().map((entry) => entry['WALKAWAY_EVENT'])).toEqual([
      'safe-to-remove',
      'disk-removed',
    ])

    await nas.pull(disk)
    await nas.shutdown()
    expect(nas.isRunning()).toBe(false)
  },
)

scenario('machine: a crowd of sticks comes and goes', async ({ startMachine }) => {
  const nas = await startMachine({ layer: 'ready' })
  const pulls = await Promise.all(
    [1, 2, 3, 4, 5].map((number) => nas.usb.plugStick({ serial: `STICK${number}` })),
  )
  await nas.until(['sh', '-c', 'ls /dev/disk/by-id | grep -c STICK'], {
    deadlineMs: 60_000,
    stdout: (text) => text.trim() === '5',
  })
  for (const pull of pulls) await pull()
  await nas.until(['sh', '-c', '! ls /dev/disk/by-id | grep STICK'], { deadlineMs: 60_000 })
})
