// What goes into a package, whatever kind it is of: the bundled program, the native module, and the pages that are made from the
// sources. The same sources give the same parts.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { eventKinds } from '../eventKinds.ts'
import { bundleProgram, readLicence } from './bundle.ts'
import { renderCatalog } from './catalog.ts'
import { renderConfigManual } from './configManual.ts'
import { type PackageParts, strippedModule } from './deb.ts'
import { makeConfigSchema } from './schema.ts'

/** `root` is the repository; pages are dated `epochSeconds`. */
export async function gatherParts(root: string, epochSeconds: number): Promise<PackageParts> {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  const udevFolder = join(root, 'node_modules/udev')
  const configSchema = makeConfigSchema()
  const date = new Date(epochSeconds * 1000).toISOString().slice(0, 10)
  return {
    root,
    version,
    bundle: await bundleProgram({ root }),
    udevModule: strippedModule(join(udevFolder, 'build/Release/udev.node')),
    udevLicence: existsSync(udevFolder) ? [readLicence(udevFolder)] : [],
    catalog: renderCatalog(eventKinds),
    configSchema: `${JSON.stringify(configSchema, null, 2)}\n`,
    configManual: renderConfigManual(configSchema, { version, date }),
  }
}
