// Channel programs (zfs-program(8)): many changes of one pool in one process and one transaction group. A program is Lua
// text that is passed on standard input; what it works on are arguments, never part of its text.
import type { ZfsCommand } from './command.ts'

/** Returns what `zfs program -j` printed. Throws what zfs commands throw: some of it may be done then. */
export const runProgram = (
  zfs: ZfsCommand,
  program: {
    readonly pool: string
    readonly lua: string
    readonly args: readonly string[]
    readonly deadlineMs: number
    /** It changes nothing, and waits for no transaction group. */
    readonly readonly?: boolean
  },
): Promise<string> => {
  const options = program.readonly === true ? ['-n', '-j'] : ['-j']
  // After `--`, a negative number is no option.
  return zfs(['program', ...options, '--', program.pool, '-', ...program.args], program.deadlineMs, {
    input: program.lua,
  })
}

/** As Lua has it there, whose numbers are signed: a GUID above 2^63 reads as a negative one. */
export const signed = (guid: string): string => BigInt.asIntN(64, BigInt(guid)).toString()
