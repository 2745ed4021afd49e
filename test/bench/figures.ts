// Figures and how they are printed.

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  if (low === undefined || high === undefined) throw new Error('no values')
  return (low + high) / 2
}

export const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** `name: median (min to max) unit` */
export function printSpread(name: string, values: readonly number[], digits: number, unit = ''): void {
  const show = (value: number) => value.toFixed(digits)
  print(
    `  ${name}: median ${show(median(values))}${unit} (${show(Math.min(...values))} to ${show(Math.max(...values))}, n = ${values.length})`,
  )
}
