// The program as it is installed: few JavaScript files with everything in them, split so that a command loads only what
// it needs; and the licences of what is in them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import * as z from 'zod'

export interface Bundle {
  /** File name to contents; all of them belong into one folder. The one to start is `main.mjs`. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Of the npm packages whose code is in the files, by name. */
  readonly licences: readonly BundledLicence[]
}
interface BundledLicence {
  readonly name: string
  readonly version: string
  readonly text: string
}

/** Bundles `entry`, a path below `root`. The same sources give the same bytes, wherever `root` is. */
export async function bundleProgram({
  root,
  entry,
}: {
  readonly root: string
  readonly entry: string
}): Promise<Bundle> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { main: entry },
    outdir: 'out',
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    write: false,
    bundle: true,
    splitting: true,
    // Node keeps the text of what it runs in memory. Names stay, for the stack trace in a bug report.
    minifyWhitespace: true,
    minifySyntax: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    metafile: true,
    legalComments: 'none',
    logLevel: 'silent',
    // Some packages are CommonJS and require Node's own modules.
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
  })
  const outdir = join(root, 'out/')
  const files = new Map(
    result.outputFiles.map(({ path, contents }) => [path.slice(outdir.length), contents] as const),
  )
  const packages = new Set(
    Object.keys(result.metafile.inputs).flatMap((input) => packageFolderOf(input) ?? []),
  )
  return { files, licences: [...packages].sort().map((folder) => readLicence(join(root, folder))) }
}

/** `node_modules/pino/lib/x.js` -> `node_modules/pino`; null for our own sources. */
function packageFolderOf(input: string): string | null {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? null
}

const manifest = z.object({ name: z.string(), version: z.string(), license: z.string().optional() })

/** The licence of an npm package; what it says of itself in package.json when it has no licence file. */
export function readLicence(folder: string): BundledLicence {
  const { name, version, license } = manifest.parse(
    JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
  )
  const file = readdirSync(folder)
    .sort()
    .find((entry) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(entry))
  const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), 'utf8').trim()
  return { name, version, text }
}
