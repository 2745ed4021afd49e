// How `walkaway init` speaks: what disks there are, what is on one, what is done and what is left to do. Pure.
import { bytesInWords } from '../core/bytes.ts'
import type { NewPool } from '../core/newPool.ts'
import { type DiskContents, isEmpty } from '../linux/contents.ts'
import { oneLine } from '../linux/oneLine.ts'
import type { MakingResult } from '../newDisk.ts'
import { type Look as Seen, whyNotErase } from './candidates.ts'
import { type WholeDisk, wholeDisks } from './diskListing.ts'
import type { Told } from './saveDisk.ts'
import { alignedCells, type Look, paint } from './words.ts'

/** A line for each disk: what could be used, and why the others could not. Ends with a line feed. */
export function renderCandidates(seen: Seen, look: Look): string {
  const rows = wholeDisks(seen.devices)
    .toSorted((a, b) => a.disk.node.localeCompare(b.disk.node, 'en', { numeric: true }))
    .map((each) => ({ each, because: whyNotErase(each, seen) }))
  const [head = [], ...lines] = alignedCells([
    ['DISK', 'SIZE', 'MODEL', 'SERIAL', ''],
    ...rows.map(({ each: { disk }, because }) =>
      [
        disk.node,
        bytesInWords(Number(disk.sizeBytes)),
        disk.model === '' ? '-' : disk.model,
        disk.serials[0] ?? '-',
        because === null ? 'could be used; all that is on it would be erased' : `no: ${because}`,
      ].map(oneLine),
    ),
  ])
  const text = [
    paint(head.join('  ').trimEnd(), 'bold', look),
    ...lines.map((cells, at) =>
      paint(cells.join('  ').trimEnd(), rows[at]?.because === null ? 'green' : 'dim', look),
    ),
  ]
  return `${(rows.length === 0 ? ['There is no disk.'] : text).join('\n')}\n`
}

/** What will be gone. Ends with a line feed. */
export function renderContents({ disk }: WholeDisk, contents: DiskContents): string {
  const { partitionTable, parts } = contents
  const head = [
    disk.node,
    disk.model,
    bytesInWords(Number(disk.sizeBytes)),
    `serial ${disk.serials[0] ?? '-'}`,
  ]
  const found = isEmpty(contents)
    ? ['  nothing is on it: no partitions, no file system, no pool']
    : [
        ...(partitionTable === null ? [] : [`  partition table: ${partitionTable}`]),
        ...alignedCells(
          parts.map(({ node, sizeBytes, fsType, label }) => [
            `  ${node}`,
            bytesInWords(sizeBytes),
            [
              fsType === 'zfs_member' ? 'ZFS pool' : (fsType ?? 'nothing that is known'),
              ...(label === null ? [] : [`"${label}"`]),
            ].join(' '),
          ]),
        ).map((cells) => cells.join('  ').trimEnd()),
      ]
  return `${[head.filter((word) => word !== '').join(', '), ...found].map(oneLine).join('\n')}\n`
}

export function renderPool({ name, devices, ashift, autotrim, keyFile }: NewPool): string {
  const parts = [
    devices.length === 2 ? 'a mirror of both disks' : null,
    `blocks of ${bytesInWords(2 ** ashift)} or more`,
    autotrim ? 'told what is free (autotrim)' : null,
    keyFile === null ? 'not encrypted' : `encrypted, its key in ${keyFile}`,
  ]
  return `A pool ${name} is made: ${parts.filter((part) => part !== null).join(', ')}.\n`
}

/** What became of it when it did not become a backup disk: what was done, what was not, and how to go on. */
export function explainFailure(
  result: Exclude<MakingResult, { readonly kind: 'ready' }>,
  { node, name, keyFile }: { readonly node: string; readonly name: string; readonly keyFile: string | null },
): string {
  const key = keyFile === null ? '' : ` Its key is in ${keyFile}: keep it.`
  switch (result.kind) {
    case 'not-made':
      return result.uncertain
        ? `ZFS did not answer: ${result.reason}. Whether there is a pool now is not known; the configuration is as it was. Look with: zpool list; walkaway disks.${key}`
        : `no pool was made: ${result.reason}. The configuration is as it was; what was on the disk may be damaged.`
    case 'not-released':
      return `the pool ${result.pool} was made, but the disk was not let go of: ${result.reason}. The configuration is as it was. Release it (zpool export ${result.pool}), then: walkaway adopt ${node} --name ${name}${keyFile === null ? '' : ` --key-file ${keyFile}`}.${key}`
  }
}

/** What a person still has to do, after the configuration was written. */
export function renderNext(told: Told, name: string, configFile: string): string {
  switch (told.kind) {
    case 'in-force':
      return `The daemon knows it. While it is plugged in, its first backup begins by itself: walkaway status\n`
    case 'not-running':
      return `The daemon is not running; start it with: systemctl start walkaway\n`
    case 'problem':
      return `${name} is in ${configFile}, but ${oneLine(told.sentence)}\nThen: systemctl reload-or-restart walkaway\n`
  }
}
