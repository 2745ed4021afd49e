// Many datasets of which none, a few or all have changed: a whole visit against what a user would run instead, syncoid and
// a plain `zfs send -R -I | zfs recv`, in turn; and how a visit without changes grows with the number of datasets. Each
// has a tree of its own on both pools, so that none has to look at what another one left.
import { say } from '../vm/cache.ts'
import type { Disk } from '../vm/disk.ts'
import { type BackupDisk, configure, expectSafe, startService, streamsSince } from '../vm/home.ts'
import { diskLink, type Machine } from '../vm/machine.ts'
import { commandsSince, millisOf } from './commands.ts'
import { median, print, printSpread } from './figures.ts'
import { unpackPackages } from './packages.ts'

const datasets = 60
const manyDatasets = 240
const rounds = 3
const hourMs = 3_600_000

const cases = [
  { name: 'nothing changed', changed: 0, leastOfSyncoid: 15, leastOfPipe: 4 },
  { name: '3 changed', changed: 3, leastOfSyncoid: 15, leastOfPipe: 4 },
  { name: 'all changed', changed: datasets, leastOfSyncoid: null, leastOfPipe: 1 },
] as const

/** What a user would run instead, with the pool imported. `$1` is the number of the run; the first one is 1. */
const scripts = {
  syncoid: (pool: string) => `syncoid --quiet --recursive --recvoptions=u tank/syncoid ${pool}/syncoid`,
  pipe: (pool: string) => `
    zfs snapshot -r tank/pipe@run-$1
    if [ "$1" = 1 ]; then zfs send -R tank/pipe@run-1; else zfs send -R -I "@run-$(($1 - 1))" "tank/pipe@run-$1"; fi |
      zfs recv -u -F ${pool}/pipe`,
} as const
const trees = ['tank/walkaway', ...Object.keys(scripts).map((tool) => `tank/${tool}`)]

export async function measureReplication(machine: Machine, image: Disk): Promise<void> {
  print(
    `replication: ${datasets} datasets, ${rounds} rounds in turn; from pool imported to ready for its export`,
  )
  const serial = 'WDBENCH0002'
  const pool = 'bench-many'
  const disk = { name: 'many', serial, pool, image, ...(await machine.makePool(image, { serial, pool })) }
  // A computer that has others to serve must not be taken for a service that hangs.
  await machine.writeFile(
    '/run/systemd/system/walkaway.service.d/bench.conf',
    '[Service]\nTimeoutStartSec=infinity\nWatchdogSec=0\n',
  )
  await machine.run(['systemctl', 'daemon-reload'])
  await unpackPackages(machine, ['sanoid', 'pv', 'mbuffer'])
  say(`Creating ${trees.length} times ${datasets} datasets ...`)
  for (const tree of trees) await growTree(machine, tree, 1, datasets)
  const bench = { machine, disk }
  const pipe = createShell(bench, 'pipe')
  const syncoid = createShell(bench, 'syncoid')
  say('Their first backups ...')
  for (const first of [() => visitOnce(bench, datasets), pipe, syncoid]) await first()

  let smallMs = Number.NaN
  for (const { name, changed, leastOfSyncoid, leastOfPipe } of cases) {
    const times: Record<'walkaway' | 'pipe' | 'syncoid', number[]> = { walkaway: [], pipe: [], syncoid: [] }
    for (let round = 0; round < rounds; round++) {
      say(`${name}, round ${round + 1} of ${rounds} ...`)
      await change(machine, changed)
      const turns = [
        async () => times.walkaway.push(await visitOnce(bench, changed)),
        async () => times.pipe.push(await pipe()),
        async () => times.syncoid.push(await syncoid()),
      ]
      for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn()
    }
    print(`  ${name}:`)
    for (const [tool, ms] of Object.entries(times)) printSpread(`  ${tool}`, inSeconds(ms), 1, ' s')
    for (const [tool, least] of [
      ['syncoid', leastOfSyncoid],
      ['pipe', leastOfPipe],
    ] as const) {
      const ratios = times[tool].map((ms, round) => ms / (times.walkaway[round] ?? Number.NaN))
      printSpread(`  ${tool} / walkaway`, ratios, 2)
      if (least !== null)
        print(`    target: median at least ${least}: ${median(ratios) >= least ? 'met' : 'NOT met'}`)
    }
    if (changed === 0) smallMs = median(times.walkaway)
    await change(machine, changed)
    await printCommands(bench, changed)
  }

  say(`Growing to ${manyDatasets} datasets ...`)
  await growTree(machine, trees[0] ?? '', datasets + 1, manyDatasets)
  await visitOnce(bench, null)
  const many: number[] = []
  for (let round = 0; round < rounds; round++) many.push(await visitOnce(bench, 0))
  print(`  nothing changed in ${manyDatasets} datasets:`)
  printSpread('  walkaway', inSeconds(many), 1, ' s')
  const growth = median(many) / smallMs
  print(
    `    ${growth.toFixed(2)} times what ${datasets} take; target: below 1.5: ${growth < 1.5 ? 'met' : 'NOT met'}`,
  )
  await printCommands(bench, 0)
}

interface Bench {
  readonly machine: Machine
  readonly disk: BackupDisk
}

const inSeconds = (times: readonly number[]): readonly number[] => times.map((ms) => ms / 1000)

/** The tree's own dataset is the first one, the others lie below it; each has a file. */
async function growTree(machine: Machine, tree: string, from: number, to: number): Promise<void> {
  await machine.script(
    `
    for number in $(seq -w ${from} ${to}); do
      name=${tree}/d$number
      if [ $((10#$number)) = 1 ]; then name=${tree}; fi
      zfs create "$name"
      head -c 100K /dev/urandom > "/$name/file.bin"
    done
    zpool sync tank
    `,
    { deadlineMs: hourMs },
  )
}

/** Writes to the first so many of each tree. */
async function change(machine: Machine, count: number): Promise<void> {
  await machine.script(
    `
    for tree in ${trees.join(' ')}; do
      names=$(zfs list -H -r -o name "$tree")
      for name in $(head -n ${count} <<< "$names"); do head -c 10K /dev/urandom >> "/$name/file.bin"; done
    done
    zpool sync tank
    `,
    { deadlineMs: hourMs },
  )
}

/** One visit, from plugging in to taking away, and how long its middle took. Fails if it did not send so many datasets. */
async function visitOnce(
  { machine, disk }: Bench,
  expected: number | null,
  level: 'info' | 'debug' = 'info',
): Promise<number> {
  await configure(machine, [disk], {
    sources: [{ dataset: 'tank/walkaway' }],
    keep: { disk: { last: 3, daily: 14, weekly: 8, monthly: 24, yearly: 10 }, source: { last: 2 } },
    log: { level },
  })
  await startService(machine)
  const before = machine.journal.mark()
  await machine.plug(disk.image, { serial: disk.serial, wait: false })
  await expectSafe(machine, disk, before)
  await machine.settleJournal()
  const sent = new Set(streamsSince(machine, before).map((stream) => stream.replace(/ \(\w+\)$/, ''))).size
  if (expected !== null && sent !== expected)
    throw new Error(`the visit sent ${sent} datasets, not ${expected}`)
  const [imported] = machine.journal.events({ event: 'pool-imported', after: before })
  const [finished] = machine.journal.events({ event: 'backup-finished', after: before })
  if (imported === undefined || finished === undefined) throw new Error('the visit did not tell its story')
  await machine.pull(disk.image)
  await machine.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 120_000 })
  return millisOf(finished) - millisOf(imported)
}

/** Runs that tool by hand, each time on a pool that was just imported, and says how long it took. */
function createShell({ machine, disk }: Bench, tool: keyof typeof scripts): () => Promise<number> {
  let run = 0
  return async () => {
    await machine.plug(disk.image, { serial: disk.serial })
    const output = await machine.script(
      `
      zpool import -N -o cachefile=none -d ${diskLink(disk.serial, 1)} ${disk.poolGuid}
      set -- ${++run}
      begin=$(date +%s%N)
      ${scripts[tool](disk.pool)}
      end=$(date +%s%N)
      zpool export ${disk.pool}
      echo $(( (end - begin) / 1000000 ))
      `,
      { deadlineMs: hourMs },
    )
    await machine.pull(disk.image)
    return Number(output.trim().split('\n').at(-1))
  }
}

/** Of which commands one more visit consists, the longest first. Some run at the same time. */
async function printCommands(bench: Bench, changed: number): Promise<void> {
  const { machine } = bench
  const before = machine.journal.mark()
  const tookMs = await visitOnce(bench, changed, 'debug')
  const [imported] = machine.journal.events({ event: 'pool-imported', after: before })
  const sums = new Map<string, { readonly count: number; readonly ms: number }>()
  for (const { command, durationMs } of commandsSince(machine, imported ?? before)) {
    const name = command.slice(0, 2).join(' ')
    const { count, ms } = sums.get(name) ?? { count: 0, ms: 0 }
    sums.set(name, { count: count + 1, ms: ms + durationMs })
  }
  const said = [...sums]
    .sort(([, a], [, b]) => b.ms - a.ms)
    .map(([name, { count, ms }]) => `${count} ${name} ${(ms / 1000).toFixed(1)} s`)
  print(`    one of ${(tookMs / 1000).toFixed(1)} s, and its release, in commands: ${said.join(', ')}`)
}
