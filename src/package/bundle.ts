// The program as it is installed: few JavaScript files with everything in them, split so that a command loads only what
// it needs; and the licences of what is in them.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import * as z from 'zod/mini'

export interface Bundle {
  /** File name to contents; all of them belong into one folder. The one to start is `main.cjs`. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Of the npm packages whose code is in the files, by name. */
  readonly licences: readonly BundledLicence[]
}
interface BundledLicence {
  readonly name: string
  readonly version: string
  readonly text: string
}

/**
 * Bundles `src/main.ts` of `root`. The same sources give the same bytes, wherever `root` is.
 *
 * The front door is CommonJS, and `status`, which people and scripts ask for again and again, is in it: Node has one such
 * file running some 10 ms sooner than modules. All other commands are modules that share what they have in common, as is what
 * `status` says without a daemon.
 */
export async function bundleProgram({ root }: { readonly root: string }): Promise<Bundle> {
  const commands = new Map<string, string>()
  const front = await bundleFiles(root, {
    entries: { main: 'src/main.ts' },
    format: 'cjs',
    plugins: [commandsApart(root, commands)],
  })
  const rest = await bundleFiles(root, {
    entries: Object.fromEntries([...commands].sort()),
    format: 'esm',
    plugins: [],
  })
  const results = [front, rest]
  const outdir = join(root, 'out/')
  const files = new Map(
    results
      .flatMap(({ outputFiles }) => outputFiles)
      .map(({ path, contents }) => [path.slice(outdir.length), withRequire(path, contents)] as const),
  )
  const packages = new Set(
    results
      .flatMap(({ metafile }) => Object.keys(metafile.inputs))
      .flatMap((input) => packageFolderOf(input) ?? []),
  )
  return { files, licences: [...packages].sort().map((folder) => readLicence(join(root, folder))) }
}

function bundleFiles(
  root: string,
  options: {
    /** File name without its ending to a path below the root. */
    readonly entries: Readonly<Record<string, string>>
    readonly format: 'cjs' | 'esm'
    readonly plugins: Plugin[]
  },
) {
  const { entries, format, plugins } = options
  return build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: 'out',
    outExtension: { '.js': { cjs: '.cjs', esm: '.mjs' }[format] },
    chunkNames: '[name]-[hash]',
    write: false,
    bundle: true,
    splitting: format === 'esm',
    // Node keeps the text of what it runs in memory. Names stay, for the stack trace in a bug report.
    minifyWhitespace: true,
    minifySyntax: true,
    format,
    platform: 'node',
    target: 'node20',
    metafile: true,
    legalComments: 'none',
    logLevel: 'silent',
    plugins,
  })
}

/** What is loaded late, all commands but `status`, is left to files of their own, and noted in `found`: name to source. */
const commandsApart = (root: string, found: Map<string, string>): Plugin => ({
  name: 'commands apart',
  setup(building) {
    building.onResolve({ filter: /^\.\.?\/\w+\.ts$/ }, ({ path, kind, resolveDir }) => {
      const name = basename(path, '.ts')
      if (kind !== 'dynamic-import' || name === 'status') return undefined
      found.set(name, relative(root, resolve(resolveDir, path)))
      return { path: `./${name}.mjs`, external: true }
    })
  },
})

const makeRequire =
  "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);\n"

/** Some packages are CommonJS and require Node's own modules. A module that does not is loaded faster without. */
function withRequire(path: string, contents: Uint8Array): Uint8Array {
  const code = Buffer.from(contents)
  return path.endsWith('.mjs') && /\brequire\b/.test(code.toString())
    ? Buffer.concat([Buffer.from(makeRequire), code])
    : contents
}

/** `node_modules/pino/lib/x.js` -> `node_modules/pino`; null for our own sources. */
function packageFolderOf(input: string): string | null {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? null
}

const manifest = z.object({ name: z.string(), version: z.string(), license: z.optional(z.string()) })

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
