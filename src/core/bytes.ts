// Numbers of bytes for people. Without Intl, whose data takes a command longer to load than all the rest of it.

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const
type Unit = (typeof units)[number]

/** `512 B`, `1.5 MB`, `83.3 GB`: powers of 1000, cut off after one digit. Not negative. */
export function bytesInWords(bytes: number): string {
  let unit: Unit = 'B'
  let scale = 1
  for (const larger of units.slice(1)) {
    if (bytes < scale * 1000) break
    unit = larger
    scale *= 1000
  }
  return `${Math.floor((bytes * 10) / scale) / 10} ${unit}`
}
