// A disk whose pool lies in a LUKS container: a whole visit, and what may go wrong in one. The container is made by hand, as in
// docs/troubleshooting.md, and looked at from another computer.
import { expect } from 'vitest'
import {
  type BackupDisk,
  configure,
  expectSafe,
  fingerprintOf,
  type Home,
  mountCopy,
  snapshotsUnder,
  startService,
  statusOf,
  takeAway,
  travelled,
  visitWith,
} from '../home.ts'
import { diskLink, type Machine } from '../machine.ts'
import { type Scenario, scenario } from '../scenario.ts'
import { plugSlowly, untilPartlyReceived, watchPool, writeBigFile } from '../slowVisit.ts'

const keyFile = '/etc/walkaway/offsite-1.luks'
const [serial, pool] = ['WDOFFSITE0001', 'offsite-1']
const partition = diskLink(serial, 1)

type LuksHome = Home & { readonly uuid: string; readonly name: string }

/** How the key is made of a passphrase, as each type does by itself, but in no time. */
const cheap = {
  luks1: '--pbkdf pbkdf2 --pbkdf-force-iterations 1000',
  luks2: '--pbkdf argon2id --pbkdf-memory 65536 --pbkdf-force-iterations 4',
} as const

async function setUpLuksHome(
  s: Scenario,
  { type = 'luks2' }: { readonly type?: keyof typeof cheap } = {},
): Promise<LuksHome> {
  const nas = await s.startMachine({ layer: 'installed' })
  const image = await s.createDisk(pool)
  await nas.plug(image, { serial })
  const poolGuid = await nas.script(
    `umask 077; mkdir -p /etc/walkaway; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' > ${keyFile}
    echo type=linux | sfdisk --quiet --label gpt ${diskLink(serial)}; udevadm settle
    cryptsetup luksFormat --batch-mode --type ${type} ${cheap[type]} --key-file ${keyFile} ${partition}
    cryptsetup open --key-file ${keyFile} ${partition} new
    zpool create -o cachefile=none -O mountpoint=none -O canmount=off -O compression=lz4 ${pool} /dev/mapper/new
    zpool get -Hp -o value guid ${pool}
    zpool export ${pool}; udevadm settle; cryptsetup close new`,
    { deadlineMs: 120_000 },
  )
  const uuid = (await nas.script(`cryptsetup luksUUID ${partition}`)).trim()
  await nas.pull(image)
  await nas.until(['test', '!', '-e', partition], { deadlineMs: 30_000 })
  const disk: BackupDisk = { name: pool, serial, pool, poolGuid: poolGuid.trim(), image }
  await configure(nas, [], {
    disks: { [pool]: { serial, pool, poolGuid: disk.poolGuid, luks: { uuid, keyFile } } },
  })
  await startService(nas)
  return { nas, disks: [disk], disk, uuid, name: `walkaway-${uuid}` }
}

/** Names of everything that is open. */
const openOn = async (nas: Machine): Promise<readonly string[]> =>
  (await nas.script('dmsetup info --columns --noheadings -o name'))
    .split('\n')
    .filter((line) => line.startsWith('walkaway-') || line === 'new')

const expectNothingLeft = async ({ nas }: Home): Promise<void> => {
  expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
  expect(await openOn(nas)).toEqual([])
}

/** Takes the disk to a machine that has never heard of walkaway, and imports its pool there. The server is switched off. */
async function openElsewhere(
  { secondMachine }: Scenario,
  { nas, disk }: Home,
  keyAt: string,
): Promise<Machine> {
  const key = await nas.readFile(keyAt)
  await nas.close()
  const rescue = await secondMachine()
  await rescue.plug(disk.image, { serial })
  await rescue.writeFile('/root/key', key, { mode: '0600' })
  await rescue.script(`cryptsetup open --key-file /root/key ${partition} look
    zpool import -N -R /mnt -o readonly=on -d /dev/mapper/look ${disk.poolGuid}`)
  return rescue
}

scenario('luks: a first visit, right on a second machine; a restore; a wrong key and none', async (s) => {
  const home = await setUpLuksHome(s)
  const { nas, disk } = home
  const { before } = await visitWith(home, disk)
  await expectNothingLeft(home)
  const expected = travelled(await snapshotsUnder(nas, 'tank'), nas, before)
  expect((await nas.run(['walkaway', 'disks'])).stdout).toContain(`configured as ${pool}`)

  await nas.script(`walkaway restore ${pool} tank/docs --to tank/back`, { deadlineMs: 300_000 })
  await expectNothingLeft(home)
  expect(await fingerprintOf(nas, await mountCopy(nas, 'tank/back'))).toBe(
    await fingerprintOf(nas, '/tank/docs'),
  )
  await nas.script('umount /mnt/copy; zfs destroy -r tank/back')
  await nas.until(['walkaway', 'status', '--json'], {
    deadlineMs: 60_000,
    stdout: (text) => /"state":\s*"removable"/.test(text),
  })
  await takeAway(home, disk)

  await nas.script(`cp -p ${keyFile} /root/right; echo another > ${keyFile}`)
  const wrong = await visitWith(home, disk, { outcome: 'failed' })
  expect(wrong.safe['MESSAGE']).toContain(`the key in ${keyFile} does not open the LUKS container`)
  expect(nas.journal.events({ event: 'snapshot-taken', after: wrong.before })).toEqual([])
  await expectNothingLeft(home)
  await takeAway(home, disk)
  await nas.script(`rm ${keyFile}`)
  const missing = await visitWith(home, disk, { outcome: 'failed' })
  expect(missing.safe['MESSAGE']).toContain(`the key file ${keyFile} is not there`)
  await takeAway(home, disk)
  // Although every command was logged.
  const told = 'journalctl --no-pager | grep --count --fixed-strings --file=/root/right || true'
  expect(await nas.script(told)).toBe('0\n')
  const files = await fingerprintOf(nas, '/tank')
  const rescue = await openElsewhere(s, home, '/root/right')
  const text = await rescue.script(`zfs get -H -o value walkaway:restore ${pool}`)
  expect(text).toContain(`cryptsetup open /dev/disk/by-uuid/${home.uuid} backup-${home.uuid}`)
  expect(await snapshotsUnder(rescue, `${pool}/nas/tank`)).toEqual(expected)
  expect(await fingerprintOf(rescue, await mountCopy(rescue, `${pool}/nas/tank`))).toBe(files)
})

scenario('luks: pulled out in mid-transfer and plugged in again, it goes on where it was', async (s) => {
  const home = await setUpLuksHome(s)
  const { nas, disk } = home
  await writeBigFile(nas)
  const watch = watchPool(nas, disk)
  const before = nas.journal.mark()
  await plugSlowly(home, disk, { controller: 0 })
  await untilPartlyReceived(nas, disk)
  await nas.pull(disk.image)
  await nas.journal.waitFor({ event: 'disk-pulled', disk: pool }, { deadlineMs: 60_000, after: before })
  expect((await statusOf(nas, disk)).state).toBe('pulled')

  const again = nas.journal.mark()
  await nas.plug(disk.image, { serial, controller: 1, port: 2, wait: false })
  const safe = await expectSafe(nas, disk, again)
  await watch.expectNoLie(safe)
  expect(nas.journal.events({ event: 'safe-to-remove', after: before })).toHaveLength(1)
  await expectNothingLeft(home)

  // Idle, while the service is killed and does not see it: its pool does not know either.
  await takeAway(home, disk)
  await nas.script('echo more > /tank/docs/more.txt')
  // Before anything is on its way: a receive would hang, and systemd wait for it as long as it waits for a stop, twice.
  const killer = nas.start([
    'sh',
    '-c',
    `until [ -e /proc/spl/kstat/zfs/${pool} ]; do sleep 0.05; done
     systemctl kill --signal=KILL walkaway; systemctl mask --runtime walkaway`,
  ])
  await plugSlowly(home, disk)
  await killer.wait({ deadlineMs: 120_000 })
  expect(await openOn(nas)).toEqual([home.name])
  await nas.pull(disk.image)
  await nas.until(['test', '!', '-e', partition], { deadlineMs: 30_000 })
  await nas.plug(disk.image, { serial })
  const last = nas.journal.mark()
  await nas.script('systemctl unmask --runtime walkaway; systemctl reset-failed walkaway')
  await startService(nas)
  await expectSafe(nas, disk, last)
  await expectNothingLeft(home)
})

scenario('luks: a power cut and a killed service: the next one goes on; a stop closes it', async (s) => {
  const home = await setUpLuksHome(s, { type: 'luks1' })
  const { nas, disk } = home
  await writeBigFile(nas)
  await plugSlowly(home, disk)
  await untilPartlyReceived(nas, disk)
  await nas.reset()
  const afterCut = nas.journal.mark()
  await untilPartlyReceived(nas, disk)
  await nas.script('systemctl kill --signal=KILL --kill-whom=main walkaway')
  await nas.usb.throttle(disk.image, 0)
  await expectSafe(nas, disk, afterCut)
  await expectNothingLeft(home)
  await takeAway(home, disk)

  await writeBigFile(nas)
  const before = nas.journal.mark()
  await plugSlowly(home, disk)
  await nas.journal.waitFor({ event: 'plan-made', disk: pool }, { deadlineMs: 300_000, after: before })
  await nas.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 120_000 })
  await expectNothingLeft(home)
  await nas.usb.throttle(disk.image, 0)
  const resumed = nas.journal.mark()
  await startService(nas)
  await expectSafe(nas, disk, resumed)
  const files = await fingerprintOf(nas, '/tank')
  const elsewhere = await openElsewhere(s, home, keyFile)
  expect(await fingerprintOf(elsewhere, await mountCopy(elsewhere, `${pool}/nas/tank`))).toBe(files)
})
