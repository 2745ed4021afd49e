// The commands that bring a backup back, as arguments and as lines for a shell: the same for `walkaway restore`, for its
// `--dry-run` and for the text that a disk carries. Pure.

import { assignmentsOf, type Limits } from './marks.ts'
import type { DatasetName, PoolGuid, PoolName, Snapshot } from './model.ts'

/** Names and values of properties, as `zfs receive -o` takes them. */
export type Assignments = Readonly<Record<string, string>>

/**
 * How what comes back gets the properties of its source: with a plain stream; or they are set (rawRestore.ts), when the
 * copy is encrypted: then it is sent as it is, no key needed (`raw`), or decrypted, where all of the disk has one key.
 */
export type BroughtBack = 'in-force' | { readonly set: Assignments; readonly raw: boolean }

/** One thing to do on the machine that gets the backup back. */
export type RestoreStep =
  /** A dataset that only contains others, made as they need it. */
  | { readonly kind: 'container'; readonly target: DatasetName }
  | {
      readonly kind: 'send'
      readonly from: Pick<Snapshot, 'dataset' | 'name'>
      readonly properties: BroughtBack
      readonly target: DatasetName
    }
  /** What limited the source: never in force on the disk, so no stream brings it back. */
  | { readonly kind: 'limits'; readonly target: DatasetName; readonly limits: Limits }

/**
 * `-b` sends the properties as the disk received them, not those that mask them there (readonly, canmount, ...). Never
 * with a raw stream: its receive would abort. Of what is encrypted, no other stream carries properties (libzfs_sendrecv.c).
 */
export const restoreSendFlags = (properties: BroughtBack): readonly string[] =>
  properties === 'in-force' ? ['-L', '-c', '-p', '-b'] : properties.raw ? ['-w'] : ['-L']

/** Never `-F`: nothing is overwritten. A plain stream must not be stored in plain text below an encrypted dataset. */
export const restoreReceiveFlags = (properties: BroughtBack): readonly string[] =>
  properties === 'in-force'
    ? ['-u', '-x', 'encryption']
    : ['-u', ...Object.entries(properties.set).flatMap(([name, value]) => ['-o', `${name}=${value}`])]

const harmless = /^[A-Za-z0-9_@%+=:,./-]+$/

/** What a terminal would obey or hide; a line break does no harm. */
const unseen = /(?:(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}])+/gu
const octal = (text: string): string =>
  [...new TextEncoder().encode(text)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')

/** One word for a POSIX shell, whatever is in it, that can be shown on a terminal. */
export const quoted = (word: string): string =>
  harmless.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''").replace(unseen, (run) => `'"$(printf '${octal(run)}')"'`)}'`

/** The line for a step. `place` writes the target: its quoted name, or one with a variable of the shell in it. */
export function lineOf(step: RestoreStep, place: (target: DatasetName) => string = quoted): string {
  switch (step.kind) {
    case 'container':
      return `zfs create -p -u -o canmount=off ${place(step.target)}`
    case 'send': {
      const send = [
        'zfs',
        'send',
        ...restoreSendFlags(step.properties),
        `${step.from.dataset}@${step.from.name}`,
      ]
      const receive = ['zfs', 'receive', ...restoreReceiveFlags(step.properties)]
      return `${send.map(quoted).join(' ')} | ${receive.map(quoted).join(' ')} ${place(step.target)}`
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

/** `keyFile` null: ZFS asks for the key. */
export const loadKeyLine = (root: DatasetName, keyFile: string | null): string =>
  `zfs load-key -L ${keyFile === null ? 'prompt' : quoted(`file://${keyFile}`)} ${quoted(root)}`

/** A LUKS container; cryptsetup asks for its passphrase. */
export const openLine = (device: string, name: string): string =>
  `cryptsetup open ${quoted(device)} ${quoted(name)}`
export const closeLine = (name: string): string => `cryptsetup close ${quoted(name)}`

export const exportLine = (pool: PoolName): string => `zpool export ${quoted(pool)}`
