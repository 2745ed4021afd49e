// `npm pack`: dist/ with the bundled program and, in dist/share, what `walkaway install-service` puts into the system.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceParts } from '../cli/serviceFiles.ts'
import { messageOf } from '../errors.ts'
import { packageDate } from './date.ts'
import type { PackageParts } from './deb.ts'
import { gatherParts } from './parts.ts'

/** Fills `folder` anew. The native module is not in it: npm builds it for the machine, where it can. */
export function writeNpmFiles({ root, bundle, ...parts }: PackageParts, folder: string): void {
  const copy = (path: string): string => readFileSync(join(root, path), 'utf8')
  const share: ServiceParts = {
    'walkaway.service': copy('systemd/walkaway.service'),
    '90-walkaway.rules': copy('udev-rules/90-walkaway.rules'),
    'walkaway.catalog': parts.catalog,
    'walkaway.1': copy('docs/walkaway.1'),
    'walkaway.yaml.5': parts.configManual,
    'config.schema.json': parts.configSchema,
    'config.example.yaml': copy('config.example.yaml'),
  }
  const licences = bundle.licences.map(({ name, version, text }) => `${name} ${version}\n\n${text}\n`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'share'), { recursive: true })
  for (const [name, contents] of bundle.files)
    writeFileSync(
      join(folder, name),
      name === 'main.cjs' ? `#!/usr/bin/env node\n${Buffer.from(contents)}` : contents,
    )
  for (const [name, text] of Object.entries(share)) writeFileSync(join(folder, 'share', name), text)
  writeFileSync(join(folder, 'share', 'LICENCES.txt'), licences.join(`\n${'-'.repeat(78)}\n`))
}

async function main(): Promise<void> {
  const root = join(import.meta.dirname, '../..')
  writeNpmFiles(await gatherParts(root, packageDate(root)), join(root, 'dist'))
}

if (process.argv[1] === import.meta.filename)
  main().catch((error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exitCode = 1
  })
