// Puts a disk into the configuration for `walkaway init` and `adopt`: checked before anything is done, written as a whole,
// and told to the daemon. What the text becomes is config/addDisk.ts.
import { constants } from 'node:fs'
import { access, readFile, realpath, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { addDisk, type DiskEntry, isPlaceholder } from '../config/addDisk.ts'
import { loadConfig } from '../config/load.ts'
import { type Config, type ConfiguredDisk, parseConfig, renderMistake } from '../config.ts'
import { askStatus } from '../control/client.ts'
import { BadInput, messageOf } from '../errors.ts'
import { replaceFile } from '../linux/replaceFile.ts'
import { copyExample } from './places.ts'

/** As it is in force, without the disks of the example. Throws `BadInput` with every mistake. */
export async function usableConfig(file: string): Promise<Config> {
  const loaded = await loadConfig({ file })
  if (loaded.kind === 'rejected')
    throw new BadInput(loaded.mistakes.map(renderMistake).join('\n'), {
      hint: `nothing was changed; for a first configuration: ${copyExample(file)}, and change its sources`,
    })
  return withoutPlaceholders(loaded.config)
}

const withoutPlaceholders = (config: Config): Config => ({
  ...config,
  disks: config.disks.filter((disk) => !isPlaceholder(disk)),
})

/** The configuration with the disk in it; nothing is written. Throws `BadInput` when it cannot be added, and why. */
export async function foresee(file: string, entry: DiskEntry): Promise<Config> {
  return (await changed(file, entry)).config
}

/** Writes it; owner and mode stay. Throws `BadInput` and what writing throws, with the file as it was. */
export async function saveDisk(file: string, entry: DiskEntry): Promise<void> {
  const { path, text } = await changed(file, entry)
  await replaceFile(path, text, await stat(path))
}

async function changed(
  file: string,
  entry: DiskEntry,
): Promise<{ readonly path: string; readonly text: string; readonly config: Config }> {
  const before = await usableConfig(file)
  // Of a link, what it leads to is replaced.
  const path = await realpath(file)
  await access(dirname(path), constants.W_OK).catch((cause: unknown) => {
    throw new BadInput(`${dirname(path)} cannot be written to: ${messageOf(cause)}`, {
      hint: 'run it as root',
    })
  })
  const text = addDisk(await readFile(path, 'utf8'), entry)
  const parsed = parseConfig(text, { file, host: hostname() })
  if (parsed.kind === 'rejected')
    throw new BadInput(parsed.mistakes.map(({ message }) => message).join('; '), {
      hint: `${entry.name} cannot be added to ${file} like this; nothing was changed there`,
    })
  const { config } = parsed
  const others = config.disks.filter(({ name }) => name !== entry.name)
  if (JSON.stringify({ ...config, disks: others }) !== JSON.stringify(before))
    throw new BadInput(`adding ${entry.name} would change more of ${file} than that; nothing was changed`)
  if (!config.disks.some((disk) => says(disk, entry)))
    throw new BadInput(`${entry.name} would not stand in ${file} as it has to; nothing was changed there`, {
      hint: 'what the disk of the example says besides its serial and its pool has to go first',
    })
  return { path, text, config }
}

const says = ({ name, serials, pool, poolGuid, keyFile, luks }: ConfiguredDisk, entry: DiskEntry): boolean =>
  name === entry.name &&
  serials.join('\n') === entry.serials.join('\n') &&
  pool === entry.pool &&
  poolGuid === entry.poolGuid &&
  keyFile === entry.keyFile &&
  luks === null

export type Told =
  | { readonly kind: 'in-force' }
  | { readonly kind: 'not-running' }
  /** A sentence for the person. */
  | { readonly kind: 'problem'; readonly sentence: string }

const deadlineMs = 15_000

/** Has the daemon read the configuration again. Never throws: the file is written, whatever it says. */
export async function tellDaemon(socket: string, { name }: DiskEntry): Promise<Told> {
  try {
    const reply = await askStatus(socket, { version: 1, command: 'reload' }, { deadlineMs })
    if ('kind' in reply) return { kind: 'not-running' }
    if (!reply.ok) return { kind: 'problem', sentence: `the daemon did not take it: ${reply.error.message}` }
    if (reply.status.disks.some((disk) => disk.name === name)) return { kind: 'in-force' }
    return { kind: 'problem', sentence: `the daemon does not know ${name} yet: it may use another file` }
  } catch (error) {
    return { kind: 'problem', sentence: `the daemon could not be told: ${messageOf(error)}` }
  }
}
