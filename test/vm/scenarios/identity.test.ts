// Only the right disk: what is not configured is left alone in silence, what claims to be a backup disk and is not is
// refused aloud and once, and of two that claim to be the same neither is touched.
import { expect } from 'vitest'
import { copyDisk } from '../disk.ts'
import {
  type BackupDisk,
  configure,
  expectSafe,
  setUpHome,
  startService,
  statusOf,
  visitWith,
} from '../home.ts'
import type { JournalEntry, Mark } from '../journal.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, fingerprintOfImage, soonMs } from '../service.ts'

const poolsOf = async (nas: Machine) => (await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout

const refusal = (nas: Machine, disk: BackupDisk, after: Mark): Promise<JournalEntry> =>
  nas.journal.waitFor({ event: 'disk-refused', disk: disk.name }, { deadlineMs: soonMs, after })

const untilState = (nas: Machine, disk: BackupDisk, state: string) =>
  nas.until(['walkaway', 'status', '--json'], {
    deadlineMs: soonMs,
    stdout: (text) => {
      const { disks } = JSON.parse(text) as { disks: { name: string; state: string }[] }
      return disks.find(({ name }) => name === disk.name)?.state === state
    },
  })

scenario(
  'a known serial with another pool, a known pool under another serial: refused once, not touched',
  async (s) => {
    const home = await setUpHome(s, { disks: 2 })
    const { nas } = home
    const [disk, neighbour] = home.disks
    if (disk === undefined || neighbour === undefined) throw new Error('no disks')
    const other = await s.createDisk('other', { sizeMb: 128 })
    const { poolGuid: otherGuid } = await nas.makePool(other, { serial: 'OTHER0001', pool: 'other' })
    const [printOfDisk, printOfOther] = await Promise.all([disk.image, other].map(fingerprintOfImage))
    await startService(nas)

    const first = nas.journal.mark()
    await nas.plug(other, { serial: disk.serial })
    const otherPool = await refusal(nas, disk, first)
    expect(otherPool['PRIORITY']).toBe('3')
    expect(otherPool['MESSAGE']).toContain(`pool on it is "other" (GUID ${otherGuid})`)
    expect(otherPool['MESSAGE']).toContain(disk.poolGuid)
    expect(await statusOf(nas, disk)).toMatchObject({ state: 'refused', progress: null, lastVisit: null })
    await nas.pull(other)
    await untilState(nas, disk, 'absent')

    const second = nas.journal.mark()
    await nas.plug(disk.image, { serial: 'STRANGER0001' })
    const foreignSerial = await refusal(nas, disk, second)
    expect(foreignSerial['MESSAGE']).toContain('STRANGER0001')
    expect(foreignSerial['MESSAGE']).toContain(disk.serial)
    const status = await statusOf(nas, disk)
    expect(status.state).toBe('refused')
    expect(status.reason).toContain('STRANGER0001')

    // Whatever udev does meanwhile, and while another disk is served, it is said once.
    await nas.run(['udevadm', 'trigger', '--settle', '--subsystem-match=block', '--action=change'])
    await visitWith(home, neighbour)
    expect(nas.journal.events({ event: 'disk-refused', after: first })).toHaveLength(2)
    expect(nas.journal.events({ event: 'pool-imported', disk: disk.name })).toEqual([])
    expect(await poolsOf(nas)).toBe('tank\n')
    await nas.pull(disk.image)
    await untilState(nas, disk, 'absent')
    expect(await Promise.all([disk.image, other].map(fingerprintOfImage))).toEqual([
      printOfDisk,
      printOfOther,
    ])

    // The mistake corrected in the file, the same disk is right.
    await configure(nas, [{ ...disk, serial: 'STRANGER0001' }, neighbour])
    await nas.run(['systemctl', 'reload', 'walkaway'])
    await nas.journal.waitFor({ event: 'config-reloaded' }, { deadlineMs: soonMs, after: second })
    await visitWith(home, { ...disk, serial: 'STRANGER0001' })
  },
)

scenario(
  'a dd copy beside its original: neither is touched, and the original is served when the copy is gone',
  async (s) => {
    const home = await setUpHome(s)
    const { nas } = home
    const [disk] = home.disks
    if (disk === undefined) throw new Error('no disk')
    const copy = await copyDisk(disk.image, 'copy')
    const [print, printOfCopy] = await Promise.all([disk.image, copy].map(fingerprintOfImage))
    await startService(nas)

    const before = nas.journal.mark()
    await nas.plug(copy, { serial: 'COPY0001' })
    await refusal(nas, disk, before)
    const both = nas.journal.mark()
    await nas.plug(disk.image, { serial: disk.serial })
    const twin = await refusal(nas, disk, both)
    expect(twin['MESSAGE']).toContain('copies of each other')
    expect((await statusOf(nas, disk)).state).toBe('refused')
    await nas.run(['udevadm', 'trigger', '--settle', '--subsystem-match=block', '--action=change'])
    expect((await statusOf(nas, disk)).state).toBe('refused')
    expect(nas.journal.events({ event: ['pool-imported', 'disk-arrived'], after: before })).toEqual([])
    expect(nas.journal.events({ event: 'disk-refused', after: both })).toHaveLength(1)
    expect(await Promise.all([disk.image, copy].map(fingerprintOfImage))).toEqual([print, printOfCopy])

    const alone = nas.journal.mark()
    await nas.pull(copy)
    await expectSafe(nas, disk, alone)
    expect(await fingerprintOfImage(copy)).toBe(printOfCopy)
    await expectFullCopy(s, home, disk)
  },
)
