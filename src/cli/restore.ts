// `walkaway restore DISK [DATASET] --to DATASET`: sends backups back, or lists what there is, or prints the commands. Works
// without the daemon and without a configuration: the machine that had both may be gone.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config.ts'
import { askStatus } from '../control/client.ts'
import { bytesInWords } from '../core/bytes.ts'
import { type DatasetName, datasetName, type PoolGuid, visitPhases } from '../core/model.ts'
import {
  explainRestoreRefusal,
  findBackups,
  isUnsafe,
  keysFor,
  type PointInTime,
  planRestore,
  type RestoreRefusal,
} from '../core/restore.ts'
import { type Located, locateDisk } from '../core/restoreDisk.ts'
import { BadInput, ImportRefused, messageOf } from '../errors.ts'
import { createBlock } from '../linux/block.ts'
import { createLuks } from '../linux/luks.ts'
import { oneLine } from '../linux/oneLine.ts'
import { createRun } from '../linux/run.ts'
import { createUdev } from '../linux/udev.ts'
import { until } from '../linux/until.ts'
import {
  lookAtBackups,
  lookAtPlace,
  type OpenDisk,
  openDisk,
  type Reachable,
  type RestoreDeps,
  readyToRestore,
  restore,
  unlockCopies,
} from '../restore.ts'
import { checkDatasets, checkSnapshots } from '../zfs/names.ts'
import { createPools } from '../zfs/pool.ts'
import { createTransfer } from '../zfs/transfer.ts'
import { createZfs } from '../zfs/zfs.ts'
import { endedBy, isInterruption, unlessInterrupted } from './interrupt.ts'
import { controlSocket } from './places.ts'
import { parsePointInTime } from './pointInTime.ts'
import {
  type Mount,
  renderBackups,
  renderDryRun,
  renderLeftOut,
  renderResult,
  renderSnapshots,
} from './restoreText.ts'
import { lookOf, type Output } from './words.ts'

export interface RestoreOptions {
  readonly disk: string
  /** null: everything. */
  readonly dataset: string | null
  /** null only with `list`. */
  readonly to: string | null
  readonly at: string | null
  readonly list: boolean
  readonly dryRun: boolean
  /** With the key of an encrypted disk; null: the one of the configuration, if any. */
  readonly keyFile: string | null
  readonly configFile: string
  readonly stdout: Output
  readonly stderr: Output
  /** Ends it in an orderly way: the disk is let go of. */
  readonly interrupted: AbortSignal
  readonly socket?: string
  /** Left out: the machine's. */
  readonly machine?: RestoreDeps
}
const deadlineMs = 5_000
const progressEveryMs = 10_000

/** Returns the exit code: 0; 1 when something could not be restored; 2 for bad usage; 4 when refused for safety. */
export const runRestore = (options: RestoreOptions): Promise<0 | 1 | 2 | 4> =>
  unlessInterrupted(options, () => restoreFrom(options))

async function restoreFrom(options: RestoreOptions): Promise<0 | 1 | 2 | 4> {
  const { stderr, interrupted } = options
  const say = (text: string): unknown => stderr.write(`walkaway: ${oneLine(text)}\n`)
  const to = options.list ? null : datasetName(checkedTo(options.to))
  const config = await configOf(options.configFile, stderr)
  const runtimeDir = mkdtempSync(join(tmpdir(), 'walkaway-restore-'))
  try {
    const machine = options.machine ?? (await machineOf(runtimeDir, options))
    const located = locateDisk({
      wanted: options.disk,
      configured: config?.disks ?? [],
      imported: await machine.pools.imported(),
      devices: await machine.scan(),
    })
    if (located.kind === 'nowhere') {
      say(located.sentence)
      return exitCodes[located.because]
    }
    const socket = options.socket ?? controlSocket
    const visit = await visitUnderWay(located.guid, socket)
    if (visit !== null) {
      say(visit)
      return 4
    }
    const luksKeyFile = config?.disks.find(({ poolGuid }) => poolGuid === located.guid)?.luks?.keyFile ?? null
    interrupted.throwIfAborted()
    return await onOpenDisk({ located, luksKeyFile }, machine, say, async (disk) => {
      // Asked, the daemon sees at once that the disk is in use, and says that it is not to be taken.
      await askStatus(socket, { version: 1, command: 'status' }, { deadlineMs }).catch((error: unknown) =>
        say(`the daemon may not know yet that the disk is in use: ${messageOf(error)}`),
      )
      interrupted.throwIfAborted()
      return to === null
        ? list(options, { disk, config, machine, say })
        : bringBack(options, { disk, config, machine, say, to, located })
    })
  } catch (error) {
    if (!(error instanceof ImportRefused)) throw error
    say(error.hint === undefined ? error.message : `${error.message}; ${error.hint}`)
    return 4
  } finally {
    rmSync(runtimeDir, { recursive: true, force: true })
  }
}

const exitCodes = { unknown: 2, absent: 1, refused: 4 } as const satisfies Record<
  Extract<Located, { readonly kind: 'nowhere' }>['because'],
  number
>

function checkedTo(to: string | null): string {
  if (to === null)
    throw new BadInput('where to? --to DATASET is missing', {
      hint: 'for example: --to tank/restored; --list shows what there is',
    })
  checkDatasets(to)
  return to
}

/** Null without a configuration, and with one that has mistakes: a disaster is no time for them. */
async function configOf(file: string, stderr: Output): Promise<Config | null> {
  if (!existsSync(file)) return null
  const loaded = await loadConfig({ file })
  if (loaded.kind === 'ok') return loaded.config
  stderr.write(
    `${file} cannot be used, so disks are known by pool name or GUID only; see: walkaway config check\n`,
  )
  return null
}

async function machineOf(runtimeDir: string, { stderr, interrupted }: RestoreOptions): Promise<RestoreDeps> {
  const run = createRun()
  const looking = createZfs(endedBy(interrupted, run))
  const onWarning = (text: string): unknown => stderr.write(`walkaway: ${text}\n`)
  const udev = await createUdev({ run, onWarning })
  return {
    zfs: {
      // What changes something is done to its end.
      ...createZfs(run),
      observe: looking.observe,
      observeIfPresent: looking.observeIfPresent,
      propertiesBelow: looking.propertiesBelow,
      receivedProperties: looking.receivedProperties,
    },
    pools: createPools({ run }),
    transfer: createTransfer({ run, runtimeDir }),
    block: createBlock({ run }),
    luks: createLuks({ run }),
    scan: () => udev.scan(),
    until,
  }
}

/** Why the daemon needs this disk for itself now; null when it does not, or is not running. */
async function visitUnderWay(guid: PoolGuid, socket: string): Promise<string | null> {
  const reply = await askStatus(socket, { version: 1, command: 'status' }, { deadlineMs })
  if ('kind' in reply) return null
  if (!reply.ok) throw new BadInput(reply.error.message)
  const disk = reply.status.disks.find(({ poolGuid }) => poolGuid === guid)
  const busy: readonly string[] = [...visitPhases, 'arriving', 'pulled', 'stuck']
  if (disk === undefined || !busy.includes(disk.state)) return null
  return `the daemon is using ${disk.name} (${disk.state}); restore when its visit is over: walkaway status`
}

/** What went wrong at work is said before, and counts more than, what went wrong when letting go. */
async function onOpenDisk<Code extends number>(
  { located, luksKeyFile }: { readonly located: Reachable; readonly luksKeyFile: string | null },
  machine: RestoreDeps,
  say: (text: string) => unknown,
  work: (disk: OpenDisk) => Promise<Code>,
): Promise<Code | 1> {
  const disk = await openDisk(located, { luksKeyFile }, machine)
  let code: Code | null = null
  try {
    code = await work(disk)
  } finally {
    try {
      await disk.close()
    } catch (error) {
      say(`the pool ${disk.pool} could not be exported again: ${messageOf(error)}`)
      code = null
    }
  }
  return code ?? 1
}

interface Work {
  readonly disk: OpenDisk
  readonly config: Config | null
  readonly machine: RestoreDeps
  readonly say: (text: string) => unknown
}

function refuse(refusal: RestoreRefusal, say: Work['say']): 2 | 4 {
  say(explainRestoreRefusal(refusal))
  return isUnsafe(refusal) ? 4 : 2
}

async function list({ dataset, stdout, interrupted }: RestoreOptions, work: Work): Promise<0 | 2 | 4> {
  const { disk, config, machine, say } = work
  const backups = await lookAtBackups(disk.pool, machine)
  interrupted.throwIfAborted()
  if (dataset === null) {
    stdout.write(renderBackups(backups, lookOf(stdout)))
    return 0
  }
  const found = findBackups({ pool: disk.pool, into: config?.backup.into ?? null, backups, wanted: dataset })
  if (found.kind === 'refused') return refuse(found.refusal, say)
  const one = backups.find(({ name }) => name === found.root)
  if (one !== undefined) stdout.write(renderSnapshots(one, lookOf(stdout)))
  return 0
}

async function bringBack(
  options: RestoreOptions,
  work: Work & { readonly to: DatasetName; readonly located: Reachable },
): Promise<0 | 1 | 2 | 4> {
  const { disk, config, machine, say, to, located } = work
  const { stdout, stderr, interrupted } = options
  const at: PointInTime = options.at === null ? null : parsePointInTime(options.at)
  const plan = planRestore({
    pool: disk.pool,
    into: config?.backup.into ?? null,
    backups: await lookAtBackups(disk.pool, machine),
    wanted: options.dataset,
    to,
    at,
    present: await lookAtPlace(to, machine),
  })
  if (plan.kind === 'refused') return refuse(plan.refusal, say)
  stderr.write(renderLeftOut(plan.leftOut))
  const sends = plan.steps.filter((step) => step.kind === 'send')
  checkDatasets(...plan.steps.map(({ target }) => target))
  checkSnapshots(sends.map(({ from }) => `${from.dataset}@${from.name}`))
  const steps = await readyToRestore(plan.steps, disk, machine)
  interrupted.throwIfAborted()
  const keyFile =
    options.keyFile ?? config?.disks.find(({ poolGuid }) => poolGuid === located.guid)?.keyFile ?? null
  if (options.dryRun) {
    stdout.write(renderDryRun(steps, { ...located, pool: disk.pool }, keyFile))
    return 0
  }
  await unlockCopies(keysFor(plan.steps), keyFile, machine)

  if (located.kind === 'connected')
    say(`the pool ${disk.pool} is in use; do not unplug the disk before it is exported again`)
  let shownAt = performance.now()
  const result = await restore(
    steps,
    {
      disk,
      to,
      signal: interrupted,
      onBegin: ({ from, target }) => {
        shownAt = performance.now()
        say(
          `sending ${from.dataset}@${from.name} to ${target}, about ${bytesInWords(Number(from.referencedBytes))}`,
        )
      },
      onProgress: ({ target }, { sentBytes, totalBytes }) => {
        if (performance.now() - shownAt < progressEveryMs) return
        shownAt = performance.now()
        const of = totalBytes === null ? '' : ` of about ${bytesInWords(totalBytes)}`
        say(`${target}: ${bytesInWords(sentBytes)}${of}`)
      },
      onRestored: ({ target }, receivedBytes) => say(`${target}: ${bytesInWords(receivedBytes)} received`),
    },
    machine,
  ).catch((error: unknown) => {
    if (!isInterruption(error, interrupted)) throw error
    say('interrupted; what was begun is gone, what was done stays')
    return null
  })
  if (result === null) return 1
  const encrypted = sends.some(({ raw }) => raw)
  const mounts = result.restored.length === 0 ? [] : await mountsOf(result.restored, to, machine)
  stdout.write(renderResult(result, { to, mounts, encrypted }))
  return result.failed.length + result.withoutLimits.length === 0 ? 0 : 1
}

/** Where what came back with a mountpoint of its own goes when it is mounted: perhaps over something that is there. */
async function mountsOf(
  restored: readonly DatasetName[],
  to: DatasetName,
  { zfs }: RestoreDeps,
): Promise<readonly Mount[]> {
  const table = await zfs.propertiesBelow(to, ['mountpoint'])
  return restored.flatMap((dataset) => {
    const { value = 'none', source } = table.get(dataset)?.get('mountpoint') ?? {}
    // Brought by a stream, or set because none could.
    const own = source === 'received' || source === 'local'
    return own && value.startsWith('/') ? [{ dataset, mountpoint: value }] : []
  })
}
