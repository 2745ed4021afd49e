// The commands that bring a backup back, as arguments and as lines for a shell: the same for `walkaway restore`, for its
// `--dry-run` and for the text that a disk carries. Pure.

import { assignmentsOf, type Limits } from './marks.ts'
import type { DatasetName, PoolGuid, PoolName, Snapshot } from './model.ts'

/** One thing to do on the machine that gets the backup back. */
export type RestoreStep =
  /** A dataset that only contains others, made as they need it. */
  | { readonly kind: 'container'; readonly target: DatasetName }
  | {
      readonly kind: 'send'
      readonly from: Pick<Snapshot, 'dataset' | 'name'>
      /** The copy is encrypted: sent as it is, no key needed. */
      readonly raw: boolean
      readonly target: DatasetName
    }
  /** What limited the source: never in force on the disk, so no stream brings it back. */
  | { readonly kind: 'limits'; readonly target: DatasetName; readonly limits: Limits }

/**
 * `-b` sends the properties as the disk received them, not those that mask them there (readonly, canmount, ...). An
 * encrypted dataset can be sent with properties only raw.
 */
export const restoreSendFlags = (raw: boolean): readonly string[] =>
  raw ? ['-w', '-p', '-b'] : ['-L', '-c', '-p', '-b']

/** Never `-F`: nothing is overwritten. A plain stream must not be stored in plain text below an encrypted dataset. */
export const restoreReceiveFlags = (raw: boolean): readonly string[] =>
  raw ? ['-u'] : ['-u', '-x', 'encryption']

const harmless = /^[A-Za-z0-9_@%+=:,./-]+$/

/** One word for a POSIX shell, whatever is in it. */
export const quoted = (word: string): string =>
  harmless.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** The line for a step. `place` writes the target: its quoted name, or one with a variable of the shell in it. */
export function lineOf(step: RestoreStep, place: (target: DatasetName) => string = quoted): string {
  switch (step.kind) {
    case 'container':
      return `zfs create -p -u -o canmount=off ${place(step.target)}`
    case 'send': {
      const send = ['zfs', 'send', ...restoreSendFlags(step.raw), `${step.from.dataset}@${step.from.name}`]
      const receive = ['zfs', 'receive', ...restoreReceiveFlags(step.raw)]
      return `${send.map(quoted).join(' ')} | ${receive.join(' ')} ${place(step.target)}`
    }
    case 'limits':
      return `zfs set ${assignmentsOf(step.limits).map(quoted).join(' ')} ${place(step.target)}`
  }
}

/** Read-only, nothing mounted, by GUID, never forced. `from`: devices, or folders of them. */
export const importLine = (
  guid: PoolGuid,
  from: readonly string[],
  altroot: readonly string[] = [],
): string =>
  [
    'zpool import -N -o readonly=on -o cachefile=none',
    ...altroot.map((root) => `-R ${quoted(root)}`),
    ...from.map((link) => `-d ${quoted(link)}`),
    guid,
  ].join(' ')

export const exportLine = (pool: PoolName): string => `zpool export ${quoted(pool)}`
