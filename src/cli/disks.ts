// `walkaway disks [--json]`: the disks that carry a pool or could, and the lines to paste into the configuration.

import { existsSync } from 'node:fs'
import { entryLines } from '../config/addDisk.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config.ts'
import { bytesInWords } from '../core/bytes.ts'
import type { BlockDevice } from '../core/model.ts'
import { oneLine } from '../linux/oneLine.ts'
import { createRun } from '../linux/run.ts'
import { readSystemUse, type SystemUse } from '../linux/systemUse.ts'
import { createUdev } from '../linux/udev.ts'
import { type DiskListing, listDisks, type OfferedEntry } from './diskListing.ts'
import { jsonText } from './jsonText.ts'
import { alignedCells, indented, type Look, lookOf, type Output, paint, plural } from './words.ts'

export interface DisksOptions {
  readonly json: boolean
  readonly configFile: string
  readonly stdout: Output
  readonly stderr: Output
  /** Left out: the machine's. */
  readonly scan?: () => Promise<readonly BlockDevice[]>
  readonly readUse?: () => Promise<SystemUse>
}

/** Returns the exit code, 0. Throws what the scan throws. */
export async function runDisks(options: DisksOptions): Promise<0> {
  const { json, configFile, stdout, stderr, readUse = readSystemUse } = options
  const scan = options.scan ?? (await scanOf(stderr))
  const [devices, system, config] = [await scan(), await readUse(), await configOf(configFile, stderr)]
  const listing = listDisks({
    devices,
    system,
    configured: config?.disks ?? [],
    sourcePools: new Set(config?.sources.map(({ dataset }) => dataset.split('/')[0] ?? dataset)),
  })
  stdout.write(json ? renderJson(listing) : renderDisks(listing, { ...lookOf(stdout), configFile }))
  return 0
}

async function scanOf(stderr: Output): Promise<() => Promise<readonly BlockDevice[]>> {
  const udev = await createUdev({
    run: createRun(),
    onWarning: (text) => stderr.write(`walkaway: ${text}\n`),
  })
  return () => udev.scan()
}

/** Null without a configuration, and with one that has mistakes: the listing is what helps to write it. */
async function configOf(file: string, stderr: Output): Promise<Config | null> {
  if (!existsSync(file)) return null
  const loaded = await loadConfig({ file })
  if (loaded.kind === 'ok') return loaded.config
  stderr.write(
    `${file} cannot be used, so this list does not know which disks are configured; see: walkaway config check\n`,
  )
  return null
}

function renderJson({ disks, offers }: DiskListing): string {
  const answer = {
    version: 1,
    disks,
    offers: offers.map((offer) => ({ ...offer, lines: entryLines({ ...offer, keyFile: null }) })),
  }
  return jsonText(answer)
}

const header = ['DISK', 'SIZE', 'MODEL', 'SERIAL', 'POOL', 'POOL GUID', '']

/** A table, and the lines for the configuration where there is something to configure. */
export function renderDisks(
  { disks, offers, systemDisks }: DiskListing,
  { configFile, ...look }: Look & { readonly configFile: string },
): string {
  const rows = disks.map((disk) =>
    [
      disk.node,
      bytesInWords(disk.sizeBytes),
      disk.model === '' ? '-' : disk.model,
      disk.serial ?? '-',
      disk.pool ?? (disk.luksUuid === null ? '-' : '(in LUKS)'),
      disk.poolGuid ?? '-',
      disk.configuredAs === null ? (disk.note ?? 'not configured yet') : `configured as ${disk.configuredAs}`,
    ].map(oneLine),
  )
  const [head = [], ...body] = alignedCells([header, ...rows])
  const table = [
    paint(head.join('  ').trimEnd(), 'bold', look),
    ...body.map((cells) => cells.join('  ').trimEnd()),
  ]
  const left = systemDisks === 0 ? [] : [`(${plural(systemDisks, 'disk')} of the running system not shown)`]
  return `${[...(disks.length === 0 ? ['No disk that carries a pool or could.'] : table), ...left, ...advice(offers, configFile, look)].join('\n')}\n`
}

function advice(offers: readonly OfferedEntry[], configFile: string, look: Look): readonly string[] {
  if (offers.length === 0) return []
  const how = `To use ${offers.length === 1 ? 'this pool' : 'one of these pools'} for backups, paste its lines below "disks:" in ${configFile}, then: walkaway config check && systemctl reload-or-restart walkaway`
  return [
    '',
    ...indented(how, { indent: 0, look }),
    '',
    ...offers.flatMap((offer) =>
      entryLines({ ...offer, keyFile: null }).map((line) => paint(`  ${line}`, 'green', look)),
    ),
  ]
}
