// Encrypted datasets through the years: sent raw, with keys that change, and while nobody has loaded them.
import { expect } from 'vitest'
import {
  fingerprintOf,
  lookElsewhere,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  streamsSince,
  takeAway,
  visitWith,
} from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'

/** What is in each dataset on the source; a copy is mounted alone, without those below it. */
const names = ['secret', 'secret/inner', 'secret/still', 'secret/child'] as const

scenario(
  'raw encrypted: full, incremental, new child, key changed between visits, key not loaded',
  async (s) => {
    const home = await setUpHome(s, { settings: { sources: [{ dataset: 'tank/secret' }] } })
    const { nas, disk } = home
    await nas.script(`
    for key in old new; do head -c 32 /dev/urandom > /root/$key.key; done
    zfs create -o encryption=on -o keyformat=raw -o keylocation=file:///root/old.key tank/secret
    for name in inner still; do zfs create tank/secret/$name; done
    for name in secret secret/inner secret/still; do echo "$name" > "/tank/$name/file.txt"; done
    zpool sync tank
  `)
    await startService(nas)
    const { before: first } = await visitWith(home, disk)
    expect(streamsSince(nas, first)).toEqual([
      'tank/secret (full)',
      'tank/secret/inner (full)',
      'tank/secret/still (full)',
    ])
    await takeAway(home, disk)

    await nas.script(`
    zfs create tank/secret/child
    for name in secret/inner secret/child; do echo more > "/tank/$name/more.txt"; done
    zpool sync tank
  `)
    const { before: second } = await visitWith(home, disk)
    expect(streamsSince(nas, second)).toEqual([
      // Its new folder for the child.
      'tank/secret (incremental)',
      'tank/secret/child (full)',
      'tank/secret/inner (incremental)',
    ])
    await takeAway(home, disk)

    await nas.script(`
    zfs change-key -o keylocation=file:///root/new.key tank/secret
    for name in secret secret/inner secret/child; do echo 'new key' > "/tank/$name/later.txt"; done
    zpool sync tank
  `)
    const files = new Map<string, string>()
    for (const name of names) files.set(name, await ownFiles(nas, `/tank/${name}`))
    await nas.script('zfs unmount tank/secret; zfs unload-key -r tank/secret')
    expect(await nas.script('zfs get -H -r -t filesystem -o value keystatus tank/secret')).toBe(
      'unavailable\n'.repeat(names.length),
    )
    const { before: third } = await visitWith(home, disk)
    expect(streamsSince(nas, third)).toEqual(
      ['tank/secret', 'tank/secret/child', 'tank/secret/inner'].map((name) => `${name} (incremental)`),
    )
    expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
      outcome: 'complete',
      datasets: { total: 4, sent: 3, unchanged: 1, failed: 0 },
    })

    // Nobody wrote to that one again: what the first visit brought is all there is to have.
    const [still] = (await snapshotsUnder(nas, 'tank/secret/still')).map((line) => `/still${line}`)
    const others = (await snapshotsUnder(nas, 'tank/secret')).filter((line) => !line.startsWith('/still@'))
    const keys = await nas.script('base64 --wrap=0 /root/old.key; echo; base64 --wrap=0 /root/new.key')
    await lookElsewhere(s, home, disk, async (elsewhere, root) => {
      expect(await snapshotsUnder(elsewhere, `${root}/tank/secret`)).toEqual([...others, still].sort())
      const modes = await elsewhere.script(`
        zfs get -H -r -t filesystem -s local -o value walkaway:mode ${root}/tank/secret
        zfs get -H -r -t filesystem -o value encryption ${root}/tank/secret
      `)
      expect(modes).toBe('raw\n'.repeat(4) + 'aes-256-gcm\n'.repeat(4))

      await elsewhere.run(
        ['sh', '-c', 'for key in old new; do read -r text; echo "$text" | base64 -d > /root/$key.key; done'],
        {
          input: `${keys}\n`,
        },
      )
      for (const name of names) {
        const dataset = `${root}/tank/${name}`
        // A key that was changed comes with the next stream: a dataset that had none since opens with the old one.
        const [right, wrong] = name === 'secret/still' ? ['old', 'new'] : ['new', 'old']
        const refused = await loadKey(elsewhere, dataset, wrong)
        expect(refused.stderr, `${name} with the ${wrong} key`).toContain('Incorrect key')
        const opened = await loadKey(elsewhere, dataset, right)
        expect(opened.exitCode, `${name} with the ${right} key: ${opened.stderr}`).toBe(0)
        await elsewhere.script(`mkdir -p /mnt/copy; mount -t zfs -o ro,zfsutil ${dataset} /mnt/copy`)
        expect(await ownFiles(elsewhere, '/mnt/copy'), name).toBe(files.get(name))
        await elsewhere.run(['umount', '/mnt/copy'])
      }
    })
  },
)

/** Checksums of the files of one dataset, without those that are mounted in it. */
const ownFiles = (machine: Machine, folder: string) =>
  fingerprintOf(machine, folder, ['inner', 'still', 'child'])

const loadKey = (machine: Machine, dataset: string, key: string | undefined) =>
  machine.run(['zfs', 'load-key', '-L', `file:///root/${key}.key`, dataset], { reject: false })
