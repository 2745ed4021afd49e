// What datasets are like inside comes along as it is; what they must not do on a backup disk is not in force there.
import { expect } from 'vitest'
import {
  fingerprintOf,
  lookElsewhere,
  mountCopy,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  takeAway,
  travelled,
  visitWith,
} from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'

const inside = ['recordsize', 'dnodesize', 'xattr', 'compression', 'volblocksize', 'volsize']
const limits = ['quota', 'refquota', 'reservation', 'refreservation']

scenario(
  'blocks, dnodes and attributes as they are; limits larger than the disk, readonly and volmode not in force',
  async (s) => {
    const names = ['fine', 'kept', 'thick', 'sparse']
    const sources = names.map((name) => ({ dataset: `tank/${name}` }))
    const home = await setUpHome(s, { settings: { sources } })
    const { nas, disk } = home
    await nas.script(`
      zfs create -o recordsize=1M -o dnodesize=auto -o xattr=sa -o compression=zstd tank/fine
      head -c 3M /dev/urandom > /tank/fine/large.bin
      yes 'the same line' | head -c 2M > /tank/fine/lines.txt || true
      echo described > /tank/fine/described.txt
      for number in 1 2 3; do
        setfattr -n user.note-$number -v "$(head -c 600 /dev/urandom | base64 --wrap=0)" /tank/fine/described.txt
      done
      zfs create -o quota=2G -o refquota=1G -o refreservation=900M -o reservation=1G tank/kept
      echo kept > /tank/kept/file.txt
      zfs create tank/kept/child
      echo child > /tank/kept/child/file.txt
      zfs set readonly=on tank/kept/child
      zfs create -V 1G -o volmode=dev tank/thick
      zfs create -s -V 8G -o volmode=full tank/sparse
      udevadm settle
      for name in thick sparse; do dd if=/dev/urandom of=/dev/zvol/tank/$name bs=1M count=2 seek=7 oflag=direct status=none; done
      zpool sync tank
    `)
    const reserved = await propertyOf(nas, 'refreservation', 'tank/thick')
    expect(BigInt(reserved)).toBeGreaterThan(1024n ** 3n)
    await startService(nas)
    await visitWith(home, disk)
    await takeAway(home, disk)

    // The next streams bring the limits again, and other ones.
    await nas.script(`
      zfs set quota=3G tank/kept
      zfs set readonly=off refreservation=800M tank/kept/child
      for name in fine kept kept/child; do echo later > /tank/$name/later.txt; done
      for name in thick sparse; do dd if=/dev/urandom of=/dev/zvol/tank/$name bs=1M count=1 oflag=direct status=none; done
      zfs set readonly=on tank/kept/child
      zpool sync tank
    `)
    const { before } = await visitWith(home, disk)
    expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
      outcome: 'complete',
      datasets: { total: 5, sent: 5, unchanged: 0, failed: 0 },
    })

    const all = [...names, 'kept/child']
    const source = travelled(await snapshotsUnder(nas, 'tank'), nas, before)
    const content = await Promise.all(all.map((name) => insideOf(nas, `tank/${name}`)))
    const attributes = await attributesOf(nas, '/tank/fine/described.txt')
    const volumes = [await volumeOf(nas, 'tank/thick'), await volumeOf(nas, 'tank/sparse')]
    await lookElsewhere(s, home, disk, async (elsewhere, root) => {
      expect(await snapshotsUnder(elsewhere, `${root}/tank`)).toEqual(source)
      const there = await Promise.all(all.map((name) => insideOf(elsewhere, `${root}/tank/${name}`)))
      expect(there).toEqual(content)

      expect(await tableOf(elsewhere, limits, `${root}/tank`)).toEqual(new Set(['0', '-']))
      for (const name of all)
        expect(await propertyOf(elsewhere, 'readonly', `${root}/tank/${name}`)).toBe('on')
      for (const name of ['thick', 'sparse'])
        expect(await propertyOf(elsewhere, 'volmode', `${root}/tank/${name}`)).toBe('none')
      await elsewhere.run(['udevadm', 'settle'])
      expect((await elsewhere.run(['sh', '-c', 'ls /dev/zvol'], { reject: false })).stdout).not.toContain(
        disk.pool,
      )

      // So that a restore gives them back.
      const GiB = 1024 ** 3
      expect(await propertyOf(elsewhere, 'walkaway:limits', `${root}/tank/kept`)).toBe(
        `quota=${3 * GiB} refquota=${GiB} reservation=${GiB} refreservation=${900 * 1024 ** 2}`,
      )
      expect(await propertyOf(elsewhere, 'walkaway:limits', `${root}/tank/kept/child`)).toBe(
        `refreservation=${800 * 1024 ** 2}`,
      )
      for (const name of all)
        expect(await marksOf(elsewhere, `${root}/tank/${name}`)).toEqual([
          ['walkaway:source', `tank/${name}`],
          ['walkaway:host', 'nas'],
          ['walkaway:mode', 'plain'],
        ])

      for (const name of ['fine', 'kept']) {
        const folder = await mountCopy(elsewhere, `${root}/tank/${name}`)
        expect(await fingerprintOf(elsewhere, folder)).toBe(await fingerprintOf(nas, `/tank/${name}`))
        if (name === 'fine') expect(await attributesOf(elsewhere, `${folder}/described.txt`)).toBe(attributes)
        await elsewhere.run(['umount', '--recursive', folder])
      }
      await elsewhere.script(`
        newest() { zfs list -H -o name -t snapshot -s createtxg -d 1 "$1" | tail -n 1; }
        for name in thick sparse; do
          zfs send "$(newest "${root}/tank/$name")" | zfs receive "tank/$name"
        done
        udevadm settle
        zfs set "$(zfs get -H -o value walkaway:limits ${root}/tank/thick)" tank/thick
      `)
      // What ZFS itself had made of the volume's size.
      expect(await propertyOf(elsewhere, 'refreservation', 'tank/thick')).toBe(reserved)
      expect([await volumeOf(elsewhere, 'tank/thick'), await volumeOf(elsewhere, 'tank/sparse')]).toEqual(
        volumes,
      )
    })
  },
)

const get = async (machine: Machine, columns: string, names: readonly string[], ...rest: readonly string[]) =>
  (await machine.run(['zfs', 'get', '-Hp', '-o', columns, names.join(','), ...rest])).stdout.trimEnd()

const propertyOf = (machine: Machine, property: string, dataset: string) =>
  get(machine, 'value', [property], dataset)

/** Every value that one of these properties has on the dataset or on one below it. */
const tableOf = async (machine: Machine, names: readonly string[], dataset: string) =>
  new Set((await get(machine, 'value', names, '-r', '-t', 'filesystem,volume', dataset)).split('\n'))

/** What is in the dataset is written like this. */
const insideOf = (machine: Machine, dataset: string) => get(machine, 'property,value', inside, dataset)

/** What the copy itself says of itself. */
const marksOf = async (machine: Machine, dataset: string) =>
  (
    await get(
      machine,
      'property,value',
      ['walkaway:source', 'walkaway:host', 'walkaway:mode'],
      '-s',
      'local',
      dataset,
    )
  )
    .split('\n')
    .map((line) => line.split('\t'))

/** The first 16 MiB, where all that was written is. */
const volumeOf = (machine: Machine, dataset: string) =>
  machine.script(`head -c 16M /dev/zvol/${dataset} | sha256sum`)

const attributesOf = (machine: Machine, path: string) =>
  machine.script(`cd "$(dirname '${path}')"; getfattr -d "$(basename '${path}')"`)
