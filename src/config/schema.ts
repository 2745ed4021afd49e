// The keys of config.yaml, what each may hold, its default, and the words that editors and messages use for it.
// What one key alone cannot tell (two disks with one serial) is in rules.ts.

import * as z from 'zod'
import { datasetName, poolGuid, poolName, serial } from '../core/model.ts'
import type { KeepPolicy } from '../core/retention.ts'
import {
  duration,
  flag,
  list,
  oneOrMore,
  path,
  scalar,
  section,
  textOrNumber,
  wholeNumber,
  word,
} from './blocks.ts'
import { channel } from './channels.ts'
import * as read from './values.ts'

const source = section(
  {
    dataset: scalar(read.readDatasetName, {
      expected: 'the name of a dataset such as tank or tank/data',
      describe: 'This dataset and everything below it is backed up.',
      json: textOrNumber,
    }).transform(datasetName),
    exclude: list(
      scalar(read.readExclude, {
        expected: 'a whole dataset name such as tank/scratch or tank/vm/*/swap',
        describe: 'A dataset that is left out, with all below it. * stands for any characters but /',
        json: textOrNumber,
      }),
      'a list of dataset names',
    ).prefault([]),
    as: scalar(read.readDatasetPath, {
      expected: 'a dataset path such as nas/tank',
      describe: 'Another name for it on the disk, below backup.into. Its own name when this is missing.',
      json: textOrNumber,
    }).optional(),
  },
  'A dataset to back up.',
)

const keyFile = path('The file with the key. Only its owner may read it.')

const disk = section(
  {
    serial: oneOrMore(
      scalar(read.readSerial, {
        expected: "the disk's serial number as `walkaway disks` prints it",
        describe: 'The serial number as `walkaway disks` prints it.',
        json: textOrNumber,
      }).transform(serial),
      "the disk's serial number as `walkaway disks` prints it, or a list of them",
      'The serial number as `walkaway disks` prints it; a list for a pool of several disks.',
    ),
    pool: scalar(read.readPoolName, {
      expected: "the name of the disk's pool such as offsite-1",
      describe: "The name of the disk's pool.",
      json: textOrNumber,
    }).transform(poolName),
    poolGuid: scalar(read.readPoolGuid, {
      expected: "the pool's GUID, a decimal number as `zpool get guid` prints it",
      describe: "The pool's GUID as `walkaway disks` or `zpool get guid` prints it.",
      json: { type: ['string', 'number'] },
    }).transform(poolGuid),
    overdue: duration('As remind.overdue, for this disk alone.').optional(),
    keyFile: scalar(read.readKeyFile, {
      expected: 'an absolute path of a file, or credential:NAME',
      describe:
        "The file with the key of the disk's encrypted pool, which only its owner may read; or a systemd credential.",
    }).optional(),
    luks: section(
      {
        uuid: scalar(read.readUuid, {
          expected: 'the UUID that `cryptsetup luksUUID` prints',
          describe: 'The UUID that `cryptsetup luksUUID` prints.',
        }),
        keyFile,
      },
      'The pool lies inside LUKS.',
    ).optional(),
  },
  'A known backup disk: it is touched only when serial and pool GUID are right together.',
)

const count = (of: string) => wholeNumber(0, 100_000, `How many ${of} are kept.`).prefault('0')
const policy = (describe: string) =>
  section(
    {
      last: count('of the newest snapshots'),
      hourly: count('hours with a snapshot'),
      daily: count('days with a snapshot'),
      weekly: count('weeks with a snapshot'),
      monthly: count('months with a snapshot'),
      yearly: count('years with a snapshot'),
    } satisfies Record<keyof KeepPolicy, z.ZodType>,
    describe,
  ).prefault({})

/** Each is compared with each other. Datasets below a source are not counted. */
export const maxSources = 1000

export const written = section(
  {
    sources: list(source, 'a list of sources, each with its `dataset`')
      .min(1, { error: 'at least one source' })
      .max(maxSources, { error: `a list of at most ${maxSources} sources` })
      .meta({ description: 'What is backed up.' }),
    disks: z
      .record(z.string(), disk, { error: 'a map of disks by their names' })
      .prefault({})
      .meta({ description: 'The known backup disks, by the names you call them.' }),
    backup: section(
      {
        into: scalar(read.readText, {
          expected: 'a dataset path such as {host} or backups/{host}',
          describe: "The dataset on the disk that the backups live under. {host} is this machine's name.",
          json: textOrNumber,
        }).prefault('{host}'),
        snapshots: word(
          ['all', 'own'],
          'all: carry every snapshot of the source that keep.disk would keep. own: only those walkaway takes.',
        ).prefault('all'),
        parallel: wholeNumber(1, 64, 'How many datasets are sent at once.').prefault('2'),
        onConflict: word(
          ['stop', 'set-aside'],
          'When a dataset on the disk has diverged. stop: report it and leave it. set-aside: rename it and start anew.',
        ).prefault('stop'),
      },
      'How it is backed up.',
    ).prefault({}),
    keep: section(
      {
        disk: policy('On the disks, of all snapshots. Missing or empty: everything is kept.'),
        source: policy("On the sources, of walkaway's own snapshots only. Missing or empty: all are kept."),
      },
      'Which snapshots are kept.',
    ).prefault({}),
    finish: section(
      {
        scrubEvery: duration('Scrub on a visit when the last full scrub of the disk is older.').prefault(
          'never',
        ),
        spinDown: flag('Stop the disk at the end.').prefault('true'),
      },
      'How a visit ends.',
    ).prefault({}),
    remind: section(
      {
        overdue: duration('A disk with no complete backup for this long is overdue: bring it.').prefault(
          '30d',
        ),
        takeAway: duration('A finished disk still plugged in after this long: take it.').prefault('12h'),
        quiet: scalar(read.readQuietHours, {
          expected: 'two times of day such as 22:00-07:00',
          describe: 'No reminders between these times of day.',
          json: { examples: ['22:00-07:00'] },
        }).optional(),
      },
      'When you are reminded.',
    ).prefault({}),
    notify: list(channel, 'a list of channels, each with its `type`')
      .prefault([])
      .meta({ description: 'Whom to tell, and how; any number.' }),
    metrics: section(
      {
        textfile: scalar(read.readTextfilePath, {
          expected: 'an absolute path that ends with .prom',
          describe:
            "Where metrics for node_exporter's textfile collector are written; elsewhere than in /var/lib/prometheus/node-exporter the service must be allowed to.",
        }).optional(),
      },
      'For monitoring.',
    ).prefault({}),
    control: section(
      {
        group: scalar(read.readGroupName, {
          expected: 'the name of a group',
          describe: 'Members of this group may use `walkaway status`.',
        }).optional(),
      },
      'Who may talk to the service.',
    ).prefault({}),
    log: section(
      { level: word(['error', 'warning', 'info', 'debug'], 'How much is logged.').prefault('info') },
      'The log.',
    ).prefault({}),
  },
  'Configuration of walkaway: offsite backup disks with ZFS.',
)

export type Written = z.output<typeof written>
export type WrittenChannel = Written['notify'][number]
