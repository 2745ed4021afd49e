// Saved machines that scenarios start from: `ready` (booted, ZFS loaded, source pool `tank` with files) and `installed`
// (ready, plus the walkaway package). A layer is thin disk overlays and the memory of the running machine; everything
// that starts from it writes into overlays of its own.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { accelerator } from './accelerator.ts'
import { hashOf, type Made, makeOnce, markUsed, say } from './cache.ts'
import { type Guest, openGuest } from './guest.ts'
import { type Image, kindOf, makeImage } from './image.ts'
import { machineShape, type Qemu, type QemuOptions, saveState, startQemu } from './qemu.ts'

export type LayerName = 'ready' | 'installed'

export type Layer = Made & {
  readonly image: Image
  readonly drives: QemuOptions['drives']
  readonly state: string
}

const setUp = join(import.meta.dirname, 'image', 'ready.sh')

const memory = new Map<string, Promise<Layer>>()

/** Makes what is missing below it, too. `deb` is the package file of the layer `installed`. */
export function makeLayer(name: LayerName, deb?: string): Promise<Layer> {
  const key = `${name} ${deb ?? ''}`
  const known = memory.get(key)
  if (known !== undefined) return known
  const layer = name === 'ready' ? makeReady() : makeInstalled(deb)
  memory.set(key, layer)
  return layer
}

async function makeReady(): Promise<Layer> {
  const image = await makeImage()
  const accel = await accelerator(image)
  const made = await makeOnce({
    kind: kindOf('ready'),
    ingredients: [image.id, readFileSync(setUp, 'utf8'), JSON.stringify(machineShape), accel, qemuVersion()],
    make: async (folder) => {
      say(
        accel === 'kvm'
          ? 'Booting the machine ...'
          : 'Booting the machine in software emulation, about a minute ...',
      )
      const drives = drivesIn(folder)
      overlay(image.disk, join(folder, 'root.qcow2'))
      execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'tank.qcow2'), '6G'])
      await saveAfter({ image, accel, folder, drives }, async (guest) => {
        say('Booted; creating the pool tank ...')
        await guest.run(['bash', '-euo', 'pipefail', '-s'], {
          input: readFileSync(setUp),
          deadlineMs: 240_000,
        })
      })
      say('The machine is ready.')
    },
  })
  return asLayer(made, image)
}

async function makeInstalled(deb: string | undefined): Promise<Layer> {
  if (deb === undefined) throw new Error('the layer `installed` needs a package: run `npm run package` first')
  const ready = await makeLayer('ready')
  const accel = await accelerator(ready.image)
  const made = await makeOnce({
    kind: kindOf('installed'),
    // Several working copies on one computer have a package each.
    keep: 4,
    ingredients: [ready.id, hashOf([readFileSync(deb).toString('base64')]), 'install-3'],
    make: async (folder) => {
      say(`Installing ${basename(deb)} ...`)
      for (const { path } of ready.drives) overlay(path, join(folder, basename(path)))
      await saveAfter(
        { image: ready.image, accel, folder, drives: drivesIn(folder), state: ready.state },
        async (guest) => {
          const target = `/var/tmp/${basename(deb)}`
          await guest.run(['date', '--set', `@${Date.now() / 1000}`])
          await guest.run(['sh', '-c', 'cat > "$1"', 'sh', target], { input: readFileSync(deb) })
          // Everything it depends on is in the image; a dependency that is not is a mistake of the image's recipe.
          await guest.run(['apt-get', 'install', '--yes', '--no-install-recommends', target], {
            deadlineMs: 180_000,
            env: { DEBIAN_FRONTEND: 'noninteractive' },
          })
          await guest.run(['sh', '-c', settle])
        },
      )
      say('Installed.')
    },
  })
  return asLayer(made, ready.image)
}

// What was written is on the disks, and the journal of making the layer is not what a scenario wants to read.
const settle =
  'udevadm settle; journalctl --rotate --vacuum-time=1s --quiet; sync; echo 1 > /proc/sys/vm/drop_caches; sync'

type Making = {
  readonly image: Image
  readonly accel: Awaited<ReturnType<typeof accelerator>>
  readonly folder: string
  readonly drives: QemuOptions['drives']
  readonly state?: string
}

async function saveAfter(
  { image, accel, folder, drives, state }: Making,
  work: (guest: Guest) => Promise<void>,
): Promise<void> {
  const consolePath = join(folder, 'console.log')
  const qemu: Qemu = await startQemu({
    accelerator: accel,
    kernel: image.kernel,
    initrd: image.initrd,
    drives,
    consolePath,
    ...(state === undefined ? {} : { state }),
  })
  try {
    // Nobody reads the journal here; the port must not fill up.
    qemu.journal.resume()
    const guest = openGuest(qemu.agent)
    await qemu.qmp.command('cont')
    await guest.hello(300_000).catch((error: unknown) => {
      throw new Error(
        `the machine did not come up; its console said:\n${readFileSync(consolePath, 'utf8').slice(-3000)}`,
        { cause: error },
      )
    })
    await work(guest)
    await saveState(qemu.qmp, join(folder, 'state'))
  } finally {
    await qemu.quit()
  }
}

/** Overlays of a layer's disks for one scenario. */
export function overlaysOf(layer: Layer, folder: string): QemuOptions['drives'] {
  mkdirSync(folder, { recursive: true })
  markUsed(layer.folder)
  for (const { path } of layer.drives) overlay(path, join(folder, basename(path)))
  return drivesIn(folder)
}

function drivesIn(folder: string): QemuOptions['drives'] {
  return ['root', 'tank'].map((serial) => ({ serial, path: join(folder, `${serial}.qcow2`) }))
}

function overlay(backing: string, path: string): void {
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', backing, '-F', 'qcow2', path])
}

function asLayer(made: Made, image: Image): Layer {
  return { ...made, image, drives: drivesIn(made.folder), state: join(made.folder, 'state') }
}

function qemuVersion(): string {
  return execFileSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' })
}
