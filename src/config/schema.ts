// The keys of config.yaml, what each may hold, its default, and the words that editors and messages use for it.
// What one key alone cannot tell (two disks with one serial) is in rules.ts.

import * as z from 'zod/mini'
import { datasetName, luksUuid, poolGuid, poolName, serial } from '../core/model.ts'
import type { KeepPolicy } from '../core/retention.ts'
import {
  duration,
  fileOrCredential,
  flag,
  list,
  nameOfDataset,
  oneOrMore,
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
    dataset: z.pipe(
      scalar(read.readDatasetName, {
        expected: 'the name of a dataset such as tank or tank/data',
        describe: 'This dataset and everything below it is backed up.',
        json: nameOfDataset,
      }),
      z.transform(datasetName),
    ),
    exclude: z.prefault(
      list(
        scalar(read.readExclude, {
          expected: 'a whole dataset name such as tank/scratch or tank/vm/*/swap',
          describe: 'A dataset that is left out, with all below it. * stands for any characters but /',
          json: { ...textOrNumber, pattern: '^[A-Za-z0-9_.:*][A-Za-z0-9_.: */-]*$' },
        }),
        'a list of dataset names',
      ),
      [],
    ),
    as: z.optional(
      scalar(read.readDatasetPath, {
        expected: 'a dataset path such as nas/tank',
        describe: 'Another name for it on the disk, below backup.into. Its own name when this is missing.',
        json: nameOfDataset,
      }),
    ),
  },
  'A dataset to back up.',
)

const keyFile = (describe: string) =>
  scalar(read.readKeyFile, {
    expected: 'an absolute path of a file, or credential:NAME',
    describe: `${describe}, which only its owner may read; or a systemd credential.`,
    json: fileOrCredential,
    // Whoever writes the passphrase itself in its place is not to find it in the journal.
    params: { secret: true },
  })

const disk = section(
  {
    serial: oneOrMore(
      z.pipe(
        scalar(read.readSerial, {
          expected: "the disk's serial number as `walkaway disks` prints it",
          describe: 'The serial number as `walkaway disks` prints it.',
          json: textOrNumber,
        }),
        z.transform(serial),
      ),
      "the disk's serial number as `walkaway disks` prints it, or a list of them",
      'The serial number as `walkaway disks` prints it; a list for a pool of several disks.',
    ),
    pool: z.pipe(
      scalar(read.readPoolName, {
        expected: "the name of the disk's pool such as offsite-1",
        describe: "The name of the disk's pool.",
        json: { ...textOrNumber, pattern: '^[A-Za-z][A-Za-z0-9_.: -]*$' },
      }),
      z.transform(poolName),
    ),
    poolGuid: z.pipe(
      scalar(read.readPoolGuid, {
        expected: "the pool's GUID, a decimal number as `zpool get guid` prints it",
        describe: "The pool's GUID as `walkaway disks` or `zpool get guid` prints it.",
        json: { ...textOrNumber, pattern: '^[1-9][0-9]{0,19}$' },
      }),
      z.transform(poolGuid),
    ),
    overdue: z.optional(duration('As remind.overdue, for this disk alone.')),
    keyFile: z.optional(keyFile("The file with the key of the disk's encrypted pool")),
    luks: z.optional(
      section(
        {
          uuid: z.pipe(
            scalar(read.readUuid, {
              expected: 'the UUID that `cryptsetup luksUUID` prints',
              describe: 'The UUID that `cryptsetup luksUUID` prints.',
            }),
            z.transform(luksUuid),
          ),
          keyFile: keyFile('The file with a key of the LUKS container, as `cryptsetup --key-file` takes it'),
        },
        "The disk's pool lies in a LUKS container, which is opened and closed with each visit.",
      ),
    ),
  },
  'A known backup disk: it is touched only when serial and pool GUID are right together.',
)

/** `\p{L}` of values.ts without the classes of Unicode, which not every editor's regular expressions have. */
const diskNames = z
  .string()
  .check(z.meta({ pattern: '^[^\\u0000-/:-@\\[-`{-\\u007f][^\\u0000-\\u001f!-,/:-@\\[-^`{-\\u007f]{0,63}$' }))

const count = (of: string) => z.prefault(wholeNumber(0, 100_000, `How many ${of} are kept.`), '0')
const policy = (describe: string) =>
  z.prefault(
    section(
      {
        last: count('of the newest snapshots'),
        hourly: count('hours with a snapshot'),
        daily: count('days with a snapshot'),
        weekly: count('weeks with a snapshot'),
        monthly: count('months with a snapshot'),
        yearly: count('years with a snapshot'),
      } satisfies Record<keyof KeepPolicy, z.ZodMiniType>,
      describe,
    ),
    {},
  )

/** Each is compared with each other. Datasets below a source are not counted. */
export const maxSources = 1000

export const written = section(
  {
    sources: list(source, 'a list of sources, each with its `dataset`').check(
      z.minLength(1, { error: 'at least one source' }),
      z.maxLength(maxSources, { error: `a list of at most ${maxSources} sources` }),
      z.meta({ description: 'What is backed up.' }),
    ),
    disks: z
      .prefault(z.record(diskNames, disk, { error: 'a map of disks by their names' }), {})
      .check(z.meta({ description: 'The known backup disks, by the names you call them.' })),
    backup: z.prefault(
      section(
        {
          into: z.prefault(
            scalar(read.readText, {
              expected: 'a dataset path such as {host} or backups/{host}',
              describe: "The dataset on the disk that the backups live under. {host} is this machine's name.",
              json: textOrNumber,
            }),
            '{host}',
          ),
          snapshots: z.prefault(
            word(
              ['all', 'own'],
              'all: carry every snapshot of the source that keep.disk would keep. own: only those walkaway takes.',
            ),
            'all',
          ),
          parallel: z.prefault(wholeNumber(1, 64, 'How many datasets are sent at once.'), '2'),
          onConflict: z.prefault(
            word(
              ['stop', 'set-aside'],
              'When a dataset on the disk has diverged. stop: report it and leave it. set-aside: rename it and start anew.',
            ),
            'stop',
          ),
        },
        'How it is backed up.',
      ),
      {},
    ),
    keep: z.prefault(
      section(
        {
          disk: policy('On the disks, of all snapshots. Missing or empty: everything is kept.'),
          source: policy("On the sources, of walkaway's own snapshots only. Missing or empty: all are kept."),
        },
        'Which snapshots are kept.',
      ),
      {},
    ),
    finish: z.prefault(
      section(
        {
          scrubEvery: z.prefault(
            duration('Scrub on a visit when the last full scrub of the disk is older.'),
            'never',
          ),
          spinDown: z.prefault(flag('Stop the disk at the end.'), 'true'),
        },
        'How a visit ends.',
      ),
      {},
    ),
    remind: z.prefault(
      section(
        {
          overdue: z.prefault(
            duration('A disk with no complete backup for this long is overdue: bring it.'),
            '30d',
          ),
          takeAway: z.prefault(duration('A finished disk still plugged in after this long: take it.'), '12h'),
          quiet: z.optional(
            scalar(read.readQuietHours, {
              expected: 'two times of day such as 22:00-07:00',
              describe: 'No reminders between these times of day.',
              json: {
                pattern: '^[0-2]?[0-9]:[0-5][0-9] *[-\u2013] *[0-2]?[0-9]:[0-5][0-9]$',
                examples: ['22:00-07:00'],
              },
            }),
          ),
        },
        'When you are reminded.',
      ),
      {},
    ),
    notify: z
      .prefault(list(channel, 'a list of channels, each with its `type`'), [])
      .check(z.meta({ description: 'Whom to tell, and how; any number.' })),
    metrics: z.prefault(
      section(
        {
          textfile: z.optional(
            scalar(read.readTextfilePath, {
              expected: 'an absolute path that ends with .prom',
              describe:
                "Where metrics for node_exporter's textfile collector are written; elsewhere than in /var/lib/prometheus/node-exporter the service must be allowed to.",
              json: { pattern: '^/.*\\.prom$' },
            }),
          ),
        },
        'For monitoring.',
      ),
      {},
    ),
    control: z.prefault(
      section(
        {
          group: z.optional(
            scalar(read.readGroupName, {
              expected: 'the name of a group',
              describe:
                'Members of this group may use `walkaway status`, `check`, `metrics`, `run`, `eject` and `history`.',
              json: { pattern: '^[A-Za-z_][A-Za-z0-9_.-]*\\$?$' },
            }),
          ),
        },
        'Who may talk to the service.',
      ),
      {},
    ),
    log: z.prefault(
      section(
        { level: z.prefault(word(['error', 'warning', 'info', 'debug'], 'How much is logged.'), 'info') },
        'The log.',
      ),
      {},
    ),
  },
  'Configuration of walkaway: offsite backup disks with ZFS.',
)

export type Written = z.output<typeof written>
export type WrittenChannel = Written['notify'][number]
