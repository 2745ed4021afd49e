// The USB sockets of one machine: what is plugged in where, over QMP. Remembers it while the machine is off, so that a
// disk can be there when it boots. Knows nothing of the guest.
import { type Disk, DiskInUse } from './disk.ts'
import { machineShape } from './qemu.ts'
import type { Qmp } from './qmp.ts'

export type PlugOptions = {
  readonly serial: string
  /** 1 to 15; without it the first free one. */
  readonly port?: number
  /** Which of the two controllers. */
  readonly controller?: 0 | 1
  /** A slow disk: bytes per second, reading and writing together. */
  readonly bytesPerSecond?: number
  /** A dying disk: so many writes go well, and then so many fail. */
  readonly failing?: { readonly after: number; readonly count: number }
  /** false: return as soon as the plug is in. */
  readonly wait?: boolean
}

export type Usb = {
  readonly plug: (disk: Disk, options: PlugOptions) => Promise<void>
  readonly pull: (disk: Disk) => Promise<void>
  /** A blank stick without an image file, for crowds. Returns how to pull it again. */
  readonly plugStick: (options: {
    readonly serial: string
    readonly sizeMb?: number
    readonly controller?: 0 | 1
  }) => Promise<() => Promise<void>>
  /** Changes the speed of a disk that was plugged in with `bytesPerSecond`; 0 is unlimited. */
  readonly throttle: (disk: Disk, bytesPerSecond: number) => Promise<void>
  readonly powerOn: (qmp: Qmp) => Promise<void>
  /** The machine is off, for a while or for good: its disks are taken out and may go elsewhere. */
  readonly letGo: () => void
}

type Plugged = {
  readonly id: string
  readonly options: PlugOptions
  readonly image: Readonly<Record<string, unknown>>
}

export function createUsb(machineName: string): Usb {
  const plugged = new Map<Disk, Plugged>()
  let qmp: Qmp | undefined
  let count = 0

  function connection(): Qmp {
    if (qmp === undefined) throw new Error(`${machineName} was never switched on`)
    return qmp
  }

  async function attach({ id, options, image }: Plugged): Promise<void> {
    const { serial, port, controller = 0, bytesPerSecond } = options
    const node = `${id}-image`
    await connection().command('blockdev-add', { ...image, 'node-name': node })
    if (bytesPerSecond !== undefined) {
      const group = `${id}-group`
      await connection().command('object-add', {
        'qom-type': 'throttle-group',
        id: group,
        limits: { 'bps-total': bytesPerSecond },
      })
      await connection().command('blockdev-add', {
        driver: 'throttle',
        'node-name': `${id}-slow`,
        'throttle-group': group,
        file: node,
      })
    }
    try {
      await connection().command('device_add', {
        driver: 'usb-storage',
        id,
        bus: `${machineShape.controllers[controller]}.0`,
        drive: bytesPerSecond === undefined ? node : `${id}-slow`,
        serial,
        ...(options.failing === undefined ? {} : { werror: 'report' }),
        ...(port === undefined ? {} : { port: String(port) }),
      })
    } catch (error) {
      await removeNodes(id, options)
      throw error
    }
  }

  async function removeNodes(id: string, { bytesPerSecond }: PlugOptions): Promise<void> {
    if (bytesPerSecond !== undefined) {
      await connection().command('blockdev-del', { 'node-name': `${id}-slow` })
      await connection().command('object-del', { id: `${id}-group` })
    }
    await connection().command('blockdev-del', { 'node-name': `${id}-image` })
  }

  async function detach({ id, options }: Plugged): Promise<void> {
    const deleted = connection().nextEvent(
      ({ event, data }) => event === 'DEVICE_DELETED' && data?.['device'] === id,
      20_000,
    )
    const [gone] = await Promise.all([deleted, connection().command('device_del', { id })])
    void gone
    await removeNodes(id, options)
  }

  return {
    plug: async (disk, options) => {
      if (disk.attachedTo !== undefined)
        throw new DiskInUse(`disk ${disk.name} is already plugged into ${disk.attachedTo}`)
      disk.attachedTo = machineName
      const image = {
        driver: 'raw',
        discard: 'unmap',
        cache: { 'no-flush': true },
        file: fileOf(disk, options),
      }
      const place = { id: `disk${count++}`, options, image }
      try {
        await attach(place)
      } catch (error) {
        disk.attachedTo = undefined
        throw error
      }
      plugged.set(disk, place)
    },
    pull: async (disk) => {
      const place = plugged.get(disk)
      if (place === undefined) throw new DiskInUse(`disk ${disk.name} is not plugged into ${machineName}`)
      await detach(place)
      plugged.delete(disk)
      disk.attachedTo = undefined
    },
    plugStick: async ({ serial, sizeMb = 64, controller = 1 }) => {
      const image = { driver: 'null-co', size: sizeMb * 1024 * 1024, 'read-zeroes': true }
      const place = { id: `stick${count++}`, options: { serial, controller }, image }
      await attach(place)
      return () => detach(place)
    },
    throttle: async (disk, bytesPerSecond) => {
      const place = plugged.get(disk)
      if (place?.options.bytesPerSecond === undefined)
        throw new Error(`disk ${disk.name} was not plugged in with bytesPerSecond`)
      await connection().command('qom-set', {
        path: `/objects/${place.id}-group`,
        property: 'limits',
        value: { 'bps-total': bytesPerSecond },
      })
    },
    powerOn: async (newQmp) => {
      qmp = newQmp
      for (const place of plugged.values()) await attach(place)
    },
    letGo: () => {
      for (const disk of plugged.keys()) disk.attachedTo = undefined
      plugged.clear()
    },
  }
}

type Node = Readonly<Record<string, unknown>>

/** QEMU's blkdebug counts in states: every write is a step to the next one, and in the last ones writing fails. */
function fileOf({ path }: Disk, { failing }: PlugOptions): Node {
  const file = { driver: 'file', filename: path, cache: { 'no-flush': true } }
  if (failing === undefined) return file
  const event = 'write_aio'
  const states = Array.from({ length: failing.after + failing.count }, (_, at) => at + 1)
  return {
    driver: 'blkdebug',
    image: file,
    'set-state': states.map((state) => ({ event, state, new_state: state + 1 })),
    'inject-error': states
      .slice(failing.after)
      .map((state) => ({ event, state, iotype: 'write', errno: 5, once: true })),
  }
}
