// Who uses a disk or a pool: mounts in every mount namespace, swap, devices stacked on it, open files. Reads /proc and
// /sys only, never the disk. What may not be read (another user's process, in a sandbox) is left out.

import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import type { PoolName } from '../core/model.ts'

interface Roots {
  readonly sys: string
  readonly proc: string
  readonly dev: string
}

/** What counts as a use: these device nodes, and mounts of these. */
interface Target {
  readonly kernelNames: readonly string[]
  readonly nodes: ReadonlySet<string>
  readonly pool: PoolName | null
}

/** Phrases for a person, each once: `process backup.sh (pid 123)`, `mounted at /mnt/x`. Never throws. */
export async function findHolders(
  of: { readonly disk?: string; readonly pool?: PoolName },
  roots: Roots,
): Promise<readonly string[]> {
  const { sys, proc, dev } = roots
  const kernelNames =
    of.disk === undefined ? [] : await namesOnDisk(of.disk.slice(dev.length + 1).replaceAll('/', '!'), sys)
  const nodes = kernelNames.map((name) => `${dev}/${name.replaceAll('!', '/')}`)
  const zvols = of.pool === undefined ? [] : await zvolNodes(`${dev}/zvol/${of.pool}`)
  const target: Target = { kernelNames, nodes: new Set([...nodes, ...zvols]), pool: of.pool ?? null }

  const pids = (await list(proc)).filter((name) => /^\d+$/.test(name))
  const mounts = await findMounts(target, pids, proc)
  const found = [
    ...(await stackedDevices(kernelNames, sys)),
    ...(await swapAreas(target, proc)),
    ...mounts.map(({ phrase }) => phrase),
    ...(await findProcesses(
      target,
      mounts.map(({ mountpoint }) => mountpoint),
      pids,
      proc,
    )),
  ]
  return [...new Set(found)]
}

/** The disk and its partitions. */
async function namesOnDisk(name: string, sys: string): Promise<readonly string[]> {
  const below = await list(`${sys}/class/block/${name}`)
  return [name, ...below.filter((entry) => entry.startsWith(name))]
}

async function zvolNodes(folder: string): Promise<readonly string[]> {
  const names = await orElse(readdir(folder, { recursive: true }), [])
  return Promise.all(names.map((name) => orElse(realpath(`${folder}/${name}`), '')))
}

async function stackedDevices(kernelNames: readonly string[], sys: string): Promise<readonly string[]> {
  const phrases = kernelNames.map(async (name) =>
    Promise.all(
      (await list(`${sys}/class/block/${name}/holders`)).map(async (holder) => {
        const mapped = await read(`${sys}/class/block/${holder}/dm/name`)
        return mapped === '' ? `device ${holder}` : `device ${holder} (${mapped.trim()})`
      }),
    ),
  )
  return (await Promise.all(phrases)).flat()
}

async function swapAreas(target: Target, proc: string): Promise<readonly string[]> {
  const lines = (await read(`${proc}/swaps`)).split('\n').slice(1)
  const areas = lines.map((line) => unescapeOctal(line.split(/\s+/)[0] ?? ''))
  return areas.filter((area) => target.nodes.has(area)).map((area) => `swap on ${area}`)
}

interface Mount {
  readonly mountpoint: string
  readonly phrase: string
}

async function findMounts(target: Target, pids: readonly string[], proc: string): Promise<readonly Mount[]> {
  const own = await orElse(readlink(`${proc}/self/ns/mnt`), 'own')
  const processOfNamespace = new Map([[own, 'self']])
  for (const pid of pids) {
    const namespace = await orElse(readlink(`${proc}/${pid}/ns/mnt`), own)
    if (!processOfNamespace.has(namespace)) processOfNamespace.set(namespace, pid)
  }
  const found = new Map<string, Mount>()
  for (const pid of processOfNamespace.values()) {
    for (const { source, mountpoint } of parseMountinfo(await read(`${proc}/${pid}/mountinfo`))) {
      if (!isUse(source, target) || found.has(mountpoint)) continue
      const elsewhere = pid === 'self' ? '' : ` for ${await nameOf(pid, proc)}`
      found.set(mountpoint, { mountpoint, phrase: `mounted at ${mountpoint}${elsewhere}` })
    }
  }
  return [...found.values()]
}

const isUse = (source: string, { nodes, pool }: Target): boolean =>
  nodes.has(source) ||
  (pool !== null && (source === pool || source.startsWith(`${pool}/`) || source.startsWith(`${pool}@`)))

/** The lines of /proc/PID/mountinfo: who is mounted where. */
export function parseMountinfo(
  text: string,
): readonly { readonly source: string; readonly mountpoint: string }[] {
  return text.split('\n').flatMap((line) => {
    const [mount, filesystem] = line.split(' - ')
    const mountpoint = mount?.split(' ')[4]
    const source = filesystem?.split(' ')[1]
    if (mountpoint === undefined || source === undefined) return []
    return [{ source: unescapeOctal(source), mountpoint: unescapeOctal(mountpoint) }]
  })
}

/** The kernel writes blanks and the like in these files as `\040`, one escape for each byte of UTF-8. */
const unescapeOctal = (text: string): string =>
  Buffer.from(
    Buffer.from(text, 'utf8')
      .toString('latin1')
      .replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    'latin1',
  ).toString('utf8')

async function findProcesses(
  target: Target,
  mountpoints: readonly string[],
  pids: readonly string[],
  proc: string,
): Promise<readonly string[]> {
  const isUsed = (path: string): boolean =>
    target.nodes.has(path) ||
    mountpoints.some(
      (mountpoint) => path === mountpoint || (mountpoint !== '/' && path.startsWith(`${mountpoint}/`)),
    )
  const phrases: string[] = []
  for (const pid of pids) {
    const files = (await list(`${proc}/${pid}/fd`)).map((fd) => `fd/${fd}`)
    for (const file of ['cwd', 'root', ...files]) {
      if (!isUsed(await orElse(readlink(`${proc}/${pid}/${file}`), ''))) continue
      phrases.push(await nameOf(pid, proc))
      break
    }
  }
  return phrases
}

const nameOf = async (pid: string, proc: string): Promise<string> =>
  `process ${(await read(`${proc}/${pid}/comm`)).trim()} (pid ${pid})`

// A process or device that ends while it is looked at, or that may not be looked at, holds nothing we could name.
const orElse = <T>(promise: Promise<T>, otherwise: T): Promise<T> => promise.catch(() => otherwise)
const list = (folder: string): Promise<readonly string[]> => orElse(readdir(folder), [])
const read = (file: string): Promise<string> => orElse(readFile(file, 'utf8'), '')
