// A disk that is not walkaway's alone: another host's backups are on it, or those of an older script.
import { expect } from 'vitest'
import {
  byHand,
  configure,
  expectSafe,
  fingerprintOf,
  type Home,
  lookElsewhere,
  mountCopy,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  streamsSince,
  takeAway,
  visitWith,
} from '../home.ts'
import { scenario } from '../scenario.ts'

scenario('two hosts on one disk: neither touches what is the other one’s', async (s) => {
  const settings = { sources: [{ dataset: 'tank/docs' }], keep: { disk: { last: 1 }, source: { last: 1 } } }
  const home = await setUpHome(s, { settings })
  const { nas, disk } = home
  await startService(nas)
  await visitWith(home, disk)
  await takeAway(home, disk)
  const ofNas = (await snapshotsUnder(nas, 'tank')).map((line) => `/nas/tank${line}`)

  // It has datasets of the same names, and its snapshots may have the same ones.
  const attic = await s.startMachine({
    layer: 'installed',
    name: 'attic',
    hostname: 'attic',
    hostid: '0a771c00',
  })
  const other: Home = { nas: attic, disks: [disk], disk }
  await attic.script('echo attic > /tank/docs/attic.txt; zpool sync tank')
  await configure(attic, [disk], settings)
  await startService(attic)
  await visitWith(other, disk)
  const ofAttic = (await snapshotsUnder(attic, 'tank')).map((line) => `/attic/tank${line}`)
  await attic.pull(disk.image)
  await attic.close()

  await nas.script('echo nas > /tank/docs/nas.txt; zpool sync tank')
  const { before } = await visitWith(home, disk)
  expect(streamsSince(nas, before)).toEqual(['tank/docs (incremental)'])
  const [plan] = nas.journal.events({ event: 'plan-made', after: before })
  expect(plan?.['MESSAGE']).not.toContain('attic')
  const [pruned] = nas.journal.events({ event: 'pruned', after: before })
  expect(pruned?.['MESSAGE']).toMatch(/1 old snapshot destroyed on the disk, 1 on the source/)
  const newest = (await snapshotsUnder(nas, 'tank')).map((line) => `/nas/tank${line}`)
  expect(newest).not.toEqual(ofNas)

  await lookElsewhere(s, home, disk, async (elsewhere) => {
    expect(await snapshotsUnder(elsewhere, disk.pool)).toEqual([...ofAttic, ...newest])
    const hosts = await elsewhere.script(
      `zfs get -H -r -t filesystem -s local -o name,value walkaway:host ${disk.pool}`,
    )
    expect(hosts.trimEnd().split('\n').sort()).toEqual(
      ['attic', 'nas'].flatMap((host) => [
        `${disk.pool}/${host}\t${host}`,
        `${disk.pool}/${host}/tank/docs\t${host}`,
      ]),
    )
    const text = await elsewhere.script(`zfs get -H -o value walkaway:restore ${disk.pool}`)
    for (const host of ['attic', 'nas']) {
      expect(text).toContain(`${disk.pool}/${host}/tank/docs`)
      await elsewhere.script(
        `mkdir -p /mnt/${host}; mount -t zfs -o ro,zfsutil ${disk.pool}/${host}/tank/docs /mnt/${host}`,
      )
      expect(await elsewhere.readFile(`/mnt/${host}/${host}.txt`)).toBe(`${host}\n`)
    }
  })
})

scenario(
  'a pool that an older script filled with send -R and recv -F is taken over with increments',
  async (s) => {
    const sources = [
      { dataset: 'tank/home', as: 'people' },
      { dataset: 'tank/photos', as: 'pictures' },
    ]
    const home = await setUpHome(s, { settings: { sources, backup: { into: 'backup' } } })
    const { nas, disk } = home
    const there = `${disk.pool}/backup`
    await nas.script(`
    for name in home photos; do zfs snapshot -r tank/$name@monday; done
    echo tuesday > /tank/home/anna/tuesday.txt
    for name in home photos; do zfs snapshot -r tank/$name@tuesday; done
  `)
    const listed = await byHand(
      home,
      disk,
      `
    zfs create -u ${there}
    zfs send -R tank/home@monday | zfs recv -u -F ${there}/people
    zfs send -R -I @monday tank/home@tuesday | zfs recv -u -F ${there}/people
    zfs send -R tank/photos@tuesday | zfs recv -u -F ${there}/pictures
    zfs list -Hp -r -t snapshot -o name,guid ${there}
    `,
    )
    const onDisk = listed
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(there.length))
      .sort()
    expect(onDisk).toHaveLength(3 * 2 + 2)
    await nas.script(`
    for name in home/anna photos; do echo walkaway > /tank/$name/walkaway.txt; done
    zpool sync tank
  `)

    const before = nas.journal.mark()
    await nas.plug(disk.image, { serial: disk.serial, wait: false })
    await expectSafe(nas, disk, before)
    expect(streamsSince(nas, before)).toEqual(['tank/home/anna (incremental)', 'tank/photos (incremental)'])
    expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
      outcome: 'complete',
      datasets: { total: 4, sent: 2, unchanged: 2, failed: 0 },
    })

    const set = nas.journal.events({ event: 'snapshot-taken', after: before })[0]?.['WALKAWAY_SNAPSHOT']
    const sent = (await snapshotsUnder(nas, 'tank'))
      .filter((line) => /^\/(home\/anna|photos)@/.test(line) && line.includes(`@${set}\t`))
      .map((line) => line.replace(/^\/home/, '/people').replace(/^\/photos/, '/pictures'))
    await lookElsewhere(s, home, disk, async (elsewhere) => {
      expect(await snapshotsUnder(elsewhere, there)).toEqual([...onDisk, ...sent].sort())
      for (const [source, place] of [
        ['home', 'people'],
        ['photos', 'pictures'],
      ]) {
        const folder = await mountCopy(elsewhere, `${there}/${place}`)
        expect(await fingerprintOf(elsewhere, folder)).toBe(await fingerprintOf(nas, `/tank/${source}`))
        await elsewhere.run(['umount', '--recursive', folder])
      }
    })
  },
)
