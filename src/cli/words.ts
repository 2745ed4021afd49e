// How commands speak to a terminal: sizes, ages, colours, lines that fit. Pure.
import prettyMs from 'pretty-ms'
import { oneLine } from '../linux/oneLine.ts'

/** stdout or stderr, as far as commands need it. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export interface Look {
  readonly colour: boolean
  /** Width to break long lines at; null: never. */
  readonly columns: number | null
}

/** Colours and line breaks are for people: only on a terminal, colours only without NO_COLOR. */
export const lookOf = (
  output: Output,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Look => ({
  colour: output.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb',
  columns: output.isTTY === true ? sizeOf(output).columns : null,
})

/** A serial console says that it has no columns and no rows. */
export const sizeOf = ({
  columns = 0,
  rows = 0,
}: Output): { readonly columns: number; readonly rows: number } => ({
  columns: columns > 0 ? columns : 80,
  rows: rows > 0 ? rows : 24,
})

const codes = { green: 32, yellow: 33, red: 31, cyan: 36, bold: 1, dim: 2 } as const
export type Colour = keyof typeof codes

export const paint = (text: string, colour: Colour, { colour: wanted }: Look): string =>
  wanted ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text

/** `3 days`, `25 minutes`; less than a minute is `a moment`, so that no screen flickers with seconds. */
export const timeInWords = (ms: number): string =>
  ms < 60_000 ? 'a moment' : prettyMs(ms, { compact: true, verbose: true })

/** `1 day 23 hours`, `1 hour 59 minutes`: what is still to come, in whole minutes. */
export const timeLeftInWords = (ms: number): string =>
  ms < 60_000 ? 'a moment' : prettyMs(ms - (ms % 60_000), { unitCount: 2, verbose: true })

/** `took 25 seconds`: exact enough for what is over. */
export const durationInWords = (ms: number): string =>
  prettyMs(Math.max(1000, ms), { secondsDecimalDigits: 0, unitCount: 2, verbose: true })

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** A paragraph, indented, broken at blanks where the terminal ends. Harmful characters in it are spelt out. */
export function indented(text: string, { indent, look }: { readonly indent: number; readonly look: Look }) {
  const columns = look.columns ?? Number.POSITIVE_INFINITY
  // Rather than that words are cut off where the terminal ends, they begin further to the left.
  const before = Math.min(indent, Math.max(0, columns - 20))
  const width = Math.max(20, columns - before)
  const lines: string[] = []
  let line = ''
  for (const word of oneLine(text).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].map((each) => ' '.repeat(before) + each)
}

/** Rows of cells as lines with aligned columns; the last cell is as long as it is. Give it text without colours. */
export function alignedCells(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const widths = new Map<number, number>()
  for (const row of rows)
    for (const [at, cell] of row.entries()) widths.set(at, Math.max(widths.get(at) ?? 0, cell.length))
  return rows.map((row) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths.get(at) ?? 0))),
  )
}

/** At most so many visible characters of a line; what colours it stays whole, and is switched off at the end. */
export function clip(line: string, columns: number): string {
  let visible = 0
  let clipped = ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what `paint` makes
  for (const [part] of line.matchAll(/\x1b\[\d+m|[^\x1b]/gu)) {
    if (!part.startsWith('\x1b')) visible += 1
    if (visible > columns) return `${clipped}${clipped.includes('\x1b') ? '\x1b[0m' : ''}`
    clipped += part
  }
  return clipped
}
