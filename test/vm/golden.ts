// Screens of a real machine, kept as texts to be read by eye: test/golden/NAME. `npm run test:long -- NAME --update` writes
// them anew. What differs from run to run, and nothing else, is replaced by a word.
import { join } from 'node:path'
import { expect } from 'vitest'

const changing: readonly (readonly [RegExp, string])[] = [
  // A terminal's line ends.
  [/\r\n/g, '\n'],
  [/\b\d{15,20}\b/g, 'GUID'],
  [/walkaway_\d{8}T\d{6}Z/g, 'walkaway_STAMP'],
  [/\b\d{4}-\d\d-\d\d[T_ -]\d\d[:-]?\d\d[:-]?\d\d(?:\.\d+)?Z?\b/g, 'TIME'],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?\b/g, 'TIME'],
  [/\b\d\d:\d\d(?::\d\d)?\b/g, 'TIME'],
  [/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?=TIME)/g, ''],
  [/\b\d+(?:\.\d+)? (?:B|kB|MB|GB)(?:\/s)?(?!\w)/g, 'SIZE'],
  [/\b\d+ (?:milliseconds?|ms|seconds?|s|minutes?|min)\b/g, 'WHILE'],
  // Where a line is broken depends on how long the figures are.
  [/\s+in\s+(?:WHILE|\d+\s+(?:seconds?|minutes?))\b/g, ' in WHILE'],
  [/\ba moment ago\b/g, 'WHILE ago'],
  [/\bWHILE(?:(?: and)? WHILE)+\b/g, 'WHILE'],
  [/\bsd[a-z]\b/g, 'sdX'],
  [/(\d+(?:\.\d+)?)%/g, 'N%'],
  [/=-?\d+(?:\.\d+)?(s|B|c)?(?=[;\s])/g, '=N$1'],
  // Columns are as wide as what is in them.
  [/(?<=\S) {2,}/g, '  '],
]

export const goldenText = (screen: string): string =>
  changing.reduce((text, [from, to]) => text.replaceAll(from, to), screen)

export async function expectGolden(name: string, screen: string): Promise<void> {
  await expect(goldenText(screen)).toMatchFileSnapshot(join(import.meta.dirname, '..', 'golden', name))
}
