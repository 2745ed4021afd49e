// `walkaway config check [FILE]`: every mistake of a configuration at once, nothing touched.

import { loadConfig } from '../config/load.ts'
import type { Config } from '../config.ts'
import { renderMistake } from '../config.ts'

interface Output {
  write(text: string): unknown
}

/** Mistakes and warnings go to stderr, a verdict to stdout. Returns the exit code: 0, or 2 for any mistake. */
export async function runConfigCheck(options: {
  readonly file: string
  readonly stdout: Output
  readonly stderr: Output
}): Promise<0 | 2> {
  const { file, stdout, stderr } = options
  const result = await loadConfig({ file })
  for (const warning of result.warnings)
    stderr.write(`${renderMistake({ ...warning, message: `warning: ${warning.message}` })}\n`)
  switch (result.kind) {
    case 'ok':
      stdout.write(`${file}: ok: ${renderSize(result.config)}\n`)
      return 0
    case 'rejected':
      for (const mistake of result.mistakes) stderr.write(`${renderMistake(mistake)}\n`)
      return 2
  }
}

function renderSize({ sources, disks }: Config): string {
  return `${countOf(sources.length, 'source')}, ${countOf(disks.length, 'disk')}`
}

const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
