// `walkaway status [--json]`: asks the daemon. Without a daemon, what the history of visits knows, and exit code 3.
import { hostname } from 'node:os'
import { askStatus } from '../control/client.ts'
import { type VisitAnswer, visitAnswer } from '../control/protocol.ts'
import { messageOf } from '../errors.ts'
import { createHistory, type HistoryRecord } from '../linux/history.ts'
import { oneLine } from '../linux/oneLine.ts'
import { controlSocket, stateDirectory } from './places.ts'
import { renderStatus } from './statusText.ts'
import { alignedCells, lookOf, type Output, timeInWords } from './words.ts'

export interface StatusOptions {
  readonly json: boolean
  readonly stdout: Output
  readonly stderr: Output
  readonly socket?: string
  readonly stateFolder?: string
  readonly now?: () => Date
}

const deadlineMs = 5_000

/** Returns the exit code: 0; 3 when the daemon is not running; what the daemon says when it refuses. */
export async function runStatus(options: StatusOptions): Promise<number> {
  const { json, stdout, stderr, socket = controlSocket, now = () => new Date() } = options
  const reply = await askStatus(socket, { version: 1, command: 'status' }, { deadlineMs })
  if ('kind' in reply) return tellOffline(options)
  if (!reply.ok) {
    stderr.write(`walkaway: ${oneLine(reply.error.message)}\n`)
    return reply.error.exitCode
  }
  stdout.write(json ? inJson(reply.status) : renderStatus(reply.status, { ...lookOf(stdout), now: now() }))
  return 0
}

const inJson = (value: object): string => `${JSON.stringify(value, null, 2)}\n`

/** What is known of a disk while nobody watches it: the keys of `status --json`, null where only the daemon would know. */
interface RememberedDisk {
  readonly name: string
  readonly pool: string
  readonly poolGuid: null
  readonly serials: readonly []
  readonly state: null
  readonly since: null
  readonly reason: null
  readonly overdue: null
  readonly dueBy: null
  readonly lastComplete: string | null
  readonly lastVisit: VisitAnswer
  readonly progress: null
}

async function tellOffline({
  json,
  stdout,
  stderr,
  stateFolder = stateDirectory,
  now = () => new Date(),
}: StatusOptions): Promise<3> {
  stderr.write('the daemon is not running: nothing is watched and nothing is backed up\n')
  stderr.write('start it with: systemctl start walkaway; why it is not: journalctl -u walkaway\n')
  let visits: readonly HistoryRecord[] = []
  try {
    visits = (await createHistory(stateFolder).read()).visits
  } catch (error) {
    stderr.write(`what earlier visits left cannot be read: ${messageOf(error)}\n`)
  }
  const disks = rememberedDisks(visits)
  if (json) stdout.write(inJson({ version: 1, host: hostname(), daemon: null, disks }))
  else stdout.write(renderRemembered(disks, now()))
  return 3
}

/** Each disk of the history, with its last visit and its last complete one. Visits come oldest first. */
function rememberedDisks(visits: readonly HistoryRecord[]): readonly RememberedDisk[] {
  const lastVisits = new Map(visits.map((visit) => [visit.disk, visit]))
  return [...lastVisits.values()].map((last) => ({
    name: last.disk,
    pool: last.pool,
    poolGuid: null,
    serials: [],
    state: null,
    since: null,
    reason: null,
    overdue: null,
    dueBy: null,
    lastComplete:
      visits
        .findLast(
          ({ disk, poolGuid, outcome }) =>
            disk === last.disk && poolGuid === last.poolGuid && outcome === 'complete',
        )
        ?.finishedAt.toISOString() ?? null,
    lastVisit: visitAnswer(last),
    progress: null,
  }))
}

/** Lines with what is remembered of each disk; nothing at all when nothing is. */
function renderRemembered(disks: readonly RememberedDisk[], now: Date): string {
  const ago = (instant: string) => `${timeInWords(now.getTime() - Date.parse(instant))} ago`
  const rows = disks.map(({ name, lastComplete, lastVisit }) => [
    `  ${oneLine(name)}`,
    lastComplete === null ? 'no complete backup yet' : `last complete backup ${ago(lastComplete)}`,
    `last visit ${ago(lastVisit.finishedAt)} was ${lastVisit.outcome}`,
  ])
  const lines = alignedCells(rows).map((cells) => cells.join('  '))
  return lines.length === 0 ? '' : `from the history of visits:\n${lines.join('\n')}\n`
}
