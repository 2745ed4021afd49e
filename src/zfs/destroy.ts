// Destroys snapshots by GUID with a channel program (zfs-program(8)): looking and destroying are one transaction, so that
// nothing can take a snapshot's name in between, and one snapshot that cannot go stops no other.
import { type Snapshot, snapshotPath } from '../core/model.ts'
import { BadInput } from '../errors.ts'
import type { ZfsCommand } from './command.ts'
import { checkSnapshots, poolOf } from './names.ts'
import { parseSnapshotEnds, type SnapshotEnd } from './parse.ts'
import { runProgram, signed } from './program.ts'

/**
 * All of them are destroyed while the pool writes one transaction group, and nothing else is written meanwhile. Far below
 * the default limits of ten million instructions and 10 MB, as is the command line.
 */
export const MAX_DESTROYED_AT_ONCE = 100
/** Waits for a transaction group, in which a slow disk looks at each snapshot and its neighbours. */
const DESTROY_MS = 10 * 60_000

// Arguments: name and GUID in turn. `get_prop` would end the program where there is no such snapshot.
const program = `
local argv = (...)["argv"]

local function destroy(name, guid)
  if not zfs.exists(name) then return "gone" end
  local found = zfs.get_prop(name, "guid")
  if tostring(found) ~= guid then return "replaced" end
  local errno = zfs.sync.destroy(name)
  if errno == 0 then return "destroyed" end
  if errno == EEXIST then return "has-clones" end
  if errno ~= EBUSY then return "failed" end
  local holds = zfs.get_prop(name, "userrefs")
  if holds ~= nil and holds > 0 then return "held" end
  return "in-use"
end

local ends = {}
for at = 1, #argv, 2 do
  ends[#ends + 1] = destroy(argv[at], argv[at + 1])
end
return table.concat(ends, " ")
`

/**
 * The verb of `Zfs`. Throws `BadInput` for too many, for snapshots of several pools, and for names that ZFS would not
 * take. When it throws something else, some may be destroyed: look again.
 */
export async function destroySnapshots(
  zfs: ZfsCommand,
  doomed: readonly Snapshot[],
): Promise<readonly SnapshotEnd[]> {
  checkSnapshots(doomed.map(snapshotPath))
  if (doomed.length > MAX_DESTROYED_AT_ONCE)
    throw new BadInput(`${doomed.length} snapshots are too many at once`)
  const [pool, ...others] = new Set(doomed.map(({ dataset }) => poolOf(dataset)))
  if (pool === undefined) return []
  if (others.length > 0) throw new BadInput('one channel program cannot span pools')
  const args = doomed.flatMap((snapshot) => [snapshotPath(snapshot), signed(snapshot.guid)])
  const stdout = await runProgram(zfs, { pool, lua: program, args, deadlineMs: DESTROY_MS })
  return parseSnapshotEnds(stdout, doomed.length)
}
