// JSON for programs, and for whoever reads it in a terminal: what JSON would leave as it is and a terminal obeys is an escape.

import { harmlessJson } from '../linux/oneLine.ts'

/** One value over several lines, each of which ends with a line break; `indent: 0`: in one. */
export function jsonText(value: unknown, indent = 2): string {
  const lines = JSON.stringify(value, null, indent).split('\n')
  return `${lines.map(harmlessJson).join('\n')}\n`
}
