// Is ZFS there, does it answer, and are all programs there? Pools are looked at in the kernel's own files, which never
// block; no zpool command is run while a pool is suspended.
import { access, constants } from 'node:fs/promises'
import { CommandFailed, messageOf } from '../../errors.ts'
import { KSTAT_ROOT, kernelPools, readKstat } from '../../zfs/kstat.ts'
import {
  type Check,
  ok,
  problem,
  type Surroundings,
  type Verdict,
  warning,
  type ZfsAccess,
} from './surroundings.ts'

/** Looks for suspended pools, then asks ZFS for a sign of life. Never throws. */
export async function findZfsAccess({ root, pools }: Surroundings): Promise<ZfsAccess> {
  const suspended: string[] = []
  for (const name of await kernelPools(`${root}${KSTAT_ROOT}`))
    if ((await readKstat(`${root}${KSTAT_ROOT}/${name}/state`).catch(() => null)) === 'SUSPENDED')
      suspended.push(name)
  if (suspended.length > 0)
    return { kind: 'closed', suspended, why: `the pool ${suspended.join(', ')} is suspended` }
  const why = await pools.answers().then(
    (answers) => (answers ? null : 'ZFS does not answer'),
    // No program, or no module: each has a check of its own, which says what mends it.
    (error: unknown) => `ZFS could not be asked: ${messageOf(error)}`,
  )
  return why === null ? { kind: 'open' } : { kind: 'closed', suspended, why }
}

/** `zfs version`: the tools' line and the module's, which ends the name in `-kmod`. */
export function parseToolsVersion(stdout: string): string | null {
  return /^zfs-(?!kmod-)(\S+)/m.exec(stdout)?.[1] ?? null
}

/** The release alone: tools and module are packaged with different suffixes. */
const releaseOf = (version: string): string => /^\d+(\.\d+)*/.exec(version)?.[0] ?? version

/** `module` and `tools` are their versions; null: not there; tools that do not tell their version are `''`. */
export function judgeZfs(found: {
  readonly module: string | null
  readonly device: boolean
  readonly tools: string | null
}): readonly Verdict[] {
  const { module, device, tools } = found
  const verdicts: Verdict[] = []
  if (module === null)
    verdicts.push(
      problem(
        'the zfs module is not loaded',
        'modprobe zfs; if there is none: apt install zfs-dkms linux-headers-$(dpkg --print-architecture)',
      ),
    )
  else if (!device) verdicts.push(problem('there is no /dev/zfs', 'udevadm trigger /sys/class/misc/zfs'))
  if (tools === null)
    verdicts.push(problem('the zfs and zpool commands are missing', 'apt install zfsutils-linux'))
  if (module === null || tools === null || !device) return verdicts
  if (tools !== '' && releaseOf(module) !== releaseOf(tools))
    return [
      warning(
        `the module is OpenZFS ${module}, the tools are ${tools}: one of them was upgraded alone`,
        'reboot, so that the module of the new version is loaded',
      ),
    ]
  const [major = 0, minor = 0] = module.split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 1)
    ? [ok(`OpenZFS ${module}`)]
    : [
        warning(
          `OpenZFS ${module}: walkaway is made for 2.1 and newer`,
          'apt upgrade zfsutils-linux zfs-dkms',
        ),
      ]
}

/** Started by the service, without a path. */
const programs: Readonly<Record<string, string>> = {
  zpool: 'zfsutils-linux',
  udevadm: 'udev',
  sg_start: 'sg3-utils',
  logger: 'util-linux',
  'systemd-notify': 'systemd',
  'systemd-inhibit': 'systemd',
  'systemd-run': 'systemd',
}

/** For disks whose pool lies in a LUKS container. */
const luksPrograms: Readonly<Record<string, string>> = { cryptsetup: 'cryptsetup-bin', dmsetup: 'dmsetup' }

async function isProgram(root: string, name: string): Promise<boolean> {
  for (const folder of ['/usr/sbin', '/usr/bin', '/sbin', '/bin'])
    if (await isThere(`${root}${folder}/${name}`, constants.X_OK)) return true
  return false
}

const isThere = (path: string, mode = constants.F_OK): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  )

export const zfsChecks: readonly Check[] = [
  {
    name: 'zfs',
    async look({ root, run }) {
      // It asks neither the module nor a pool.
      const tools = await run('zfs', ['version'], { deadlineMs: 10_000 }).then(
        ({ stdout }) => parseToolsVersion(stdout) ?? '',
        (error: unknown) => {
          if (!(error instanceof CommandFailed)) throw error
          // It is not there at all, or misses the module: that has a sentence of its own.
          return error.exitCode === null && error.signal === null ? null : ''
        },
      )
      const module = await readKstat(`${root}/sys/module/zfs/version`)
      return judgeZfs({ tools, module, device: await isThere(`${root}/dev/zfs`) })
    },
  },
  {
    name: 'pools',
    async look(_surroundings, { access: found }) {
      if (found.kind === 'open') return [ok('ZFS answers, and no pool is suspended')]
      if (found.suspended.length > 0)
        return found.suspended.map((pool) =>
          problem(
            `the pool ${pool} is suspended: its disk does not answer. Do not export it`,
            'plug its disk in again; walkaway revives its own pools, for any other: zpool clear POOL',
          ),
        )
      return [problem(found.why, 'journalctl -k | grep -i -e zfs -e "blocked for"; reboot if it stays so')]
    },
  },
  {
    name: 'programs',
    async look({ root }, { config }) {
      const usesLuks = config?.disks.some(({ luks }) => luks !== null) === true
      const wanted = { ...programs, ...(usesLuks ? luksPrograms : {}) }
      const missing: string[] = []
      for (const name of Object.keys(wanted)) if (!(await isProgram(root, name))) missing.push(name)
      const packages = [...new Set(missing.map((name) => wanted[name]))].join(' ')
      return missing.length === 0
        ? [ok('all there')]
        : [problem(`missing: ${missing.join(', ')}`, `apt install ${packages}`)]
    },
  },
]

/** For a check that cannot be made; null: it can. */
export const notLookedAt = ({ access: found }: { readonly access: ZfsAccess }): readonly Verdict[] | null =>
  found.kind === 'open' ? null : [warning(`not looked at, because ${found.why}`, null)]

/** As a problem of its own, for what a check throws. */
export const failure = (error: unknown): Verdict =>
  problem(
    `this could not be looked at: ${messageOf(error)}`,
    error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : null,
  )
