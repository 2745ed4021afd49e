// Puts a Debian package together: what is in it, where, and with which mode. The same commit gives the same bytes.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { completionPaths, completionScripts, shells } from '../cli/completionScripts.ts'
import { BadInput, CommandFailed } from '../errors.ts'
import type { Bundle } from './bundle.ts'

/** One file of the package. */
export interface PackagedFile {
  /** Absolute, as installed. */
  readonly path: string
  readonly contents: string | Uint8Array
  readonly mode: 0o644 | 0o755
}

export interface PackageParts {
  /** Repository that the package is made from. */
  readonly root: string
  readonly version: string
  readonly bundle: Bundle
  /** The native udev module; null leaves it out, and the installed program uses udevadm(8) instead. */
  readonly udevModule: Uint8Array | null
  readonly udevLicence: Bundle['licences']
  readonly catalog: string
  readonly configSchema: string
  /** walkaway.yaml(5), as roff. */
  readonly configManual: string
}

/** The pages for whoever runs it; those for whoever changes it stay in the repository. */
const guides = [
  'comparison.md',
  'journals.md',
  'restore.md',
  'threat-model.md',
  'troubleshooting.md',
] as const

/** The service starts without compilers (src/cli/memory.ts), and with few threads and a small nursery. */
const launcher = `#!/bin/sh
if [ "$1" = daemon ]; then
  exec /usr/bin/node --no-opt --no-sparkplug --max-semi-space-size=2 --v8-pool-size=1 /usr/lib/walkaway/main.cjs "$@"
fi
exec /usr/bin/node /usr/lib/walkaway/main.cjs "$@"
`

/** Everything in the package but its control files. */
export function listFiles(parts: PackageParts, epochSeconds: number): readonly PackagedFile[] {
  const { root, version, bundle, udevModule, udevLicence, catalog, configSchema, configManual } = parts
  const plain = (path: string, contents: string | Uint8Array): PackagedFile => ({
    path,
    contents,
    mode: 0o644,
  })
  const copy = (from: string, path: string) => plain(path, readFileSync(join(root, from)))
  const zipped = (from: string, path: string) =>
    plain(path, gzipSync(readFileSync(join(root, from)), { level: 9 }))
  return [
    { path: '/usr/bin/walkaway', contents: launcher, mode: 0o755 },
    ...[...bundle.files].map(([name, contents]) => plain(`/usr/lib/walkaway/${name}`, contents)),
    ...(udevModule === null ? [] : [plain('/usr/lib/walkaway/udev.node', udevModule)]),
    copy('systemd/walkaway.service', '/usr/lib/systemd/system/walkaway.service'),
    plain('/usr/lib/systemd/catalog/walkaway.catalog', catalog),
    copy('udev-rules/90-walkaway.rules', '/usr/lib/udev/rules.d/90-walkaway.rules'),
    plain('/usr/share/walkaway/config.schema.json', configSchema),
    copy('config.example.yaml', '/usr/share/doc/walkaway/examples/config.example.yaml'),
    plain('/usr/share/doc/walkaway/copyright', renderCopyright(root, [...bundle.licences, ...udevLicence])),
    zipped('CHANGELOG.md', '/usr/share/doc/walkaway/CHANGELOG.md.gz'),
    plain(
      '/usr/share/doc/walkaway/changelog.gz',
      gzipSync(debianChangelog(version, epochSeconds), { level: 9 }),
    ),
    ...guides.map((name) => copy(`docs/${name}`, `/usr/share/doc/walkaway/${name}`)),
    zipped('docs/walkaway.1', '/usr/share/man/man1/walkaway.1.gz'),
    plain('/usr/share/man/man5/walkaway.yaml.5.gz', gzipSync(configManual, { level: 9 })),
    ...shells.map((shell) => plain(completionPaths[shell], completionScripts[shell])),
  ]
}

function renderCopyright(root: string, licences: Bundle['licences']): string {
  const others = licences.map(
    ({ name, version, text }) => `${'-'.repeat(78)}\n${name} ${version}\n\n${withoutCommonText(text)}\n`,
  )
  return `${readFileSync(join(root, 'LICENSE'), 'utf8').trim()}\n
The program contains code of these packages, each under its own licence:

${others.join('\n')}`
}

/** Debian has the text of this licence once for all packages, and wants it to be named and not repeated. */
function withoutCommonText(text: string): string {
  if (!/Apache License\s+Version 2\.0, January 2004/.test(text)) return text
  const copyright = text.match(/^\s*Copyright (?!\[yyyy\]).*\d{4}.*$/gm) ?? []
  return [
    ...copyright.map((line) => line.trim()),
    'Apache License, Version 2.0: see /usr/share/common-licenses/Apache-2.0',
  ].join('\n')
}

const maintainer = 'walkaway contributors <walkaway@example.org>'

/** Debian's own changelog is one entry for the package as a whole; what changed in walkaway is in CHANGELOG.md. */
const debianChangelog = (version: string, epochSeconds: number): string =>
  `walkaway (${version}) unstable; urgency=medium

  * walkaway ${version}; its changes are in CHANGELOG.md.gz.

 -- ${maintainer}  ${new Date(epochSeconds * 1000).toUTCString().replace('GMT', '+0000')}
`

/**
 * util-linux, bsdutils and init-system-helpers are on every Debian and need not be named. systemd: the oldest that the matrix
 * of versions has. Node below 20.19, as in Ubuntu 24.04, cannot run it, and apt says so.
 */
function dependencies(udevModule: Uint8Array | null): string {
  const always = [
    'nodejs (>= 20.19)',
    'zfsutils-linux | openzfs-zfsutils',
    'udev',
    // systemd-run --wait asks the service manager over it.
    'default-dbus-system-bus | dbus-system-bus',
    'systemd (>= 252)',
    'sg3-utils',
  ]
  const native = udevModule === null ? [] : [`libc6${sinceOf(udevModule)}`, 'libudev1', 'libstdc++6']
  return [...always, ...native].join(', ')
}

/** The newest GLIBC that a compiled module names, as a condition of Debian's. */
function sinceOf(module: Uint8Array): string {
  const named = Buffer.from(module)
    .toString('latin1')
    .matchAll(/\bGLIBC_2\.(\d+)/g)
  const newest = Math.max(0, ...[...named].map(([, minor]) => Number(minor)))
  return newest === 0 ? '' : ` (>= 2.${newest})`
}

const control = ({
  version,
  architecture,
  installedKilobytes,
  depends,
}: {
  readonly version: string
  readonly architecture: string
  readonly installedKilobytes: number
  readonly depends: string
}) => `Package: walkaway
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${installedKilobytes}
Depends: ${depends}
Recommends: cryptsetup-bin
Section: admin
Priority: optional
Description: offsite backups to ZFS disks, as they are plugged in
 Plug in an offsite backup disk that carries a ZFS pool, walk away, and be told
 when the disk can be taken. The service recognises its disks by serial number
 and pool GUID, sends what changed since the last visit, reads back that it has
 arrived, exports the pool, stops the disk, and says so in the journal.
`

/**
 * Writes `walkaway_<version>_<architecture>.deb` into `outFolder` and returns its path. Everything in it is dated
 * `epochSeconds`. Throws `BadInput` on a machine without dpkg-deb, `CommandFailed` when it fails.
 */
export function writeDeb(
  parts: PackageParts,
  { outFolder, epochSeconds }: { readonly outFolder: string; readonly epochSeconds: number },
): string {
  const architecture = dpkg('dpkg', ['--print-architecture'], epochSeconds).trim()
  const files = listFiles(parts, epochSeconds)
  mkdirSync(outFolder, { recursive: true })
  const staging = mkdtempSync(join(outFolder, 'package-'))
  try {
    const tree = join(staging, 'tree')
    for (const file of files) writeFile(join(tree, file.path), file.contents, file.mode)
    mkdirSync(join(tree, 'etc/walkaway'), { recursive: true })
    const bytes = files.reduce((sum, { contents }) => sum + Buffer.byteLength(contents), 0)
    const controlFile = control({
      version: parts.version,
      architecture,
      installedKilobytes: Math.ceil(bytes / 1024),
      depends: dependencies(parts.udevModule),
    })
    writeFile(join(tree, 'DEBIAN/control'), controlFile, 0o644)
    writeFile(join(tree, 'DEBIAN/md5sums'), files.map(md5Line).sort().join(''), 0o644)
    for (const script of ['postinst', 'prerm', 'postrm']) {
      const contents = readFileSync(join(parts.root, 'src/package/debian', script))
      writeFile(join(tree, 'DEBIAN', script), contents, 0o755)
    }
    setDates(tree, epochSeconds)

    const name = `walkaway_${parts.version}_${architecture}.deb`
    const built = join(staging, name)
    dpkg('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, built], epochSeconds)
    // Whoever reads the package while it is built again sees the old one or the new one.
    renameSync(built, join(outFolder, name))
    return join(outFolder, name)
  } finally {
    rmSync(staging, { recursive: true })
  }
}

function writeFile(path: string, contents: string | Uint8Array, mode: number): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, contents)
  chmodSync(path, mode)
}

const md5Line = ({ path, contents }: PackagedFile): string =>
  `${createHash('md5').update(contents).digest('hex')}  ${path.slice(1)}\n`

/** Folders get their mode here, too: it must not depend on the umask. */
function setDates(folder: string, epochSeconds: number): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) setDates(path, epochSeconds)
    else lutimesSync(path, epochSeconds, epochSeconds)
  }
  chmodSync(folder, 0o755)
  lutimesSync(folder, epochSeconds, epochSeconds)
}

function dpkg(program: 'dpkg' | 'dpkg-deb', args: readonly string[], epochSeconds: number): string {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], LC_ALL: 'C', SOURCE_DATE_EPOCH: String(epochSeconds) },
    })
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if ('code' in error && error.code === 'ENOENT') {
      throw new BadInput(`${program} is not installed on this machine`, {
        hint: 'apt-get install dpkg; or build the package on a Debian or Ubuntu machine',
      })
    }
    throw new CommandFailed(
      {
        command: [program, ...args],
        exitCode: 'status' in error && typeof error.status === 'number' ? error.status : null,
        signal: 'signal' in error && typeof error.signal === 'string' ? error.signal : null,
        stderr: 'stderr' in error ? String(error.stderr) : '',
      },
      { cause: error },
    )
  }
}

/** A file's bytes without debugging symbols where strip(1) is there; as they are where it is not; null when there is no file. */
export function strippedModule(path: string): Uint8Array | null {
  if (!existsSync(path)) return null
  const folder = mkdtempSync(join(tmpdir(), 'walkaway-strip-'))
  try {
    const stripped = join(folder, 'udev.node')
    execFileSync('strip', ['--strip-unneeded', '-o', stripped, path], { stdio: 'ignore' })
    return readFileSync(stripped)
  } catch {
    // Symbols cost a hundred kilobytes and nothing else.
    return readFileSync(path)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
