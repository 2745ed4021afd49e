// `walkaway init DEVICE... --name NAME`: makes a backup disk of an empty one, or of one that may be erased. Looks, shows,
// asks, looks again, and only then does anything.

import { dirname, join, resolve } from 'node:path'
import type { DiskEntry } from '../config/addDisk.ts'
import { entryLines } from '../config/addDisk.ts'
import type { Config } from '../config.ts'
import { bytesInWords } from '../core/bytes.ts'
import type { BlockDevice } from '../core/model.ts'
import { chooseAshift, choosePoolName, isSolidState, type NewPool } from '../core/newPool.ts'
import { selectDatasets } from '../core/selection.ts'
import { BadInput, messageOf } from '../errors.ts'
import { type Block, createBlock } from '../linux/block.ts'
import { type DiskContents, isEmpty, readContents } from '../linux/contents.ts'
import { makeKeyFile, removeKeyFile } from '../linux/keyFile.ts'
import { oneLine } from '../linux/oneLine.ts'
import { createRun } from '../linux/run.ts'
import { readSystemUse, type SystemUse } from '../linux/systemUse.ts'
import { createUdev } from '../linux/udev.ts'
import { makeNewDisk } from '../newDisk.ts'
import { createPools, type Pools } from '../zfs/pool.ts'
import { createZfs, type Zfs } from '../zfs/zfs.ts'
import { type Asker, type Input, openAsker } from './asking.ts'
import { findDisk, type Look, lastingName, whyNotErase } from './candidates.ts'
import { type WholeDisk, wholeDisks } from './diskListing.ts'
import { explainFailure, renderCandidates, renderContents, renderNext, renderPool } from './initText.ts'
import { controlSocket } from './places.ts'
import { foresee, saveDisk, tellDaemon, usableConfig } from './saveDisk.ts'
import { lookOf, type Output } from './words.ts'

export interface InitOptions {
  /** As the person names them; none: what there is is listed. */
  readonly devices: readonly string[]
  readonly name: string | null
  /** Serials that need not be typed. */
  readonly yesErase: readonly string[]
  readonly encrypt: boolean
  readonly configFile: string
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  /** Ends the questions; what was begun is done to its end. */
  readonly interrupted: AbortSignal
  readonly socket?: string
  /** Left out: the machine's. */
  readonly machine?: InitMachine
}
export interface InitMachine {
  readonly zfs: Zfs
  readonly pools: Pools
  readonly block: Block
  readonly scan: () => Promise<readonly BlockDevice[]>
  readonly readUse: () => Promise<SystemUse>
  readonly readContents: (node: string) => Promise<DiskContents>
}

/** Returns the exit code: 0; 1 when it did not come about; 2 without a device; 4 when refused for safety. */
export async function runInit(options: InitOptions): Promise<0 | 1 | 2 | 4> {
  const { configFile, devices, stdout, stderr, interrupted } = options
  const machine = options.machine ?? (await machineOf(stderr))
  if (devices.length === 0) {
    const config = await usableConfig(configFile).catch(unlessMissing)
    stdout.write(renderCandidates(await lookAround(config, machine), lookOf(stdout)))
    stderr.write('walkaway: which disk? for example: walkaway init /dev/sdX --name offsite-1\n')
    return 2
  }
  const name = checkedName(options.name)
  const config = await usableConfig(configFile)
  const seen = await lookAround(config, machine)
  const chosen = choose(devices, seen)
  const say = (text: string): unknown => stderr.write(`walkaway: ${oneLine(text)}\n`)
  const refuse = (why: string): 4 => {
    say(`${why}; nothing was changed`)
    return 4
  }
  for (const each of chosen) {
    const why = whyNotErase(each, seen)
    if (why !== null) return refuse(`${each.disk.node} is not erased: ${why}`)
  }

  const contents = await Promise.all(chosen.map(({ disk }) => machine.readContents(disk.node)))
  const plan = await planFor({ name, chosen, contents, seen, options }, machine)
  const entry = entryFor({ name, chosen, plan }, firstGuid)
  await foresee(configFile, entry)

  for (const [at, each] of chosen.entries()) {
    const found = contents[at]
    if (found !== undefined) stdout.write(renderContents(each, found))
  }
  stdout.write(renderPool(plan))
  const tooSmall = await whyTooSmall(config, chosen, machine)
  if (tooSmall !== null) say(`warning: ${tooSmall}`)

  const asker = openAsker(options.stdin, stdout, interrupted)
  const unconfirmed = await confirm(chosen, options.yesErase, asker).finally(() => asker?.close())
  if (unconfirmed !== null) return refuse(unconfirmed)
  const changed = await whyNotNow({ plan, chosen }, config, machine)
  if (changed !== null) return refuse(changed)
  return interrupted.aborted
    ? refuse('interrupted')
    : make({ plan, chosen, entry }, { options, machine, say })
}

/** Of an entry that is only tried out: no pool has the largest number that there is. */
const firstGuid = '18446744073709551615'

/** Without a configuration the list helps to write it. */
function unlessMissing(error: unknown): null {
  if (error instanceof BadInput) return null
  throw error
}

function checkedName(name: string | null): string {
  if (name === null)
    throw new BadInput('what shall the disk be called? --name NAME is missing', {
      hint: 'for example: --name offsite-1',
    })
  return name
}

function choose(devices: readonly string[], { devices: all }: Look): readonly WholeDisk[] {
  if (devices.length > 2)
    throw new BadInput('more than two disks', { hint: 'one disk was expected, or two for a mirror' })
  const chosen = devices.map((device) => findDisk(device, all))
  if (new Set(chosen.map(({ disk }) => disk.syspath)).size < chosen.length)
    throw new BadInput('the same disk twice', { hint: 'two disks were expected for a mirror' })
  return chosen
}

async function lookAround(config: Config | null, machine: InitMachine): Promise<Look> {
  const { scan, readUse, pools, block } = machine
  const [devices, system, imported] = [await scan(), await readUse(), await pools.imported()]
  const nodes = wholeDisks(devices).map(({ disk }) => disk.node)
  const holders = await Promise.all(
    nodes.map(async (node) => [node, await block.holders({ disk: node })] as const),
  )
  return {
    devices,
    system,
    imported,
    configured: config?.disks ?? [],
    sourcePools: new Set(config?.sources.map(({ dataset }) => dataset.split('/')[0] ?? dataset)),
    holders: new Map(holders),
  }
}

interface Planning {
  readonly name: string
  readonly chosen: readonly WholeDisk[]
  readonly contents: readonly DiskContents[]
  readonly seen: Look
  readonly options: InitOptions
}

async function planFor(
  { name, chosen, contents, seen, options }: Planning,
  { block }: InitMachine,
): Promise<NewPool> {
  const others = seen.devices.filter(
    ({ diskSyspath }) => !chosen.some(({ disk }) => disk.syspath === diskSyspath),
  )
  const taken = new Set<string>([
    ...seen.imported.map((pool) => pool.name),
    ...others.flatMap(({ member }) => member?.pool ?? []),
    ...seen.configured.map(({ pool }) => pool),
    ...seen.sourcePools,
  ])
  const pool = choosePoolName(name, taken)
  const paths: string[] = []
  for (const { disk } of chosen) {
    const lasting = lastingName(disk)
    paths.push((await block.leadsTo(lasting, disk.node)) ? lasting : disk.node)
  }
  const [first = '', second] = paths
  return {
    name: pool,
    devices: second === undefined ? [first] : [first, second],
    ashift: chooseAshift(contents),
    autotrim: contents.every(isSolidState),
    keyFile: options.encrypt ? join(dirname(resolve(options.configFile)), `${pool}.key`) : null,
    overwrite:
      !contents.every(isEmpty) ||
      chosen.some(({ members }) => members.length > 0) ||
      new Set(chosen.map(({ disk }) => disk.sizeBytes)).size > 1,
  }
}

const entryFor = (
  { name, chosen, plan }: Pick<Planning, 'name' | 'chosen'> & { readonly plan: NewPool },
  poolGuid: string,
): DiskEntry => ({
  name,
  serials: chosen.flatMap(({ disk }) => disk.serials.slice(0, 1)),
  pool: plan.name,
  poolGuid,
  keyFile: plan.keyFile,
})

/** What a first backup carries of a dataset: with all its snapshots, or as it is now. */
const carriedWith = { all: ['usedbydataset', 'usedbysnapshots'], own: ['referenced'] } as const

/** Null: large enough for what the sources hold now, or that is not known. */
async function whyTooSmall(
  { sources, backup }: Config,
  chosen: readonly WholeDisk[],
  { zfs }: InitMachine,
): Promise<string | null> {
  const counted = carriedWith[backup.snapshots]
  const sizes = new Map<string, bigint>()
  for (const { dataset: root } of sources)
    try {
      const table = await zfs.propertiesBelow(root, counted)
      for (const dataset of selectDatasets(sources, [...table.keys()])) {
        const bytes = counted.map((name) => BigInt(table.get(dataset)?.get(name)?.value ?? 0))
        sizes.set(
          dataset,
          bytes.reduce((sum, each) => sum + each, 0n),
        )
      }
    } catch (error) {
      return `what the sources hold could not be read: ${messageOf(error)}`
    }
  const held = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0n)
  const room = chosen.reduce<bigint | null>(
    (least, { disk }) => (least === null || disk.sizeBytes < least ? disk.sizeBytes : least),
    null,
  )
  if (room === null || room > held) return null
  return `the sources hold about ${bytesInWords(Number(held))}, more than the ${bytesInWords(Number(room))} of the disk`
}

/** Null: every serial was typed, or given. */
async function confirm(
  chosen: readonly WholeDisk[],
  yesErase: readonly string[],
  asker: Asker | null,
): Promise<string | null> {
  for (const { disk } of chosen) {
    const isSerial = (text: string): boolean => disk.serials.some((serial) => serial === text)
    if (yesErase.length > 0) {
      if (yesErase.some(isSerial)) continue
      return `--yes-erase ${yesErase.join(', ')} is not the serial of ${disk.node}, which is ${disk.serials[0]}`
    }
    if (asker === null)
      return `there is no terminal to type the serial at; in a script: --yes-erase ${disk.serials[0]}`
    const typed = await asker.ask(
      `ALL THAT IS ON ${disk.node} WILL BE GONE. To go on, type its serial (${disk.serials[0]}): `,
    )
    if (typed === null || !isSerial(typed)) return `that is not the serial of ${disk.node}`
  }
  return null
}

/** A person thinks for a while: everything is looked at again, and each disk claimed once, before anything is done. */
async function whyNotNow(
  { plan, chosen }: Pick<Making, 'plan' | 'chosen'>,
  config: Config,
  machine: InitMachine,
): Promise<string | null> {
  const seen = await lookAround(config, machine)
  for (const { disk } of chosen) {
    const now = wholeDisks(seen.devices).find((each) => each.disk.syspath === disk.syspath)
    if (now === undefined || now.disk.diskSeq !== disk.diskSeq || now.disk.serials[0] !== disk.serials[0])
      return `${disk.node} is not the disk any more that it was a moment ago`
    const why = whyNotErase(now, seen)
    if (why !== null) return `${disk.node} is not erased: ${why}`
    const claimed = await machine.block.release(disk, { spinDown: false })
    if (claimed.kind === 'held') return `${disk.node} is not erased: in use by ${claimed.holders.join(', ')}`
    if (claimed.kind === 'gone') return `${disk.node} is gone`
    if (claimed.kind === 'failed') return `${disk.node} is not erased: ${claimed.reason}`
  }
  // The pool is made by these paths: a link may lead to a disk that was plugged in meanwhile.
  for (const [at, path] of plan.devices.entries()) {
    const node = chosen[at]?.disk.node ?? ''
    if (path !== node && !(await machine.block.leadsTo(path, node)))
      return `${path} does not lead to ${node} any more`
  }
  return null
}

interface Making {
  readonly plan: NewPool
  readonly chosen: readonly WholeDisk[]
  readonly entry: DiskEntry
}

async function make(
  { plan, chosen, entry }: Making,
  work: {
    readonly options: InitOptions
    readonly machine: InitMachine
    readonly say: (text: string) => unknown
  },
): Promise<0 | 1> {
  const { options, machine, say } = work
  const { configFile, stdout, socket = controlSocket } = options
  const { keyFile } = plan
  if (keyFile !== null) await makeKeyFile(keyFile)
  stdout.write('Making the pool ...\n')
  const result = await makeNewDisk(
    plan,
    chosen.map(({ disk }) => disk),
    machine,
  )
  if (result.kind !== 'ready') {
    const unused = result.kind === 'not-made' && !result.uncertain
    if (unused && keyFile !== null) await removeKeyFile(keyFile)
    say(explainFailure(result, { node: chosen[0]?.disk.node ?? '', name: entry.name, keyFile }))
    return 1
  }
  stdout.write(`The pool ${plan.name} is made and exported; its GUID is ${result.guid}.\n`)
  if (keyFile !== null)
    stdout.write(
      `THE KEY IS IN ${keyFile}, AND NOWHERE ELSE. Without it nothing on the disk can ever be read. Keep a copy away from this machine (it can be typed in from paper), and not on the disk.\n`,
    )
  const made = { ...entry, poolGuid: result.guid }
  try {
    await saveDisk(configFile, made)
  } catch (error) {
    say(`${configFile} could not be changed: ${messageOf(error)}; the disk is ready all the same`)
    stdout.write(`Put this below "disks:" in ${configFile}:\n${entryLines(made).join('\n')}\n`)
    return 1
  }
  stdout.write(`${entry.name} was added to ${configFile}.\n`)
  const told = await tellDaemon(socket, made)
  stdout.write(renderNext(told, entry.name, configFile))
  return told.kind === 'problem' ? 1 : 0
}

async function machineOf(stderr: Output): Promise<InitMachine> {
  const run = createRun()
  const udev = await createUdev({ run, onWarning: (text) => stderr.write(`walkaway: ${text}\n`) })
  return {
    zfs: createZfs(run),
    pools: createPools({ run }),
    block: createBlock({ run }),
    scan: () => udev.scan(),
    readUse: readSystemUse,
    readContents: (node) => readContents(node, run),
  }
}
