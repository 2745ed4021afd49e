// `walkaway adopt DEVICE --name NAME`: a disk that has a pool already. Looks into the pool without mounting or writing
// anything, says what it has of the sources and what the first visit will do, bookmarks on the sources what that needs, and
// puts the disk into the configuration.
import type { DiskEntry } from '../config/addDisk.ts'
import { findSecretFileFault } from '../config/load.ts'
import type { Config } from '../config.ts'
import { findKin, planFirstBases } from '../core/adoption.ts'
import { type Dataset, datasetName, diskName } from '../core/model.ts'
import { locateDisk } from '../core/restoreDisk.ts'
import { chooseSource, targetOf } from '../core/selection.ts'
import { BadInput, ImportRefused, messageOf } from '../errors.ts'
import { createBlock } from '../linux/block.ts'
import { createLuks } from '../linux/luks.ts'
import { oneLine } from '../linux/oneLine.ts'
import { createRun } from '../linux/run.ts'
import { readSystemUse, type SystemUse } from '../linux/systemUse.ts'
import { until } from '../linux/until.ts'
import { type PreviewDeps, preview } from '../preview.ts'
import { openDisk, type Reachable, type RestoreDeps } from '../restore.ts'
import type { WantedBookmark } from '../zfs/bookmarks.ts'
import { createPools } from '../zfs/pool.ts'
import { createZfs } from '../zfs/zfs.ts'
import { type Found, renderFound } from './adoptText.ts'
import { findDisk } from './candidates.ts'
import { containerOn, listDisks, type OfferedEntry, type Seen } from './diskListing.ts'
import { renderNext } from './initText.ts'
import { endedBy, unlessInterrupted } from './interrupt.ts'
import { controlSocket } from './places.ts'
import { planMachine } from './plan.ts'
import { foresee, saveDisk, tellDaemon, usableConfig } from './saveDisk.ts'
import { lookOf, type Output } from './words.ts'

export interface AdoptOptions {
  /** null: what could be adopted is listed. */
  readonly device: string | null
  readonly name: string | null
  /** With the key of a pool that is encrypted as a whole. */
  readonly keyFile: string | null
  /** Says everything, and changes nothing. */
  readonly dryRun: boolean
  readonly configFile: string
  readonly stdout: Output
  readonly stderr: Output
  /** Ends the looking, and lets go of the disk; what was begun after that is done to its end. */
  readonly interrupted: AbortSignal
  readonly socket?: string
  /** Left out: the machine's. */
  readonly machine?: AdoptMachine
}
export interface AdoptMachine extends RestoreDeps, PreviewDeps {
  readonly scan: () => Promise<Seen['devices']>
  readonly readUse: () => Promise<SystemUse>
}

/** Returns the exit code: 0; 1 when it did not come about; 2 without a device; 4 when refused for safety. */
export const runAdopt = (options: AdoptOptions): Promise<0 | 1 | 2 | 4> =>
  unlessInterrupted(options, () => adopt(options))

async function adopt(options: AdoptOptions): Promise<0 | 1 | 2 | 4> {
  const { configFile, stdout, stderr, dryRun, interrupted, socket = controlSocket } = options
  const say = (text: string): unknown => stderr.write(`walkaway: ${oneLine(text)}\n`)
  const config = await usableConfig(configFile)
  // A configuration that names such a file is refused as a whole, and every other disk with it.
  const keyFault = options.keyFile === null ? null : await findSecretFileFault('--key-file', options.keyFile)
  if (keyFault !== null) throw new BadInput(`${keyFault}; nothing was changed`)
  const machine = options.machine ?? (await machineOf(options))
  const seen: Seen = {
    devices: await machine.scan(),
    system: await machine.readUse(),
    configured: config.disks,
    sourcePools: new Set(config.sources.map(({ dataset }) => dataset.split('/')[0] ?? dataset)),
  }
  if (options.device === null) {
    const { offers } = listDisks(seen)
    for (const { pool, serials, poolGuid } of offers)
      stdout.write(`${oneLine(`${pool}, GUID ${poolGuid}, on the disk ${serials.join(', ')}`)}\n`)
    say(
      offers.length === 0
        ? 'no connected disk has a pool that could be adopted; to see why: walkaway disks'
        : 'which disk? for example: walkaway adopt /dev/sdX --name offsite-1',
    )
    return 2
  }
  const found = findOffer(options.device, seen)
  if (typeof found === 'string') {
    say(`${options.device} is not adopted: ${found}; nothing was changed`)
    return 4
  }
  const located = locateDisk({
    wanted: found.poolGuid,
    configured: [],
    imported: await machine.pools.imported(),
    devices: seen.devices,
  })
  if (located.kind === 'nowhere') {
    say(`${located.sentence}; nothing was changed`)
    return located.because === 'refused' ? 4 : 1
  }
  const entry = { ...found, name: options.name ?? found.name, pool: located.pool, keyFile: options.keyFile }
  const future = await foresee(configFile, entry)
  let released = true
  let bases: readonly WantedBookmark[] = []
  try {
    const looked = await lookInto(located, { entry, future, interrupted, say }, machine)
    bases = looked.bases
    stdout.write(renderFound(looked, lookOf(stdout)))
    if (looked.notReleased !== null)
      say(`the pool ${entry.pool} could not be exported again: ${looked.notReleased}`)
    released = looked.notReleased === null
  } catch (error) {
    if (!(error instanceof ImportRefused)) throw error
    say(`${error.message}${error.hint === undefined ? '' : `; ${error.hint}`} Nothing was changed.`)
    return 4
  }
  if (released) interrupted.throwIfAborted()
  if (dryRun || !released) {
    stdout.write('The configuration is as it was.\n')
    return released ? 0 : 1
  }
  for (const [snapshot, error] of await machine.zfs.bookmarkAll(bases))
    say(`${snapshot} could not be bookmarked (${messageOf(error)}): do not destroy it before the first visit`)
  await saveDisk(configFile, entry)
  stdout.write(`${oneLine(entry.name)} was added to ${configFile}.\n`)
  const told = await tellDaemon(socket, entry)
  stdout.write(renderNext(told, entry.name, configFile))
  return told.kind === 'problem' ? 1 : 0
}

/** A sentence when the disk is none that could be adopted. Throws `BadInput` for a disk without a pool, or with several. */
function findOffer(device: string, seen: Seen): OfferedEntry | string {
  const { disk, parts, members } = findDisk(device, seen.devices)
  const pools = [...new Set(members.map(({ poolGuid }) => poolGuid))]
  const container = containerOn({ disk, parts })
  if (pools.length === 0 && container?.luksUuid)
    throw new BadInput(`there is a LUKS container on ${disk.node}, and it is closed`, {
      hint: `open it: cryptsetup open ${container.node} NAME; then walkaway disks prints the lines for the configuration`,
    })
  if (pools.length === 0)
    throw new BadInput(`there is no pool on ${disk.node}`, {
      hint: `to make one, and erase all that is on it: walkaway init ${disk.node} --name NAME`,
    })
  if (pools.length > 1)
    throw new BadInput(`there are ${pools.length} pools on ${disk.node}; one was expected`)
  const { disks, offers } = listDisks(seen)
  const offer = offers.find(({ poolGuid }) => poolGuid === pools[0])
  if (offer !== undefined && offer.luksUuid !== null)
    return 'its pool lies in a LUKS container, whose key file has to be named, too: walkaway disks prints the lines for the configuration'
  if (offer !== undefined) return offer
  const listed = disks.find(({ node }) => node === disk.node)
  if (listed === undefined) return 'the running system stands on it'
  if (listed.configuredAs !== null) return `it is configured already, as ${listed.configuredAs}`
  return listed.note ?? 'its pool cannot be used'
}

interface Looking {
  readonly entry: DiskEntry
  readonly future: Config
  readonly interrupted: AbortSignal
  readonly say: (text: string) => unknown
}

/**
 * The pool is in the kernel, read-only, for just as long; what somebody imported stays. Throws what the verbs throw, and the
 * interruption.
 */
async function lookInto(
  located: Reachable,
  { entry, future, interrupted, say }: Looking,
  machine: AdoptMachine,
): Promise<Found & { readonly bases: readonly WantedBookmark[] }> {
  const disk = future.disks.find(({ name }) => name === diskName(entry.name))
  if (disk === undefined) throw new BadInput(`${entry.name} is not in the configuration that it was added to`)
  interrupted.throwIfAborted()
  const open = await openDisk(located, { luksKeyFile: null }, machine)
  let looked: (Omit<Found, 'notReleased'> & { readonly bases: readonly WantedBookmark[] }) | null = null
  let failure: unknown = null
  try {
    const onDisk = await machine.zfs.observe(datasetName(open.pool))
    interrupted.throwIfAborted()
    const sources = await observeSources(future, machine)
    interrupted.throwIfAborted()
    looked = {
      entry,
      somebodys: located.kind === 'imported',
      encrypted: onDisk[0]?.encrypted === true,
      sources: sources.map(({ name }) => name),
      kin: findKin(sources, onDisk, (source) => targetOf(future, disk, source)),
      bases: planFirstBases(disk.poolGuid, sources, onDisk),
      plan: await preview({ disk, config: future, pool: open.pool }, machine),
    }
    // Of what could not be looked at any more, the plan says that it failed.
    interrupted.throwIfAborted()
  } catch (error) {
    failure = error
  }
  const notReleased = await open.close().then(() => null, messageOf)
  if (looked === null || failure !== null) {
    // What went wrong before counts more than what goes wrong now.
    if (notReleased !== null) say(`the pool ${open.pool} could not be exported again: ${notReleased}`)
    throw failure
  }
  return { ...looked, notReleased }
}

/** Those that are backed up and are there. */
async function observeSources({ sources }: Config, { zfs }: AdoptMachine): Promise<readonly Dataset[]> {
  const found: Dataset[] = []
  for (const source of sources) {
    const below = await zfs.observeIfPresent(source.dataset)
    found.push(...(below ?? []).filter(({ name }) => chooseSource(sources, name) === source))
  }
  return found
}

async function machineOf({ stderr, interrupted }: AdoptOptions): Promise<AdoptMachine> {
  const run = createRun()
  const looking = await planMachine(endedBy(interrupted, run), stderr)
  return {
    ...looking,
    // What changes something is done to its end.
    zfs: { ...looking.zfs, bookmarkAll: createZfs(run).bookmarkAll },
    pools: createPools({ run }),
    block: createBlock({ run }),
    luks: createLuks({ run }),
    until,
    readUse: readSystemUse,
  }
}
