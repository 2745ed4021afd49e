// `npm run package`: build/walkaway_<version>_<arch>.deb from the sources as they are.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { BadInput, messageOf } from '../errors.ts'
import { eventKinds } from '../eventKinds.ts'
import { bundleProgram, readLicence } from './bundle.ts'
import { renderCatalog } from './catalog.ts'
import { renderConfigManual } from './configManual.ts'
import { strippedModule, writeDeb } from './deb.ts'
import { makeConfigSchema } from './schema.ts'

const root = join(import.meta.dirname, '../..')
const udevFolder = join(root, 'node_modules/udev')

/** What goes into the package as modified: the date of the commit, so that one commit gives one package. */
function epochSeconds(): number {
  const given = process.env['SOURCE_DATE_EPOCH']
  if (given !== undefined) {
    if (!/^\d+$/.test(given)) throw new BadInput('SOURCE_DATE_EPOCH is not a number of seconds')
    return Number(given)
  }
  try {
    return Number(
      execFileSync('git', ['-C', root, 'log', '-1', '--format=%ct'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    )
  } catch {
    // Not a git repository (a release archive): the day of the newest entry in the changelog.
    const day = /^## \[[^\]]+\] - (\d{4}-\d{2}-\d{2})$/m.exec(
      readFileSync(join(root, 'CHANGELOG.md'), 'utf8'),
    )?.[1]
    return day === undefined ? 0 : Date.parse(day) / 1000
  }
}

async function main(): Promise<void> {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  const udevModule = strippedModule(join(udevFolder, 'build/Release/udev.node'))
  if (udevModule === null) {
    process.stderr.write('the udev module was not built: the package will use udevadm instead\n')
  }
  const seconds = epochSeconds()
  const configSchema = makeConfigSchema()
  const path = writeDeb(
    {
      root,
      version,
      bundle: await bundleProgram({ root }),
      udevModule,
      udevLicence: existsSync(udevFolder) ? [readLicence(udevFolder)] : [],
      catalog: renderCatalog(eventKinds),
      configSchema: `${JSON.stringify(configSchema, null, 2)}\n`,
      configManual: renderConfigManual(configSchema, {
        version,
        date: new Date(seconds * 1000).toISOString().slice(0, 10),
      }),
    },
    { outFolder: join(root, 'build'), epochSeconds: seconds },
  )
  process.stdout.write(`${path}\n`)
}

main().catch((error: unknown) => {
  const hint = error instanceof BadInput && error.hint !== undefined ? ` (${error.hint})` : ''
  process.stderr.write(`${messageOf(error)}${hint}\n`)
  process.exitCode = 1
})
