// How an encrypted copy gets the properties of its source back. A raw stream of what a disk received cannot carry them:
// with -b, zfs receive aborts for want of a keylocation (recv_fix_encryption_hierarchy, seen on 2.3.9); and one that is
// decrypted, of a copy on a disk that is encrypted as a whole, may not (libzfs_sendrecv.c, 2.1 to 2.4). So they are read
// from the copy and set by the receive: by walkaway, and by a function for a shell in the text on the disk. Pure.

import { limitProperties } from './marks.ts'
import { type Assignments, quoted } from './restoreCommands.ts'

/**
 * What is not set, though a copy may have received it: it is in the raw stream itself and `-o` refuses it (encryption and
 * what is set once), comes back as limits, or cannot be set here. Read-only properties are never received.
 */
const excluded: readonly string[] = [
  ...['encryption', 'keyformat', 'keylocation', 'pbkdf2iters'],
  ...['casesensitivity', 'normalization', 'utf8only', 'volblocksize', 'volsize', 'version', 'mlslabel'],
  ...limitProperties,
]
const ownPrefix = 'walkaway:'

/**
 * What is set on a dataset that comes back, from what its copy received. ZFS shows a mountpoint below the altroot of the
 * pool (null: it has none), which is no part of it.
 */
export function assignmentsFrom(received: ReadonlyMap<string, string>, altroot: string | null): Assignments {
  const root = altroot === null || altroot === '/' ? '' : altroot
  const kept = [...received].filter(([name]) => !excluded.includes(name) && !name.startsWith(ownPrefix))
  return Object.fromEntries(
    kept.map(([name, value]) =>
      name === 'mountpoint' && value.startsWith('/') && value.startsWith(root)
        ? [name, value.slice(root.length) || '/']
        : [name, value],
    ),
  )
}

/**
 * The same for a POSIX shell: `restore_raw COPY@SNAPSHOT NEW [FLAG]`, with another flag than -w for `zfs send`. A line of `zfs get` that cannot begin a property belongs
 * to the value before it; the one behind the last ends that. In a subshell, so that no variable of the person changes.
 */
export const rawFunction: readonly string[] = `
restore_raw() (
  LC_ALL=C; export LC_ALL; from=$1 to=$2 how=\${3:--w} p= v= tab=$(printf "\\t") nl=$(printf "\\nx"); nl=\${nl%x}
  all=$(zfs get -Hp -o property,received all "\${from%@*}") && [ -n "$all" ] || exit
  root=$(zpool get -H -o value altroot "\${from%%/*}") || exit
  set --
  while IFS= read -r line; do
    name=\${line%%"$tab"*}
    case $name in
      "" | "$line" | *[!a-z0-9_:.-]*) name= ;;
      *:*) ;;
      *) case $p in *:*) name= ;; esac ;;
    esac
    if [ -z "$name" ]; then v=$v$nl$line; continue; fi
    case $p=$v in mountpoint=/*) v=\${v#"\${root%/}"}; v=\${v:-/} ;; esac
    case $p in
      "" | ${ownPrefix}* | ${excluded.join(' | ')}) v=- ;;
    esac
    [ "$v" = - ] || set -- "$@" -o "$p=$v"
    p=$name v=\${line#*"$tab"}
  done <<END
$all
end:$tab-
END
  zfs send "$how" "$from" | zfs receive -u "$@" "$to"
)`
  .slice(1)
  .split('\n')

/** The line that calls it. `target`: one word for a shell. `decrypted`: its key is loaded. */
export const rawLine = (
  snapshot: string,
  target: string,
  { decrypted }: { readonly decrypted: boolean } = { decrypted: false },
): string => `restore_raw ${quoted(snapshot)} ${target}${decrypted ? ' -L' : ''}`
