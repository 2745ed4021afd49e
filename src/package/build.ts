// `npm run package`: build/walkaway_<version>_<arch>.deb from the sources as they are.
import { join } from 'node:path'
import { BadInput, messageOf } from '../errors.ts'
import { packageDate } from './date.ts'
import { writeDeb } from './deb.ts'
import { gatherParts } from './parts.ts'

async function main(): Promise<void> {
  const root = join(import.meta.dirname, '../..')
  const epochSeconds = packageDate(root)
  const parts = await gatherParts(root, epochSeconds)
  if (parts.udevModule === null) {
    process.stderr.write('the udev module was not built: the package will use udevadm instead\n')
  }
  process.stdout.write(`${writeDeb(parts, { outFolder: join(root, 'build'), epochSeconds })}\n`)
}

main().catch((error: unknown) => {
  const hint = error instanceof BadInput && error.hint !== undefined ? ` (${error.hint})` : ''
  process.stderr.write(`${messageOf(error)}${hint}\n`)
  process.exitCode = 1
})
