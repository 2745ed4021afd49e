// Sources that are replicas themselves: `zfs receive -F` between two visits, into one in which something was written after
// the last one, and into one in which nobody writes.
import { expect } from 'vitest'
import {
  lookElsewhere,
  mountCopy,
  setUpHome,
  startService,
  streamsSince,
  takeAway,
  visitWith,
} from '../home.ts'
import { scenario } from '../scenario.ts'

scenario('sources received into by hand: what was taken back is a conflict, a replica goes on', async (s) => {
  const sources = [{ dataset: 'tank/written' }, { dataset: 'tank/readonly' }]
  const home = await setUpHome(s, { settings: { sources } })
  const { nas, disk } = home
  const sync = (from: string, to: string) =>
    nas.script(`
      echo ${to} >> /tank/origin/diary.txt
      head -c 300K /dev/urandom > /tank/origin/${to}.bin
      zfs snapshot tank/origin@${to}
      for name in written readonly; do
        zfs send ${from === '' ? '' : `-i @${from}`} tank/origin@${to} | zfs receive -F tank/$name
      done
      ${from === '' ? '' : `zfs destroy tank/readonly@${from}`}
    `)
  await nas.script('zfs create tank/origin')
  await sync('', 's1')
  await nas.script(`
    zfs set readonly=on tank/readonly
    head -c 300K /dev/urandom > /tank/written/local.bin
    zpool sync tank
  `)
  await startService(nas)
  await visitWith(home, disk)
  await takeAway(home, disk)
  const onDisk = (name: string) =>
    nas.script(`zfs list -Hp -o name -t bookmark tank/${name} | grep -c _same || true`)
  expect((await onDisk('readonly')).trim()).toBe('1')
  expect((await onDisk('written')).trim()).toBe('0')

  await sync('s1', 's2')
  const { before: second } = await visitWith(home, disk, { outcome: 'partial' })
  expect(streamsSince(nas, second)).toEqual(expect.arrayContaining(['tank/readonly (incremental)']))
  expect(streamsSince(nas, second)).not.toContain('tank/written (incremental)')
  const failed = nas.journal.events({ event: 'dataset-failed', after: second })
  expect(failed.map((entry) => entry['WALKAWAY_DATASET'])).toEqual(['tank/written'])
  expect(failed[0]?.['MESSAGE']).toContain('received into (zfs receive -F)?; nothing was changed')
  const [plan] = nas.journal.events({ event: 'plan-made', after: second })
  expect(plan?.['MESSAGE']).toContain('taken back by a receive (zfs receive -F), and no base any more')
  await takeAway(home, disk)

  await sync('s2', 's3')
  const { before: third } = await visitWith(home, disk, { outcome: 'partial' })
  expect(streamsSince(nas, third)).toEqual(expect.arrayContaining(['tank/readonly (incremental)']))
  const files = await nas.script('cd /tank/readonly; sha256sum *')

  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    const folder = await mountCopy(elsewhere, `${root}/tank/readonly`)
    expect(await elsewhere.script(`cd ${folder}; sha256sum *`)).toBe(files)
    await elsewhere.script('umount /mnt/copy')
    // As the first visit has left it, with what was written there.
    await mountCopy(elsewhere, `${root}/tank/written`)
    const left = (await elsewhere.script('ls /mnt/copy')).trim().split('\n')
    expect(left).toEqual(['diary.txt', 'local.bin', 's1.bin'])
  })
})
