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
  visitDeadlineMs,
  visitWith,
} from '../home.ts'
import { diskLink, type Machine } from '../machine.ts'
import { type Scenario, scenario } from '../scenario.ts'

const keyFile = '/etc/walkaway/offsite-1.luks'
const [serial, pool] = ['WDOFFSITE0001', 'offsite-1']
const partition = diskLink(serial, 1)

type LuksHome = Home & { readonly uuid: string; readonly name: string }

async function setUpLuksHome(
  s: Scenario,
  { type = 'luks2' }: { readonly type?: string } = {},
): Promise<LuksHome> {
  const nas = await s.startMachine({ layer: 'installed' })
  const image = await s.createDisk(pool)
  await nas.plug(image, { serial })
  const poolGuid = await nas.script(
    `umask 077; mkdir -p /etc/walkaway; head -c 64 /dev/urandom > ${keyFile}
    echo type=linux | sfdisk --quiet --label gpt ${diskLink(serial)}; udevadm settle
    cryptsetup luksFormat --batch-mode --type ${type} --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file ${keyFile} ${partition}
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

/** A dataset that takes a while to send. */
const addBig = ({ nas }: Home): Promise<string> =>
  nas.script('zfs create tank/big; head -c 100M /dev/urandom > /tank/big/file', { deadlineMs: 120_000 })

const whileSending = (nas: Machine) =>
  nas.until(['zfs', 'list', '-Hp', '-o', 'used', `${pool}/nas/tank/big`], {
    deadlineMs: visitDeadlineMs,
    stdout: (used) => Number(used) > 4_000_000,
  })

scenario('luks: first visit and another, right on a second machine; a wrong key; a restore', async (s) => {
  const home = await setUpLuksHome(s)
  const { nas, disk, name } = home
  const { before } = await visitWith(home, disk)
  await expectNothingLeft(home)
  // Nothing holds the disk.
  await nas.script(
    `python3 -c 1 2>/dev/null || true; test -z "$(ls /sys/class/block/$(basename $(readlink -f ${partition}))/holders)"`,
  )
  const expected = travelled(await snapshotsUnder(nas, 'tank'), nas, before)

  // Plugged in, and released: a restore opens and closes it.
  await nas.script(`walkaway restore ${pool} tank/docs --to tank/back > /root/restored 2>&1`, {
    deadlineMs: 300_000,
  })
  await expectNothingLeft(home)
  expect(await fingerprintOf(nas, await mountCopy(nas, 'tank/back'))).toBe(
    await fingerprintOf(nas, '/tank/docs'),
  )
  await nas.script('umount /mnt/copy; zfs destroy -r tank/back')
  await nas.until(['sh', '-c', 'walkaway status --json | grep -q removable'], { deadlineMs: 60_000 })
  await takeAway(home, disk)

  await nas.script(`cp ${keyFile} /root/right; head -c 64 /dev/urandom > ${keyFile}`)
  const wrong = await visitWith(home, disk, { outcome: 'failed' })
  expect(wrong.safe['MESSAGE']).toContain(`the key in ${keyFile} does not open the LUKS container`)
  expect(nas.journal.events({ event: 'snapshot-taken', after: wrong.before })).toEqual([])
  await expectNothingLeft(home)
  await takeAway(home, disk)
  await nas.script(`rm ${keyFile}`)
  const missing = await visitWith(home, disk, { outcome: 'failed' })
  expect(missing.safe['MESSAGE']).toContain(`the key file ${keyFile} is not there`)
  await takeAway(home, disk)
  const files = await fingerprintOf(nas, '/tank')
  const key = await nas.script('base64 --wrap=0 /root/right')
  // The key in no log, whatever was logged of the commands.
  expect(
    await nas.script(
      `journalctl -u walkaway --no-pager | grep -c -F -f <(base64 --wrap=0 /root/right; echo) || true`,
    ),
  ).toBe('0\n')
  await nas.close()

  const rescue = await s.secondMachine()
  await rescue.plug(disk.image, { serial })
  await rescue.script(`umask 077; base64 --decode > /root/key <<< '${key}'
      cryptsetup open --key-file /root/key ${partition} look
      zpool import -N -R /mnt -o readonly=on -d /dev/mapper/look ${disk.poolGuid}`)
  const text = await rescue.script(`zfs get -H -o value walkaway:restore ${pool}`)
  expect(text).toContain(`cryptsetup open /dev/disk/by-uuid/${home.uuid} ${name}`)
  expect(await snapshotsUnder(rescue, `${pool}/nas/tank`)).toEqual(expected)
  expect(await fingerprintOf(rescue, await mountCopy(rescue, `${pool}/nas/tank`))).toBe(files)
})

scenario('luks: pulled out in mid-transfer and plugged in again, it goes on where it was', async (s) => {
  const home = await setUpLuksHome(s)
  const { nas, disk } = home
  await addBig(home)
  for (let pulls = 0; pulls < 2; pulls++) {
    if (pulls === 1) {
      await takeAway(home, disk)
      await nas.script('head -c 60M /dev/urandom > /tank/big/more', { deadlineMs: 120_000 })
    }
    await nas.plug(disk.image, { serial, wait: false })
    await whileSending(nas)
    const after = nas.journal.mark()
    await nas.pull(disk.image)
    await nas.journal.waitFor({ event: 'disk-pulled', disk: pool }, { deadlineMs: 60_000, after })
    expect((await statusOf(nas, disk)).state).toBe('pulled')
    await nas.plug(disk.image, { serial, wait: false })
    await expectSafe(nas, disk, after)
    await expectNothingLeft(home)
  }
})

scenario('luks: power cut and a killed daemon; the next one finds what is open and goes on', async (s) => {
  const home = await setUpLuksHome(s, { type: 'luks1' })
  const { nas, disk } = home
  await addBig(home)
  await nas.plug(disk.image, { serial, wait: false })
  await whileSending(nas)
  const killed = nas.journal.mark()
  await nas.script('systemctl kill --signal=KILL --kill-whom=main walkaway')
  await expectSafe(nas, disk, killed)
  await expectNothingLeft(home)
  await takeAway(home, disk)

  await nas.script('head -c 60M /dev/urandom > /tank/big/more', { deadlineMs: 120_000 })
  await nas.plug(disk.image, { serial, wait: false })
  await nas.journal.waitFor(
    { event: 'pool-imported', disk: pool },
    { deadlineMs: visitDeadlineMs, after: nas.journal.mark() },
  )
  await nas.reset()
  await nas.script('systemctl start walkaway')
  const again = nas.journal.mark()
  await expectSafe(nas, disk, again)
  await expectNothingLeft(home)
  await takeAway(home, disk)

  // It stops in the middle: exported, and closed.
  await nas.script('head -c 60M /dev/urandom > /tank/big/yet-more', { deadlineMs: 120_000 })
  await nas.plug(disk.image, { serial, wait: false })
  await nas.journal.waitFor(
    { event: 'pool-imported', disk: pool },
    { deadlineMs: visitDeadlineMs, after: again },
  )
  await nas.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 120_000 })
  await expectNothingLeft(home)
})
