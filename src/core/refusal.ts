// Why a connected disk is not touched: as data, and in a sentence for a person. What leads to it is identity.ts.

import type { Disk, LuksUuid, PoolGuid, PoolName, Serial } from './model.ts'

export type RefusalReason =
  /** The serial is the disk's, the pool on it is another one. */
  | {
      readonly kind: 'other-pool'
      readonly node: string
      readonly found: { readonly pool: PoolName; readonly poolGuid: PoolGuid }
    }
  /** The pool is the disk's, the serial is not configured for it. */
  | { readonly kind: 'foreign-serial'; readonly node: string; readonly serials: readonly Serial[] }
  /** Two devices claim to be the same vdev, or the same LUKS container: a copy. Neither is touched. */
  | { readonly kind: 'twin'; readonly nodes: readonly string[] }
  /** Serial and GUID are right, the pool has another name. */
  | { readonly kind: 'renamed'; readonly node: string; readonly found: PoolName }
  /** Its pool was to lie in a LUKS container, and lies on the disk itself: whoever finds the disk can read it. */
  | { readonly kind: 'not-in-luks'; readonly node: string; readonly expected: LuksUuid }
  /** There is a LUKS container on it, which is not configured. */
  | { readonly kind: 'in-luks'; readonly node: string; readonly uuid: LuksUuid }
  /** The serial is the disk's, the LUKS container on it is another one. */
  | {
      readonly kind: 'other-luks'
      readonly node: string
      readonly found: LuksUuid
      readonly expected: LuksUuid
    }
  /** Never from identify(): what the daemon makes of a disk that has settled without a pool. */
  | { readonly kind: 'no-pool'; readonly node: string }

/** A device beside the right one that reports the same serial (docks do) but carries another pool. */
export interface Alarm {
  readonly kind: 'shared-serial'
  readonly node: string
  readonly diskSeq: string
  readonly serials: readonly Serial[]
  readonly found: { readonly pool: PoolName; readonly poolGuid: PoolGuid }
}

/** What is wrong, what was expected and what to do, in a sentence for a person. */
export function describeRefusal(disk: Disk, reason: RefusalReason): string {
  switch (reason.kind) {
    case 'other-pool':
      return (
        `${reason.node} has the serial number of ${disk.name}, but the pool on it is "${reason.found.pool}" ` +
        `(GUID ${reason.found.poolGuid}) where pool "${disk.pool}" (GUID ${disk.poolGuid}) was expected. ` +
        'If the pool was created anew, put its GUID into the configuration (walkaway disks shows it)'
      )
    case 'foreign-serial': {
      const found = reason.serials.length === 0 ? 'no serial number' : `serial ${reason.serials.join(' / ')}`
      return (
        `${reason.node} carries ${wholeOf(disk)} of ${disk.name} (${idsOf(disk)}), but the disk reports ${found} ` +
        `where ${disk.serials.join(', ')} was expected. If this is the disk in another enclosure or a new disk of ` +
        'its pool, add the serial to the configuration (walkaway disks shows it); if it is a copy, unplug it'
      )
    }
    case 'twin':
      return (
        `${reason.nodes.join(' and ')} are copies of each other: each claims to be the same device of pool ` +
        `"${disk.pool}". Unplug the one that is not ${disk.name}; until then none of them is used`
      )
    case 'renamed':
      return (
        `${reason.node} is ${disk.name} by its serial number and pool GUID, but its pool is named ` +
        `"${reason.found}" where "${disk.pool}" was expected. If it was renamed on purpose, put the new name into ` +
        'the configuration'
      )
    case 'no-pool':
      return (
        `${reason.node} has the serial number of ${disk.name}, but there is no ${disk.luks === null ? 'ZFS pool' : 'such LUKS container'} on it where pool ` +
        `"${disk.pool}" (${idsOf(disk)}) was expected. It may be damaged, or erased; look at it with ` +
        `${disk.luks === null ? '"zpool import"' : '"cryptsetup luksDump"'} and "walkaway disks" before anything is written to it`
      )
    case 'not-in-luks':
      return (
        `the pool of ${disk.name} is on ${reason.node} itself, where it was expected in the LUKS container ` +
        `${reason.expected}: it is not encrypted by LUKS. If that is meant, take luks out of its ` +
        'entry in the configuration; if not, keep the disk in a safe place and make its pool anew inside LUKS'
      )
    case 'in-luks':
      return (
        `${reason.node} carries a LUKS container (UUID ${reason.uuid}), and none is configured for ${disk.name}. ` +
        `If its pool lies in there, add to its entry in the configuration: ` +
        `luks: { uuid: ${reason.uuid}, keyFile: /etc/walkaway/${disk.name}.luks }`
      )
    case 'other-luks':
      return (
        `${reason.node} has the serial number of ${disk.name}, but the LUKS container on it has the UUID ` +
        `${reason.found} where ${reason.expected} was expected; it is not opened. If it was made anew, put ` +
        'its UUID and the GUID of its pool into the configuration (walkaway disks shows them)'
      )
  }
}

const wholeOf = ({ luks }: Disk): string => (luks === null ? 'the pool' : 'the LUKS container or the pool')
const idsOf = ({ poolGuid, luks }: Disk): string =>
  luks === null ? `GUID ${poolGuid}` : `GUID ${poolGuid}, LUKS UUID ${luks.uuid}`

/** The same for an alarm. */
export function describeAlarm(disk: Disk, alarm: Alarm): string {
  return (
    `${alarm.node} reports the serial number of ${disk.name}, too (${alarm.serials.join(' / ')}), but carries pool ` +
    `"${alarm.found.pool}" (GUID ${alarm.found.poolGuid}); it is not touched. Docks and cheap enclosures give all ` +
    'their disks one serial'
  )
}
