// Copies that went another way than their sources, with `backup.onConflict: set-aside`; and copies that only a person can
// bring back, brought back as the message says.
import { expect } from 'vitest'
import {
  byHand,
  lookElsewhere,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  streamsSince,
  takeAway,
  visitWith,
} from '../home.ts'
import { scenario } from '../scenario.ts'

scenario(
  'onConflict set-aside; rolled back by hand; modified by hand and rolled back as the message says',
  async (s) => {
    // Snapshotted by hand, the source rolled back, the copy rolled back, the copy modified.
    const names = ['docs', 'home/anna', 'photos', 'home/ben']
    const sources = names.map((name) => ({ dataset: `tank/${name}` }))
    const home = await setUpHome(s, { settings: { sources, backup: { onConflict: 'set-aside' } } })
    const { nas, disk } = home
    const copy = `${disk.pool}/nas/tank`
    await nas.script(
      `for name in ${names.join(' ')}; do zfs snapshot tank/$name@first; echo 1 > /tank/$name/1.txt; done`,
    )
    await startService(nas)
    await visitWith(home, disk)
    await takeAway(home, disk)

    const listed = await byHand(
      home,
      disk,
      `
      zfs snapshot ${copy}/docs@by-hand
      zfs rollback -r ${copy}/photos@first
      zfs set readonly=off ${copy}/home/ben
      mkdir -p /var/tmp/hand
      mount -t zfs -o zfsutil ${copy}/home/ben /var/tmp/hand
      echo 'by hand' > /var/tmp/hand/note.txt
      umount /var/tmp/hand
      zfs list -Hp -r -t snapshot -o name,guid ${copy}
      `,
    )
    const onDisk = listed.trimEnd().split('\n')
    await nas.script(`
      zfs rollback -r tank/home/anna@first
      for name in ${names.join(' ')}; do echo 2 > /tank/$name/2.txt; done
      zpool sync tank
    `)

    const { before: second } = await visitWith(home, disk, { outcome: 'partial' })
    const [plan] = nas.journal.events({ event: 'plan-made', after: second })
    const stamp = nas.journal
      .events({ event: 'snapshot-taken', after: second })[0]
      ?.['WALKAWAY_SNAPSHOT']?.replace('walkaway_', '')
    const asideOf = (name: string) => `${copy}/${name}_diverged_${stamp}`
    for (const name of ['docs', 'home/anna'])
      expect(plan?.['MESSAGE']).toContain(`the old copy of tank/${name} is set aside as ${asideOf(name)}: `)
    expect(plan?.['MESSAGE']).toContain('went its own way after @walkaway_')
    expect(plan?.['MESSAGE']).toContain(
      'Was the source rolled back, restored or received into (zfs receive -F)?',
    )
    expect(streamsSince(nas, second)).toEqual([
      // One whole, and what came after it.
      'tank/docs (full)',
      'tank/docs (incremental)',
      'tank/home/anna (full)',
      'tank/home/anna (incremental)',
      'tank/photos (incremental)',
    ])
    const failed = nas.journal.events({ event: 'dataset-failed', after: second })
    expect(failed.map((entry) => entry['WALKAWAY_DATASET'])).toEqual(['tank/home/ben'])
    const advice =
      /was changed after its newest snapshot, .*; nothing was changed: roll the copy back to (?<to>@\w+),/
    const to = advice.exec(failed[0]?.['MESSAGE'] ?? '')?.groups?.['to']
    expect(to, failed[0]?.['MESSAGE']).toMatch(/^@walkaway_/)
    await takeAway(home, disk)

    await byHand(home, disk, `zfs rollback ${copy}/home/ben${to}`)
    const { before: third } = await visitWith(home, disk)
    expect(streamsSince(nas, third)).toEqual(['tank/home/ben (incremental)'])
    expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
      outcome: 'complete',
      datasets: { total: 4, sent: 1, unchanged: 3, failed: 0 },
    })

    const source = await snapshotsUnder(nas, 'tank')
    await lookElsewhere(s, home, disk, async (elsewhere, root) => {
      const now = await snapshotsUnder(elsewhere, root)
      // What was there when the disk was used by hand is there, under its own name or the one that it was given.
      const kept = onDisk.map((line) =>
        line
          .replace(/\/(docs|home\/anna)@/, (_, name: string) => `/${name}_diverged_${stamp}@`)
          .slice(root.length),
      )
      expect(now).toEqual(expect.arrayContaining(kept))
      // Nothing else is there but what the source has.
      const others = now.filter((line) => !kept.includes(line)).map((line) => line.slice('/tank'.length))
      expect(source).toEqual(expect.arrayContaining(others))
      for (const name of names) {
        const folder = `/mnt/${name.replace('/', '-')}`
        await elsewhere.script(
          `mkdir -p ${folder}; mount -t zfs -o ro,zfsutil ${root}/tank/${name} ${folder}`,
        )
        expect(await elsewhere.readFile(`${folder}/2.txt`), name).toBe('2\n')
        const left = (await elsewhere.run(['ls', folder])).stdout.split('\n')
        expect(left, name).not.toContain('note.txt')
        expect(left.includes('1.txt'), name).toBe(name !== 'home/anna')
      }
    })
  },
)
