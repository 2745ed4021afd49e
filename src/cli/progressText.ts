// How far a visit is, as one line with a bar that fits the terminal. Pure.

import type { DiskAnswer } from '../control/protocol.ts'
import { bytesInWords } from '../core/bytes.ts'
import { clockTime } from '../core/clockTime.ts'

type Progress = NonNullable<DiskAnswer['progress']>

/**
 * `[######......]  42 %  1.2 GB of 2.9 GB  35 MB/s  ready 22:14`, or `ready Tuesday 22:14`, at most `width` wide; null while nothing is measured.
 * What does not fit is left out: first the sizes, then the speed.
 */
export function progressLine(
  progress: Progress,
  { width, now }: { readonly width: number; readonly now: Date },
): string | null {
  const { sentBytes, bytesPerSecond, readyAt } = progress
  const totalBytes = Math.max(progress.totalBytes, sentBytes)
  if (totalBytes === 0) return null
  // Whole only when it is: the rest of the visit comes after that.
  const share = sentBytes / totalBytes
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`
  const sizes = `${bytesInWords(sentBytes)} of ${bytesInWords(totalBytes)}`
  const speed = bytesPerSecond > 0 ? [`${bytesInWords(bytesPerSecond)}/s`] : []
  const ready = readyAt === null ? [] : [`ready ${clockTime(new Date(readyAt), now)}`]
  const attempts = [
    [percent, sizes, ...speed, ...ready],
    [percent, ...speed, ...ready],
    [percent, ...ready],
    [percent],
  ]
  const cells =
    attempts.map((words) => words.join('  ')).find((words) => words.length + 14 <= width) ?? percent
  const barWidth = Math.min(40, width - cells.length - 4)
  if (barWidth < 4) return cells.slice(0, width)
  const done = Math.floor(share * barWidth)
  return `[${'#'.repeat(done)}${'.'.repeat(barWidth - done)}]  ${cells}`
}
