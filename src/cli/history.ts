// `walkaway history [DISK] [--json]`: past visits, from the daemon; without one, from the file that it keeps.

import { askHistory } from '../control/client.ts'
import { type HistoryAnswer, visitAnswer } from '../control/protocol.ts'
import { bytesInWords } from '../core/bytes.ts'
import { explainUnknownDisk } from '../core/nearest.ts'
import { BadInput } from '../errors.ts'
import { createHistory } from '../linux/history.ts'
import { oneLine } from '../linux/oneLine.ts'
import { jsonText } from './jsonText.ts'
import { controlSocket, stateDirectory } from './places.ts'
import { alignedCells, durationInWords, indented, type Look, lookOf, type Output, paint } from './words.ts'

export interface HistoryOptions {
  /** null: of all disks. */
  readonly disk: string | null
  readonly json: boolean
  readonly configFile: string
  readonly stdout: Output
  readonly stderr: Output
  readonly socket?: string
  readonly stateFolder?: string
}

const deadlineMs = 5_000

/** Returns the exit code. Throws `BadInput` for a disk that nobody knows, and what reading the history throws. */
export async function runHistory(options: HistoryOptions): Promise<number> {
  const { disk, json, stdout, stderr, socket = controlSocket } = options
  const reply = await askHistory(socket, disk, { deadlineMs })
  if (!('kind' in reply) && !reply.ok) {
    stderr.write(`walkaway: ${oneLine(reply.error.message)}\n`)
    return reply.error.exitCode
  }
  const history = 'kind' in reply ? await readHistory(options) : reply.history
  stdout.write(json ? jsonText(history) : renderHistory(history, lookOf(stdout)))
  return 0
}

async function readHistory({
  disk,
  configFile,
  stderr,
  stateFolder = stateDirectory,
}: HistoryOptions): Promise<HistoryAnswer> {
  const { visits, brokenLines } = await createHistory(stateFolder).read()
  // What is loaded late is not needed as a rule.
  if (brokenLines > 0) {
    const { skippedInWords } = await import('./remembered.ts')
    stderr.write(`walkaway: ${skippedInWords(brokenLines)}\n`)
  }
  if (disk !== null && !visits.some((visit) => visit.disk === disk)) {
    const { configuredDisks } = await import('./configuredDisks.ts')
    const configured = (await configuredDisks(configFile)) ?? []
    const known = [...new Set([...configured.map(({ name }) => name), ...visits.map((visit) => visit.disk)])]
    if (!known.some((name) => name === disk)) throw new BadInput(explainUnknownDisk(disk, known))
  }
  const wanted = visits.filter((visit) => disk === null || visit.disk === disk)
  return {
    version: 1,
    visits: wanted.map((visit) => ({ disk: visit.disk, pool: visit.pool, ...visitAnswer(visit) })),
  }
}

type Visit = HistoryAnswer['visits'][number]
const header = ['FINISHED', 'DISK', 'OUTCOME', 'SENT', 'DATASETS', 'TOOK']
const colours = { complete: 'green', partial: 'yellow', failed: 'red', interrupted: 'yellow' } as const

/** A line a visit, the newest last, and below it why it was not complete. */
export function renderHistory({ visits }: HistoryAnswer, look: Look): string {
  if (visits.length === 0) return 'no visits yet\n'
  const [head = [], ...rows] = alignedCells([header, ...visits.map(cellsOf)])
  const lines = visits.flatMap((visit, at) => {
    const [finished = '', disk = '', outcome = '', ...rest] = rows[at] ?? []
    const line = [finished, disk, paint(outcome, colours[visit.outcome], look), ...rest].join('  ').trimEnd()
    return visit.reason === null ? [line] : [line, ...indented(visit.reason, { indent: 4, look })]
  })
  return `${[paint(head.join('  ').trimEnd(), 'bold', look), ...lines].join('\n')}\n`
}

function cellsOf({ finishedAt, startedAt, disk, outcome, sentBytes, datasets }: Visit): readonly string[] {
  const finished = new Date(finishedAt)
  const { sent, unchanged, failed } = datasets
  return [
    `${finished.toLocaleDateString('sv-SE')} ${finished.toLocaleTimeString('sv-SE').slice(0, 5)}`,
    oneLine(disk),
    outcome,
    bytesInWords(sentBytes),
    `${sent} sent, ${unchanged} unchanged${failed === 0 ? '' : `, ${failed} failed`}`,
    durationInWords(finished.getTime() - Date.parse(startedAt)),
  ]
}
