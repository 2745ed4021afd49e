// LUKS containers on the fake machine's disks: what is open of one outlives the disk that is pulled out, and cannot be closed as
// long as a pool keeps it. Also what udev says of the disks, be there a container on them or not.

import { mapperPath, mappingName } from '../../src/core/container.ts'
import { type BlockDevice, type LuksUuid, serial, vdevGuid } from '../../src/core/model.ts'
import { CommandFailed, KeyRefused } from '../../src/errors.ts'
import type { Luks } from '../../src/linux/luks.ts'
import type { FakeDisk } from './machine.ts'

export interface FakeContainer {
  readonly uuid: LuksUuid
  /** What is in the file that opens it. */
  readonly key: string
  mappings: FakeMapping[]
  /** Of the mapping that its pool has open. */
  kept: number | null
}
export interface FakeMapping {
  readonly dm: number
  name: string
  /** null: of a disk that was pulled out. */
  on: number | null
  readonly ours: boolean
  /** Who else has it open. */
  users: readonly string[]
}

/** ZFS opens its device by a name, and keeps it until it can open it anew. */
export function track({ container, pool, seq }: FakeDisk): void {
  if (container === null) return
  const named = container.mappings.find(({ name }) => mapperPath(name) === pool.link)
  pool.present = named !== undefined && named.on !== null && named.on === seq
  if (pool.imported === null) container.kept = null
  else if (container.kept === null || (pool.present && !pool.suspended)) container.kept = named?.dm ?? null
}

type Ask = <T>(what: string, about: string, act: () => T) => Promise<T>

export function createFakeLuks(
  disks: ReadonlyMap<string, FakeDisk>,
  keyFiles: ReadonlyMap<string, string>,
  ask: Ask,
): Luks {
  let opened = 0
  const owned = (): readonly { readonly disk: FakeDisk; readonly container: FakeContainer }[] =>
    [...disks.values()].flatMap((disk) => {
      track(disk)
      return disk.container === null ? [] : [{ disk, container: disk.container }]
    })
  const mappingCalled = (name: string) =>
    owned()
      .flatMap(({ disk, container }) => container.mappings.map((mapping) => ({ disk, container, mapping })))
      .find(({ mapping }) => mapping.name === name)
  const failed = (args: readonly string[], exitCode: number) =>
    new CommandFailed({ command: ['cryptsetup', ...args], exitCode, signal: null, stderr: '' })

  return {
    open: ({ node, name, keyFile }) =>
      ask('open', node, () => {
        const key = keyFiles.get(keyFile)
        if (key === undefined)
          throw new KeyRefused(`the key file ${keyFile} is not there`, { hint: 'right file' })
        const found = owned().find(({ disk }) => disk.seq !== null && node === `/dev/sd${disk.seq}p1`)
        if (found === undefined) throw failed(['open', node], 4)
        const { disk, container } = found
        if (key !== container.key)
          throw new KeyRefused(`the key in ${keyFile} does not open it`, { hint: 'right key' })
        const busy = container.mappings.some(({ on }) => on === disk.seq)
        if (busy || mappingCalled(name) !== undefined) throw failed(['open', node, name], 5)
        const ours = name.startsWith(mappingName(container.uuid))
        container.mappings.push({ dm: opened++, name, on: disk.seq, ours, users: [] })
        disk.released = false
        track(disk)
      }),
    close: (name) =>
      ask('close', name, () => {
        const found = mappingCalled(name)
        if (found === undefined) return 'closed'
        const { disk, container, mapping } = found
        if (mapping.users.length > 0 || container.kept === mapping.dm) return 'busy'
        container.mappings = container.mappings.filter((one) => one !== mapping)
        track(disk)
        return 'closed'
      }),
    rename: (name, newName) =>
      ask('rename', name, () => {
        const found = mappingCalled(name)
        if (found === undefined || mappingCalled(newName) !== undefined) throw failed(['rename', name], 1)
        found.mapping.name = newName
        track(found.disk)
      }),
    inside: async ({ node, uuid }) => {
      const found = owned()
        .filter(({ disk, container }) => container.uuid === uuid && node === `/dev/sd${disk.seq}p1`)
        .flatMap(({ disk, container }) => container.mappings.filter(({ on }) => on === disk.seq))[0]
      return found === undefined ? null : `/dev/dm-${found.dm}`
    },
  }
}

/** What udev says of the disk: it and its partition, and what is open, or was when it was pulled out, of its container. */
export function deviceOf({ disk, link, pool, seq, container }: FakeDisk): readonly BlockDevice[] {
  const syspath = `/sys/devices/usb/sd${seq}`
  const whole: BlockDevice = {
    node: `/dev/sd${seq}`,
    syspath,
    kind: 'disk',
    diskSyspath: syspath,
    diskSeq: String(seq),
    serials: disk.serials.map(serial),
    links: [],
    sizeBytes: 1n << 40n,
    initialized: true,
    removable: true,
    model: 'disk',
    fsType: '',
    member: null,
    luksUuid: null,
    mapping: null,
  }
  const member = { pool: pool.name, poolGuid: pool.guid, vdevGuid: vdevGuid(`vdev of ${pool.name}`) }
  const partition: BlockDevice = {
    ...whole,
    node: `/dev/sd${seq}p1`,
    syspath: `${syspath}/p1`,
    kind: 'partition',
    links: [link],
    fsType: container === null ? 'zfs_member' : 'crypto_LUKS',
    member: container === null ? member : null,
    luksUuid: container?.uuid ?? null,
  }
  const opened = (container?.mappings ?? []).map(
    ({ dm, name, on, ours }): BlockDevice => ({
      ...whole,
      node: `/dev/dm-${dm}`,
      syspath: `/sys/devices/virtual/dm-${dm}`,
      diskSyspath: `/sys/devices/virtual/dm-${dm}`,
      diskSeq: `dm ${dm}`,
      serials: [],
      links: [mapperPath(name)],
      fsType: 'zfs_member',
      member,
      luksUuid: null,
      mapping: {
        luksUuid: partition.luksUuid ?? mappingUuid(name),
        name,
        on: on === null ? null : `/sys/devices/usb/sd${on}/p1`,
        ours,
      },
    }),
  )
  return seq === null ? opened : [whole, partition, ...opened]
}

const mappingUuid = (name: string): never => {
  throw new Error(`${name} is open without a container`)
}
