// One QEMU process: its command line, its sockets, its end. It never outlives the process that started it. Which disks
// and which saved state it gets is decided by layers.ts and machine.ts.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { temporaryFolder } from './disk.ts'
import { acceptOne, openQmp, type Qmp } from './qmp.ts'

export type Accelerator = 'kvm' | 'tcg'

export type QemuOptions = {
  readonly accelerator: Accelerator
  readonly kernel: string
  readonly initrd: string
  /** qcow2 images of /dev/vda, /dev/vdb ... with their serial numbers. */
  readonly drives: readonly { readonly path: string; readonly serial: string }[]
  /** File of a saved machine state to go on from; without it the machine boots. */
  readonly state?: string
  readonly consolePath: string
}

export type Qemu = {
  readonly qmp: Qmp
  readonly agent: Socket
  readonly journal: Socket
  readonly isRunning: () => boolean
  /** Resolves when the process has ended, whatever the reason. */
  readonly exited: Promise<void>
  /** Ends it at once, without telling the guest. What the guest had written is on its disks. */
  readonly quit: () => Promise<void>
}

/** Part of every layer's key: a saved state fits only the machine that it was saved from. */
export const machineShape = {
  memoryMb: 1536,
  cpus: 2,
  controllers: ['usb0', 'usb1'],
  portsPerController: 15,
} as const

export async function startQemu(options: QemuOptions): Promise<Qemu> {
  const sockets = mkdtempSync(join(temporaryFolder(), 'q'))
  const path = (name: string) => join(sockets, name)
  const accepts = {
    qmp: acceptOne(path('qmp')),
    agent: acceptOne(path('agent')),
    journal: acceptOne(path('journal')),
  }
  await Promise.all(Object.values(accepts).map((accept) => accept.listening))

  // The kernel kills QEMU when this process ends, however it ends.
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'SIGKILL', '--', 'qemu-system-x86_64', ...commandLine(options, path)],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    },
  )
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000)
  })
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', (error) => {
      said += error.message
      resolve()
    })
  }).then(() => rmSync(sockets, { recursive: true, force: true }))
  const failed = exited.then(() => {
    throw new Error(`QEMU ended before it was ready: ${said.trim()}`)
  })
  failed.catch(() => undefined)

  const [qmpSocket, agent, journal] = await Promise.race([
    Promise.all([accepts.qmp.connected, accepts.agent.connected, accepts.journal.connected]),
    failed,
  ])
  const qmp = await openQmp(qmpSocket)
  const isRunning = () => child.exitCode === null && child.signalCode === null
  if (options.state !== undefined) await Promise.race([stateLoaded(qmp), failed])

  return {
    qmp,
    agent,
    journal,
    isRunning,
    exited,
    quit: async () => {
      if (!isRunning()) return exited
      await quitPolitely(qmp, child, exited)
    },
  }
}

function commandLine(options: QemuOptions, socket: (name: string) => string): readonly string[] {
  const { accelerator, kernel, initrd, drives, state, consolePath } = options
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35', '-S'],
    ...(accelerator === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host']
      : ['-accel', 'tcg,thread=multi', '-cpu', 'max']),
    ...[
      '-smp',
      String(machineShape.cpus),
      '-m',
      String(machineShape.memoryMb),
      '-rtc',
      'base=utc',
      '-action',
      'reboot=shutdown',
    ],
    ...['-kernel', kernel, '-initrd', initrd],
    ...[
      '-append',
      'root=/dev/vda rw console=ttyS0 quiet mitigations=off audit=0 systemd.show_status=no net.ifnames=0',
    ],
    ...['-chardev', `file,id=console,path=${consolePath},append=on`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=qmp,path=${socket('qmp')}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci,id=ports'],
    ...['agent', 'journal'].flatMap((name) => [
      ...['-chardev', `socket,id=${name},path=${socket(name)}`],
      ...['-device', `virtserialport,bus=ports.0,chardev=${name},name=machine.${name}`],
    ]),
    ...machineShape.controllers.flatMap((id) => {
      const ports = machineShape.portsPerController
      return ['-device', `qemu-xhci,id=${id},p2=${ports},p3=${ports}`]
    }),
    // A flush need not reach the host's disk: what QEMU has written survives QEMU.
    ...drives.flatMap(({ path, serial }) => [
      ...['-drive', `if=none,id=${serial},file=${path},format=qcow2,cache=unsafe,discard=unmap`],
      ...['-device', `virtio-blk-pci,drive=${serial},serial=${serial}`],
    ]),
    ...(state === undefined ? [] : ['-incoming', `exec:cat '${state}'`]),
  ]
}

async function stateLoaded(qmp: Qmp): Promise<void> {
  for (;;) {
    const { status } = (await qmp.command('query-status')) as { status: string }
    if (status !== 'inmigrate') return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Writes the machine's memory and device state to a file; the machine is stopped afterwards. */
export async function saveState(qmp: Qmp, path: string): Promise<void> {
  await qmp.command('stop')
  // The default limit is made for networks.
  await qmp.command('migrate-set-parameters', { 'max-bandwidth': 8 * 1024 ** 3 })
  await qmp.command('migrate', { uri: `exec:cat > '${path}'` })
  for (;;) {
    const { status, ...rest } = (await qmp.command('query-migrate')) as {
      status: string
      'error-desc'?: string
    }
    if (status === 'completed') return
    if (status === 'failed' || status === 'cancelled')
      throw new Error(`saving the machine failed: ${rest['error-desc'] ?? status}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function quitPolitely(qmp: Qmp, child: ChildProcess, exited: Promise<void>): Promise<void> {
  // `quit` writes out what qcow2 keeps in memory; a QEMU that does not answer any more is killed.
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await qmp
    .command('stop')
    .then(() => qmp.command('quit'))
    .catch(() => undefined)
  await exited
  clearTimeout(timer)
}
