// One dataset of 300 MB through a whole visit against the same stream through a pipe of the shell, in turn; and how
// long a visit takes before its first byte and after its last.
import type { Disk } from '../vm/disk.ts'
import { configure, expectSafe, startService } from '../vm/home.ts'
import { diskLink, type Machine } from '../vm/machine.ts'
import { commandsSince, millisOf } from './commands.ts'
import { median, print, printSpread } from './figures.ts'

const pairs = 7
/**
 * A processor that is emulated is tens of times slower than a real one, its disk is not: the start of a program weighs in as
 * it does nowhere else. On a disk that is slow, too, the parts are nearer to those of a real computer.
 */
const usbBytesPerSecond = 40_000_000
const serial = 'WDBENCH0001'
const pool = 'bench-disk'
const disk = { name: 'bench', serial, pool }
const datasetMb = 300

type VisitFigures = { readonly sendMs: number; readonly beforeMs: number; readonly afterMs: number }

export async function measureVisits(machine: Machine, image: Disk): Promise<void> {
  await machine.script(
    `zfs create tank/bench && head -c ${datasetMb}M /dev/urandom > /tank/bench/file && zpool sync tank`,
    { deadlineMs: 300_000 },
  )
  const { poolGuid } = await machine.makePool(image, { serial, pool })
  const place = { ...disk, poolGuid }
  await configure(machine, [place], { sources: [{ dataset: 'tank/bench' }], log: { level: 'debug' } })
  await startService(machine)

  print(`throughput: ${datasetMb} MB, ${pairs} pairs in turn, to a disk of ${usbBytesPerSecond / 1e6} MB/s`)
  await measurePairs(machine, { image, poolGuid, bytesPerSecond: usbBytesPerSecond })

  print('throughput: the same to a disk that is as fast as the memory of this computer')
  const visits = await measurePairs(machine, { image, poolGuid })
  printSpread(
    'last udev event of the disk to the first byte, import taken out',
    visits.map(({ beforeMs }) => beforeMs / 1000),
    2,
    ' s',
  )
  printSpread(
    'last byte to safe-to-remove, export taken out',
    visits.map(({ afterMs }) => afterMs / 1000),
    2,
    ' s',
  )
  await machine.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 120_000 })
  await machine.script('zfs destroy -r tank/bench')
}

interface Place {
  readonly image: Disk
  readonly poolGuid: string
  /** Left out: as fast as it goes. */
  readonly bytesPerSecond?: number
}

async function measurePairs(machine: Machine, place: Place): Promise<readonly VisitFigures[]> {
  const visits: VisitFigures[] = []
  const shells: number[] = []
  // The first of each warms the caches and does not count. Always in this order: the shell removes what the visit left.
  for (let pair = 0; pair <= pairs; pair++) {
    const visit = await visitOnce(machine, place)
    const shellMs = await shellOnce(machine, place)
    if (pair === 0) continue
    visits.push(visit)
    shells.push(shellMs)
  }
  const ratios = visits.map(({ sendMs }, index) => (shells[index] ?? Number.NaN) / sendMs)
  const inSeconds = (all: readonly number[]) => all.map((ms) => ms / 1000)
  printSpread('through a visit', inSeconds(visits.map(({ sendMs }) => sendMs)), 2, ' s')
  printSpread('zfs send | zfs recv in a shell', inSeconds(shells), 2, ' s')
  printSpread('throughput of the visit / of the shell', ratios, 3)
  print(`  target: median at least 0.97: ${median(ratios) >= 0.97 ? 'met' : 'NOT met'}`)
  return visits
}

/** A full send of the dataset in a whole visit, from plugging in to safe-to-remove. */
async function visitOnce(machine: Machine, { image, poolGuid, ...speed }: Place): Promise<VisitFigures> {
  const before = machine.journal.mark()
  const udev = machine.start(['udevadm', 'monitor', '--udev', '--subsystem-match=block'])
  await machine.plug(image, { serial, ...speed })
  const safe = await expectSafe(machine, { ...disk, poolGuid, image }, before)
  await machine.settleJournal()
  const [sent] = machine.journal.events({ event: 'dataset-sent', after: before })
  const [imported] = machine.journal.events({ event: 'pool-imported', after: before })
  if (sent === undefined || imported === undefined) throw new Error('the visit sent nothing')
  udev.kill()

  const sendMs = Number(sent['WALKAWAY_DURATION_MS'])
  const firstByte = millisOf(sent) - sendMs
  const { stdout } = await udev.wait({ deadlineMs: 10_000 })
  const lastUdev = Math.max(...udevMillis(stdout).filter((at) => at < millisOf(imported)))
  const commandMs = (words: readonly string[]) => durationOf(machine, before, words)
  const figures = {
    sendMs,
    beforeMs: firstByte - lastUdev - commandMs(['zpool', 'import']),
    afterMs: millisOf(safe) - millisOf(sent) - commandMs(['zpool', 'export']),
  }
  await machine.pull(image)
  await machine.journal.waitFor({ event: 'disk-removed' }, { deadlineMs: 60_000, after: safe })
  return figures
}

/**
 * The same stream into the same pool by hand; leaves nothing on either side. As in a visit the pool was imported just before
 * and has freed nothing since: space maps that are loaded already make a receive faster.
 */
async function shellOnce(machine: Machine, { image, poolGuid, ...speed }: Place): Promise<number> {
  await machine.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 120_000 })
  await machine.plug(image, { serial, ...speed })
  const output = await machine.script(
    `
    import="zpool import -N -o cachefile=none -d ${diskLink(serial, 1)} ${poolGuid}"
    $import
    zfs destroy -r ${pool}/nas
    zpool sync ${pool}; zpool wait -t free ${pool}
    zpool export ${pool}
    $import
    zfs snapshot tank/bench@shell
    begin=$(date +%s%N)
    zfs send -L -c -p tank/bench@shell | zfs recv -s -u -o readonly=on -o canmount=noauto -x mountpoint ${pool}/shell
    end=$(date +%s%N)
    zfs destroy -r ${pool}/shell
    zfs list -H -t snapshot,bookmark -o name -r tank/bench | xargs -r -n 1 zfs destroy
    zpool sync ${pool}; zpool wait -t free ${pool}
    zpool export ${pool}
    echo $(( (end - begin) / 1000000 ))
    `,
    { deadlineMs: 300_000 },
  )
  await machine.pull(image)
  await startService(machine)
  return Number(output.trim())
}

const udevMillis = (text: string): readonly number[] =>
  [...text.matchAll(/^UDEV\s+\[(\d+\.\d+)\] \w+\s+\S*\/usb\d/gm)].map((match) => Number(match[1]) * 1000)

/** How long the first of these took, in milliseconds. */
function durationOf(machine: Machine, after: number, words: readonly string[]): number {
  const found = commandsSince(machine, after).find(({ command }) =>
    words.every((word, index) => command[index] === word),
  )
  if (found === undefined) throw new Error(`${words.join(' ')} is not in the journal`)
  return found.durationMs
}
