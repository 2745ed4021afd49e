// The known word that somebody most likely meant. Pure.

/** Null when nothing is near enough to be worth suggesting. */
export function chooseNearest(word: string, known: readonly string[]): string | null {
  const wanted = normalize(word)
  if (wanted === '' || wanted.length > 40) return null
  let best: string | null = null
  let bestDistance = Math.floor(wanted.length / 3) + 1
  for (const candidate of known) {
    const name = normalize(candidate)
    const distance =
      name.length >= 4 && wanted.length >= 4 && isPart(name, wanted) ? 1 : editDistance(wanted, name)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** What a person is told who named a disk that there is not. */
export function explainUnknownDisk(name: string, known: readonly string[]): string {
  const nearest = chooseNearest(name, known)
  if (nearest !== null) return `there is no disk ${name}; did you mean ${nearest}?`
  return `there is no disk ${name}; ${known.length === 0 ? 'none is configured' : `known are: ${known.join(', ')}`}`
}

const normalize = (text: string): string => text.toLowerCase().replace(/[-_. ]/g, '')
const isPart = (a: string, b: string): boolean => a !== b && (a.includes(b) || b.includes(a))

/** Characters to insert, drop, replace or swap with their neighbour. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        at(i - 1, j) + 1,
        (row[j - 1] ?? 0) + 1,
        at(i - 1, j - 1) + (same ? 0 : 1),
        swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
      )
    }
  }
  return at(a.length, b.length)
}
