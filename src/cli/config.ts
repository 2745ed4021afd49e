// `walkaway config check [FILE]`: every mistake of a configuration at once, nothing touched.

import { loadConfig } from '../config/load.ts'
import type { Config } from '../config.ts'
import { renderMistake } from '../config.ts'
import { BadInput, CommandFailed } from '../errors.ts'
import { groupId } from '../linux/groups.ts'
import { createRun } from '../linux/run.ts'
import { createZfs } from '../zfs/zfs.ts'
import { describeUnmatchedExcludes } from './excludes.ts'

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
    case 'ok': {
      for (const warning of await describeUnmatched(result.config))
        stderr.write(`${file}: warning: ${warning}\n`)
      const mistake = await findGroupMistake(result.config)
      if (mistake !== null) {
        stderr.write(`${file}: ${mistake}\n`)
        return 2
      }
      stdout.write(`${file}: ok: ${renderSize(result.config)}\n`)
      return 0
    }
    case 'rejected':
      for (const mistake of result.mistakes) stderr.write(`${renderMistake(mistake)}\n`)
      return 2
  }
}

/** What keeps the daemon from starting on this machine alone. */
async function findGroupMistake({ control }: Config): Promise<string | null> {
  try {
    await groupId(control.group)
    return null
  } catch (error) {
    if (error instanceof BadInput) return error.message
    throw error
  }
}

async function describeUnmatched(config: Config): Promise<readonly string[]> {
  try {
    return await describeUnmatchedExcludes(config, createZfs(createRun()))
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
