// The LUKS container that a disk's pool lies in: under which name it is opened, and what there is of it now. Pure; the acts
// are src/container.ts.

import type { VdevDevice } from './identity.ts'
import type { BlockDevice, LuksUuid, Mapping } from './model.ts'

/** Of `/dev/mapper/NAME`: the same for every visit, because ZFS finds its device again by it. */
export const mappingName = (uuid: LuksUuid): string => `walkaway-${uuid}`

/** Under which a person is told to open it: what walkaway has opened itself it also closes. */
export const handName = (uuid: LuksUuid): string => `backup-${uuid}`

export const mapperPath = (name: string): string => `/dev/mapper/${name}`

/** Out of the way, so that the container, opened on the disk that is back, gets the name that this one had. */
export const leftOverName = ({ mapping, node }: OpenContainer): string =>
  `${mapping.name}${leftOverMark}${node.slice(node.lastIndexOf('/') + 1)}`
const leftOverMark = '-gone-'

/** The name that it had when it was opened: a pool that keeps it looks for its device there. */
export const firstNameOf = ({ mapping }: OpenContainer): string => mapping.name.split(leftOverMark)[0] ?? ''

export interface OpenContainer {
  /** `/dev/dm-0` */
  readonly node: string
  readonly mapping: Mapping
}

export interface Standing {
  /** On this very device; null: it is closed. */
  readonly open: OpenContainer | null
  /** Opened on the disk as it was plugged in before: they answer nothing any more. */
  readonly leftOver: readonly OpenContainer[]
}

/** What is open of the container of this vdev. On another device that is there, it is a copy's: neither of the two. */
export function standingOf({ node, diskSeq, luks }: VdevDevice, devices: readonly BlockDevice[]): Standing {
  const all = devices.flatMap((device): readonly OpenContainer[] =>
    device.mapping !== null && device.mapping.luksUuid === luks
      ? [{ node: device.node, mapping: device.mapping }]
      : [],
  )
  const carrier = devices.find((device) => device.node === node && device.diskSeq === diskSeq)
  return {
    open: all.find(({ mapping }) => carrier !== undefined && mapping.on === carrier.syspath) ?? null,
    leftOver: all.filter(({ mapping }) => mapping.on === null),
  }
}
