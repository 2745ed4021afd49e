// Gets at a pool that lies in a LUKS container, for a visit or a restore: opens the container, sees that inside is what has to
// be, and closes it again. A container that somebody else has opened is used, and stays open.

import {
  firstNameOf,
  handName,
  leftOverName,
  mapperPath,
  mappingName,
  type OpenContainer,
  type Standing,
  standingOf,
} from './core/container.ts'
import type { Vdevs } from './core/diskState.ts'
import { identify, type Sighting, type VdevDevice } from './core/identity.ts'
import type { BlockDevice, Disk, LuksUuid } from './core/model.ts'
import { describeRefusal } from './core/refusal.ts'
import { DiskVanished, KeyRefused } from './errors.ts'
import type { Block } from './linux/block.ts'
import type { Luks } from './linux/luks.ts'

export interface ContainerDeps {
  readonly luks: Luks
  readonly block: Block
  readonly scan: () => Promise<readonly BlockDevice[]>
  /** False: the condition did not come true in that time. */
  readonly until: (condition: () => Promise<boolean>, deadlineMs: number) => Promise<boolean>
}

export type Reached =
  /** What ZFS is given to find the pool by. */
  | { readonly kind: 'reached'; readonly links: readonly string[] }
  /** What is inside is not what it has to be; what walkaway had opened is closed again. A sentence for a person. */
  | { readonly kind: 'refused'; readonly sentence: string }

/** udev reads the labels of what was opened. */
const identifiedMs = 30_000

export interface OpenRequest {
  readonly disk: Disk
  readonly vdevs: Vdevs
  /** With the key of its container; null: none is known. */
  readonly keyFile: string | null
  /** Its pool is in the kernel, and waits for the container if that is not open on the disk as it is now. */
  readonly inKernel: boolean
}

/**
 * For a disk without a container, its links. Throws `KeyRefused`, `DiskVanished`, `CommandFailed` and `DeadlineExceeded`.
 *
 * When the disk was pulled out and is back, what was opened on it before is still there, answers nothing, and may be kept by
 * its pool. Then it gets another name, and the container, opened anew, the one by which ZFS looks for its device.
 */
export async function openContainer(request: OpenRequest, deps: ContainerDeps): Promise<Reached> {
  const { disk, vdevs } = request
  const [vdev] = vdevs
  if (vdev === undefined || vdev.luks === null)
    return { kind: 'reached', links: vdevs.map(({ link }) => link) }
  const before = standingOf(vdev, await deps.scan())
  await bringUp(vdev, vdev.luks, before, request, deps)
  const inside: { link: string | null; sighting: Sighting } = { link: null, sighting: { kind: 'absent' } }
  const settled = await deps.until(async () => {
    const devices = await deps.scan()
    const { open } = standingOf(vdev, devices)
    inside.link = open === null ? null : mapperPath(open.mapping.name)
    inside.sighting = identify([disk], devices).get(disk.name) ?? { kind: 'absent' }
    return inside.sighting.kind === 'refused' || (inside.sighting.kind === 'present' && open !== null)
  }, identifiedMs)
  const { link, sighting } = inside
  if (settled && link !== null && sighting.kind === 'present') return { kind: 'reached', links: [link] }
  await closeContainer(vdevs, { others: false }, deps)
  return { kind: 'refused', sentence: explain(disk, vdev, sighting) }
}

function explain(disk: Disk, { node }: VdevDevice, sighting: Sighting): string {
  if (sighting.kind === 'refused') return describeRefusal(disk, sighting.reason)
  if (sighting.kind === 'settling' && sighting.because === 'no-pool')
    return describeRefusal(disk, { kind: 'no-pool', node })
  return `udev does not say what is in the LUKS container on ${node}`
}

async function bringUp(
  vdev: VdevDevice,
  uuid: LuksUuid,
  { open, leftOver }: Standing,
  { keyFile, inKernel }: OpenRequest,
  { luks, block }: ContainerDeps,
): Promise<void> {
  const kept: OpenContainer[] = []
  for (const one of leftOver) {
    const { name, ours } = one.mapping
    if (ours ? (await luks.close(name)) === 'busy' : inKernel) kept.push(one)
  }
  const wanted = kept[0] === undefined ? null : firstNameOf(kept[0])
  const name =
    open?.mapping.name ?? (wanted === null ? mappingName(uuid) : `${mappingName(uuid)}-${vdev.diskSeq}`)
  if (open === null) {
    if (keyFile === null)
      throw new KeyRefused(`the LUKS container on ${vdev.node} is closed, and no key file of it is known`, {
        hint: `open it: cryptsetup open ${vdev.node} ${handName(uuid)}`,
      })
    if (!(await block.isSameDevice(vdev))) throw new DiskVanished(`${vdev.node} is gone`)
    await luks.open({ node: vdev.node, name, keyFile })
  }
  if (wanted === null || name === wanted) return
  for (const one of kept) if (one.mapping.name === wanted) await luks.rename(wanted, leftOverName(one))
  await luks.rename(name, wanted)
}

/** What is in the way, in words for a person. */
export interface HeldOpen {
  /** `opener`: nothing is wrong, whoever opened it has not closed it. */
  readonly by: 'opener' | 'something'
  readonly reason: string
  readonly hint: string
}

/**
 * Null: no container is open on these devices any more. One that somebody else has opened stays open, unless `others`. Of
 * another disk, be it the same one as it was plugged in later, nothing is closed. Throws as `openContainer` does.
 */
export async function closeContainer(
  vdevs: Vdevs,
  { others }: { readonly others: boolean },
  { luks, block, scan }: ContainerDeps,
): Promise<HeldOpen | null> {
  for (const vdev of vdevs) {
    if (vdev.luks === null) continue
    const { open, leftOver } = standingOf(vdev, await scan())
    // Of a disk that was pulled out: it keeps nobody from taking this one, and is tried again at the next opening.
    for (const { mapping } of leftOver)
      if (mapping.ours) await luks.close(mapping.name).catch(() => undefined)
    if (open === null) continue
    const { name, ours } = open.mapping
    if (!ours && !others)
      return {
        by: 'opener',
        reason: `its LUKS container was opened by somebody else, as ${name}, and stays open`,
        hint: `to close it: cryptsetup close ${name}, or walkaway eject`,
      }
    if ((await luks.close(name)) === 'closed') continue
    const holders = await block.holders({ disk: open.node })
    const by = holders.length > 0 ? ` by ${holders.join(', ')}` : ''
    return {
      by: 'something',
      reason: `its LUKS container is in use${by}`,
      hint: 'it is tried again by itself',
    }
  }
  return null
}

/** The device to read from, to see that the disk answers: inside its container, if it lies in one. Null: that is closed. */
export const deviceOf = async (
  { node, luks: uuid }: VdevDevice,
  { luks }: Pick<ContainerDeps, 'luks'>,
): Promise<string | null> => (uuid === null ? node : luks.inside({ node, uuid }))
