// Lines of a stream that may end at any moment: QEMU can be gone in the middle of a word, and that is no failure here.
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export function eachLine(stream: Readable, hear: (line: string) => void): void {
  const lines = createInterface({ input: stream })
  lines.on('line', hear)
  // readline hands on the errors of its input; whoever owns the stream hears them there.
  lines.on('error', () => undefined)
}
