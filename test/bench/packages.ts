// Debian packages that only the bench wants in its machine: fetched once by this computer's apt from the archive that the
// image came from, for exactly what the guest has installed, and kept in the cache.
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeOnce, say } from '../vm/cache.ts'
import { debianMirror } from '../vm/image.ts'
import type { Machine } from '../vm/machine.ts'
import { chosenVariant } from '../vm/variant.ts'

const execute = promisify(execFile)

/** With what they depend on. Unpacked, not configured: programs can be run, and no service of theirs is started. */
export async function unpackPackages(machine: Machine, names: readonly string[]): Promise<void> {
  const installed = await machine.readFile('/var/lib/dpkg/status')
  const { folder } = await makeOnce({
    kind: 'bench-packages',
    ingredients: [chosenVariant().suite, installed, ...names],
    make: (place) => download(names, installed, place),
  })
  const debs = readdirSync(folder).filter((name) => name.endsWith('.deb'))
  await machine.run(['mkdir', '-p', '/var/tmp/bench'])
  for (const name of debs)
    await machine.run(['sh', '-c', 'cat > "$1"', 'sh', `/var/tmp/bench/${name}`], {
      input: readFileSync(join(folder, name)),
      deadlineMs: 600_000,
    })
  await machine.run(['sh', '-c', 'dpkg --unpack /var/tmp/bench/*.deb'], { deadlineMs: 1_800_000 })
}

/** Touches nothing of this computer's own package management. */
async function download(names: readonly string[], installed: string, folder: string): Promise<void> {
  const mirror = debianMirror()
  say(`Fetching ${names.join(', ')} from ${mirror} ...`)
  const inFolder = (name: string) => join(folder, 'apt', name)
  for (const name of ['lists/partial', 'cache/archives/partial', 'none'])
    mkdirSync(inFolder(name), { recursive: true })
  writeFileSync(inFolder('status'), installed)
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(
    inFolder('sources.list'),
    `deb [signed-by=${keyring}] ${mirror} ${chosenVariant().suite} main\n`,
  )
  const options = {
    'Dir::State': inFolder('.'),
    'Dir::State::lists': inFolder('lists'),
    'Dir::State::status': inFolder('status'),
    'Dir::Cache': inFolder('cache'),
    'Dir::Etc::sourcelist': inFolder('sources.list'),
    'Dir::Etc::sourceparts': inFolder('none'),
    'Dir::Etc::preferencesparts': inFolder('none'),
    'APT::Architecture': 'amd64',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '5',
  }
  const flags = ['-q', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])]
  await execute('apt-get', [...flags, 'update'])
  const archives = `Dir::Cache::archives=${folder}`
  mkdirSync(join(folder, 'partial'))
  const quietly = ['--yes', '--no-install-recommends', '--download-only']
  await execute('apt-get', [...flags, '-o', archives, ...quietly, 'install', ...names])
  for (const name of ['apt', 'partial', 'lock']) rmSync(join(folder, name), { recursive: true, force: true })
}
