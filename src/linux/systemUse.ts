// What of this machine's disks and pools the running system stands on: mounts and swap, followed down through what is
// stacked (LUKS, LVM, RAID) to the disks. Reads /proc and /sys only, never a disk.
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { kernelNameOf } from './blockDevice.ts'
import { parseMountinfo } from './holders.ts'

export interface SystemUse {
  /** syspaths of the disks and partitions below what the system has mounted, or swaps to. */
  readonly syspaths: ReadonlySet<string>
  /** Names of the pools with a dataset mounted there. */
  readonly pools: ReadonlySet<string>
}

/** Where the system itself lives: with all below, and just these. A disk mounted elsewhere is somebody's data. */
const systemTrees = ['/boot', '/efi', '/usr', '/var', '/etc', '/nix', '/gnu']
const systemPlaces = ['/', '/home', '/root', '/opt', '/srv', '/tmp']

/** True when a system whose disk is mounted here would not run without it. */
export const isSystemPlace = (mountpoint: string): boolean =>
  systemPlaces.includes(mountpoint) ||
  systemTrees.some((tree) => mountpoint === tree || mountpoint.startsWith(`${tree}/`))

/** Throws when /proc cannot be read: then nothing may be concluded. */
export async function readSystemUse(): Promise<SystemUse> {
  const mounts = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8')).filter(({ mountpoint }) =>
    isSystemPlace(mountpoint),
  )
  const syspaths = new Set<string>()
  const pools = new Set<string>()
  for (const { source, mountpoint } of mounts) {
    const found = await syspathOf(source, mountpoint)
    if (found !== null) await addWithSlaves(found, syspaths)
    else if (!source.startsWith('/')) pools.add(source.split('/')[0] ?? source)
  }
  for (const area of await swapAreas()) {
    const found = await syspathOf(area, null)
    if (found !== null) await addWithSlaves(found, syspaths)
  }
  return { syspaths, pools }
}

/** Null for what is no block device: a network share, a ZFS dataset, a tmpfs. */
async function syspathOf(source: string, mountpoint: string | null): Promise<string | null> {
  if (!source.startsWith('/dev/')) return null
  try {
    return await realpath(`/sys/class/block/${kernelNameOf(await realpath(source)).replaceAll('/', '!')}`)
  } catch {
    // `/dev/root` is a name without a node; the device's number still says which one it is.
    return mountpoint === null ? null : syspathOfNumber((await stat(mountpoint)).dev)
  }
}

/** `dev` as stat(2) gives it on Linux: major and minor are interleaved. */
async function syspathOfNumber(dev: number): Promise<string | null> {
  const bits = BigInt(dev)
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n)
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n)
  try {
    return await realpath(`/sys/dev/block/${major}:${minor}`)
  } catch {
    return null
  }
}

async function addWithSlaves(syspath: string, to: Set<string>): Promise<void> {
  if (to.has(syspath)) return
  to.add(syspath)
  for (const slave of await namesIn(`${syspath}/slaves`)) {
    await addWithSlaves(await realpath(`${syspath}/slaves/${slave}`), to)
  }
}

async function swapAreas(): Promise<readonly string[]> {
  const lines = (await readFile('/proc/swaps', 'utf8')).split('\n').slice(1)
  return lines.map((line) => line.split(/\s+/)[0] ?? '').filter((area) => area !== '')
}

/** A partition has no such folder. */
const namesIn = (folder: string): Promise<readonly string[]> => readdir(folder).catch(() => [])
