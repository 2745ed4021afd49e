// What the lifecycle's tests show it: one disk with one vdev, told apart by its sequence number.

import type { DiskState, Effect, Input, Look, VisitResult, Wish } from '../../src/core/diskState.ts'
import type { Sighting, VdevDevice } from '../../src/core/identity.ts'
import { poolGuid, poolName, type VisitReport, vdevGuid } from '../../src/core/model.ts'

export const vdev = (seq: number | string): VdevDevice => ({
  node: `/dev/sd${seq}1`,
  link: '/dev/disk/by-id/usb-one-part1',
  diskNode: `/dev/sd${seq}`,
  diskSeq: String(seq),
  vdevGuid: vdevGuid('7'),
  luks: null,
})
export const present = (seq: number | string): Sighting => ({
  kind: 'present',
  vdevs: [vdev(seq)],
  alarms: [],
})
export const absent: Sighting = { kind: 'absent' }

export const settling = (
  because: 'udev' | 'no-pool' | 'missing-disks',
  seq: number | string = 1,
): Sighting => ({
  kind: 'settling',
  because,
  waitingFor: `${because} to end`,
  devices: [`/dev/sd${seq}`],
  diskSeqs: [String(seq)],
})

export const twin = (...seqs: readonly (number | string)[]): Sighting => ({
  kind: 'refused',
  reason: { kind: 'twin', nodes: seqs.map((seq) => `/dev/sd${seq}1`) },
  devices: seqs.map(String),
  key: `twin on ${seqs.join(' ')}`,
})

export const foreignSerial = (seq: number | string): Sighting => ({
  kind: 'refused',
  reason: { kind: 'foreign-serial', node: `/dev/sd${seq}1`, serials: [] },
  devices: [String(seq)],
  key: `foreign-serial on ${seq}`,
})

export const otherPool = (seq: number | string): Sighting => ({
  kind: 'refused',
  reason: {
    kind: 'other-pool',
    node: `/dev/sd${seq}1`,
    found: { pool: poolName('stranger'), poolGuid: poolGuid('1') },
  },
  devices: [String(seq)],
  key: `other-pool 1 on ${seq}`,
})

export const report = (fields: Partial<VisitReport> = {}): VisitReport => ({
  startedAt: new Date('2026-11-22T21:00:00Z'),
  finishedAt: new Date('2026-11-22T21:25:00Z'),
  outcome: 'complete',
  sentBytes: 0,
  datasets: { total: 1, sent: 1, unchanged: 0, failed: 0 },
  failures: [],
  space: null,
  reason: null,
  ...fields,
})

export const resultKinds = [
  'released',
  'not-released',
  'gone',
  'pulled',
  'stuck',
  'refused',
  'stopped',
] as const

export function result(kind: VisitResult['kind'], reason = 'because'): VisitResult {
  switch (kind) {
    case 'released':
      return { kind, report: report(), stopped: true, note: null }
    case 'not-released':
      return { kind, report: report(), reason, hint: 'wait' }
    case 'gone':
    case 'pulled':
    case 'stopped':
      return { kind, report: report({ outcome: 'interrupted' }) }
    case 'stuck':
      return { kind, report: report({ outcome: 'failed' }), reason }
    case 'refused':
      return { kind, report: report({ outcome: 'failed' }), sentence: reason }
  }
}

export const looked = (...seen: Parameters<typeof lookOf>): Input => ({ kind: 'looked', ...lookOf(...seen) })

const lookOf = (
  sighting: Sighting,
  {
    sameDevices = true,
    imported = false,
    suspended = false,
  }: { readonly sameDevices?: boolean; readonly imported?: boolean; readonly suspended?: boolean } = {},
): Look => ({
  sighting,
  sameDevices,
  pool: suspended ? 'suspended' : imported ? 'imported' : 'none',
})

/** A wish, with what is seen of the disk at that moment. */
export const asked = (wish: Wish, ...seen: Parameters<typeof lookOf>): Input => ({
  kind: 'asked',
  wish,
  ...lookOf(...seen),
})

export const ended = (kind: VisitResult['kind'], reason?: string): Input => ({
  kind: 'visit-ended',
  result: result(kind, reason),
})

export const start = new Date('2026-11-22T21:00:00Z')
export const later = (ms: number): Date => new Date(start.getTime() + ms)

const vdevs = [vdev(1)]
/** Each state, of the device with sequence number 1. */
export const states = {
  absent: { kind: 'absent' },
  arriving: {
    kind: 'arriving',
    fingerprint: '7 1 /dev/sd11 /dev/disk/by-id/usb-one-part1',
    stableSince: start,
    waitingFor: 'its devices to settle',
    told: [],
  },
  refused: {
    kind: 'refused',
    fingerprint: 'twin on 1 2',
    reason: { kind: 'twin', nodes: ['/dev/sd11', '/dev/sd21'] },
    told: ['twin on 1 2'],
  },
  visiting: { kind: 'visiting', phase: 'backing-up', vdevs, suspendedSince: null },
  removable: { kind: 'removable', outcome: 'complete', vdevs },
  'not-removable': {
    kind: 'not-removable',
    outcome: 'complete',
    vdevs,
    reason: 'because',
    retryAt: later(15_000),
    retries: 0,
    imported: true,
  },
  pulled: { kind: 'pulled', vdevs, reopened: true, returning: null, told: [] },
  stuck: { kind: 'stuck', vdevs, reason: 'because', wasSuspended: false },
} as const satisfies { readonly [K in DiskState['kind']]: Extract<DiskState, { kind: K }> }

/** `tell disk-arrived, start-visit, look-again 1500` */
export const inWords = (effects: readonly Effect[]): string => effects.map(effectInWords).join(', ')

function effectInWords(effect: Effect): string {
  switch (effect.kind) {
    case 'tell':
      return `tell ${effect.what.kind}`
    case 'look-again':
      return `look-again ${effect.inMs}`
    case 'start-visit':
    case 'try-release':
      return `${effect.kind === 'try-release' && effect.ejected ? 'release' : effect.kind} ${effect.vdevs.map((device) => device.diskSeq).join(' ')}`
    case 'end-visit':
      return effect.because === 'ejected' ? 'eject-visit' : effect.kind
    case 'reopen-pool':
      return effect.kind
  }
}
