// What a person reads, word for word.
import { describe, expect, test } from 'vitest'
import { datasetName, diskName, outcomes, type VisitReport } from '../../src/core/model.ts'
import type { WalkawayEvent } from '../../src/events.ts'
import { composeMessage } from '../../src/notify/words.ts'
import { report } from '../core/sightings.ts'
import { examples } from '../fakes/eventExamples.ts'
import { notSafe, ofDisk, safe } from './notices.ts'

const datasets = { total: 12, sent: 3, unchanged: 9, failed: 0 }
const visit = (fields: Partial<VisitReport> = {}): VisitReport =>
  report({ sentBytes: 84e9, datasets, ...fields })
const partial = visit({
  outcome: 'partial',
  datasets: { total: 12, sent: 3, unchanged: 8, failed: 1 },
  failures: [{ dataset: datasetName('tank/a'), reason: 'it has\ndiverged' }],
})

const nothingToSend = {
  kind: 'plan-made',
  ...ofDisk,
  toSend: 0,
  full: 0,
  upToDate: 12,
  conflicts: 0,
  resumed: 0,
  notes: [],
  estimatedBytes: 0,
  readyAt: null,
  plannedAt: new Date(2026, 10, 22, 18, 0),
} as const

const golden: readonly (readonly [WalkawayEvent, title: string, urgency: string, body: string])[] = [
  [
    safe(visit()),
    'offsite-1: take it away, backup complete',
    'normal',
    `You can unplug it now.
Backup complete.
12 datasets: 3 sent, 9 already there, 84 GB.
Take it to its other place.`,
  ],
  [
    safe(partial),
    'offsite-1: safe to unplug, backup INCOMPLETE',
    'normal',
    `You can unplug it now.
Backup NOT complete: 1 of 12 datasets failed.
- tank/a: it has; diverged
12 datasets: 3 sent, 8 already there, 84 GB.
Before you take it to its other place: see to what went wrong, then unplug it and plug it in again.`,
  ],
  [
    safe(visit({ outcome: 'failed', reason: 'the pool has faults', datasets: { ...datasets, total: 0 } })),
    'offsite-1: safe to unplug, backup FAILED',
    'normal',
    `You can unplug it now.
Backup FAILED: the pool has faults.
Before you take it to its other place: see to what went wrong, then unplug it and plug it in again.`,
  ],
  [
    safe(visit({ outcome: 'interrupted', reason: 'x', datasets: { ...datasets, total: 0 } })),
    'offsite-1: safe to unplug, backup unfinished',
    'normal',
    `You can unplug it now.
Backup not finished; it goes on at the next visit.
Unplug it and plug it in again: the backup goes on where it was.`,
  ],
  [
    notSafe,
    'offsite-1: do NOT unplug it, still in use',
    'high',
    `Do not unplug it yet: the pool is busy.
Close what uses it.
Its backup is complete.
You will be told when you can take it.`,
  ],
  [
    {
      kind: 'plan-made',
      ...ofDisk,
      toSend: 2,
      upToDate: 1,
      conflicts: 0,
      resumed: 0,
      notes: [],
      estimatedBytes: 84e9,
      readyAt: new Date(2026, 10, 22, 18, 40),
      full: 0,
      plannedAt: new Date(2026, 10, 22, 18, 0),
    },
    'offsite-1: do NOT unplug it, 84 GB, ready about 18:40',
    'low',
    `offsite-1: sending 2 datasets, incremental, about 84 GB, ready about 18:40 (in 40m).
Do not unplug it now: it is in use.
You will be told when you can take it.`,
  ],
  [
    { kind: 'backup-finished', ...ofDisk, report: partial, standing: 'in-use' },
    'offsite-1: backup INCOMPLETE, do NOT unplug it yet',
    'normal',
    `Do not unplug it now: the disk is still to be released.
Backup NOT complete: 1 of 12 datasets failed.
- tank/a: it has; diverged
12 datasets: 3 sent, 8 already there, 84 GB.
You will be told when you can take it.`,
  ],
  [
    { kind: 'backup-finished', ...ofDisk, report: partial, standing: 'stopping' },
    'offsite-1: backup INCOMPLETE, do NOT unplug it yet',
    'normal',
    `Do not unplug it now: walkaway was told to stop, and lets go of it.
Backup NOT complete: 1 of 12 datasets failed.
- tank/a: it has; diverged
12 datasets: 3 sent, 8 already there, 84 GB.
The backup goes on when walkaway runs again: systemctl start walkaway`,
  ],
  [
    { kind: 'backup-finished', ...ofDisk, report: partial, standing: 'gone' },
    'offsite-1: PLUG IT IN AGAIN, backup INCOMPLETE',
    'normal',
    `It is not plugged in any more.
Backup NOT complete: 1 of 12 datasets failed.
- tank/a: it has; diverged
12 datasets: 3 sent, 8 already there, 84 GB.
Plug it in again, in any port.`,
  ],
  [
    { kind: 'disk-pulled', ...ofDisk, outcome: 'complete' },
    'offsite-1: PLUG IT IN AGAIN, it was NOT released yet',
    'high',
    `It was pulled out while it was in use. Nothing on this machine is affected.
Its backup is complete.
Plug it in again, in any port, and wait for the word that you can take it.`,
  ],
  [
    { kind: 'disk-pulled', ...ofDisk, outcome: null },
    'offsite-1: PLUG IT IN AGAIN, backup NOT finished',
    'high',
    `It was pulled out while it was in use. Nothing on this machine is affected.
Plug it in again, in any port: the backup goes on where it was.
Its backup is not complete.`,
  ],
  [
    { kind: 'disk-stuck', ...ofDisk, reason: 'zpool export did not end', outcome: 'complete' },
    'offsite-1: it HANGS and needs you, NOT released',
    'high',
    `It does not answer: zpool export did not end.
Its backup is complete.
Unplug it and plug it in again: the backup goes on where it was.
If that does not help, the machine needs a reboot.`,
  ],
  [
    { kind: 'disk-refused', ...ofDisk, reason: '/dev/sdb is another one', isAnotherDevice: false },
    'offsite-1: refused, NOT backed up',
    'high',
    `A disk was plugged in that was not touched. Nothing was written to it.
/dev/sdb is another one.`,
  ],
  [
    { kind: 'disk-refused', ...ofDisk, reason: '/dev/sdb is another one', isAnotherDevice: true },
    'another disk claims to be offsite-1, NOT touched',
    'normal',
    `Nothing was written to it. offsite-1 itself is there, and is backed up to.
/dev/sdb is another one.`,
  ],
  [
    {
      kind: 'disk-overdue',
      ...ofDisk,
      lastComplete: null,
      withoutBackupMs: 35 * 86_400_000,
      place: 'away',
      bringFirst: null,
    },
    'offsite-1: OVERDUE, bring it',
    'normal',
    `offsite-1: OVERDUE, no complete backup for 35 days: bring it and plug it in.
Plug it in and the backup begins by itself.`,
  ],
  [
    {
      kind: 'disk-overdue',
      ...ofDisk,
      lastComplete: null,
      withoutBackupMs: 35 * 86_400_000,
      place: 'removable',
      bringFirst: null,
    },
    'offsite-1: OVERDUE, safe to unplug, plug it in again',
    'normal',
    `You can unplug it now.
offsite-1: OVERDUE, no complete backup for 35 days: it is plugged in: take it out and plug it in again, and its backup begins.`,
  ],
  [
    {
      kind: 'disk-overdue',
      ...ofDisk,
      lastComplete: null,
      withoutBackupMs: 35 * 86_400_000,
      place: 'in-use',
      bringFirst: null,
    },
    'offsite-1: OVERDUE, plugged in but NOT backed up',
    'normal',
    `Do not unplug it before you have looked.
offsite-1: OVERDUE, no complete backup for 35 days: it is plugged in, so see what is wrong: walkaway status.`,
  ],
  [
    { kind: 'take-disk-away', ...ofDisk, finishedMs: 46_800_000 },
    'offsite-1: take it away, still plugged in',
    'normal',
    `You can unplug it now.
Its backup is complete.
As long as it is here, what happens to this place happens to it. Take it to its other place.`,
  ],
  [
    { kind: 'backup-incomplete', ...ofDisk, outcome: 'partial', reason: 'the disk is full' },
    'offsite-1: safe to unplug, backup still INCOMPLETE',
    'normal',
    `You can unplug it now.
Its backup is not complete: the disk is full.
Unplug it and plug it in again, and it is tried once more.`,
  ],
  [
    {
      kind: 'nothing-offsite',
      disks: [diskName('offsite-1'), diskName('offsite-2')],
      atHomeMs: 46_800_000,
      take: diskName('offsite-2'),
    },
    'offsite-2: take it away, all disks are at home',
    'normal',
    `NOTHING IS OFFSITE: both backup disks are here (offsite-1, offsite-2) for 13h; take offsite-2 away, it is SAFE TO REMOVE.
What happens to this place happens to all of them.`,
  ],
  [
    { kind: 'disk-unused', ...ofDisk, configuredMs: 35 * 86_400_000 },
    'offsite-1: never used yet',
    'normal',
    `offsite-1: in the configuration for 35 days, and nothing was ever backed up to it: plug it in, or remove it from the configuration.
It holds no backup.`,
  ],
  [
    { kind: 'disk-removed', ...ofDisk },
    'offsite-1: taken away',
    'low',
    'It is not plugged in any more. When it is due again is in: walkaway status',
  ],
  [
    { kind: 'config-rejected', mistakes: ['config.yaml:2:1: unknown key'] },
    'nas: configuration has 1 mistake',
    'normal',
    `The new configuration is not used; the one before stays in force.
config.yaml:2:1: unknown key
Correct the file, then: walkaway config check; systemctl reload walkaway`,
  ],
  [
    { kind: 'notify-failed', channel: 'wall', reason: 'it has no terminal', waiting: 2, givenUp: 1 },
    'nas: no messages by wall',
    'normal',
    `nobody was reached by wall: it has no terminal; 1 message given up; 2 messages kept and tried again.
It is tried again.
What waits, and for whom, is in: walkaway status`,
  ],
  [
    { kind: 'daemon-started', version: '1', disks: 2, sources: 1 },
    'nas: walkaway has started',
    'low',
    'walkaway 1 is watching for 2 backup disks of 1 source.',
  ],
  [
    { kind: 'daemon-stopping', because: 'SIGTERM' },
    'nas: walkaway is stopping',
    'low',
    'walkaway is stopping (SIGTERM).',
  ],
  [
    { kind: 'config-reloaded', disks: 2, sources: 1 },
    'nas: configuration read again',
    'low',
    'configuration read again: 2 disks, 1 source.',
  ],
]

test.each(golden)('%j', (event, title, urgency, body) => {
  expect(composeMessage(event, 'nas')).toMatchObject({ title, urgency, body })
})

const during: readonly (readonly [WalkawayEvent, string])[] = [
  [{ kind: 'disk-arrived', ...ofDisk }, 'plugged in'],
  [{ kind: 'pool-imported', ...ofDisk, how: 'imported' }, 'in use'],
  [{ kind: 'visit-asked', ...ofDisk }, 'a backup begins'],
  [{ kind: 'eject-asked', ...ofDisk }, 'being released'],
  [{ kind: 'key-not-needed', ...ofDisk }, 'its pool is not encrypted'],
  [{ kind: 'snapshot-taken', ...ofDisk, snapshot: 'x', datasets: 1 }, 'snapshots taken'],
  [
    {
      kind: 'dataset-sent',
      ...ofDisk,
      dataset: datasetName('t'),
      how: 'full',
      missingOrigin: null,
      sentBytes: 1,
      durationMs: 1,
    },
    'a dataset was sent',
  ],
  [{ kind: 'dataset-gone', ...ofDisk, dataset: datasetName('t') }, 'a dataset is gone'],
  [{ kind: 'dataset-failed', ...ofDisk, dataset: datasetName('t'), reason: 'x' }, 'a dataset FAILED'],
  [{ kind: 'verified', ...ofDisk, datasets: 1 }, 'backup read back'],
  [
    { kind: 'pruned', ...ofDisk, why: 'given-up', onDisk: 1, onSource: 0, left: [] },
    'old snapshots destroyed',
  ],
  [{ kind: 'explain-failed', ...ofDisk, reason: 'x' }, 'no restore text on it'],
  [{ kind: 'scrub-started', ...ofDisk, because: 'old' }, 'being scrubbed'],
  [{ kind: 'scrub-finished', ...ofDisk, repairedBytes: 0, errors: 0, damaged: 0 }, 'scrubbed'],
  [{ kind: 'pool-exported', ...ofDisk }, 'nearly ready'],
]
test.each(during)('in the middle of a visit: %j', (event, words) => {
  const { title, body, mayUnplug } = composeMessage(event, 'nas')
  expect(title).toBe(`offsite-1: ${words}, do NOT unplug it yet`)
  expect(body).toMatch(/\nDo not unplug it now: it is in use\.\nYou will be told when you can take it\.$/)
  expect(mayUnplug).toBe(false)
})

describe('safe and not safe cannot be confused', () => {
  const safeWords = /take it away|safe to unplug/
  test('every outcome that is safe says so and has no NOT in its title', () => {
    for (const outcome of outcomes) {
      const { title, body, mayUnplug } = composeMessage(safe(visit({ outcome })), 'nas')
      expect(title).toMatch(safeWords)
      expect(title).not.toMatch(/\bnot\b/i)
      expect(body).toMatch(/^You can unplug it now\.\n/)
      expect(mayUnplug).toBe(true)
      expect(title.includes('backup complete')).toBe(outcome === 'complete')
    }
  })
  test('what else says that a disk may be taken, says it as clearly', () => {
    for (const [event] of golden) {
      const { title, mayUnplug } = composeMessage(event, 'nas')
      if (mayUnplug !== true) continue
      expect(title).toMatch(safeWords)
      expect(title).not.toMatch(/\bnot\b/i)
    }
  })
  test('nothing else has the words of a disk that is safe', () => {
    for (const [event] of [...golden, ...during]) {
      if (composeMessage(event, 'nas').mayUnplug === true) continue
      const { title, body, mayUnplug } = composeMessage(event, 'nas')
      expect(title).not.toMatch(safeWords)
      expect(body).not.toMatch(/You can unplug/)
      expect(mayUnplug).not.toBe(true)
      expect(event.kind).not.toBe('safe-to-remove')
    }
  })
  test('no title of a disk that must stay sounds like good news', () => {
    for (const event of Object.values(examples('why')).flat()) {
      const { title, mayUnplug } = composeMessage(event, 'nas')
      if (mayUnplug === false) expect(title).toMatch(/\bNOT\b|PLUG IT IN AGAIN/)
    }
  })
  test('what was planned: how much, when, or why nothing is sent', () => {
    const plan = { ...nothingToSend, toSend: 2, estimatedBytes: 84e9 }
    const titles = [nothingToSend, { ...nothingToSend, conflicts: 3 }, plan].map(
      (event) => composeMessage(event, 'nas').title,
    )
    expect(titles).toEqual([
      'offsite-1: do NOT unplug it, nothing new to send',
      'offsite-1: do NOT unplug it, 3 datasets in conflict',
      'offsite-1: do NOT unplug it, 84 GB',
    ])
  })
  test('a title fits a lock screen', () => {
    for (const [event] of [...golden, ...during])
      expect(composeMessage(event, 'nas').title.length).toBeLessThanOrEqual(60)
  })
})

describe('what is quoted', () => {
  const forged = 'x\nYou can unplug it now.\r\n\u001b[2J\u202eelbaliaver\0'
  const quoting: readonly WalkawayEvent[] = [
    { ...notSafe, reason: forged, hint: forged } as WalkawayEvent,
    { kind: 'disk-refused', ...ofDisk, reason: forged, isAnotherDevice: false },
    { kind: 'disk-stuck', ...ofDisk, reason: forged, outcome: null },
    { kind: 'backup-incomplete', ...ofDisk, outcome: 'partial', reason: forged },
    { kind: 'config-rejected', mistakes: [forged] },
    { kind: 'dataset-failed', ...ofDisk, dataset: datasetName('t'), reason: forged },
    { kind: 'notify-failed', channel: 'wall', reason: forged, waiting: 1, givenUp: 0 },
    safe(visit({ outcome: 'failed', reason: forged })),
    safe(visit({ outcome: 'partial', failures: [{ dataset: datasetName('tank/a'), reason: forged }] })),
    { ...safe(visit()), stopped: false, note: forged } as WalkawayEvent,
  ]
  test.each(quoting)('adds no line and moves no cursor: %j', (event) => {
    const { title, body } = composeMessage(event, 'nas')
    expect(`${title}\n${body}`.replaceAll('\n', ' ')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(body.split('\n').slice(1)).not.toContain('You can unplug it now.')
  })
  test('is not longer than a phone has patience for', () => {
    const failures = Array.from({ length: 50 }, (_, n) => ({
      dataset: datasetName(`tank/${n}`),
      reason: 'x'.repeat(5000),
    }))
    const mistakes = failures.map(({ reason }) => reason)
    for (const event of [
      safe(visit({ outcome: 'partial', failures })),
      { kind: 'config-rejected', mistakes } as const,
    ]) {
      const { body } = composeMessage(event, 'nas')
      // ntfy makes an attachment of more.
      expect(Buffer.byteLength(body)).toBeLessThan(4096)
      expect(body).toMatch(/and 45 more/)
    }
  })
})

test('a time that is not today is not taken for one', () => {
  const plannedAt = new Date(2026, 10, 22, 18, 0)
  const titleAt = (readyAt: Date): string =>
    composeMessage(
      {
        kind: 'plan-made',
        ...ofDisk,
        toSend: 1,
        upToDate: 0,
        conflicts: 0,
        resumed: 0,
        notes: [],
        estimatedBytes: 2e13,
        readyAt,
        full: 1,
        plannedAt,
      },
      'nas',
    ).title
  expect(titleAt(new Date(2026, 10, 23, 5, 59))).toMatch(/ready about 05:59$/)
  expect(titleAt(new Date(2026, 10, 23, 18, 40))).toMatch(/ready about Monday 18:40$/)
  expect(titleAt(new Date(2026, 10, 29, 18, 40))).toMatch(/ready about 29 Nov 18:40$/)
  expect(titleAt(new Date(2026, 10, 29, 18, 40)).length).toBeLessThanOrEqual(60)
})
