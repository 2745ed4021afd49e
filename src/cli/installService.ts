// `walkaway install-service`: makes a service of a walkaway that npm has installed, on systems without its package. What is
// put where is serviceFiles.ts.

import { access, mkdir, readFile, realpath, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as z from 'zod/mini'
import { BadInput, messageOf } from '../errors.ts'
import { isOfRootAlone } from '../linux/programs.ts'
import { replaceFile } from '../linux/replaceFile.ts'
import { createRun } from '../linux/run.ts'
import {
  exampleConfig,
  packagedUnit,
  partNames,
  planServiceFiles,
  type ServiceFile,
  type ServiceParts,
  whyNotAService,
  whyNotThisSystemd,
} from './serviceFiles.ts'
import type { Output } from './words.ts'

export interface InstallServiceOptions {
  /** Everything goes below it, and nothing that runs is told; null: this machine itself. */
  readonly root: string | null
  readonly dryRun: boolean
  readonly uninstall: boolean
  /** walkaway as an argument list. */
  readonly program: readonly string[]
  readonly stdout: Output
  readonly stderr: Output
}

/** What came with the program, beside this file as it is installed. */
const partsFolder = join(import.meta.dirname, 'share')

/** Returns the exit code. Throws `BadInput` before anything is touched. */
export async function runInstallService(options: InstallServiceOptions): Promise<0 | 1> {
  const { root, dryRun, uninstall, stdout } = options
  const program = await Promise.all(options.program.map((path) => realpath(path)))
  const parts = await readParts(partsFolder)
  const files = planServiceFiles(parts, program)
  const at = (path: string): string => join(root ?? '/', path)
  if (root === null && !dryRun && process.getuid?.() !== 0)
    throw new BadInput('only root can install a service', {
      hint: 'sudo walkaway install-service; or --dry-run',
    })
  if (root === null && (await isThere(packagedUnit)))
    throw new BadInput(`a package has installed the service already (${packagedUnit})`, {
      hint: 'remove that package first, or leave the service to it',
    })
  if (!uninstall && root === null) {
    const reason = whyNotAService(program, openPaths(program))
    if (reason !== null) throw new BadInput(reason, { hint: 'sudo npm install -g walkaway' })
    const { stdout: said } = await createRun()('systemctl', ['--version'], { deadlineMs: 30_000 })
    const tooOld = whyNotThisSystemd(said)
    if (tooOld !== null) throw new BadInput(tooOld)
  }

  const word = uninstall ? 'removed' : 'written'
  if (dryRun) {
    for (const { path } of files) stdout.write(`${at(path)} would be ${word}\n`)
    return 0
  }
  const [before, after] = root !== null ? [[], []] : uninstall ? [[stop], reread] : [[], enter]
  const failures = [...(await tell(before))]
  for (const file of files) {
    await (uninstall ? rm(at(file.path), { force: true }) : write(at(file.path), file))
    stdout.write(`${at(file.path)} ${word}\n`)
  }
  failures.push(...(await tell(after)))
  for (const failure of failures) options.stderr.write(`walkaway: ${failure}\n`)
  stdout.write(uninstall ? left : next)
  return failures.length === 0 ? 0 : 1
}

const left = 'Left as they are: /etc/walkaway, /var/lib/walkaway, and every pool.\n'
const next = `The service is enabled, and quiet until there is a configuration:
  cp ${exampleConfig} /etc/walkaway/config.yaml
  chmod 600 /etc/walkaway/config.yaml, change what is yours, then: systemctl start walkaway
After an update of walkaway: walkaway install-service, once more.
`

type CommandLine = readonly [file: string, ...args: readonly string[]]
const stop: CommandLine = ['systemctl', 'disable', '--now', 'walkaway.service']
const reread: readonly CommandLine[] = [
  ['systemctl', 'daemon-reload'],
  ['udevadm', 'control', '--reload'],
  ['journalctl', '--update-catalog'],
]
/** `try-restart`: one that runs becomes the new one, after a clean stop. */
const enter: readonly CommandLine[] = [
  ...reread,
  ['systemctl', 'enable', 'walkaway.service'],
  ['systemctl', 'try-restart', 'walkaway.service'],
  ['systemctl', 'start', 'walkaway.service'],
]

/** In sentences, what did not work. */
async function tell(commands: readonly CommandLine[]): Promise<readonly string[]> {
  const run = createRun()
  const failures: string[] = []
  for (const [file, ...args] of commands)
    try {
      await run(file, args, { deadlineMs: 180_000 })
    } catch (error) {
      failures.push(`${[file, ...args].join(' ')}: ${messageOf(error)}`)
    }
  return failures
}

async function write(path: string, { contents }: ServiceFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  await replaceFile(path, contents, { mode: 0o644 })
}

const serviceParts = z.record(z.enum(partNames), z.string())

async function readParts(folder: string): Promise<ServiceParts> {
  const read = async (name: (typeof partNames)[number]) =>
    [name, await readFile(join(folder, name), 'utf8')] as const
  try {
    return serviceParts.parse(Object.fromEntries(await Promise.all(partNames.map(read))))
  } catch (error) {
    throw new BadInput(`this walkaway was not installed by npm: ${messageOf(error)}`, {
      hint: 'a Debian package has its service already; from a clone of the repository: npm pack, and npm install -g the file',
    })
  }
}

/** Of each path, what others than root can write to: it itself or a folder above it. */
const openPaths = (program: readonly string[]): readonly string[] =>
  program.flatMap(withFoldersAbove).filter((path) => !isOfRootAlone(path))

const withFoldersAbove = (path: string): readonly string[] =>
  path === '/' ? ['/'] : [path, ...withFoldersAbove(dirname(path))]

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
