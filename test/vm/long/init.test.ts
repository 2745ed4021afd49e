// From a disk out of its box to the first backup with one command; a disk that has a pool with an older copy; and disks that
// must not be erased.
import { execFileSync } from 'node:child_process'
import { expect } from 'vitest'
import { type BackupDisk, expectSafe, startService, streamsSince } from '../home.ts'
import { diskLink } from '../machine.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy } from '../service.ts'

const serial = 'WDOFFSITE0001'
const configFile = '/etc/walkaway/config.yaml'
const text = '# mine\nsources:\n  - dataset: tank   # all of it\n\nlog: { level: debug }\n'

scenario('init: a new disk, first visit, adopt with an older copy; a mounted disk is refused', async (s) => {
  const nas = await s.startMachine({ layer: 'installed' })
  await nas.writeFile(configFile, text, { mode: '0640' })
  await startService(nas)
  const walkaway = (...argv: readonly string[]) =>
    nas.run(['walkaway', ...argv], { deadlineMs: 300_000, reject: false })
  const poolsNow = async () => (await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout

  const stick = await s.createDisk('stick', { sizeMb: 64 })
  execFileSync('mkfs.ext4', ['-q', '-F', '-L', 'photos', stick.path])
  await nas.plug(stick, { serial: 'STICK0001' })
  await nas.script(`mount ${diskLink('STICK0001')} /mnt; echo kept > /mnt/file`)
  const erase = ['--name', 'x', '--yes-erase']
  expect(await walkaway('init', 'STICK0001', ...erase, 'STICK0001')).toMatchObject({
    exitCode: 4,
    stderr: expect.stringContaining('mounted at /mnt'),
  })
  expect(await nas.readFile('/mnt/file')).toBe('kept\n')
  await nas.run(['umount', '/mnt'])
  expect(await walkaway('init', '/dev/vda', ...erase, 'root')).toMatchObject({
    exitCode: 4,
    stderr: expect.stringContaining('the running system stands on it'),
  })

  const image = await s.createDisk('offsite-1')
  await nas.plug(image, { serial })
  // There is no terminal here.
  expect(await walkaway('init', serial, '--name', 'offsite-1')).toMatchObject({
    exitCode: 4,
    stdout: expect.stringContaining('nothing is on it'),
    stderr: expect.stringContaining(`--yes-erase ${serial}`),
  })
  expect(await nas.readFile(configFile)).toBe(text)
  expect(await poolsNow()).toBe('tank\n')

  const before = nas.journal.mark()
  const made = await walkaway('init', diskLink(serial), '--name', 'offsite-1', '--yes-erase', serial)
  expect(made, made.stderr).toMatchObject({ exitCode: 0 })
  expect(await nas.readFile(configFile)).toContain(text)
  expect(await nas.script(`stat -c '%U %a' ${configFile}`)).toBe('root 640\n')
  const poolGuid = /its GUID is (\d+)/.exec(made.stdout)?.[1] ?? ''
  const disk: BackupDisk = { name: 'offsite-1', serial, pool: 'offsite-1', poolGuid, image }
  await expectSafe(nas, disk, before)
  expect(nas.journal.events({ event: 'config-reloaded', after: before })).toHaveLength(1)

  await nas.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 120_000 })
  const properties = await nas.script(`
    zpool import -N -o readonly=on -o cachefile=none -d ${diskLink(serial, 1)} ${poolGuid}
    zpool get -H -o value ashift,autotrim offsite-1
    zfs get -H -o value compression,atime,mountpoint,canmount offsite-1
    zpool export offsite-1
  `)
  expect(properties.trim().split('\n')).toEqual(['12', 'off', 'lz4', 'off', 'none', 'off'])

  // As on a machine that has not heard of the disk yet, and that it is plugged into anew.
  await nas.pull(image)
  await nas.writeFile(configFile, text, { mode: '0640' })
  await nas.script('echo more > /tank/docs/more; zpool sync tank')
  await startService(nas)
  await nas.plug(image, { serial })
  const again = { ...disk, name: 'again' }
  const asked = nas.journal.mark()
  const adopted = await walkaway('adopt', serial, '--name', again.name)
  expect(adopted, adopted.stderr).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/tank\/docs: offsite-1\/nas\/tank\/docs has \d+ snapshots? in common/),
  })
  expect(adopted.stdout).toContain('would send 1 dataset,')
  await expectSafe(nas, again, asked)
  expect(streamsSince(nas, asked)).toEqual(['tank/docs (incremental)'])
  await expectFullCopy(s, { nas, disks: [again], disk: again }, again)
})
