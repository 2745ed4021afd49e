// The disks of the configuration, for a command that can do without.
import { loadConfig } from '../config/load.ts'
import type { ConfiguredDisk } from '../config.ts'

/** null: the configuration cannot be read, or has mistakes. */
export async function configuredDisks(file: string): Promise<readonly ConfiguredDisk[] | null> {
  const loaded = await loadConfig({ file })
  return loaded.kind === 'ok' ? loaded.config.disks : null
}
