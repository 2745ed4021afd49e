// What zfs and zpool complain about on stderr, as kinds: the only place of the project that reads their sentences.
// Pure. The sentences are OpenZFS's, 2.1 to 2.4, in the C locale (libzfs_sendrecv.c, libzfs_util.c, zpool_main.c).
import { CommandFailed } from '../errors.ts'
import { type FailureKind, ZfsFailed } from './failure.ts'

/** The first that matches wins: causes before symptoms, the particular before the general. */
const kinds: readonly (readonly [RegExp, FailureKind])[] = [
  [
    /there is no program|ZFS modules (are not|cannot be)|\/dev\/zfs|initialize the libzfs library/,
    'zfs-missing',
  ],
  [/pool I\/O is currently suspended|pool is suspended/, 'suspended'],
  [
    /previously in use from another system|pool is imported on|last accessed by another|multihost/,
    'foreign-pool',
  ],
  [/partially-complete state/, 'unfinished-receive'],
  // zfs load-key (libzfs_crypto.c); it may quote what the system says of the file.
  [/[Ff]ailed to open key material file/, 'no-key-file'],
  [/Incorrect key provided/, 'wrong-key'],
  [/(Raw|Hex) key too (short|long)|Passphrase too (short|long)|Invalid hex (key|char)/, 'malformed-key'],
  [/Key already loaded/, 'exists'],
  [/key must be loaded|[Kk]ey not loaded|failed to create encryption key/, 'key-unavailable'],
  [
    /IV set guid|raw receive on top of|encryption key does not match|crypto parameters/,
    'incompatible-stream',
  ],
  [/requires -L|embedded data stream|Spill block flag|must be upgraded to\s+receive/, 'incompatible-stream'],
  [/resume token is corrupt|used in the initial send|incremental source 0x[0-9a-f]+ no longer/, 'token-dead'],
  [/has been modified|destination has snapshots|destination has children/, 'diverged'],
  [/does not\s+match incremental source|incremental source .*(does not exist|could not be found)/, 'no-base'],
  [/local origin for clone .* does not exist/, 'no-base'],
  [/not an earlier snapshot/, 'no-base'],
  [/quota exceeded/, 'quota'],
  [/out of space|No space left on device/, 'no-space'],
  [/one or more devices is currently unavailable|insufficient replicas/, 'missing-devices'],
  [
    /unsupported version or feature|unsupported ZFS version|not supported by this system/,
    'unsupported-feature',
  ],
  [/I\/O error|Input\/output error/, 'io-error'],
  // An export that finds a dataset mounted. The sandbox of the service has no umount(2), and it is not ours to unmount.
  [/cannot unmount .*: permission denied/, 'busy'],
  [/[Pp]ermission denied/, 'permission'],
  [/is read[- ]only/, 'read-only'],
  [/cannot resume send/, 'token-dead'],
  [
    /incomplete stream|checksum mismatch|failed to read from stream|invalid (backup )?stream/,
    'broken-stream',
  ],
  [/(dataset|pool|tag|bookmark|destination) already exists|tag already exists|bookmark exists/, 'exists'],
  [/destination '.*' exists|pool with that name already exists|Resuming recv on existing/, 'exists'],
  [
    /is busy|being held|already in use|is in use and contains|is part of [a-z ]+ pool|export in progress|currently (scrubbing|resilvering)/,
    'busy',
  ],
  [/(dataset|parent|destination '.*'|bookmark '.*'|snapshot .*) does not exist/, 'not-found'],
  [/no such (pool|dataset|tag|device)|could not find any snapshots|no active scrub/, 'not-found'],
]

export const complaintKind = (stderr: string): FailureKind =>
  kinds.find(([sentence]) => sentence.test(stderr))?.[1] ?? 'other'

/** The failure with its kind, if it is one of a command; anything else is returned as it came. */
export function classified(error: unknown): unknown {
  if (!(error instanceof CommandFailed) || error instanceof ZfsFailed) return error
  const kind = complaintKind(error.stderr)
  const hint = hints[kind]
  return new ZfsFailed(kind, error, { cause: error, ...(hint !== undefined && { hint }) })
}

const hints: { readonly [K in FailureKind]?: string } = {
  'zfs-missing': 'Install the package zfsutils-linux and load the kernel module (modprobe zfs).',
  suspended: 'Plug the disk in again.',
  permission: 'This needs root or CAP_SYS_ADMIN.',
  'unsupported-feature': 'This machine needs a newer OpenZFS to use that pool.',
}

/** The complaints of a command that goes on after each one, line by line. */
export interface Complaint {
  readonly kind: FailureKind
  /** What stands in quotes: mostly the dataset or snapshot that it is about. */
  readonly about: string | null
  readonly text: string
}

export function parseComplaints(stderr: string): readonly Complaint[] {
  return stderr
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((text) => ({ kind: complaintKind(text), about: /'([^']*)'/.exec(text)?.[1] ?? null, text }))
}

/** Whether `zfs recv -A` found nothing to abort. */
export const saysNothingToAbort = (stderr: string): boolean =>
  /does not have any resumable receive state/.test(stderr)

/** Whether a sender only lost its receiver. */
export const saysBrokenPipe = (stderr: string): boolean => /Broken pipe|signal received/.test(stderr)

export interface LastUser {
  readonly host: string
  /** In hexadecimal, as ZFS prints it. */
  readonly hostId: string
  /** When, in ZFS's words; null while the other machine is still using it. */
  readonly at: string | null
}

/** Which machine a refused import names; null if it names none. */
export function parseLastUser(stderr: string): LastUser | null {
  const match =
    /[Ll]ast accessed by (?<host>.+?) \(hostid[=:] ?(?:0x)?(?<id>[0-9a-f]+)\)(?: (?:at|on) (?<at>[^\n]+))?/.exec(
      stderr,
    ) ?? /imported on (?:host )?'?(?<host>.+?)'? \(hostid[=:] ?(?:0x)?(?<id>[0-9a-f]+)\)/.exec(stderr)
  const { host, id, at } = match?.groups ?? {}
  if (host === undefined || id === undefined) return null
  return { host, hostId: id, at: at?.trim() ?? null }
}
