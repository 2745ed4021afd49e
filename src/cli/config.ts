// `walkaway config check [FILE]`: every mistake of a configuration at once, nothing touched.

import { loadConfig } from '../config/load.ts'
import type { Config } from '../config.ts'
import { renderMistake } from '../config.ts'
import { CommandFailed } from '../errors.ts'
import { createRun } from '../linux/run.ts'
import { createZfs, type Zfs } from '../zfs/zfs.ts'
import { describeUnmatched, listUnmatchedExcludes } from './excludes.ts'

interface Output {
  write(text: string): unknown
}

/** Mistakes and warnings go to stderr, a verdict to stdout. Returns the exit code: 0, or 2 for any mistake. */
export async function runConfigCheck(options: {
  readonly file: string
  readonly stdout: Output
  readonly stderr: Output
  readonly zfs?: Zfs
}): Promise<0 | 2> {
  const { file, stdout, stderr, zfs = createZfs(createRun()) } = options
  const result = await loadConfig({ file })
  for (const warning of result.warnings)
    stderr.write(`${renderMistake({ ...warning, message: `warning: ${warning.message}` })}\n`)
  switch (result.kind) {
    case 'ok': {
      const { config, places } = result
      for (const unmatched of await unmatchedExcludes(config, zfs)) {
        const place = places.excludes.find(
          ({ dataset, pattern }) => dataset === unmatched.source.dataset && pattern === unmatched.pattern,
        )
        const at = place?.at ?? { line: 1, column: 1 }
        const message = `warning: ${describeUnmatched(unmatched)}`
        stderr.write(`${renderMistake({ file, ...at, message })}\n`)
      }
      stdout.write(`${file}: ok: ${renderSize(result.config)}\n`)
      return 0
    }
    case 'rejected':
      for (const mistake of result.mistakes) stderr.write(`${renderMistake(mistake)}\n`)
      return 2
  }
}

async function unmatchedExcludes(config: Config, zfs: Zfs): ReturnType<typeof listUnmatchedExcludes> {
  try {
    return await listUnmatchedExcludes(config, zfs)
  } catch (error) {
    // A file may be checked on a machine, or by a user, without ZFS; what it says is right or wrong all the same.
    if (error instanceof CommandFailed) return []
    throw error
  }
}

function renderSize({ sources, disks }: Config): string {
  return `${countOf(sources.length, 'source')}, ${countOf(disks.length, 'disk')}`
}

const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
