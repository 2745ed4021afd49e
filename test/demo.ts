// `npm run demo`: walkaway at work, in the terminal. Real kernel, real OpenZFS, real hot-plug, in a virtual machine; the
// lines in the middle are the journal of the service as it writes it. Prints plain text, ends with 0, leaves nothing behind.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { createDisk, type Disk } from './vm/disk.ts'
import { makeLayer } from './vm/layers.ts'
import { builtPackage, diskLink, type Machine, startMachine } from './vm/machine.ts'

type BackupDisk = {
  readonly name: string
  readonly serial: string
  readonly poolGuid: string
  readonly image: Disk
}

const root = join(import.meta.dirname, '..')
// Seconds where the machine has a computer to itself; many minutes where it shares two cores with others.
const visitDeadlineMs = 900_000

const tell = (text = '') => process.stdout.write(`${text}\n`)

function heading(text: string): void {
  tell()
  tell(process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text)
  tell()
}

async function main(): Promise<void> {
  tell('Offsite backups with walkaway, on a small server in a virtual machine.')
  tell()
  buildPackage()
  await makeLayer('installed', builtPackage())

  const nas = await startMachine({ layer: 'installed', name: 'nas' })
  try {
    await story(nas)
  } finally {
    await nas.close()
  }
}

function buildPackage(): void {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'package'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the package could not be built:\n${stdout}${stderr}`)
}

async function story(nas: Machine): Promise<void> {
  tell('The server "nas" keeps its files in the ZFS pool "tank":')
  tell()
  tell(indent(await nas.script('zfs list -r -o name,used,mountpoint tank')))

  const [first, second] = await Promise.all([
    newDisk(nas, 'offsite-1', 'WD-DEMO-0001'),
    newDisk(nas, 'offsite-2', 'WD-DEMO-0002'),
  ])
  const configuration = configurationFor([first, second])
  tell()
  tell('Two USB disks, each with an empty pool, take turns away from home. /etc/walkaway/config.yaml:')
  tell()
  tell(indent(configuration))
  await nas.writeFile('/etc/walkaway/config.yaml', configuration, { mode: '0600' })
  const startedAt = Date.now()
  nas.journal.follow((entry) => {
    const isOurs = [entry['_SYSTEMD_UNIT'], entry['OBJECT_SYSTEMD_UNIT']].includes('walkaway.service')
    if (!isOurs || Number(entry['PRIORITY'] ?? 6) > 6) return
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)
    for (const line of (entry['MESSAGE'] ?? '').split('\n'))
      tell(`${seconds} s  ${stripVTControlCharacters(line)}`)
  })

  heading('The service starts. What follows at each step is its journal.')
  await nas.run(['systemctl', 'start', 'walkaway'], { deadlineMs: 120_000 })

  heading('Disk offsite-1 is plugged in for the first time: it gets everything.')
  await visit(nas, first)

  heading('It is taken away. Meanwhile files change: a new photo, a new letter, an old one deleted.')
  await takeAway(nas, first)
  await nas.script(`
    head -c 1500000 /dev/urandom > /tank/photos/IMG_0013.jpg
    echo 'Dear Madam, thank you.' > '/tank/docs/letter 41.txt'
    rm '/tank/docs/letter 07.txt'
  `)

  heading('Disk offsite-2 is plugged in: it is new, too, and gets everything.')
  await visit(nas, second)
  await takeAway(nas, second)

  heading('Disk offsite-1 comes home again: it gets only what has changed since.')
  await visit(nas, first)

  heading('What `walkaway status` says now:')
  tell(indent((await nas.run(['walkaway', 'status'])).stdout))
  tell()
  tell('And what the three visits have sent:')
  tell()
  for (const { MESSAGE: message } of nas.journal.events({ event: 'backup-finished' }))
    tell(indent(message ?? ''))

  await nas.pull(first.image)
  await lookElsewhere([first, second])
  tell()
  tell('That is all there is to do: plug it in, walk away, and take it when walkaway says so.')
}

async function newDisk(nas: Machine, name: string, serial: string): Promise<BackupDisk> {
  const image = await createDisk({ name, sizeMb: 400 })
  const { poolGuid } = await nas.makePool(image, { serial, pool: name })
  return { name, serial, poolGuid, image }
}

function configurationFor(disks: readonly BackupDisk[]): string {
  const entries = disks.map(
    ({ name, serial, poolGuid }) =>
      `  ${name}:\n    serial: ${serial}\n    pool: ${name}\n    poolGuid: ${poolGuid}`,
  )
  return `sources:\n  - dataset: tank/docs\n  - dataset: tank/photos\ndisks:\n${entries.join('\n')}\n`
}

async function visit(nas: Machine, disk: BackupDisk): Promise<void> {
  const after = nas.journal.mark()
  await nas.plug(disk.image, { serial: disk.serial, wait: false })
  const safe = await nas.journal.waitFor(
    { event: ['safe-to-remove', 'not-safe-to-remove', 'disk-refused'], disk: disk.name },
    { deadlineMs: visitDeadlineMs, after },
  )
  if (safe['WALKAWAY_EVENT'] === 'safe-to-remove' && safe['WALKAWAY_OUTCOME'] === 'complete') return
  throw new Error(`the visit of ${disk.name} went wrong: ${safe['MESSAGE']}`)
}

async function takeAway(nas: Machine, disk: BackupDisk): Promise<void> {
  const after = nas.journal.mark()
  await nas.pull(disk.image)
  await nas.journal.waitFor({ event: 'disk-removed', disk: disk.name }, { deadlineMs: 60_000, after })
}

async function lookElsewhere(disks: readonly BackupDisk[]): Promise<void> {
  heading('Both disks are carried to another computer that never heard of walkaway. What lies on them:')
  const elsewhere = await startMachine({
    layer: 'ready',
    name: 'elsewhere',
    hostname: 'elsewhere',
    hostid: '0badcafe',
  })
  try {
    await Promise.all(disks.map(({ image, serial }) => elsewhere.plug(image, { serial })))
    for (const { name, serial, poolGuid } of disks) {
      tell(`  ${name}, imported read-only:`)
      await elsewhere.run(['zpool', 'import', '-N', '-o', 'readonly=on', '-d', diskLink(serial, 1), poolGuid])
      tell(indent(await elsewhere.script(`zfs list -r -t snapshot -o name,used,refer ${name}`)))
    }
    const copy = `${disks[0]?.name}/nas/tank/docs`
    const letters = await elsewhere.script(
      `mkdir -p /mnt/docs; mount -t zfs -o ro,zfsutil ${copy} /mnt/docs; ls /mnt/docs | tail -n 2`,
    )
    tell()
    tell(`  The newest letters in ${copy}:`)
    tell(indent(letters))
  } finally {
    await elsewhere.close()
  }
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')
}

try {
  await main()
  process.exitCode = 0
} catch (error) {
  process.stderr.write(
    `\nThe demonstration failed: ${error instanceof Error ? error.message : String(error)}\n`,
  )
  process.exitCode = 1
}
