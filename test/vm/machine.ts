// A running machine as a scenario sees it: plug and pull disks, run commands, read the journal, cut the power. Composes
// qemu.ts, guest.ts and journal.ts; what a machine starts from is made in layers.ts.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { accelerator } from './accelerator.ts'
import { type Disk, temporaryFolder } from './disk.ts'
import { type CommandOptions, type CommandResult, type Guest, type GuestProcess, openGuest } from './guest.ts'
import { createJournal, type Journal } from './journal.ts'
import { type LayerName, makeLayer, overlaysOf } from './layers.ts'
import { type Qemu, startQemu } from './qemu.ts'
import { takeTurn } from './turn.ts'
import { createUsb, type PlugOptions, type Usb } from './usb.ts'

export type MachineOptions = {
  /** `installed`: the package of build/ is installed and not configured. `ready`: a machine that never had it. */
  readonly layer: LayerName
  readonly name: string
  readonly hostname?: string
  /** Eight hexadecimal digits. A machine with another one is another machine to ZFS. */
  readonly hostid?: string
  readonly deb?: string
}

export type Machine = {
  readonly name: string
  readonly journal: Journal
  /** Plugs a USB disk in. Returns when the guest's udev has its links, or at once with `wait: false`. */
  readonly plug: (disk: Disk, options: PlugOptions) => Promise<void>
  /** Pulls the plug of a disk, whatever the guest is doing with it. */
  readonly pull: (disk: Disk) => Promise<void>
  readonly usb: Usb
  readonly run: (argv: readonly string[], options?: CommandOptions) => Promise<CommandResult>
  /** bash -euo pipefail; answers with what it wrote to stdout. */
  readonly script: (text: string, options?: CommandOptions) => Promise<string>
  readonly start: (
    argv: readonly string[],
    options?: Omit<CommandOptions, 'deadlineMs' | 'reject'>,
  ) => GuestProcess
  readonly readFile: (path: string) => Promise<string>
  readonly writeFile: (
    path: string,
    content: string | Uint8Array,
    options?: { readonly mode?: string },
  ) => Promise<void>
  readonly copyIn: (hostPath: string, guestPath: string) => Promise<void>
  /** Runs a command again and again until it ends with 0 (and its stdout passes the test). */
  readonly until: (
    argv: readonly string[],
    options: { readonly deadlineMs: number; readonly stdout?: (text: string) => boolean },
  ) => Promise<CommandResult>
  /** All that was written to the journal before this call has been received when it resolves. */
  readonly settleJournal: () => Promise<void>
  /** Creates a pool on a blank disk, exports it and pulls the disk: as a new backup disk comes out of its box. */
  readonly makePool: (
    disk: Disk,
    options: { readonly serial: string; readonly pool: string; readonly options?: readonly string[] },
  ) => Promise<{ readonly poolGuid: string }>
  /** Ends QEMU without telling the guest. Disks stay plugged in. */
  readonly powerCut: () => Promise<void>
  /** Cold boot from the same disks, with what is plugged in; resolves when all services are up, or with the first command. */
  readonly boot: (options?: { readonly until?: 'services' | 'first-command' }) => Promise<void>
  /** powerCut and boot. */
  readonly reset: () => Promise<void>
  /** Clean power-off by the guest; resolves when the machine is off. */
  readonly shutdown: (options?: { readonly deadlineMs?: number }) => Promise<void>
  /** Clean reboot by the guest; resolves when it is up again. */
  readonly reboot: () => Promise<void>
  readonly isRunning: () => boolean
  readonly consolePath: string
  /** Stops it at once and removes what it had written. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

class MachineOff extends Error {}

/** The newest package that `npm run package` has left in build/. */
export function builtPackage(): string {
  const folder = join(import.meta.dirname, '..', '..', 'build')
  const found = (statSync(folder, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(folder))
    .filter((name) => name.startsWith('walkaway_') && name.endsWith('.deb'))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0]
  if (found === undefined) throw new Error('no package in build/: run `npm run package` first')
  return found
}

export async function startMachine(options: MachineOptions): Promise<Machine> {
  await takeTurn()
  const { layer: layerName, name } = options
  const deb = layerName === 'installed' ? (options.deb ?? builtPackage()) : undefined
  const layer = await makeLayer(layerName, deb)
  const accel = await accelerator(layer.image)
  const folder = mkdtempSync(join(temporaryFolder(), 'm'))
  const consolePath = join(folder, 'console.log')
  const drives = overlaysOf(layer, folder)
  const journal = createJournal()
  const usb = createUsb(name)
  let power: { readonly qemu: Qemu; readonly guest: Guest } | undefined

  async function powerOn(state: string | undefined): Promise<void> {
    if (power?.qemu.isRunning() === true) throw new Error(`${name} is already running`)
    const { kernel, initrd } = layer.image
    const qemu = await startQemu({
      accelerator: accel,
      kernel,
      initrd,
      drives,
      consolePath,
      ...(state === undefined ? {} : { state }),
    })
    const guest = openGuest(qemu.agent)
    journal.attach(qemu.journal)
    power = { qemu, guest }
    await usb.powerOn(qemu.qmp)
    await qemu.qmp.command('cont')
    await guest.hello(300_000)
    await guest.run(['date', '--set', `@${Date.now() / 1000}`])
  }

  function on(): { readonly qemu: Qemu; readonly guest: Guest } {
    if (power === undefined || !power.qemu.isRunning()) throw new MachineOff(`${name} is switched off`)
    return power
  }

  const boot: Machine['boot'] = async ({ until: moment = 'services' } = {}) => {
    await powerOn(undefined)
    // Answers `degraded` with a nonzero exit code where a service has failed, which may be what the scenario is about.
    if (moment === 'services')
      await run(['systemctl', 'is-system-running', '--wait'], { deadlineMs: 300_000, reject: false })
  }

  async function powerCut(): Promise<void> {
    const { qemu } = on()
    await qemu.quit()
    power = undefined
  }

  const run: Machine['run'] = async (argv, commandOptions) => on().guest.run(argv, commandOptions)

  const script: Machine['script'] = async (text, commandOptions) =>
    (await run(['bash', '-euo', 'pipefail', '-c', text], commandOptions)).stdout

  const writeFile: Machine['writeFile'] = async (path, content, { mode = '0644' } = {}) => {
    await run(['sh', '-c', 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"', 'sh', path, mode], {
      input: content,
    })
  }

  const until: Machine['until'] = async (argv, { deadlineMs, stdout = () => true }) => {
    const end = Date.now() + deadlineMs
    for (;;) {
      const result = await run(argv, { reject: false, deadlineMs })
      if (result.exitCode === 0 && stdout(result.stdout)) return result
      if (Date.now() > end)
        throw new Error(`not so within ${deadlineMs} ms: ${argv.join(' ')}: ${result.stdout}${result.stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }

  async function plug(disk: Disk, plugOptions: PlugOptions): Promise<void> {
    const { serial, wait = true } = plugOptions
    await usb.plug(disk, plugOptions)
    if (!wait) return
    await run(['udevadm', 'wait', '--timeout=60', diskLink(serial)], { deadlineMs: 70_000 })
    await run(['udevadm', 'settle', '--timeout=60'], { deadlineMs: 70_000 })
  }

  async function powerEnds(command: readonly string[], deadlineMs: number): Promise<void> {
    const { qemu, guest } = on()
    guest.start(command)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${name} was not off within ${deadlineMs} ms after ${command.join(' ')}`)),
        deadlineMs,
      )
    })
    await Promise.race([qemu.exited, late]).finally(() => clearTimeout(timer))
    power = undefined
  }

  const shutdown: Machine['shutdown'] = ({ deadlineMs = 180_000 } = {}) =>
    powerEnds(['systemctl', 'poweroff', '--no-block'], deadlineMs)

  async function close(): Promise<void> {
    await power?.qemu.quit()
    power = undefined
    usb.letGo()
    rmSync(folder, { recursive: true, force: true })
  }

  const machine: Machine = {
    name,
    journal,
    usb,
    plug,
    pull: async (disk) => {
      on()
      await usb.pull(disk)
    },
    run,
    script,
    start: (argv, startOptions) => on().guest.start(argv, startOptions),
    readFile: async (path) => (await run(['cat', '--', path])).stdout,
    writeFile,
    copyIn: (hostPath, guestPath) => writeFile(guestPath, readFileSync(hostPath)),
    until,
    settleJournal: async () => {
      const token = `settled ${Math.random().toString(36).slice(2)}`
      await run(['logger', '--tag', 'machine', token])
      await journal.waitFor({ message: token }, { deadlineMs: 30_000 })
    },
    makePool: async (disk, { serial, pool, options: poolOptions = [] }) => {
      await plug(disk, { serial })
      const device = diskLink(serial)
      const create = [
        'zpool',
        'create',
        '-o',
        'cachefile=none',
        '-o',
        'ashift=12',
        '-O',
        'mountpoint=none',
        '-O',
        'canmount=off',
      ]
      await run([...create, '-O', 'compression=lz4', '-O', 'atime=off', ...poolOptions, pool, device])
      const poolGuid = (await run(['zpool', 'get', '-Hp', '-o', 'value', 'guid', pool])).stdout.trim()
      await run(['zpool', 'export', pool])
      await run(['udevadm', 'settle'])
      await usb.pull(disk)
      await until(['sh', '-c', `test ! -e ${device}`], { deadlineMs: 30_000 })
      return { poolGuid }
    },
    powerCut,
    boot,
    reset: async () => {
      await powerCut()
      await boot()
    },
    shutdown,
    reboot: async () => {
      // With the pool of a pulled disk in the kernel, zed may hang in it: systemd gives up on it three times.
      await powerEnds(['systemctl', 'reboot', '--no-block'], 420_000)
      await boot()
    },
    isRunning: () => power?.qemu.isRunning() === true,
    consolePath,
    close,
    [Symbol.asyncDispose]: close,
  }

  try {
    await powerOn(layer.state)
    if (options.hostid !== undefined) await run(['zgenhostid', '-f', options.hostid])
    if (options.hostname !== undefined) {
      await writeFile('/etc/hostname', `${options.hostname}\n`)
      await run(['hostname', options.hostname])
    }
    await machine.settleJournal()
  } catch (error) {
    await close()
    throw error
  }
  return machine
}

/** The link that udev makes for a USB disk of this machine, or for its partition. */
export function diskLink(serial: string, partition?: number): string {
  return `/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_${serial}-0:0${partition === undefined ? '' : `-part${partition}`}`
}
