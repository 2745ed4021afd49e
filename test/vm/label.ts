// Changes what the four ZFS labels of a disk image say, as somebody would who wants to do harm: bytes for bytes, with right
// checksums. The image must not be in a machine.
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { type Disk, DiskInUse } from './disk.ts'

const labelBytes = 256 * 1024
/** vdev_phys_t within a label: the list of names and values, and a checksum at its end. */
const physOffset = 16 * 1024
const physBytes = 112 * 1024
/** zio_eck_t: eight bytes of magic, four words of SHA-256. */
const checksumAt = physBytes - 32

/** The same number of bytes instead of others, wherever they are in the labels. Throws when they are in none. */
export async function replaceInLabels(disk: Disk, from: string, to: string): Promise<void> {
  if (Buffer.byteLength(from, 'latin1') !== Buffer.byteLength(to, 'latin1'))
    throw new Error(`${JSON.stringify(to)} is not as long as ${JSON.stringify(from)}`)
  await editLabels(disk, (phys) => {
    let found = 0
    for (let at = phys.indexOf(from, 0, 'latin1'); at !== -1; at = phys.indexOf(from, at + 1, 'latin1')) {
      phys.write(to, at, 'latin1')
      found++
    }
    if (found === 0) throw new Error(`${JSON.stringify(from)} is not in the label`)
    return 'right'
  })
}

/** Labels whose lists are rubbish, with their old checksums. */
export async function spoilLabels(disk: Disk): Promise<void> {
  await editLabels(disk, (phys) => {
    phys.fill(0xa5, 0, 4096)
    return 'wrong'
  })
}

/** `edit` answers which checksum the label is to have. */
async function editLabels(disk: Disk, edit: (phys: Buffer) => 'right' | 'wrong'): Promise<void> {
  if (disk.attachedTo !== undefined) throw new DiskInUse(`disk ${disk.name} is in ${disk.attachedTo}`)
  const image = await open(disk.path, 'r+')
  try {
    const { start, size } = await firstPartition(image)
    const aligned = size - (size % labelBytes)
    for (const label of [0, labelBytes, aligned - 2 * labelBytes, aligned - labelBytes]) {
      const phys = Buffer.alloc(physBytes)
      await image.read(phys, 0, physBytes, start + label + physOffset)
      const before = Buffer.from(phys.subarray(checksumAt))
      if (!checksumOf(phys, label + physOffset).equals(before)) throw new Error('this is no ZFS label')
      const wanted = edit(phys)
      ;(wanted === 'right' ? checksumOf(phys, label + physOffset) : before).copy(phys, checksumAt)
      await image.write(phys, 0, physBytes, start + label + physOffset)
    }
  } finally {
    await image.close()
  }
}

/** Of the block with its own offset in the place of the checksum (zio_checksum_label_verifier). */
function checksumOf(phys: Buffer, offset: number): Buffer {
  const block = Buffer.from(phys)
  block.fill(0, checksumAt)
  block.writeBigUInt64LE(BigInt(offset), checksumAt)
  const digest = createHash('sha256').update(block).digest()
  return digest.swap64()
}

/** Of a GPT with sectors of 512 bytes. */
async function firstPartition(image: FileHandle): Promise<{ readonly start: number; readonly size: number }> {
  const entry = Buffer.alloc(128)
  await image.read(entry, 0, 128, 2 * 512)
  const first = Number(entry.readBigUInt64LE(32))
  const last = Number(entry.readBigUInt64LE(40))
  return { start: first * 512, size: (last - first + 1) * 512 }
}
