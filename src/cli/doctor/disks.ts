// Are the sources there, are the disks what they claim to be, has somebody else their pools, and does a disk that does not
// come any more keep snapshots of the sources from being given up?

import type { Config, ConfiguredDisk } from '../../config.ts'
import { bytesInWords } from '../../core/bytes.ts'
import { identify, type Sighting } from '../../core/identity.ts'
import { describeAlarm, describeRefusal } from '../../core/refusal.ts'
import { holdTagFor } from '../../core/replication.ts'
import { findUnmatchedExcludes } from '../../core/selection.ts'
import { NotFound } from '../../errors.ts'
import { type HistoryRecord, isVisitTo } from '../../linux/history.ts'
import type { HeldSnapshot } from '../../zfs/holds.ts'
import { ALTROOT, type ImportedPool, READ_ONLY_ALTROOT } from '../../zfs/pool.ts'
import { plural, timeInWords } from '../words.ts'
import { type Check, ok, problem, type Verdict, warning } from './surroundings.ts'
import { notLookedAt } from './zfs.ts'

const noConfig = [warning('not looked at, because the configuration cannot be used', null)]

export function judgeDisk(
  disk: ConfiguredDisk,
  sighting: Sighting,
  imported: readonly ImportedPool[],
): readonly Verdict[] {
  const pool = imported.find(({ guid }) => guid === disk.poolGuid)
  const others =
    pool === undefined || pool.altroot === ALTROOT || pool.altroot === READ_ONLY_ALTROOT
      ? []
      : [
          warning(
            `the pool ${pool.name} of ${disk.name} was imported by somebody else; a visit leaves it imported`,
            `walkaway eject ${shellWord(disk.name)}; if that comes back at every boot: zpool set cachefile=none ${shellWord(pool.name)}`,
          ),
        ]
  switch (sighting.kind) {
    case 'absent':
      // Where a backup disk belongs.
      return others.length > 0 ? others : [ok(`${disk.name} is not connected`)]
    case 'settling':
      return [
        warning(`${disk.name} is connected, waiting for ${sighting.waitingFor}`, 'walkaway status'),
        ...others,
      ]
    case 'refused':
      return [problem(describeRefusal(disk, sighting.reason), 'walkaway disks'), ...others]
    case 'present':
      return [
        ok(`${disk.name} is connected`),
        ...sighting.alarms.map((alarm) => warning(describeAlarm(disk, alarm), 'walkaway disks')),
        ...others,
      ]
  }
}

export interface HoldsFound {
  readonly held: readonly HeldSnapshot[]
  readonly disks: readonly ConfiguredDisk[]
  readonly visits: readonly HistoryRecord[]
  readonly now: Date
}

/** After this long, where a disk has no time of its own. */
const longMs = 30 * 24 * 3600_000

/**
 * Holds of walkaway for disks that do not come any more. A hold of an unfinished transfer is right while its disk is
 * expected; of other programs' holds nothing is said.
 */
export function judgeHolds({ held, disks, visits, now }: HoldsFound): readonly Verdict[] {
  const tags = [...new Set(held.flatMap((one) => one.tags))].filter((tag) => tag.startsWith(holdTagFor('')))
  const verdicts = tags.flatMap((tag) => {
    const pinned = held.filter((one) => one.tags.includes(tag))
    const disk = disks.find(({ poolGuid }) => holdTagFor(poolGuid) === tag)
    const seen = disk && visits.findLast((visit) => isVisitTo(disk, visit))?.finishedAt
    // During its first visit a disk has none yet, and holds young snapshots.
    const since = seen ?? new Date(Math.max(...pinned.map(({ creation }) => creation.getTime())))
    const awayMs = now.getTime() - since.getTime()
    if (disk !== undefined && awayMs < (disk.overdueMs ?? longMs)) return []
    const lastSeen =
      seen === undefined ? 'of which no visit is known' : `last seen ${timeInWords(awayMs)} ago`
    const who = disk === undefined ? 'a disk that is not configured' : `${disk.name}, ${lastSeen}`
    return [warning(`${describePinned(pinned)} held for ${who}`, howToRelease(tag, pinned, disk))]
  })
  return verdicts.length === 0 ? [ok('none is left over')] : verdicts
}

function describePinned(pinned: readonly HeldSnapshot[]): string {
  const names = pinned.slice(0, mostNames).map(({ path }) => path)
  const rest = pinned.length - names.length
  const bytes = pinned.reduce((sum, { usedBytes }) => sum + Number(usedBytes), 0)
  const oldest = new Date(Math.min(...pinned.map(({ creation }) => creation.getTime())))
  const more = rest > 0 ? ` and ${rest} more` : ''
  return `${names.join(', ')}${more}: at least ${bytesInWords(bytes)} that cannot be freed, the oldest of ${oldest.toISOString().slice(0, 10)},`
}

const mostNames = 5

function howToRelease(
  tag: string,
  pinned: readonly HeldSnapshot[],
  disk: ConfiguredDisk | undefined,
): string {
  const release = `zfs release ${tag} ${pinned.map(({ path }) => shellWord(path)).join(' ')}`
  return disk === undefined ? release : `plug ${disk.name} in once more; if it is lost: ${release}`
}

const shellWord = (text: string): string =>
  /^[A-Za-z0-9_.:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

export const diskChecks: readonly Check[] = [
  {
    name: 'sources',
    async look({ zfs }, shared) {
      const { config } = shared
      if (config === null) return noConfig
      const blocked = notLookedAt(shared)
      if (blocked !== null) return blocked
      const names: string[] = []
      const verdicts: Verdict[] = []
      for (const { dataset, exclude } of config.sources) {
        // Only for excludes all that lies below matters.
        const found = exclude.length > 0 ? await zfs.observeIfPresent(dataset) : await presence(zfs, dataset)
        if (found === null)
          verdicts.push(
            problem(
              `there is no dataset ${dataset}`,
              `zfs list; zpool import; or correct sources: in the configuration`,
            ),
          )
        else names.push(...found.map(({ name }) => name))
      }
      for (const { source, pattern } of findUnmatchedExcludes(config, names))
        verdicts.push(
          warning(
            `exclude ${pattern} of the source ${source.dataset} matches no dataset`,
            'zfs list -r; correct it in the configuration',
          ),
        )
      return verdicts.length === 0 ? [ok(`${plural(config.sources.length, 'source')} there`)] : verdicts
    },
  },
  {
    name: 'disks',
    async look({ scan, pools }, shared) {
      const { config } = shared
      if (config === null) return noConfig
      if (config.disks.length === 0) return [warning('none is configured', 'walkaway disks')]
      const sightings = identify(config.disks, await scan())
      const imported = shared.access.kind === 'open' ? await pools.imported() : []
      return config.disks.flatMap((disk) =>
        judgeDisk(disk, sightings.get(disk.name) ?? { kind: 'absent' }, imported),
      )
    },
  },
  {
    name: 'holds',
    async look({ zfs, history, now }, shared) {
      const { config } = shared
      if (config === null) return noConfig
      const blocked = notLookedAt(shared)
      if (blocked !== null) return blocked
      const held: HeldSnapshot[] = []
      for (const { dataset } of config.sources) held.push(...(await zfs.heldBelow(dataset).catch(ifThere)))
      const { visits } = await history.read()
      return judgeHolds({ held, disks: config.disks, visits, now: now() })
    },
  },
]

type Named = readonly { readonly name: string }[]

/** As `observeIfPresent`, of the dataset alone. */
const presence = (
  zfs: {
    readonly properties: (
      dataset: Config['sources'][number]['dataset'],
      names: readonly string[],
    ) => Promise<unknown>
  },
  dataset: Config['sources'][number]['dataset'],
): Promise<Named | null> =>
  zfs.properties(dataset, ['guid']).then(
    () => [],
    (error: unknown) => {
      if (error instanceof NotFound) return null
      throw error
    },
  )

/** A source that is not there is told by another check. */
function ifThere(error: unknown): readonly HeldSnapshot[] {
  if (error instanceof NotFound) return []
  throw error
}
