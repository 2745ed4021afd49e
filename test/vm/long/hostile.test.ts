// Disks that mean harm: what their labels, names and properties say is neither obeyed nor written to a terminal as it is.
import { expect } from 'vitest'
import { copyDisk, type Disk } from '../disk.ts'
import {
  type BackupDisk,
  byHand,
  configure,
  setUpHome,
  startService,
  statusOf,
  takeAway,
  visitWith,
} from '../home.ts'
import type { Mark } from '../journal.ts'
import { replaceInLabels, spoilLabels } from '../label.ts'
import type { Machine } from '../machine.ts'
import { mountsOf, watchMounts } from '../mountWatch.ts'
import { scenario } from '../scenario.ts'
import { fingerprintOfImage, said, soonMs } from '../service.ts'

/** What no terminal may get: everything below a blank but the ends of lines, and the control characters of ISO 8859. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const harmful = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/

/** The service's lines in the journal, as it was said and as journalctl shows it, are one harmless line each. */
async function expectCleanJournal(nas: Machine, after: Mark): Promise<void> {
  await nas.settleJournal()
  const lines = said(nas, after)
  expect(lines.length).toBeGreaterThan(0)
  for (const entry of lines)
    for (const [field, value] of Object.entries(entry))
      if (field === 'MESSAGE' || field.startsWith('WALKAWAY_')) {
        expect(value, field).not.toMatch(harmful)
        expect(value, field).not.toContain('\n')
      }
}

async function expectCleanCommands(nas: Machine, commands: readonly (readonly string[])[]): Promise<void> {
  for (const command of commands) {
    const { stdout, stderr } = await nas.run(['walkaway', ...command], { reject: false, deadlineMs: soonMs })
    expect(stdout + stderr, command.join(' ')).not.toMatch(harmful)
  }
}

const nothingShared = async (nas: Machine) =>
  expect(
    (await nas.script('cat /etc/exports.d/zfs.exports /etc/dfs/sharetab 2> /dev/null || true')).trim(),
  ).toBe('')

scenario(
  'labels: names that are options, paths, escape codes or the source pool; unknown features; rubbish: refused, not touched',
  async (s) => {
    // Four letters, so that a label's name can be replaced by another of the same length.
    const pool = 'qzxj'
    const home = await setUpHome(s)
    const { nas } = home
    const image = await s.createDisk('label', { sizeMb: 128 })
    const serial = 'WDOFFSITE0002'
    const { poolGuid } = await nas.makePool(image, { serial, pool })
    const disk: BackupDisk = { name: 'offsite-2', serial, pool, poolGuid, image }
    await configure(nas, [...home.disks, disk])
    await startService(nas)
    await nas.journal.waitFor({ event: 'daemon-started' }, { deadlineMs: soonMs })
    const mounts = await mountsOf(nas)

    /** Plugs it in, waits until the service has made up its mind, and takes it away; it is byte for byte what it was. */
    const refused = async (copy: Disk, expected: RegExp): Promise<void> => {
      const print = await fingerprintOfImage(copy)
      const before = nas.journal.mark()
      await nas.plug(copy, { serial })
      const { MESSAGE: message = '' } = await nas.journal.waitFor(
        { event: 'disk-refused', disk: disk.name },
        // A disk without a pool may still get one, or its partitions, for a minute: an emulated one takes longer.
        { deadlineMs: 3 * soonMs, after: before },
      )
      expect(message).toMatch(expected)
      expect(await statusOf(nas, disk)).toMatchObject({ state: 'refused' })
      await expectCleanCommands(nas, [['status'], ['disks'], ['check'], ['plan', disk.name]])
      await expectCleanJournal(nas, before)
      expect(nas.journal.events({ event: ['pool-imported', 'safe-to-remove'], after: before })).toEqual([])
      expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
      await nas.pull(copy)
      await nas.until(['walkaway', 'status', '--json'], {
        deadlineMs: soonMs,
        stdout: (text) => /"name":\s*"offsite-2"[^}]*"state":\s*"absent"/.test(text),
      })
      expect(await fingerprintOfImage(copy)).toBe(print)
    }

    for (const name of ['tank', '-o x', '../x', 'a\nb\r', '\u001b[2J']) {
      const copy = await copyDisk(image, 'named')
      await replaceInLabels(copy, pool, name)
      await refused(copy, /its pool is named "[^"]{4}" where "qzxj" was expected/)
    }
    const unknown = await copyDisk(image, 'features')
    await replaceInLabels(unknown, 'com.delphix:hole_birth', 'com.evilone:hole_birth')
    await refused(unknown, /features that the OpenZFS of this machine does not know/)
    const rubbish = await copyDisk(image, 'rubbish')
    await spoilLabels(rubbish)
    await refused(rubbish, /no ZFS pool on it/)

    expect(await mountsOf(nas)).toEqual(mounts)
    await nothingShared(nas)
    // And the disk as it was is served.
    await visitWith(home, disk)
  },
)

scenario(
  'a pool that wants to be mounted, shared and run, with odd names and hundreds of datasets: backed up to, nothing of it in force',
  async (s) => {
    const home = await setUpHome(s)
    const { nas, disk } = home
    await startService(nas)
    await byHand(
      home,
      disk,
      `
      pool=${disk.pool}
      zfs create -o mountpoint=/etc -o canmount=noauto -o setuid=on -o exec=on -o devices=on "$pool/etc"
      zfs set canmount=on "$pool/etc"
      zfs create -u -o mountpoint=/usr/bin -o setuid=on "$pool/..bin"
      zfs create -u -o mountpoint=/srv/x "$pool/-o mountpoint=" 2> /dev/null || zfs create -u -o mountpoint=/srv/x "$pool/-o x"
      zfs set sharenfs=on sharesmb=on "$pool/etc" 2> /dev/null || true
      for property in source host mode limits state restore; do
        zfs set "walkaway:$property=$(printf '\\033[31m-o x\\n../../etc\\r')" "$pool"
        zfs set "walkaway:$property=$(printf '\\033[31m-o x\\n../../etc\\r')" "$pool/etc"
      done
      zfs set mountpoint=/ canmount=on setuid=on devices=on exec=on "$pool" 2> /dev/null || zfs set mountpoint=/ "$pool"
      zfs create -u "$pool/crowd"
      for number in $(seq 200); do zfs create -u "$pool/crowd/$number"; done
      `,
    )
    const mounts = await mountsOf(nas)
    const watch = await watchMounts(nas, disk)
    const { before } = await visitWith(home, disk)
    await watch.expectNothing()
    await expectCleanJournal(nas, before)
    await expectCleanCommands(nas, [
      ['status'],
      ['disks'],
      ['history'],
      ['restore', disk.name, '--list'],
      ['plan', disk.name],
    ])
    expect(await mountsOf(nas)).toEqual(mounts)
    await nothingShared(nas)
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
    await takeAway(home, disk)
    // Nothing of what was there is gone.
    const left = await byHand(
      home,
      disk,
      `zfs list -H -r -o name ${disk.pool}/crowd ${disk.pool}/etc | wc -l`,
    )
    expect(left.trim()).toBe('202')
  },
)
