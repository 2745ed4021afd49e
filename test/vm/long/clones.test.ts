// Clones on the source and on the disk: sent as clones of what the disk has, promoted on the source, promoted by hand on the
// disk. Nothing is ever destroyed for it, and what cannot go on says how it can.
import { expect } from 'vitest'
import {
  type BackupDisk,
  lookElsewhere,
  mountCopy,
  setUpHome,
  snapshotsUnder,
  startService,
  takeAway,
  visitWith,
} from '../home.ts'
import { diskLink, type Machine } from '../machine.ts'
import { type Scenario, scenario } from '../scenario.ts'

scenario(
  'clones: sent as clones, promoted by hand on the disk: a clear message, nothing destroyed',
  async (s) => {
    const home = await setUpHome(s)
    const { nas, disk } = home
    await nas.script(`
    zfs snapshot tank/photos@before
    zfs clone tank/photos@before tank/edited
    echo edited > /tank/edited/note.txt
    head -c 32 /dev/urandom > /root/key
    zfs create -o encryption=on -o keyformat=raw -o keylocation=file:///root/key tank/secret
    echo secret > /tank/secret/note.txt
    zfs snapshot tank/secret@before
    zfs clone tank/secret@before tank/disclosed
    echo disclosed > /tank/disclosed/note.txt
    zpool sync tank
  `)
    await startService(nas)
    const first = await visitWith(home, disk)
    expect(sentAs(nas, first.before)).toMatchObject({
      'tank/edited': 'as a clone',
      'tank/disclosed': 'as a clone',
    })
    await takeAway(home, disk)

    // A clone of the newest that the disk has: its promotion takes that along.
    await nas.script(`
    newest=$(zfs list -H -t snapshot -o name -s createtxg tank/docs | tail -n 1)
    zfs clone "$newest" tank/docs2
    zpool sync tank
  `)
    const second = await visitWith(home, disk)
    expect(sentAs(nas, second.before)).toMatchObject({ 'tank/docs2': 'as a clone' })
    await takeAway(home, disk)

    const onDisk = await atTheOtherPlace(s, disk, async (elsewhere) => {
      expect(await originOf(elsewhere, 'offsite-1/nas/tank/edited')).toBe('offsite-1/nas/tank/photos@before')
      expect(await originOf(elsewhere, 'offsite-1/nas/tank/disclosed')).toBe(
        'offsite-1/nas/tank/secret@before',
      )
      await elsewhere.run(['zfs', 'promote', 'offsite-1/nas/tank/docs2'])
      return guidsUnder(elsewhere, 'offsite-1/nas')
    })
    // The source's turn: the base goes to the clone, its bookmark stays.
    await nas.script(`
    zfs promote tank/edited
    for name in docs photos edited; do echo changed >> "/tank/$name/note.txt"; done
    zpool sync tank
  `)
    const third = await visitWith(home, disk, { outcome: 'partial' })
    const failed = nas.journal.events({ event: 'dataset-failed', after: third.before })
    expect(failed.map((entry) => entry['WALKAWAY_DATASET'])).toEqual(['tank/docs'])
    expect(failed[0]?.['MESSAGE']).toMatch(
      /they went to offsite-1\/nas\/tank\/docs2, .*nothing was changed: zfs promote offsite-1\/nas\/tank\/docs on the disk/,
    )
    expect(sentAs(nas, third.before)).toMatchObject({
      'tank/photos': 'incremental',
      'tank/edited': 'incremental',
    })
    await lookElsewhere(s, home, disk, async (elsewhere, root) => {
      expect(await guidsUnder(elsewhere, root)).toEqual(expect.arrayContaining([...onDisk]))
      const folder = await mountCopy(elsewhere, `${root}/tank/edited`)
      expect(await elsewhere.readFile(`${folder}/note.txt`)).toContain('edited\nchanged\n')
    })
  },
)

/** How each dataset was sent: the words in brackets. */
const sentAs = (nas: Machine, after: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    nas.journal
      .events({ event: 'dataset-sent', after })
      .map((entry) => [entry['WALKAWAY_DATASET'], / sent \((.*?)\)/.exec(entry['MESSAGE'] ?? '')?.[1] ?? '']),
  )

const originOf = async (machine: Machine, dataset: string): Promise<string> =>
  (await machine.run(['zfs', 'get', '-H', '-o', 'value', 'origin', dataset])).stdout.trim()

const guidsUnder = async (machine: Machine, dataset: string): Promise<readonly string[]> =>
  (await snapshotsUnder(machine, dataset)).map((line) => line.split('\t')[1] ?? '').sort()

/** Somebody uses the disk by hand where it is kept; it is exported properly afterwards. */
async function atTheOtherPlace<T>(
  { secondMachine }: Scenario,
  disk: BackupDisk,
  work: (elsewhere: Machine) => Promise<T>,
): Promise<T> {
  const elsewhere = await secondMachine()
  await elsewhere.plug(disk.image, { serial: disk.serial })
  await elsewhere.run(['zpool', 'import', '-N', '-d', diskLink(disk.serial, 1), disk.poolGuid])
  const found = await work(elsewhere)
  await elsewhere.run(['zpool', 'export', disk.pool])
  await elsewhere.close()
  return found
}
