// The date of a package: that of the commit, so that one commit gives one package.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BadInput } from '../errors.ts'

/** Throws `BadInput` when SOURCE_DATE_EPOCH is no number. */
export function packageDate(root: string): number {
  const given = process.env['SOURCE_DATE_EPOCH']
  if (given !== undefined) {
    if (!/^\d+$/.test(given)) throw new BadInput('SOURCE_DATE_EPOCH is not a number of seconds')
    return Number(given)
  }
  try {
    return Number(
      execFileSync('git', ['-C', root, 'log', '-1', '--format=%ct'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    )
  } catch {
    // Not a git repository (a release archive): the day of the newest entry in the changelog.
    const day = /^## \[[^\]]+\] - (\d{4}-\d{2}-\d{2})$/m.exec(
      readFileSync(join(root, 'CHANGELOG.md'), 'utf8'),
    )?.[1]
    return day === undefined ? 0 : Date.parse(day) / 1000
  }
}
