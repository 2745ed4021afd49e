// What `zpool status` says of scrubs and of damaged files, in its words for people: there are no others before OpenZFS
// 2.3. Pure. The sentences are those of zpool_main.c, 2.1 to 2.4.
import type { Scan, ScanProgress } from '../core/scrub.ts'
import { UnreadableAnswer } from '../errors.ts'

/** Of `zpool status POOL`. */
export function parseScan(lines: readonly string[]): Scan {
  const at = lines.findIndex((line) => /^\s*scan: /.test(line))
  if (at === -1) return { kind: 'none' }
  const first = lines[at]?.replace(/^\s*scan: /, '') ?? ''
  const [, repaired, errors, date] =
    /^scrub repaired (\S+) in .+ with (\d+) errors on (.+)$/.exec(first) ?? []
  if (repaired !== undefined && errors !== undefined && date !== undefined)
    return {
      kind: 'finished',
      at: parseDate(date),
      repairedBytes: parseSize(repaired),
      errors: BigInt(errors),
    }
  // The details are indented with a tab, up to the next label.
  const rest = lines.slice(at + 1)
  const end = rest.findIndex((line) => !line.startsWith('\t'))
  const details = rest.slice(0, end === -1 ? rest.length : end).join(' ')
  if (/^scrub in progress /.test(first)) return { kind: 'running', ...parseProgress(details) }
  if (/^scrub paused /.test(first)) return { kind: 'paused', ...parseProgress(details) }
  return /^resilver in progress /.test(first) ? { kind: 'resilvering' } : { kind: 'none' }
}

/** `25.7M / 60.2M issued at 25.7M/s` since 2.2, `25.7M issued at 25.7M/s, 60.2M total` before. */
function parseProgress(details: string): ScanProgress {
  const size = '([0-9.]+[BKMGTPEZ]?)'
  const checked = new RegExp(`${size}(?: / ${size})? issued`).exec(details)
  const scanned = new RegExp(`${size}(?: / ${size})? scanned`).exec(details)?.[1]
  const total = checked?.[2] ?? new RegExp(`${size} total`).exec(details)?.[1]
  const [, days = '0', hours, minutes, seconds] =
    /(?:(\d+) days )?(\d+):(\d\d):(\d\d) to go/.exec(details) ?? []
  return {
    scannedBytes: scanned === undefined ? 0 : parseSize(scanned),
    checkedBytes: checked?.[1] === undefined ? 0 : parseSize(checked[1]),
    totalBytes: total === undefined ? 0 : parseSize(total),
    leftMs:
      hours === undefined
        ? null
        : (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000,
  }
}

/** `12.5K`, `0B`, `0`: rounded, as zfs_nicebytes() writes it. */
function parseSize(text: string): number {
  const [, digits, unit = 'B'] = /^([0-9.]+)([BKMGTPEZ]?)$/.exec(text) ?? []
  if (digits === undefined) throw new UnreadableAnswer(`zpool status: not a size: ${text}`)
  return Math.round(Number(digits) * 1024 ** Math.max(0, 'BKMGTPEZ'.indexOf(unit || 'B')))
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Mon Nov 23 12:34:49 2026` of ctime(3), in this machine's time zone. */
function parseDate(text: string): Date {
  const [, month = '', day, hour, minute, second, year] =
    /^\w{3} (\w{3}) +(\d+) (\d+):(\d+):(\d+) (\d+)$/.exec(text.trim()) ?? []
  if (!months.includes(month)) throw new UnreadableAnswer(`zpool status: not a date: ${text}`)
  return new Date(
    Number(year),
    months.indexOf(month),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  )
}

/** Of `zpool status -v POOL`: files (`dataset:/path`, `dataset@snapshot:/path`) or objects (`<metadata>:<0x3d>`). */
export function parseDamaged(stdout: string): readonly string[] {
  const lines = stdout.split('\n')
  const at = lines.findIndex((line) => line.startsWith('errors: Permanent errors have been detected'))
  if (at === -1) return []
  return lines.slice(at + 1).flatMap((line) => (/^ {8}\S/.test(line) ? [line.slice(8)] : []))
}
