// A disk goes bad where nobody looks. A scrub at the end of a visit reads all of it, and says which file is damaged.
import { open } from 'node:fs/promises'
import { expect } from 'vitest'
import { configure, setUpHome, startService, takeAway, visitWith } from '../home.ts'
import { scenario } from '../scenario.ts'

scenario(
  'scrub: runs when due; a block that went bad makes the visit partial, with the name of its file',
  async (s) => {
    const home = await setUpHome(s, { settings: { finish: { scrubEvery: '60d' } } })
    const { nas, disk, disks } = home
    await nas.script('head -c 4M /dev/urandom > /tank/valuable.bin; zpool sync tank')
    // Within one record, and of what does not compress: on the disk it is as it is here.
    const needle = await nas.script(
      'dd if=/tank/valuable.bin bs=1 skip=1000000 count=64 status=none | base64 --wrap=0',
    )
    await startService(nas)
    const first = await visitWith(home, disk)
    expect(nas.journal.events({ event: 'scrub-finished', after: first.before })).toHaveLength(1)
    await takeAway(home, disk)

    await overwrite(disk.image.path, Buffer.from(needle, 'base64'))
    await configure(nas, disks, { finish: { scrubEvery: '1s' } })
    await nas.run(['systemctl', 'reload', 'walkaway'])
    const second = await visitWith(home, disk, { outcome: 'partial' })
    expect(second.safe['MESSAGE']).toContain('/valuable.bin')
    expect(nas.journal.events({ event: 'dataset-failed', after: second.before })).toEqual([])
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
  },
)

/** Writes zeros over the bytes, which must be there just once. */
async function overwrite(path: string, bytes: Buffer): Promise<void> {
  const image = await open(path, 'r+')
  try {
    const chunk = Buffer.alloc(16 * 1024 * 1024)
    const found = new Set<number>()
    for (let start = 0; ; start += chunk.length - bytes.length) {
      const { bytesRead } = await image.read(chunk, 0, chunk.length, start)
      const read = chunk.subarray(0, bytesRead)
      for (let at = read.indexOf(bytes); at !== -1; at = read.indexOf(bytes, at + 1)) found.add(start + at)
      if (bytesRead < chunk.length) break
    }
    expect(found.size).toBe(1)
    for (const at of found) await image.write(Buffer.alloc(bytes.length), 0, bytes.length, at)
    await image.sync()
  } finally {
    await image.close()
  }
}
