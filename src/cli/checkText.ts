// What `walkaway check` says: one line by the Monitoring Plugins' guidelines, its performance data, and the same as JSON. Pure.
// https://www.monitoring-plugins.org/doc/guidelines.html
import type { UndeliveredAnswer } from '../control/protocol.ts'
import { oneLine } from '../linux/oneLine.ts'
import { ageLimits, type JudgedDisk, judgeHealth, type Problem } from './health.ts'
import { jsonText } from './jsonText.ts'
import { plural, timeInWords } from './words.ts'

export const verdicts = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const
export type Verdict = keyof typeof verdicts

export interface Finding {
  readonly verdict: Verdict
  /** What is wrong, or that nothing is; in one line. */
  readonly summary: string
  readonly problems: readonly Problem[]
  readonly disks: readonly JudgedDisk[]
  /** null: only the daemon knows. */
  readonly undelivered: readonly UndeliveredAnswer[] | null
}

/**
 * `unknown`: why little is known, as that nobody watches the disks; null: all is. What is critical in spite of that is
 * known for certain, and worse.
 */
export function judge(
  disks: readonly JudgedDisk[],
  {
    undelivered,
    unknown,
    now,
  }: {
    readonly undelivered: readonly UndeliveredAnswer[] | null
    readonly unknown: string | null
    readonly now: Date
  },
): Finding {
  const problems = judgeHealth(disks, undelivered ?? [], now)
  const why = unknown ?? (disks.length === 0 ? 'no disks are configured' : null)
  const worst = problems[0]?.severity ?? 'ok'
  const words =
    problems.length === 0
      ? disks.map((disk) => `${disk.name}: complete backup ${ageInWords(disk, now)} ago`)
      : problems.map(({ disk, text }) => (disk === null ? text : `${disk}: ${text}`))
  return {
    verdict: why !== null && worst !== 'critical' ? 'unknown' : worst,
    summary: [...(why === null ? [] : [why]), ...words].join('; '),
    problems,
    disks,
    undelivered,
  }
}

const ageMs = ({ lastComplete }: JudgedDisk, now: Date): number =>
  Math.max(0, now.getTime() - Date.parse(lastComplete ?? now.toISOString()))
const ageInWords = (disk: JudgedDisk, now: Date): string => timeInWords(ageMs(disk, now))

/** `WALKAWAY OK - offsite-1: complete backup 3 days ago | offsite-1_age=259200s;2592000;5184000;0`, ended by a line feed. */
export function renderCheck({ verdict, summary, disks, undelivered }: Finding, now: Date): string {
  const data = [
    ...disks.flatMap((disk) => dataOf(disk, now)),
    ...(disks.length === 0 || undelivered === null ? [] : [`undelivered=${countOf(undelivered)};0;;0`]),
  ]
  // What comes after a bar is data.
  const words = oneLine(summary).replaceAll('|', '/')
  return `WALKAWAY ${verdict.toUpperCase()} - ${words}${data.length === 0 ? '' : ` | ${data.join(' ')}`}\n`
}

const countOf = (undelivered: readonly UndeliveredAnswer[]): number =>
  undelivered.reduce((sum, { waiting, givenUp }) => sum + waiting + givenUp, 0)

/** What is not known is left out. */
function dataOf(disk: JudgedDisk, now: Date): readonly string[] {
  const { lastComplete, lastVisit } = disk
  const figure = (what: string, value: string): string => `${labelOf(`${disk.name}_${what}`)}=${value}`
  const limits = ageLimits(disk)
  const inSeconds = (ms: number | undefined): string =>
    ms === undefined ? '' : String(Math.floor(ms / 1000))
  const age = `${inSeconds(ageMs(disk, now))}s;${inSeconds(limits?.warningMs)};${inSeconds(limits?.criticalMs)};0`
  return [
    ...(lastComplete === null ? [] : [figure('age', age)]),
    ...(lastVisit === null
      ? []
      : [
          figure('sent', `${lastVisit.sentBytes}B;;;0`),
          figure('duration', `${inSeconds(tookMs(lastVisit))}s;;;0`),
          figure('failed', `${lastVisit.datasets.failed};0;;0;${lastVisit.datasets.total}`),
        ]),
  ]
}

const tookMs = ({ startedAt, finishedAt }: { readonly startedAt: string; readonly finishedAt: string }) =>
  Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt))

/** An equals sign or a quote in it could not be told from the syntax; with a blank it is quoted. */
function labelOf(text: string): string {
  const label = oneLine(text).replaceAll(/[='|]/g, '_')
  return /\s/.test(label) ? `'${label}'` : label
}

/** Ended by a line feed. `daemon`: whether it was there to be asked. */
export function checkInJson({ verdict, summary, problems, disks }: Finding, daemon: boolean): string {
  const answer = {
    version: 1,
    status: verdict,
    exitCode: verdicts[verdict],
    summary,
    daemon: daemon ? 'running' : 'not-running',
    problems,
    disks: disks.map(({ name, state, overdue, dueBy, lastComplete, lastVisit }) => ({
      name,
      state,
      overdue,
      dueBy,
      lastComplete,
      lastVisit,
    })),
  }
  return jsonText(answer)
}

/** Of what keeps the check itself from being made. */
export const notChecked = (why: string): Finding => ({
  verdict: 'unknown',
  summary: why,
  problems: [],
  disks: [],
  undelivered: null,
})

/** `the daemon is not running; ...`: what a check goes by then. */
export const offlineWords = (visits: number, problem: string | null): string =>
  problem === null
    ? `the daemon is not running (${whatOf(visits)})`
    : `the daemon is not running${visits === 0 ? '' : ` (${whatOf(visits)})`}; ${problem}`

const whatOf = (visits: number): string =>
  `from ${visits === 0 ? 'an empty history' : `the history of ${plural(visits, 'visit')}`}`
