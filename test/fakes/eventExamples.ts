// An event of every kind, and of each in every way that it is told.
import { datasetName, diskName, outcomes, poolName } from '../../src/core/model.ts'
import type { EventKind, WalkawayEvent } from '../../src/events.ts'
import { report } from '../core/sightings.ts'

export const ofDisk = { disk: diskName('offsite-1'), pool: poolName('tank-away') }
const dataset = datasetName('tank/home')
export const plannedAt = new Date(2026, 10, 22, 17, 58)
const standings = ['in-use', 'pulled', 'stuck', 'refused', 'gone', 'stopping'] as const
const failedReport = report({ outcome: 'failed', reason: 'no space' })

/** At least one of each kind; `text` stands for what is quoted from elsewhere. */
export function examples(text: string): {
  readonly [K in EventKind]: readonly Extract<WalkawayEvent, { kind: K }>[]
} {
  return {
    'daemon-started': [{ kind: 'daemon-started', version: '1.2.3', disks: 2, sources: 1 }],
    'daemon-stopping': [{ kind: 'daemon-stopping', because: 'SIGTERM' }],
    'config-reloaded': [{ kind: 'config-reloaded', disks: 1, sources: 2 }],
    'config-rejected': [{ kind: 'config-rejected', mistakes: [text, 'config.yaml:2:1: unknown key'] }],
    'disk-arrived': [{ kind: 'disk-arrived', ...ofDisk }],
    'visit-asked': [{ kind: 'visit-asked', ...ofDisk }],
    'eject-asked': [{ kind: 'eject-asked', ...ofDisk }],
    'disk-refused': [false, true].map((isAnotherDevice) => ({
      kind: 'disk-refused',
      ...ofDisk,
      reason: text,
      isAnotherDevice,
    })),
    'pool-imported': (['imported', 'left-by-us', 'by-somebody-else', 'came-back'] as const).map((how) => ({
      kind: 'pool-imported',
      ...ofDisk,
      how,
    })),
    'key-not-needed': [{ kind: 'key-not-needed', ...ofDisk }],
    'snapshot-taken': [
      { kind: 'snapshot-taken', ...ofDisk, snapshot: 'walkaway_20261122T210000Z', datasets: 3 },
    ],
    'plan-made': [
      {
        kind: 'plan-made',
        ...ofDisk,
        toSend: 0,
        full: 0,
        upToDate: 3,
        conflicts: 0,
        resumed: 0,
        notes: [],
        estimatedBytes: 0,
        readyAt: null,
        plannedAt,
      },
      {
        kind: 'plan-made',
        ...ofDisk,
        toSend: 2,
        full: 1,
        upToDate: 1,
        conflicts: 2,
        notes: ['one thing', 'another'],
        resumed: 1,
        estimatedBytes: 5_000_000,
        readyAt: new Date(2026, 10, 22, 18, 40),
        plannedAt,
      },
    ],
    'dataset-sent': [
      ...(['full', 'incremental', 'resumed', 'clone'] as const).map((how) => ({ how, missingOrigin: null })),
      ...(['not-backed-up', 'not-on-disk', 'comes-later', 'not-encrypted'] as const).map((because) => ({
        how: 'full' as const,
        missingOrigin: { kind: 'missing' as const, path: 'tank/a@b', because },
      })),
    ].map((sent) => ({ kind: 'dataset-sent', ...ofDisk, dataset, ...sent, sentBytes: 1, durationMs: -5 })),
    'dataset-gone': [{ kind: 'dataset-gone', ...ofDisk, dataset }],
    'dataset-failed': [{ kind: 'dataset-failed', ...ofDisk, dataset, reason: text }],
    verified: [{ kind: 'verified', ...ofDisk, datasets: 1 }],
    pruned: [
      { kind: 'pruned', ...ofDisk, why: 'given-up', onDisk: 12, onSource: 1, left: [] },
      { kind: 'pruned', ...ofDisk, why: 'given-up', onDisk: 0, onSource: 0, left: [text, '2 are held'] },
      { kind: 'pruned', ...ofDisk, why: 'to-make-room', onDisk: 2, onSource: 0, left: [] },
    ],
    'scrub-started': (['never', 'old', 'new-errors', 'paused', 'running'] as const).map((because) => ({
      kind: 'scrub-started',
      ...ofDisk,
      because,
    })),
    'scrub-finished': [
      { kind: 'scrub-finished', ...ofDisk, repairedBytes: 0, errors: 0, damaged: 0 },
      { kind: 'scrub-finished', ...ofDisk, repairedBytes: 4096, errors: 0, damaged: 0 },
      { kind: 'scrub-finished', ...ofDisk, repairedBytes: 0, errors: 2, damaged: 1 },
    ],
    'explain-failed': [{ kind: 'explain-failed', ...ofDisk, reason: text }],
    'backup-finished': standings.flatMap((standing) =>
      outcomes.map((outcome) => ({
        kind: 'backup-finished',
        ...ofDisk,
        report: report({ outcome, reason: outcome === 'complete' ? null : text }),
        standing,
      })),
    ),
    'pool-exported': [{ kind: 'pool-exported', ...ofDisk }],
    'safe-to-remove': [
      { kind: 'safe-to-remove', ...ofDisk, report: report(), stopped: true, note: null },
      { kind: 'safe-to-remove', ...ofDisk, report: report(), stopped: false, note: text },
      { kind: 'safe-to-remove', ...ofDisk, report: failedReport, stopped: false, note: null },
    ],
    'not-safe-to-remove': [
      { kind: 'not-safe-to-remove', ...ofDisk, outcome: 'complete', reason: text, hint: 'HINT' },
    ],
    'disk-removed': [{ kind: 'disk-removed', ...ofDisk }],
    'disk-pulled': [null, ...outcomes].map((outcome) => ({ kind: 'disk-pulled', ...ofDisk, outcome })),
    'disk-stuck': [null, ...outcomes].map((outcome) => ({
      kind: 'disk-stuck',
      ...ofDisk,
      reason: text,
      outcome,
    })),
    'disk-overdue': (['away', 'removable', 'in-use'] as const).map((place) => ({
      kind: 'disk-overdue',
      ...ofDisk,
      lastComplete: null,
      withoutBackupMs: 3_024_000_000,
      place,
      bringFirst: place === 'away' ? diskName('offsite-2') : null,
    })),
    'take-disk-away': [{ kind: 'take-disk-away', ...ofDisk, finishedMs: 46_800_000 }],
    'backup-incomplete': [
      { kind: 'backup-incomplete', ...ofDisk, outcome: 'partial', reason: text },
      { kind: 'backup-incomplete', ...ofDisk, outcome: 'interrupted', reason: null },
    ],
    'nothing-offsite': [null, diskName('offsite-2')].map((take) => ({
      kind: 'nothing-offsite',
      disks: [diskName('offsite-1'), diskName('offsite-2')],
      atHomeMs: 46_800_000,
      take,
    })),
    'disk-unused': [{ kind: 'disk-unused', ...ofDisk, configuredMs: 3_024_000_000 }],
    'notify-failed': [
      { kind: 'notify-failed', channel: 'wall', reason: text, waiting: 1, givenUp: 0 },
      { kind: 'notify-failed', channel: 'wall', reason: text, waiting: 0, givenUp: 2 },
    ],
  }
}
