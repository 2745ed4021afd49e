// A machine around the in-memory ZFS: backup disks with their ports and sequence numbers, the block layer, a clock that
// is turned by hand, and what was told. Enough for a visit; the daemon's surroundings are fakes/service.ts.

import pLimit from 'p-limit'
import type { Config, ConfiguredDisk } from '../../src/config.ts'
import type { Vdevs } from '../../src/core/diskState.ts'
import type { VdevDevice } from '../../src/core/identity.ts'
import { type Disk, datasetName, diskName, type Progress, serial, vdevGuid } from '../../src/core/model.ts'
import type { KeepPolicy } from '../../src/core/retention.ts'
import type { EventKind, WalkawayEvent } from '../../src/events.ts'
import type { Block, ReleaseResult } from '../../src/linux/block.ts'
import type { VisitDeps } from '../../src/visit.ts'
import { utc } from '../core/calendars.ts'
import { createFakeZfs, type FakeZfs } from './zfs.ts'
import type { FakePool } from './zfsState.ts'

export interface FakeDisk {
  readonly disk: ConfiguredDisk
  readonly pool: FakePool
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
  /** A backup disk with a pool of its own, plugged in; `keyFile` is configured. */
  addDisk(
    name: string,
    options?: { readonly encrypted?: boolean; readonly keyFile?: string | null },
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
    [...disks.values()].find(({ seq }) => node === `/dev/sd${seq}` || node === `/dev/sd${seq}p1`)

  /** As a verb of ZFS, but alive when ZFS is not. */
  async function ask<T>(what: string, about: string, act: () => T): Promise<T> {
    const call = { verb: `block.${what}`, about }
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
    isSameDevice: ({ node, diskSeq }) => ask('isSameDevice', node, () => isSame(node, diskSeq)),
    readable: (node) => ask('readable', node, () => at(node)?.readable === true),
    leadsTo: (link, node) => ask('leadsTo', link, () => at(node)?.pool.link === link),
    release: ({ node, diskSeq }, { spinDown }) =>
      ask('release', node, (): ReleaseResult => {
        const found = at(node)
        if (found === undefined || !isSame(node, diskSeq)) return { kind: 'gone' }
        const holders = found.pool.imported === null ? found.holders : ['its pool']
        if (holders.length > 0) return { kind: 'held', holders }
        found.released = true
        return { kind: 'released', stopped: spinDown, note: null }
      }),
    holders: async ({ pool }) => [...disks.values()].find((one) => one.pool.name === pool)?.holders ?? [],
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
    addDisk(name, { encrypted = false, keyFile = null } = {}) {
      const pool = fake.addPool(name, { imported: false, encrypted })
      const identity: Disk = {
        name: diskName(name),
        serials: [serial(`serial of ${name}`)],
        pool: pool.name,
        poolGuid: pool.guid,
      }
      const added: FakeDisk = {
        disk: { ...identity, overdueMs: null, keyFile, luks: null },
        pool,
        seq: ++plugs,
        readable: true,
        holders: [],
        released: false,
      }
      disks.set(name, added)
      return added
    },
    disk,
    unplug(name) {
      disk(name).seq = null
      fake.pull(name)
    },
    plugIn(name) {
      disk(name).seq = ++plugs
      disk(name).released = false
      fake.plug(name)
    },
    vdevs(name) {
      const { seq, pool } = disk(name)
      const vdev: VdevDevice = {
        node: `/dev/sd${seq}p1`,
        link: pool.link,
        diskNode: `/dev/sd${seq}`,
        diskSeq: String(seq),
        vdevGuid: vdevGuid(`vdev of ${name}`),
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
    },
  }
  return machine
}
