// What is measured, in the text format of Prometheus, version 0.0.4. Times are instants, not ages: an age would stand still with
// the service, an instant does not. Pure; where it is written is metricsFile.ts.
// https://prometheus.io/docs/instrumenting/exposition_formats/
import { type DiskAnswer, diskStates, type StatusAnswer, type UndeliveredAnswer } from './control/protocol.ts'
import { outcomes } from './core/model.ts'

export interface MeasuredDisk
  extends Pick<DiskAnswer, 'name' | 'dueBy' | 'lastComplete' | 'lastVisit' | 'progress'> {
  /** null: no daemon watches it. */
  readonly state: DiskAnswer['state'] | null
  /** null: by which time it is due is not known. */
  readonly overdue: boolean | null
}

export interface Measured {
  /** null: it is not running. */
  readonly daemon: StatusAnswer['daemon'] | null
  readonly disks: readonly MeasuredDisk[]
  readonly undelivered: readonly UndeliveredAnswer[]
}

type Labels = Readonly<Record<string, string>>
/** All of them are gauges. */
interface Family {
  readonly name: string
  readonly help: string
  readonly samples: readonly (readonly [labels: Labels, value: number])[]
}

/** Families of which nothing is known are left out. Ended by a line feed. */
export const renderMetrics = (measured: Measured): string =>
  families(measured)
    .filter(({ samples }) => samples.length > 0)
    .map(renderFamily)
    .join('')

function families({ daemon, disks, undelivered }: Measured): readonly Family[] {
  const perDisk = (
    name: string,
    help: string,
    samplesOf: (disk: MeasuredDisk) => readonly (readonly [labels: Labels, value: number | null])[],
  ): Family => ({
    name: `walkaway_disk_${name}`,
    help,
    samples: disks.flatMap((disk) =>
      samplesOf(disk).flatMap(([labels, value]) =>
        value === null ? [] : [[{ disk: disk.name, ...labels }, value] as const],
      ),
    ),
  })
  const figure = (name: string, help: string, of: (disk: MeasuredDisk) => number | null): Family =>
    perDisk(name, help, (disk) => [[{}, of(disk)]])
  const undeliveredOf = (count: (one: UndeliveredAnswer) => number): number =>
    undelivered.reduce((sum, one) => sum + count(one), 0)

  return [
    {
      name: 'walkaway_up',
      help: 'Whether the service was running when this was written.',
      samples: [[{}, daemon === null ? 0 : 1]],
    },
    {
      name: 'walkaway_build_info',
      help: 'The version of the service.',
      samples: daemon === null ? [] : [[{ version: daemon.version }, 1]],
    },
    {
      name: 'walkaway_start_time_seconds',
      help: 'When the service was started, in seconds since 1970.',
      samples: daemon === null ? [] : [[{}, seconds(daemon.startedAt)]],
    },
    perDisk('state', 'The state that the disk is in: 1, all others 0.', ({ state }) =>
      state === null ? [] : diskStates.map((each) => [{ state: each }, each === state ? 1 : 0]),
    ),
    figure(
      'last_complete_timestamp_seconds',
      'When the last complete backup ended, in seconds since 1970. Its age is time() minus this.',
      ({ lastComplete }) => optional(lastComplete),
    ),
    figure('due_timestamp_seconds', 'When the next complete backup is due, in seconds since 1970.', (disk) =>
      optional(disk.dueBy),
    ),
    figure('overdue', 'Whether the next complete backup was due before this was written.', ({ overdue }) =>
      overdue === null ? null : Number(overdue),
    ),
    perDisk('last_visit_outcome', 'How the last visit ended: 1, all others 0.', ({ lastVisit }) =>
      lastVisit === null
        ? []
        : outcomes.map((each) => [{ outcome: each }, each === lastVisit.outcome ? 1 : 0]),
    ),
    figure(
      'last_visit_timestamp_seconds',
      'When the last visit ended, in seconds since 1970.',
      ({ lastVisit }) => optional(lastVisit?.finishedAt ?? null),
    ),
    figure('last_visit_duration_seconds', 'How long the last visit took.', ({ lastVisit }) =>
      lastVisit === null ? null : seconds(lastVisit.finishedAt) - seconds(lastVisit.startedAt),
    ),
    figure('last_visit_sent_bytes', 'Bytes that the last visit sent to the disk.', ({ lastVisit }) =>
      lastVisit === null ? null : lastVisit.sentBytes,
    ),
    perDisk('last_visit_datasets', 'Datasets of the last visit, by what became of them.', ({ lastVisit }) =>
      lastVisit === null
        ? []
        : (['sent', 'unchanged', 'failed'] as const).map((result) => [
            { result },
            lastVisit.datasets[result],
          ]),
    ),
    figure('size_bytes', 'Size of the pool on the disk, at its last visit.', ({ lastVisit }) =>
      lastVisit?.space == null ? null : lastVisit.space.sizeBytes,
    ),
    figure('allocated_bytes', 'Bytes of the pool that were in use at the last visit.', ({ lastVisit }) =>
      lastVisit?.space == null ? null : lastVisit.space.allocatedBytes,
    ),
    figure('visit_sent_bytes', 'Bytes that the running visit has sent.', ({ progress }) =>
      progress === null ? null : progress.sentBytes,
    ),
    figure('visit_estimated_bytes', 'Bytes that the running visit will send, about.', ({ progress }) =>
      progress === null ? null : progress.totalBytes,
    ),
    {
      name: 'walkaway_undelivered_messages',
      help: 'Messages that notification channels did not take.',
      samples:
        daemon === null
          ? []
          : [
              [{ status: 'waiting' }, undeliveredOf(({ waiting }) => waiting)],
              [{ status: 'given-up' }, undeliveredOf(({ givenUp }) => givenUp)],
            ],
    },
  ]
}

const seconds = (instant: string): number => Date.parse(instant) / 1000
const optional = (instant: string | null): number | null => (instant === null ? null : seconds(instant))

function renderFamily({ name, help, samples }: Family): string {
  const lines = samples.map(([labels, value]) => `${name}${renderLabels(labels)} ${value}`)
  return `${[`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines].join('\n')}\n`
}

function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

/** Backslash, quote and line feed are the three that the format wants escaped. */
const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
