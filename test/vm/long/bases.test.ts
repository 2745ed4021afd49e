// What an increment goes on from: snapshots that were there before walkaway, a bookmark alone, and nothing at all.
import { expect } from 'vitest'
import {
  byHand,
  lookElsewhere,
  setUpHome,
  snapshotsUnder,
  startService,
  streamsSince,
  takeAway,
  visitWith,
} from '../home.ts'
import { scenario } from '../scenario.ts'

scenario(
  'first full with existing snapshots; then a bookmark-only base, and a base pruned on both sides',
  async (s) => {
    const sources = [{ dataset: 'tank/docs' }, { dataset: 'tank/photos' }]
    const home = await setUpHome(s, { settings: { sources } })
    const { nas, disk } = home
    await nas.script(`
      for number in 1 2 3; do
        for name in docs photos; do echo $number >> /tank/$name/diary.txt; zfs snapshot tank/$name@old-$number; done
      done
      zfs bookmark tank/docs@old-1 tank/docs#old-1
      zfs destroy tank/docs@old-1
    `)
    await startService(nas)
    const { before: first } = await visitWith(home, disk)
    await takeAway(home, disk)
    // The oldest goes whole, the others behind it.
    const both = ['tank/docs', 'tank/photos']
    expect(streamsSince(nas, first)).toEqual(
      both.flatMap((name) => [`${name} (full)`, `${name} (incremental)`]),
    )
    const afterFirst = await snapshotsUnder(nas, 'tank')
    expect(afterFirst.filter((line) => line.includes('@old-'))).toHaveLength(2 + 3)

    const onDisk = await byHand(
      home,
      disk,
      `zfs destroy ${disk.pool}/nas/tank/photos@old-1%old-3
       zfs list -Hp -r -t snapshot -o name,guid ${disk.pool}/nas/tank`,
    )
    await nas.script(`
      zfs destroy tank/docs@%
      zfs destroy tank/photos@$(zfs list -H -o name -t snapshot tank/photos | tail -n 1 | cut -d @ -f 2)
      zfs list -H -o name -t bookmark -r tank/photos | xargs -n 1 zfs destroy
      for number in 1 2; do echo new-$number >> /tank/docs/diary.txt; zfs snapshot tank/docs@new-$number; done
      echo new > /tank/photos/new.txt
      zpool sync tank
    `)
    const kept = await snapshotsUnder(nas, 'tank')
    expect(kept.filter((line) => line.startsWith('/docs'))).toHaveLength(2)

    const { before } = await visitWith(home, disk, { outcome: 'partial' })
    // A bookmark is a base for one snapshot; the others follow from there.
    expect(streamsSince(nas, before)).toEqual(['tank/docs (incremental)', 'tank/docs (incremental)'])
    const failed = nas.journal.events({ event: 'dataset-failed', after: before })
    expect(failed.map((entry) => entry['WALKAWAY_DATASET'])).toEqual(['tank/photos'])
    expect(failed[0]?.['MESSAGE']).toMatch(
      /no longer has a snapshot or bookmark in common with the copy on the disk \(newest there: @walkaway_\w+, GUID \d+\); nothing was changed: rename the copy/,
    )

    const source = await snapshotsUnder(nas, 'tank')
    expect(source).toEqual(expect.arrayContaining([...kept]))
    await lookElsewhere(s, home, disk, async (elsewhere, root) => {
      const copy = await snapshotsUnder(elsewhere, `${root}/tank`)
      const prefix = `${root}/tank`
      const before = onDisk
        .trimEnd()
        .split('\n')
        .map((line) => line.slice(prefix.length))
      expect(copy).toEqual(expect.arrayContaining(before))
      // What is there besides is the source's own, and of the photos nothing.
      const added = copy.filter((line) => !before.includes(line))
      expect(added).toEqual(source.filter((line) => line.startsWith('/docs')))
      // Everything that was on the source at the first visit was on the disk after it, with the source's GUID.
      const pruned = afterFirst.filter((line) => /^\/photos@old-/.test(line))
      expect([...before, ...pruned].sort()).toEqual(afterFirst)
    })
  },
)
