// What nearly every scenario begins with and ends with: a configured server with backup disks out of their boxes, and
// the look at a disk from another computer that has never heard of walkaway.
import { expect } from 'vitest'
import { stringify } from 'yaml'
import type { Disk } from './disk.ts'
import type { JournalEntry, Mark } from './journal.ts'
import { diskLink, type Machine } from './machine.ts'
import type { Scenario } from './scenario.ts'

export type BackupDisk = {
  readonly name: string
  readonly serial: string
  readonly pool: string
  readonly poolGuid: string
  readonly image: Disk
}

export type Home = {
  readonly nas: Machine
  readonly disks: readonly BackupDisk[]
  /** The first of them. */
  readonly disk: BackupDisk
}

/** Settings beside `sources` and `disks`; `sources` replaces the default, which is the whole of tank. */
export type Settings = Readonly<Record<string, unknown>>

/** A server with walkaway installed and configured, not yet started, and `count` empty backup disks, not plugged in. */
export async function setUpHome(
  { startMachine, createDisk }: Scenario,
  {
    disks: count = 1,
    sizeMb = 600,
    settings = {},
  }: { readonly disks?: number; readonly sizeMb?: number; readonly settings?: Settings } = {},
): Promise<Home> {
  const nas = await startMachine({ layer: 'installed' })
  const disks: BackupDisk[] = []
  for (let number = 1; number <= count; number++) {
    const name = `offsite-${number}`
    const serial = `WDOFFSITE000${number}`
    const image = await createDisk(name, { sizeMb })
    disks.push({ name, serial, pool: name, image, ...(await nas.makePool(image, { serial, pool: name })) })
  }
  await configure(nas, disks, settings)
  const [disk] = disks
  if (disk === undefined) throw new Error('a home without a disk')
  return { nas, disks, disk }
}

/** Writes the configuration; the service is not told. */
export async function configure(
  nas: Machine,
  disks: readonly Omit<BackupDisk, 'image'>[],
  settings: Settings = {},
): Promise<void> {
  const config = {
    sources: [{ dataset: 'tank' }],
    disks: Object.fromEntries(
      disks.map(({ name, serial, pool, poolGuid }) => [name, { serial, pool, poolGuid }]),
    ),
    log: { level: 'debug' },
    ...settings,
  }
  await nas.writeFile('/etc/walkaway/config.yaml', stringify(config), { mode: '0600' })
}

export const startService = (nas: Machine) =>
  nas.run(['systemctl', 'start', 'walkaway'], { deadlineMs: 120_000 })

/** Minutes that a visit may take under emulation before the scenario gives up. */
export const visitDeadlineMs = 600_000

/** Plugs the disk in and waits until it may be taken; then its visit had this outcome. */
export async function visitWith(
  { nas }: Home,
  disk: BackupDisk,
  { outcome = 'complete' }: { readonly outcome?: string } = {},
): Promise<{ readonly before: number; readonly safe: JournalEntry }> {
  const before = nas.journal.mark()
  await nas.plug(disk.image, { serial: disk.serial, wait: false })
  return { before, safe: await expectSafe(nas, disk, before, outcome) }
}

export async function expectSafe(
  nas: Machine,
  disk: BackupDisk,
  after: Mark,
  outcome = 'complete',
): Promise<JournalEntry> {
  const safe = await nas.journal.waitFor(
    { event: 'safe-to-remove', disk: disk.name },
    { deadlineMs: visitDeadlineMs, after },
  )
  expect(safe['WALKAWAY_OUTCOME'], safe['MESSAGE']).toBe(outcome)
  return safe
}

/** Takes a released disk away and waits until that was noticed. */
export async function takeAway({ nas }: Home, disk: BackupDisk): Promise<void> {
  const after = nas.journal.mark()
  await nas.pull(disk.image)
  await nas.journal.waitFor({ event: 'disk-removed', disk: disk.name }, { deadlineMs: 30_000, after })
}

/**
 * Somebody plugs a disk in while walkaway is stopped, imports its pool, does this to it (bash) and exports it properly.
 * The service runs afterwards, and the disk is not plugged in. Answers with what was written to stdout.
 */
export async function byHand({ nas }: Home, disk: BackupDisk, script: string): Promise<string> {
  await nas.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 120_000 })
  await nas.plug(disk.image, { serial: disk.serial })
  const link = diskLink(disk.serial, 1)
  const output = await nas.script(
    `zpool import -N -o cachefile=none -d ${link} ${disk.poolGuid}\n${script}\nzpool export ${disk.pool}`,
    { deadlineMs: 300_000 },
  )
  await nas.pull(disk.image)
  await nas.until(['test', '!', '-e', link], { deadlineMs: 30_000 })
  await startService(nas)
  return output
}

/** Every stream of the visits since then as `tank/docs (incremental)`, in order of the datasets' names. */
export const streamsSince = (nas: Machine, after: Mark): readonly string[] =>
  nas.journal
    .events({ event: 'dataset-sent', after })
    .map(({ MESSAGE = '' }) => / (\S.*) sent (\(\w+\))/.exec(MESSAGE))
    .map((match) => `${match?.[1]} ${match?.[2]}`)
    .sort()

export type DiskStatus = {
  readonly name: string
  readonly state: string
  readonly reason: string | null
  readonly lastVisit: null | Readonly<Record<string, unknown>>
} & Readonly<Record<string, unknown>>

export async function statusOf(nas: Machine, disk: { readonly name: string }): Promise<DiskStatus> {
  const { stdout } = await nas.run(['walkaway', 'status', '--json'])
  const answer = JSON.parse(stdout) as { readonly disks: readonly DiskStatus[] }
  const found = answer.disks.find(({ name }) => name === disk.name)
  if (found === undefined) throw new Error(`${disk.name} is not in the status: ${stdout}`)
  return found
}

/** `name guid` of every snapshot under a dataset, with the dataset's own path cut off: equal on source and copy. */
export async function snapshotsUnder(machine: Machine, dataset: string): Promise<readonly string[]> {
  const { stdout } = await machine.run([
    'zfs',
    'list',
    '-Hp',
    '-r',
    '-t',
    'snapshot',
    '-o',
    'name,guid',
    dataset,
  ])
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(dataset.length))
    .sort()
}

/**
 * Those of the source's snapshots that the disk must have after its visit: of the set that was taken for it only those of
 * datasets that were sent, for in the others nothing was written. `before` is a moment before the visit.
 */
export function travelled(snapshots: readonly string[], nas: Machine, before: Mark): readonly string[] {
  const told = nas.journal.events({ after: before })
  const sent = new Set(
    told.map((entry) => entry['WALKAWAY_EVENT'] === 'dataset-sent' && entry['WALKAWAY_DATASET']),
  )
  const set = told.find((entry) => entry['WALKAWAY_EVENT'] === 'snapshot-taken')?.['WALKAWAY_SNAPSHOT']
  return snapshots.filter(
    (line) => !line.includes(`@${set}\t`) || sent.has(`tank${line.slice(0, line.indexOf('@'))}`.trimEnd()),
  )
}

/** Every file below a dataset's mount point by its checksum, links and all; `exclude` are paths below it. */
export async function fingerprintOf(
  machine: Machine,
  folder: string,
  exclude: readonly string[] = [],
): Promise<string> {
  const skipped = exclude.flatMap((path) => ['-not', '-path', `./${path}`, '-not', '-path', `./${path}/*`])
  const { stdout } = await machine.run(
    [
      'bash',
      '-euo',
      'pipefail',
      '-c',
      'cd "$1"; shift; find . -type f "$@" -print0 | LC_ALL=C sort -z | xargs -0r sha256sum',
      'bash',
      folder,
      ...skipped,
    ],
    { deadlineMs: 120_000 },
  )
  return stdout
}

/**
 * Takes the disk to another computer, imports its pool there read-only, mounts every backup below `/mnt` and lets
 * `look` at it. The disk is pulled from the server first and is not plugged in anywhere afterwards.
 */
export async function lookElsewhere(
  { secondMachine }: Scenario,
  { nas }: Home,
  disk: BackupDisk,
  look: (elsewhere: Machine, root: string) => Promise<void>,
): Promise<void> {
  if (disk.image.attachedTo === nas.name) await nas.pull(disk.image)
  const elsewhere = await secondMachine()
  await elsewhere.plug(disk.image, { serial: disk.serial })
  await elsewhere.run(
    [
      'zpool',
      'import',
      '-N',
      '-R',
      '/mnt',
      '-o',
      'readonly=on',
      '-d',
      diskLink(disk.serial, 1),
      disk.poolGuid,
    ],
    { deadlineMs: 60_000 },
  )
  await look(elsewhere, `${disk.pool}/nas`)
  await elsewhere.close()
}

/** Mounts a copy and what is below it at `/mnt/copy`, as a person would who needs the files. */
export async function mountCopy(elsewhere: Machine, dataset: string): Promise<string> {
  await elsewhere.script(`
    zfs list -H -r -t filesystem -o name '${dataset}' | while IFS= read -r name; do
      folder="/mnt/copy\${name#'${dataset}'}"
      mkdir -p "$folder" 2>/dev/null || true
      mount -t zfs -o ro,zfsutil "$name" "$folder"
    done
  `)
  return '/mnt/copy'
}
