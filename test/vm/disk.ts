// Disk images of the USB disks that a scenario plugs in and pulls. Owns the files, and that one image is in one machine
// at a time; how it is attached is the machine's matter.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { constants, copyFile, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Disk = {
  readonly name: string
  readonly path: string
  readonly sizeMb: number
  /** Name of the machine that has it now. */
  attachedTo: string | undefined
}

export class DiskInUse extends Error {}

let folder: string | undefined

/** A folder that goes away with this process; what processes left that were killed is removed too. */
export function temporaryFolder(): string {
  if (folder !== undefined) return folder
  for (const name of readdirSync(tmpdir())) {
    const pid = /^walkaway-vm-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
  const made = mkdtempSync(join(tmpdir(), `walkaway-vm-${process.pid}-`))
  process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  folder = made
  return made
}

let made = 0

/** A blank sparse disk. Raw, so that a machine that is killed leaves exactly what its guest had written. */
export async function createDisk({
  name,
  sizeMb,
}: {
  readonly name: string
  readonly sizeMb: number
}): Promise<Disk> {
  const path = join(temporaryFolder(), `${made++}-${name}.img`)
  const file = await open(path, 'wx')
  await file.truncate(sizeMb * 1024 * 1024)
  await file.close()
  return { name, path, sizeMb, attachedTo: undefined }
}

/** A byte for byte copy, as `dd` makes one: same labels, same GUIDs. */
export async function copyDisk(disk: Disk, name: string): Promise<Disk> {
  if (disk.attachedTo !== undefined)
    throw new DiskInUse(`disk ${disk.name} cannot be copied while it is in ${disk.attachedTo}`)
  const path = join(temporaryFolder(), `${made++}-${name}.img`)
  await copyFile(disk.path, path, constants.COPYFILE_FICLONE)
  return { name, path, sizeMb: disk.sizeMb, attachedTo: undefined }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
