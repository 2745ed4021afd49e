// Answers of zfs and zpool as columns and numbers: split on the tab, counted, kept when empty. Pure. An answer that is
// short, or no number where one must be, is `UnreadableAnswer`, never "nothing".
import { UnreadableAnswer } from '../errors.ts'

/** The lines of an answer, without the last newline. None for an empty answer. */
export const linesOf = (stdout: string): readonly string[] =>
  stdout === '' ? [] : stdout.replace(/\n$/, '').split('\n')

export const unreadable = (what: string, text: string): UnreadableAnswer =>
  new UnreadableAnswer(`${what}: ${JSON.stringify(text.slice(0, 200))}`)

export function fields(line: string, count: number, what: string): readonly string[] {
  const columns = line.split('\t')
  if (columns.length !== count)
    throw unreadable(`${what}: ${columns.length} columns instead of ${count}`, line)
  return columns
}

export function digits(text: string | undefined, what: string): string {
  if (text === undefined || !/^\d{1,20}$/.test(text)) throw unreadable(`${what}: not a number`, text ?? '')
  return text
}

export const unsigned = (text: string | undefined, what: string): bigint => BigInt(digits(text, what))

/** A GUID, or any other number that ZFS prints alone on a line. */
export function parseNumber(stdout: string, what: string): bigint {
  const [line, ...more] = linesOf(stdout)
  if (more.length > 0) throw unreadable(`${what}: more than one line`, stdout)
  return unsigned(line, what)
}
