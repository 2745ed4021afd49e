// Group names to numbers: `control.group` has to be one, and the control socket is given to it.

import { readFile } from 'node:fs/promises'
import { BadInput } from '../errors.ts'

/** The gid of a group in /etc/group; null for no group. Throws `BadInput` when there is none of that name. */
export async function groupId(name: string | null): Promise<number | null> {
  if (name === null) return null
  const lines = (await readFile('/etc/group', 'utf8')).split('\n').map((line) => line.split(':'))
  const gid = Number(lines.find((fields) => fields[0] === name)?.[2] ?? Number.NaN)
  if (!Number.isInteger(gid)) throw new BadInput(`there is no group ${name} on this machine`)
  return gid
}
