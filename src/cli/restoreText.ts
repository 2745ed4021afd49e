// How `walkaway restore` speaks: what there is, the commands of a dry run, progress, the verdict. Pure.
import { bytesInWords } from '../core/bytes.ts'
import { handName, mapperPath } from '../core/container.ts'
import type { DatasetName } from '../core/model.ts'
import { type Backup, keysFor, type LeftOut, type ReadyStep } from '../core/restore.ts'
import { closeLine, exportLine, importLine, lineOf, loadKeyLine, openLine } from '../core/restoreCommands.ts'
import { oneLine } from '../linux/oneLine.ts'
import type { Reachable, RestoreResult } from '../restore.ts'
import { READ_ONLY_ALTROOT } from '../zfs/pool.ts'
import { alignedCells, type Look, paint, plural } from './words.ts'

/** `2026-11-22 18:40` in the machine's time zone: as `--at` takes it. */
export const timeOf = (at: Date): string => {
  const two = (number: number): string => String(number).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`
}

const table = (rows: readonly (readonly string[])[], look: Look): string => {
  const [head = [], ...body] = alignedCells(rows.map((row) => row.map(oneLine)))
  const lines = [
    paint(head.join('  ').trimEnd(), 'bold', look),
    ...body.map((cells) => cells.join('  ').trimEnd()),
  ]
  return `${lines.join('\n')}\n`
}

/** Every dataset that can be restored, with its newest state. */
export function renderBackups(backups: readonly Backup[], look: Look): string {
  const rows = backups.flatMap(({ name, source, host, type, encryptionRoot, snapshots }) => {
    const [oldest, newest] = [snapshots[0], snapshots.at(-1)]
    if (oldest === undefined || newest === undefined) return []
    const kinds = [type === 'volume' ? 'volume' : '', encryptionRoot === null ? '' : 'encrypted']
    return [
      [
        source ?? name,
        host ?? '-',
        timeOf(newest.creation),
        `${snapshots.length} since ${timeOf(oldest.creation)}`,
        bytesInWords(Number(newest.referencedBytes)),
        kinds.filter((kind) => kind !== '').join(', ') || '-',
        name,
      ],
    ]
  })
  if (rows.length === 0)
    return 'There is nothing on this disk that could be restored: no dataset has a snapshot.\n'
  return table([['DATASET', 'HOST', 'NEWEST', 'SNAPSHOTS', 'SIZE', 'KIND', 'ON THE DISK'], ...rows], look)
}

/** Every point in time of one dataset, newest first. */
export const renderSnapshots = ({ snapshots }: Backup, look: Look): string =>
  table(
    [
      ['TIME', 'SIZE', 'SNAPSHOT'],
      ...snapshots
        .toReversed()
        .map(({ creation, referencedBytes, name }) => [
          timeOf(creation),
          bytesInWords(Number(referencedBytes)),
          name,
        ]),
    ],
    look,
  )

/** The commands, for a shell, from import to export. */
export function renderDryRun(
  steps: readonly ReadyStep[],
  disk: Reachable,
  keyFile: string | null = null,
): string {
  const keys = keysFor(steps).map((root) => loadKeyLine(root, keyFile))
  const lines = [...keys, ...steps.map((step) => lineOf(step))]
  if (disk.kind === 'imported') return `${lines.join('\n')}\n`
  const links = disk.vdevs.map(({ link, luks }) => (luks === null ? link : mapperPath(handName(luks))))
  const containers = disk.vdevs.flatMap(({ link, luks }) => (luks === null ? [] : [{ link, luks }]))
  const all = [
    ...containers.map(({ link, luks }) => openLine(link, handName(luks))),
    importLine(disk.guid, links, [READ_ONLY_ALTROOT]),
    ...lines,
    exportLine(disk.pool),
    ...containers.map(({ luks }) => closeLine(handName(luks))),
  ]
  return `${all.join('\n')}\n`
}

export const renderLeftOut = (leftOut: readonly LeftOut[]): string =>
  leftOut.map(({ dataset, reason }) => `${oneLine(dataset)} is left out: ${reason}\n`).join('')

/** What was done, and what is left for a person to do. */
export function renderResult(
  { restored, receivedBytes, failed, withoutLimits }: RestoreResult,
  {
    to,
    mounts,
    encrypted,
  }: { readonly to: DatasetName; readonly mounts: readonly Mount[]; readonly encrypted: boolean },
): string {
  const lines = [
    `restored ${plural(restored.length, 'dataset')} to ${to}, ${bytesInWords(receivedBytes)}, read back and right`,
    ...failed.map(({ target, reason }) => `NOT restored: ${target}: ${reason}`),
    ...withoutLimits.map(({ target, reason }) => `restored without its limits: ${target}: ${reason}`),
  ]
  if (restored.length > 0) {
    lines.push('nothing is mounted yet; properties are as they were on the source')
    if (encrypted) lines.push('encrypted datasets want the key of their source first: zfs load-key -r')
    for (const { dataset, mountpoint } of mounts) lines.push(`${dataset} will be mounted at ${mountpoint}`)
  }
  return `${lines.map(oneLine).join('\n')}\n`
}
export interface Mount {
  readonly dataset: DatasetName
  readonly mountpoint: string
}
