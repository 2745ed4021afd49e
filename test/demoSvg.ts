// A transcript of the demonstration as an SVG that plays it once, line by line, and ends on its last screen. Pure.
// Pauses are those of the transcript (`  16.9 s  ...`), shortened; viewers without animation show its beginning.

const rows = 30
const lineHeight = 18
const charWidth = 7.8
const margin = 16
/** The longest that nothing happens on the screen, and how much faster than it was recorded, in seconds. */
const longestPause = 1.6
const faster = 3

/** What npm and the building of the machine say before the demonstration begins is left out. */
export function linesOf(transcript: string): readonly string[] {
  const lines = transcript.trimEnd().split('\n')
  const first = lines.findIndex((line) => line.startsWith('Offsite backups with walkaway'))
  return lines
    .slice(Math.max(0, first))
    .filter((line) => !/^ *\d+:\d\d {2}/.test(line))
    .map((line) => line.trimEnd())
    .filter((line, at, all) => line !== '' || all[at - 1] !== '')
}

/** When each line appears, in seconds from the beginning. */
export function timesOf(lines: readonly string[]): readonly number[] {
  let now = 0
  let stamp: number | null = null
  return lines.map((line) => {
    const seconds = /^ *(\d+\.\d) s {2}/.exec(line)?.[1]
    const isHeading = line !== '' && !line.startsWith(' ')
    if (seconds !== undefined) {
      const passed = stamp === null ? longestPause : (Number(seconds) - stamp) / faster
      now += Math.min(longestPause, Math.max(0.1, passed))
      stamp = Number(seconds)
    } else now += isHeading ? longestPause : 0.08
    return now
  })
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const classOf = (line: string): string =>
  line.includes('SAFE TO REMOVE') ? 'l safe' : /^\S/.test(line) ? 'l said' : 'l'

export function renderSvg(transcript: string): string {
  const lines = linesOf(transcript)
  const times = timesOf(lines)
  const total = (times.at(-1) ?? 0) + 1
  const columns = Math.max(...lines.map((line) => line.length))
  const width = Math.ceil(columns * charWidth + 2 * margin)
  const height = rows * lineHeight + 2 * margin
  const scrolls = times.flatMap((time, at) =>
    at < rows
      ? []
      : [`${((time / total) * 100).toFixed(2)}%{transform:translateY(${(rows - 1 - at) * lineHeight}px)}`],
  )
  const texts = lines.map(
    (line, at) =>
      `<text class="${classOf(line)}" y="${(at + 1) * lineHeight - 4}" style="animation-delay:${times[at]?.toFixed(2)}s">${escaped(line)}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="The demonstration of walkaway in a terminal">
<style>
text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#c9d1d9;white-space:pre}
.said{fill:#fff;font-weight:bold}.safe{fill:#7ee787}
.l{animation:show .01s both}.all{animation:scroll ${total.toFixed(2)}s step-end both}
@keyframes show{from{visibility:hidden}}
@keyframes scroll{0%{transform:translateY(0)}${scrolls.join('')}}
@media (prefers-reduced-motion:reduce){.l,.all{animation:none}}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<svg x="${margin}" y="${margin}" width="${width - 2 * margin}" height="${rows * lineHeight}">
<g class="all">
${texts.join('\n')}
</g>
</svg>
</svg>
`
}
