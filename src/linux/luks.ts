// LUKS containers by cryptsetup(8) and dmsetup(8): open, close, and which device the open inside of one is. The key stays in
// its file, which cryptsetup reads itself: it is in no argument, in no output, and never in this process.

import { constants } from 'node:fs'
import { access, readdir } from 'node:fs/promises'
import type { LuksUuid } from '../core/model.ts'
import { CommandFailed, KeyRefused } from '../errors.ts'
import { mappingOf } from './blockDevice.ts'
import type { Run } from './run.ts'
import { readAttribute } from './sysfs.ts'

/** Opening and renaming throw `CommandFailed`, all of them `DeadlineExceeded`. */
export interface Luks {
  /**
   * `/dev/mapper/NAME` is there afterwards, and udev has looked at it. Throws `KeyRefused` with a hint for the person when the
   * file has no key of this container, or is not there.
   */
  open(container: { readonly node: string; readonly name: string; readonly keyFile: string }): Promise<void>
  /** Fine if it is closed already. `busy`: something uses what is inside. */
  close(name: string): Promise<'closed' | 'busy'>
  /** Whoever has it open keeps it. */
  rename(name: string, newName: string): Promise<void>
  /**
   * `/dev/dm-0`: the open inside of this container on this very device; null: it is closed there. Reads sysfs only. Never
   * throws: what cannot be read shows nothing.
   */
  inside(container: { readonly node: string; readonly uuid: LuksUuid }): Promise<string | null>
}

/** The hash of a passphrase may take a slow machine long, by intent. */
const openDeadlineMs = 180_000
/** cryptsetup tries some times by itself; a device whose disk is gone takes no longer. */
const closeDeadlineMs = 60_000
const renameDeadlineMs = 30_000
const settleDeadlineMs = 15_000

export function createLuks({ run, sys = '/sys' }: { readonly run: Run; readonly sys?: string }): Luks {
  /** What udev still reads of the inside would be in the way. One that does not come to rest is no reason to wait for ever. */
  async function letUdevFinish(): Promise<void> {
    await run('udevadm', ['settle', '--timeout=10'], { deadlineMs: settleDeadlineMs }).catch(() => undefined)
  }

  const open: Luks['open'] = async ({ node, name, keyFile }) => {
    await access(keyFile, constants.R_OK).catch((cause: unknown) => {
      throw new KeyRefused(`the key file ${keyFile} is not there or cannot be read`, {
        cause,
        hint: `put it there, or name the right file; ${again}`,
      })
    })
    const args = ['open', '--type', 'luks', '--batch-mode', '--key-file', keyFile, node, name]
    await run('cryptsetup', args, { deadlineMs: openDeadlineMs }).catch((error: unknown) => {
      throw named(error, { node, keyFile })
    })
    await letUdevFinish()
  }

  const close: Luks['close'] = async (name) => {
    await letUdevFinish()
    try {
      await run('cryptsetup', ['close', name], { deadlineMs: closeDeadlineMs })
      return 'closed'
    } catch (error) {
      if (!(error instanceof CommandFailed) || isMissing(error)) throw error
      return (await isOpen(name)) ? 'busy' : 'closed'
    }
  }

  const isOpen = async (name: string): Promise<boolean> =>
    (await mapped()).some((device) => device.name === name)

  /** Kernel names; without those of disks that were pulled out, of which a link stays behind. */
  async function carriersOf(kernelName: string): Promise<readonly string[]> {
    const folder = `${sys}/class/block/${kernelName}/slaves`
    const names = await readdir(folder).catch((): string[] => [])
    const there = await Promise.all(
      names.map((name) =>
        access(`${folder}/${name}`).then(
          () => true,
          () => false,
        ),
      ),
    )
    return names.filter((_, at) => there[at])
  }

  /** Every device of the device mapper. */
  async function mapped() {
    const names = (await readdir(`${sys}/class/block`)).filter((kernelName) => kernelName.startsWith('dm-'))
    return Promise.all(
      names.map(async (kernelName) => ({
        kernelName,
        uuid: (await readAttribute(`${sys}/class/block/${kernelName}/dm/uuid`)) ?? '',
        name: (await readAttribute(`${sys}/class/block/${kernelName}/dm/name`)) ?? '',
        on: await carriersOf(kernelName),
      })),
    )
  }

  return {
    open,
    close,
    rename: async (name, newName) =>
      void (await run('dmsetup', ['rename', name, newName], { deadlineMs: renameDeadlineMs })),
    inside: async ({ node, uuid }) => {
      const carrier = node.slice(node.lastIndexOf('/') + 1)
      const found = await mapped().then(
        (devices) =>
          devices.find(
            (device) => mappingOf({ ...device, on: null })?.luksUuid === uuid && device.on.includes(carrier),
          ),
        () => undefined,
      )
      return found === undefined ? null : `/dev/${found.kernelName}`
    },
  }
}

const again = 'then plug the disk in again'

const isMissing = ({ exitCode, signal }: CommandFailed): boolean => exitCode === null && signal === null

function named(
  error: unknown,
  { node, keyFile }: { readonly node: string; readonly keyFile: string },
): unknown {
  if (!(error instanceof CommandFailed)) return error
  if (isMissing(error))
    return new KeyRefused('its LUKS container cannot be opened: cryptsetup is missing', {
      cause: error,
      hint: `apt-get install cryptsetup-bin; ${again}`,
    })
  // cryptsetup(8), RETURN CODES: 2 is no permission, which is a bad passphrase.
  if (error.exitCode !== 2) return error
  return new KeyRefused(`the key in ${keyFile} does not open the LUKS container on ${node}`, {
    cause: error,
    hint: `put the right key there, or name the right file; the whole file is the key, a line break at its end too; ${again}`,
  })
}
