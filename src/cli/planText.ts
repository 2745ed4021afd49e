// How `walkaway plan` speaks: a paragraph for each disk, a line for each dataset, and where one disk was asked for, each of its
// snapshots with what becomes of it. As JSON the same. Pure.
import { bytesInWords } from '../core/bytes.ts'
import { oneLine } from '../linux/oneLine.ts'
import type { DatasetPreview, Preview, SnapshotPreview, StepPreview } from '../preview.ts'
import { jsonText } from './jsonText.ts'
import { alignedCells, indented, type Look, paint, plural } from './words.ts'

/** Ends with a line feed. */
export function renderPlan(
  plans: readonly Preview[],
  { everySnapshot, ...look }: Look & { readonly everySnapshot: boolean },
): string {
  const lines = plans.flatMap((plan, at) => [
    ...(at > 0 ? [''] : []),
    ...head(plan, look),
    ...datasetLines(plan, look),
    ...pruningLines(plan, { everySnapshot, look }),
  ])
  return `${lines.join('\n')}\n`
}

function head(plan: Preview, look: Look): readonly string[] {
  const { disk, knownFrom, unknown, datasets, failures, notes } = plan
  const toSend = datasets.filter(({ action }) => action === 'send')
  const failing = datasets.filter(({ action }) => action === 'fails').length + failures.length
  const sum = bytesInWords(toSend.reduce((bytes, { estimatedBytes }) => bytes + estimatedBytes, 0))
  const sending =
    toSend.length === 0
      ? 'would send nothing'
      : `would send ${plural(toSend.length, 'dataset')}, about ${sum}`
  const rest = [
    `${datasets.filter(({ action }) => action === 'nothing').length} up to date`,
    ...(failing === 0 ? [] : [`${failing} cannot be backed up`]),
  ]
  const away =
    knownFrom === 'pool' ? [] : ['its pool cannot be looked at: planned from the bookmarks on this machine']
  const gaps = unknown.length === 0 ? [] : [`not known: ${unknown.join('; ')}`]
  return [
    `${paint(oneLine(disk.name), 'bold', look)}: a visit now ${sending}; ${rest.join(', ')}`,
    ...[...away, ...gaps, ...notes].flatMap((text) => indented(text, { indent: 2, look })),
  ]
}

function datasetLines({ datasets, failures }: Preview, look: Look): readonly string[] {
  const rows = alignedCells([
    ...datasets
      .filter(({ action }) => action !== 'nothing')
      .map((each) => [`  ${oneLine(each.dataset)}`, ...(each.action === 'send' ? sent(each) : ['FAILS'])]),
    ...failures.map(({ dataset }) => [`  ${oneLine(dataset)}`, 'FAILS']),
  ])
  const reasons = [
    ...datasets.filter(({ action }) => action !== 'nothing').map(({ why }) => why),
    ...failures.map(({ reason }) => reason),
  ]
  return rows.flatMap((cells, at) => [
    paint(cells.join('  ').trimEnd(), cells[1] === 'FAILS' ? 'yellow' : 'bold', look),
    ...indented(reasons[at] ?? '', { indent: 6, look }),
  ])
}

const sent = ({ steps, estimatedBytes }: DatasetPreview): readonly string[] => [
  [...new Set(steps.map(({ kind }) => words[kind]))].join(', '),
  `about ${bytesInWords(estimatedBytes)}`,
  plural(
    steps.reduce((sum, { snapshots }) => sum + snapshots.length, 0),
    'snapshot',
  ),
]

const words: { readonly [Kind in StepPreview['kind']]: string } = {
  full: 'full',
  incremental: 'incremental',
  resume: 'resumed',
  'discard-partial': 'begun anew',
}

function pruningLines(
  { datasets }: Preview,
  { everySnapshot, look }: { readonly everySnapshot: boolean; readonly look: Look },
): readonly string[] {
  const sides = datasets.flatMap(({ dataset, target, onDisk, onSource }) => [
    ...(onDisk === null ? [] : [{ name: target, snapshots: onDisk }]),
    { name: dataset, snapshots: onSource },
  ])
  const goes = sides.filter(({ snapshots }) => snapshots.some(({ keep }) => !keep))
  const count = goes.reduce((sum, { snapshots }) => sum + pruned(snapshots), 0)
  const total = count === 0 ? '  nothing would be pruned' : `  ${plural(count, 'snapshot')} would be pruned`
  return [
    total,
    ...(everySnapshot ? sides : goes).flatMap(({ name, snapshots }) => [
      `  ${oneLine(name)}: ${pruned(snapshots)} of ${plural(snapshots.length, 'snapshot')} would go`,
      ...(everySnapshot ? snapshotLines(snapshots, look) : []),
    ]),
  ]
}

const pruned = (snapshots: readonly SnapshotPreview[]): number => snapshots.filter(({ keep }) => !keep).length

const snapshotLines = (snapshots: readonly SnapshotPreview[], look: Look): readonly string[] =>
  alignedCells(
    snapshots.map(({ name, guid, keep, because }) => [
      `    ${keep ? 'stays' : 'goes'}`,
      `@${oneLine(name)}${guid === null ? ' (new)' : ''}`,
      because.map(oneLine).join(', '),
    ]),
  ).map((cells, at) => {
    const line = cells.join('  ').trimEnd()
    return snapshots[at]?.keep === false ? paint(line, 'yellow', look) : line
  })

/** `{ "version": 1, "plans": [...] }`, one for each disk; times in ISO 8601, UTC. */
export function planInJson(plans: readonly Preview[]): string {
  const inJson = ({ disk, datasets, ...plan }: Preview) => ({
    disk: disk.name,
    pool: disk.pool,
    poolGuid: disk.poolGuid,
    ...plan,
    estimatedBytes: datasets.reduce(
      (sum, { action, estimatedBytes }) => (action === 'send' ? sum + estimatedBytes : sum),
      0,
    ),
    datasets,
  })
  return jsonText({ version: 1, plans: plans.map(inJson) })
}
