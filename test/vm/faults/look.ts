// What must be so after every round, seen from outside: on the disk from the computer elsewhere, and on the source. The
// letters are those of the guarantees.
import { type BackupDisk, fingerprintOf, mountCopy } from '../home.ts'
import { diskLink, type Machine } from '../machine.ts'
import { keptOnDisk, keptOnSource, type World } from './world.ts'

type Snapshot = { readonly dataset: string; readonly name: string; readonly guid: string }

/** Imports the pool of a disk elsewhere, and takes the disk out again. */
async function onElsewhere<T>(
  { elsewhere }: World,
  disk: BackupDisk,
  options: readonly string[],
  work: (root: string) => Promise<T>,
): Promise<T> {
  await elsewhere.plug(disk.image, { serial: disk.serial })
  const link = diskLink(disk.serial, 1)
  await elsewhere.run(
    ['zpool', 'import', '-N', '-R', '/mnt', '-o', 'cachefile=none', ...options, '-d', link, disk.poolGuid],
    { deadlineMs: 60_000 },
  )
  const result = await work(`${disk.pool}/nas/`)
  await elsewhere.run(['zpool', 'export', disk.pool], { deadlineMs: 60_000 })
  await elsewhere.pull(disk.image)
  await elsewhere.until(['test', '!', '-e', link], { deadlineMs: 30_000 })
  return result
}

/** What a person does about a disk that is full: they delete what they had put there. */
export async function removeBallast(world: World, disk: BackupDisk): Promise<void> {
  await onElsewhere(world, disk, [], () =>
    world.elsewhere.run(['zfs', 'destroy', `${disk.pool}/ballast`], { reject: false }),
  )
}

/**
 * All that is wrong, in words. The disk must be in nobody's machine, and is so afterwards. `wellSince`: what hung before in
 * the kernel was told, and the machine was reset for it.
 */
export async function lookAfter(
  world: World,
  disk: BackupDisk,
  { before, wellSince }: { readonly before: number; readonly wellSince: number },
): Promise<readonly string[]> {
  const { nas, elsewhere, seen, disks, handmade } = world
  const wrong: string[] = []
  const source = await snapshotsOf(nas, 'tank', '')
  const bookmarks = await listOf(nas, 'bookmark', 'tank')
  const files = await fingerprintOf(nas, '/tank', ['scratch'])
  const copies = await onElsewhere(world, disk, ['-o', 'readonly=on'], async (root) => {
    const tokens = await elsewhere.run([
      'zfs',
      'get',
      '-Hp',
      '-r',
      '-o',
      'value',
      'receive_resume_token',
      `${root}tank`,
    ])
    if (/[^-\n]/.test(tokens.stdout))
      wrong.push('G1: complete, with a receive that was broken off on the disk')
    const folder = await mountCopy(elsewhere, `${root}tank`)
    if ((await fingerprintOf(elsewhere, folder)) !== files)
      wrong.push('G1: the files are not those of the source')
    await elsewhere.script('umount --recursive /mnt/copy')
    return snapshotsOf(elsewhere, `${root}tank`, root)
  })

  const earlier = seen.get(disk)
  const now = byDataset(copies)
  for (const [dataset, guids] of now) {
    const had = earlier?.get(dataset) ?? []
    const kept = guids.slice(-keptOnDisk)
    const oldest = had.indexOf(kept[0] ?? '')
    const lost = had.filter(
      (guid, at) => !guids.includes(guid) && (kept.length < keptOnDisk || (oldest >= 0 && at > oldest)),
    )
    if (lost.length > 0) wrong.push(`G3: ${dataset} lost ${lost.length} snapshots that keep.disk keeps`)
    if (guids.length > keptOnDisk + 1)
      wrong.push(`${dataset} has ${guids.length} snapshots on the disk after pruning`)
  }
  for (const dataset of earlier?.keys() ?? [])
    if (!now.has(dataset)) wrong.push(`G3: ${dataset} is gone from the disk`)
  seen.set(disk, now)

  const names = new Set(source.map(({ dataset, name }) => `${dataset}@${name}`))
  for (const name of handmade) if (!names.has(name)) wrong.push(`G5: ${name} was destroyed`)
  const there = new Set([...source.map(({ guid }) => guid), ...bookmarks.map(({ guid }) => guid)])
  for (const each of disks)
    for (const [dataset, guids] of seen.get(each) ?? [])
      if (!guids.some((guid) => there.has(guid)))
        wrong.push(`G5: no base of ${dataset} for ${each.name} is left`)
  for (const [dataset, mine] of byDataset(source.filter(({ name }) => name.startsWith('walkaway_'))))
    if (mine.length > keptOnSource + disks.length)
      wrong.push(`${dataset} keeps ${mine.length} of our snapshots`)
  const marks = byDataset(bookmarks.filter(({ name }) => !name.endsWith('_same')))
  for (const [dataset, mine] of marks)
    if (mine.length > disks.length)
      wrong.push(`${dataset} has ${mine.length} bookmarks for ${disks.length} disks`)

  const holds = await nas.script('zfs list -H -r -t snapshot -o name tank | xargs zfs holds -H')
  if (holds.includes('walkaway:')) wrong.push(`a hold is left: ${holds.trim()}`)
  const mounted = await nas.run(['findmnt', '-n', '-t', 'zfs', '-o', 'SOURCE'])
  if (/^offsite/m.test(mounted.stdout)) wrong.push(`G4: mounted: ${mounted.stdout}`)
  const pools = await nas.run(['zpool', 'list', '-H', '-o', 'name,health'])
  if (!pools.stdout.includes('tank\tONLINE')) wrong.push(`the source is not well: ${pools.stdout}`)
  const bad = [
    { message: /Watchdog timeout/, after: before },
    { message: /State 'stop-sigterm' timed out/, after: before },
    { message: /blocked for more than/, after: wellSince },
  ]
  for (const pattern of bad)
    for (const entry of nas.journal.entries(pattern)) wrong.push(`G9: ${entry['MESSAGE']}`)
  return wrong
}

async function listOf(machine: Machine, type: string, dataset: string): Promise<readonly Snapshot[]> {
  const argv = ['zfs', 'list', '-Hp', '-r', '-t', type, '-s', 'createtxg', '-o', 'name,guid', dataset]
  const { stdout } = await machine.run(argv)
  return stdout.split('\n').flatMap((line) => {
    const [, owner, name, guid] = /^([^@#]+)[@#]([^\t]+)\t(\d+)$/.exec(line) ?? []
    return owner === undefined || name === undefined || guid === undefined
      ? []
      : [{ dataset: owner, name, guid }]
  })
}

/** Names as the source has them: what comes before the source's own name is cut off. Oldest first. */
const snapshotsOf = async (machine: Machine, dataset: string, root: string): Promise<readonly Snapshot[]> =>
  (await listOf(machine, 'snapshot', dataset)).map((each) => ({
    ...each,
    dataset: each.dataset.slice(root.length),
  }))

function byDataset(snapshots: readonly Snapshot[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, readonly string[]>()
  for (const { dataset, guid } of snapshots) groups.set(dataset, [...(groups.get(dataset) ?? []), guid])
  return groups
}
