// A machine around the in-memory ZFS: backup disks with their ports and sequence numbers, the block layer, a clock that
// is turned by hand, and what was told. Enough for a visit; the daemon's surroundings are fakes/service.ts.

import pLimit from 'p-limit'
import type { Config, ConfiguredDisk } from '../../src/config.ts'
import { mapperPath, mappingName } from '../../src/core/container.ts'
import type { Vdevs } from '../../src/core/diskState.ts'
import type { VdevDevice } from '../../src/core/identity.ts'
import {
  type Disk,
  datasetName,
  diskName,
  luksUuid,
  type Progress,
  serial,
  vdevGuid,
} from '../../src/core/model.ts'
import type { KeepPolicy } from '../../src/core/retention.ts'
import type { EventKind, WalkawayEvent } from '../../src/events.ts'
import type { Block, ReleaseResult } from '../../src/linux/block.ts'
import type { VisitDeps } from '../../src/visit.ts'
import { utc } from '../core/calendars.ts'
import { createFakeLuks, deviceOf, type FakeContainer, track } from './luks.ts'
import { createFakeZfs, type FakeZfs } from './zfs.ts'
import type { FakePool } from './zfsState.ts'

export interface FakeDisk {
  readonly disk: ConfiguredDisk
  readonly pool: FakePool
  /** Of its partition. */
  readonly link: string
  /** That its pool lies in; null: in none. */
  readonly container: FakeContainer | null
  /** null: not plugged in. */
  seq: number | null
  /** False: it is there, but does not answer. */
  readable: boolean
  /** Who else has the device open. */
  holders: readonly string[]
  /** Flushed and stopped, by whom it can be taken; false again when it is used. */
  released: boolean
}

export interface Machine extends FakeZfs {
  readonly told: WalkawayEvent[]
  readonly phases: string[]
  readonly deps: VisitDeps
  readonly block: Block
  readonly disks: ReadonlyMap<string, FakeDisk>
  now: Date
  /** Part of its configuration; nothing is given up unless it is changed. */
  keep: Config['keep']
  scrubEveryMs: number | null
  /** A backup disk with a pool of its own, plugged in; `keyFile` is configured, as is that of its LUKS container, `luks`. */
  addDisk(
    name: string,
    options?: {
      readonly encrypted?: boolean
      readonly keyFile?: string | null
      readonly luks?: string | null
    },
  ): FakeDisk
  disk(name: string): FakeDisk
  unplug(name: string): void
  /** Plugged in, again: as a new device. */
  plugIn(name: string): void
  vdevs(name: string): Vdevs
  config(fields?: Partial<Pick<Config, 'sources' | 'backup'>>): Config
  /** Kinds of what was told, in order. */
  story(): readonly EventKind[]
}

export const none: KeepPolicy = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 }

/** One event loop turn: everything that was ready has run. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export function createMachine(): Machine {
  const fake = createFakeZfs()
  const { state } = fake
  const disks = new Map<string, FakeDisk>()
  const told: WalkawayEvent[] = []
  const phases: string[] = []
  let plugs = 0

  const disk = (name: string): FakeDisk => {
    const found = disks.get(name)
    if (found === undefined) throw new Error(`the machine has no disk ${name}`)
    return found
  }
  const at = (node: string): FakeDisk | undefined =>
    [...disks.values()].find(
      ({ seq, container }) =>
        node === `/dev/sd${seq}` ||
        node === `/dev/sd${seq}p1` ||
        container?.mappings.some(({ dm, on }) => node === `/dev/dm-${dm}` && on === seq && seq !== null),
    )

  /** As a verb of ZFS, but alive when ZFS is not. */
  async function ask<T>(verb: string, about: string, act: () => T): Promise<T> {
    const call = { verb, about }
    state.calls.push(call)
    await state.interference.before?.(call)
    const answer = act()
    await state.interference.after?.(call)
    return answer
  }
  const isSame = (node: string, diskSeq: string): boolean => {
    const found = at(node)
    return found !== undefined && String(found.seq) === diskSeq
  }

  const block: Block = {
    isSameDevice: ({ node, diskSeq }) => ask('block.isSameDevice', node, () => isSame(node, diskSeq)),
    readable: (node) => ask('block.readable', node, () => at(node)?.readable === true),
    leadsTo: (link, node) => ask('block.leadsTo', link, () => at(node)?.link === link),
    release: ({ node, diskSeq }, { spinDown }) =>
      ask('block.release', node, (): ReleaseResult => {
        const found = at(node)
        if (found === undefined || !isSame(node, diskSeq)) return { kind: 'gone' }
        const opened = (found.container?.mappings ?? []).filter(({ on }) => on === found.seq)
        const stacked = opened.map(({ dm, name }) => `device dm-${dm} (${name})`)
        const holders = found.pool.imported === null ? [...found.holders, ...stacked] : ['its pool']
        if (holders.length > 0) return { kind: 'held', holders }
        found.released = true
        return { kind: 'released', stopped: spinDown, note: null }
      }),
    holders: async ({ pool, disk: node }) => {
      const users = [...disks.values()]
        .flatMap(({ container }) => container?.mappings ?? [])
        .find(({ dm }) => node === `/dev/dm-${dm}`)?.users
      return users ?? [...disks.values()].find((one) => one.pool.name === pool)?.holders ?? []
    },
    sizeBytes: async (node) => (at(node) === undefined ? null : 1n << 40n),
  }

  const machine: Machine = {
    ...fake,
    told,
    phases,
    block,
    disks,
    now: new Date('2026-11-22T21:00:00Z'),
    keep: { disk: none, source: none },
    scrubEveryMs: null,
    addDisk(name, { encrypted = false, keyFile = null, luks = null } = {}) {
      const uuid = luksUuid(`0b9c5a5e-0000-4000-8000-${String(disks.size).padStart(12, '0')}`)
      const link = `/dev/disk/by-id/usb-${name}-part1`
      const pool = fake.addPool(name, {
        imported: false,
        encrypted,
        link: luks === null ? link : mapperPath(mappingName(uuid)),
      })
      const key = state.keyFiles.get('/keys/right') ?? ''
      const identity: Disk = {
        name: diskName(name),
        serials: [serial(`serial of ${name}`)],
        pool: pool.name,
        poolGuid: pool.guid,
        luks: null,
      }
      const added: FakeDisk = {
        disk: { ...identity, overdueMs: null, keyFile, luks: luks === null ? null : { uuid, keyFile: luks } },
        pool,
        link,
        container: luks === null ? null : { uuid, key, mappings: [], kept: null },
        seq: ++plugs,
        readable: true,
        holders: [],
        released: false,
      }
      disks.set(name, added)
      track(added)
      return added
    },
    disk,
    unplug(name) {
      const pulled = disk(name)
      track(pulled)
      for (const mapping of pulled.container?.mappings ?? []) mapping.on = null
      pulled.seq = null
      fake.pull(name)
    },
    plugIn(name) {
      disk(name).seq = ++plugs
      disk(name).released = false
      fake.plug(name)
      track(disk(name))
    },
    reboot() {
      fake.reboot()
      for (const each of disks.values()) {
        if (each.container !== null) each.container.mappings = []
        track(each)
      }
    },
    vdevs(name) {
      const { seq, link, container } = disk(name)
      const vdev: VdevDevice = {
        node: `/dev/sd${seq}p1`,
        link,
        diskNode: `/dev/sd${seq}`,
        diskSeq: String(seq),
        vdevGuid: container === null ? vdevGuid(`vdev of ${name}`) : null,
        luks: container?.uuid ?? null,
      }
      return [vdev]
    },
    config: (fields = {}) => ({
      sources: [{ dataset: datasetName('tank'), place: 'tank', exclude: [] }],
      disks: [...disks.values()].map((one) => one.disk),
      backup: { into: 'nas', snapshots: 'all', parallel: 2, onConflict: 'stop' },
      keep: machine.keep,
      finish: { scrubEveryMs: machine.scrubEveryMs, spinDown: true },
      remind: { overdueMs: null, takeAwayMs: null, quiet: null },
      notify: [],
      metrics: { textfile: null },
      control: { group: null },
      log: { level: 'info' },
      ...fields,
    }),
    story: () => told.map(({ kind }) => kind),
    deps: {
      zfs: fake.zfs,
      pools: fake.pools,
      transfer: fake.transfer,
      block,
      luks: createFakeLuks(disks, state.keyFiles, (what, about, act) => ask(`luks.${what}`, about, act)),
      scan: async () => [...disks.values()].flatMap(deviceOf),
      now: () => machine.now,
      host: 'nas',
      calendar: utc,
      nextSecond: async () => {
        machine.now = new Date(machine.now.getTime() + 1000)
      },
      takingSnapshots: pLimit(1),
      until: async (condition) => {
        for (let tries = 0; tries < 5; tries++) {
          if (await condition()) return true
          await turn()
        }
        return false
      },
      tell: (event) => void told.push(event),
      onPhase: (phase) => void phases.push(phase),
      onProgress: (_: Progress) => undefined,
      onWaiting: (_: string | null) => undefined,
    },
  }
  return machine
}
