// `walkaway plan [DISK] [--json]`: what a visit would send and prune, and why. Changes nothing and needs no daemon: it reads ZFS
// itself and plans with the code of a visit.
import { loadConfig } from '../config/load.ts'
import { type Config, type ConfiguredDisk, renderMistake } from '../config.ts'
import { identify } from '../core/identity.ts'
import type { BlockDevice } from '../core/model.ts'
import { chooseNearest } from '../core/nearest.ts'
import { BadInput } from '../errors.ts'
import { createLocalCalendar } from '../linux/localCalendar.ts'
import { createRun, type Run } from '../linux/run.ts'
import { createUdev } from '../linux/udev.ts'
import { type PreviewDeps, type PreviewRequest, preview } from '../preview.ts'
import { createPools } from '../zfs/pool.ts'
import { createTransfer } from '../zfs/transfer.ts'
import { createZfs } from '../zfs/zfs.ts'
import { runtimeDirectory } from './places.ts'
import { planInJson, renderPlan } from './planText.ts'
import { lookOf, type Output } from './words.ts'

export interface PlanOptions {
  /** null: every configured disk. */
  readonly disk: string | null
  readonly json: boolean
  readonly configFile: string
  readonly stdout: Output
  readonly stderr: Output
  /** Left out: the machine's. */
  readonly machine?: PlanMachine
}
export interface PlanMachine extends PreviewDeps {
  readonly scan: () => Promise<readonly BlockDevice[]>
}

/** Returns the exit code: 0, or 2 for a mistake in the configuration. Throws `BadInput` for a disk that is not in it. */
export async function runPlan(options: PlanOptions): Promise<0 | 2> {
  const { json, configFile, stdout, stderr } = options
  const loaded = await loadConfig({ file: configFile })
  if (loaded.kind === 'rejected') {
    for (const mistake of loaded.mistakes) stderr.write(`${renderMistake(mistake)}\n`)
    return 2
  }
  const { config } = loaded
  const disks = options.disk === null ? config.disks : [findDisk(options.disk, config)]
  const machine = options.machine ?? (await planMachine(createRun(), stderr))
  const pools = await readablePools(config, machine)
  const plans = []
  for (const disk of disks)
    plans.push(await preview({ disk, config, pool: pools.get(disk.name) ?? null }, machine))
  stdout.write(
    json ? planInJson(plans) : renderPlan(plans, { ...lookOf(stdout), everySnapshot: options.disk !== null }),
  )
  return 0
}

function findDisk(wanted: string, { disks }: Config): ConfiguredDisk {
  const found =
    disks.find(({ name }) => name === wanted) ??
    disks.find(({ pool, poolGuid }) => String(pool) === wanted || String(poolGuid) === wanted)
  if (found !== undefined) return found
  const names = disks.map(({ name }) => name)
  const nearest = chooseNearest(wanted, names)
  throw new BadInput(`no disk is configured as ${wanted}`, {
    hint: nearest === null ? `there are: ${names.join(', ')}` : `did you mean ${nearest}?`,
  })
}

/** By disk, the pools that can be read: imported, at work, and with their devices there. Nothing else is asked of a pool. */
async function readablePools(
  { disks }: Config,
  { pools, scan }: PlanMachine,
): Promise<ReadonlyMap<string, PreviewRequest['pool']>> {
  const imported = await pools.imported()
  const sightings = identify(disks, await scan())
  const readable = new Map<string, PreviewRequest['pool']>()
  for (const { name, poolGuid } of disks) {
    const found = imported.find(({ guid }) => guid === poolGuid)
    if (found === undefined || sightings.get(name)?.kind !== 'present') continue
    const state = await pools.kernelState(found.name)
    if (state === 'ONLINE' || state === 'DEGRADED') readable.set(name, found.name)
  }
  return readable
}

/** This machine, with all that foreseeing a visit takes. */
export async function planMachine(run: Run, stderr: Output): Promise<PlanMachine> {
  const udev = await createUdev({ run, onWarning: (text) => stderr.write(`walkaway: ${text}\n`) })
  return {
    zfs: createZfs(run),
    pools: createPools({ run }),
    transfer: createTransfer({ run, runtimeDir: runtimeDirectory }),
    calendar: createLocalCalendar(),
    now: () => new Date(),
    scan: () => udev.scan(),
  }
}
