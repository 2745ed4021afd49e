// Disks that nobody has configured are nothing at all.
import { expect } from 'vitest'
import { setUpHome, startService, visitWith } from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'
import { fingerprintOfImage, messages, said, soonMs } from '../service.ts'

const poolsOf = async (nas: Machine) => (await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout

scenario('unknown disks, one with a pool and a plain stick, are not touched and not spoken of', async (s) => {
  const home = await setUpHome(s)
  const { nas } = home
  const [disk] = home.disks
  if (disk === undefined) throw new Error('no disk')
  const stranger = await s.createDisk('stranger', { sizeMb: 128 })
  await nas.makePool(stranger, { serial: 'HOLIDAY0001', pool: 'holiday' })
  const stick = await s.createDisk('stick', { sizeMb: 64 })
  await nas.plug(stick, { serial: 'STICK0001' })
  await nas.run(['mkswap', '/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_STICK0001-0:0'])
  await nas.run(['sync'])
  await nas.pull(stick)
  const prints = await Promise.all([stranger, stick].map(fingerprintOfImage))

  await startService(nas)
  await nas.journal.waitFor({ event: 'daemon-started' }, { deadlineMs: soonMs })
  await nas.settleJournal()
  const before = nas.journal.mark()
  await nas.plug(stranger, { serial: 'HOLIDAY0001' })
  await nas.plug(stick, { serial: 'STICK0001' })
  // The visit of a known disk beside them is also the proof that they were seen and had time to be touched.
  await visitWith(home, disk)

  const spoken = said(nas, before)
  expect(spoken.length).toBeGreaterThan(5)
  expect(
    spoken.filter((entry) => entry['WALKAWAY_DISK'] !== disk.name).map((entry) => entry['MESSAGE']),
  ).toEqual([])
  expect(messages(spoken).join('\n')).not.toMatch(/holiday|STICK/i)
  expect(await poolsOf(nas)).toBe('tank\n')
  await nas.pull(stranger)
  await nas.pull(stick)
  expect(await Promise.all([stranger, stick].map(fingerprintOfImage))).toEqual(prints)
})
