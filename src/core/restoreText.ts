// What a backup disk carries for the day when there is no walkaway: the exact commands that restore this very disk, cut
// into values that a user property can hold, and the short comment that `zpool import` shows. Pure.

import { handName } from './container.ts'
import { assignmentsOf, type Copy, hostRoots, isRaw, keyNeededFor, mark } from './marks.ts'
import { type DatasetName, datasetName, type LuksUuid, type PoolGuid, type PoolName } from './model.ts'
import { rawFunction, rawLine } from './rawRestore.ts'
import {
  closeLine,
  exportLine,
  importLine,
  lineOf,
  openLine,
  quoted,
  type RestoreStep,
} from './restoreCommands.ts'

/** ZFS refuses a user property's value of 8192 bytes (ZAP_MAXVALUELEN, with the final zero). */
export const maxValueBytes = 8191
/** ZPROP_MAX_COMMENT, in every version of OpenZFS; printable ASCII only. */
const maxCommentLength = 32

/** The property that holds this part of the text, counted from 0. */
export const restoreProperty = (part: number): string =>
  part === 0 ? mark.restore : `${mark.restore}-${part + 1}`

const pointer = `zfs get ${mark.restore}`

/** The pool's comment: the command that shows the text, with the pool's name where that fits. */
export function commentFor(pool: PoolName): string {
  const whole = `${pointer} ${quoted(pool)}`
  return whole.length <= maxCommentLength ? whole : pointer
}

/** Whether this comment is none, or one that walkaway wrote: any other one is a person's. */
export const mayReplaceComment = (comment: string): boolean =>
  comment === '-' || comment === '' || comment === pointer || comment.startsWith(`${pointer} `)

export interface TextRequest {
  readonly pool: PoolName
  readonly guid: PoolGuid
  /** Of the LUKS container that the pool lies in; null: it lies in none. */
  readonly luks: LuksUuid | null
  /** Everything on the pool, parents first. */
  readonly copies: readonly Copy[]
}

/** The text as values of `restoreProperty(0)`, `(1)`, ...; each of at most `maxValueBytes` bytes of printable ASCII. */
export function restoreText(request: TextRequest): readonly string[] {
  const { pool, copies } = request
  const roots = hostRoots(pool, copies)
  const steps = copies.flatMap((copy) => {
    const place = placeOf(copy.name, pool, roots)
    return place === null ? [] : stepsOf(copy, place, copies)
  })
  // Limits last: a quota counts what lies below it, too.
  const ordered = [
    ...steps.filter(({ kind }) => kind !== 'limits'),
    ...steps.filter(({ kind }) => kind === 'limits'),
  ]
  const lines = ordered.map((step) =>
    step.kind === 'send-raw'
      ? rawLine(`${step.from.dataset}@${step.from.name}`, below(step.target), step)
      : lineOf(step, below),
  )
  return cut([...introduction(request), ...lines, ...ending(request)], pool)
}

const below = (target: DatasetName): string => `"$TO"/${quoted(target)}`

/** What an encrypted copy received is read when it is restored, not when the text is written. */
type TextStep =
  | RestoreStep
  | {
      readonly kind: 'send-raw'
      readonly from: { readonly dataset: DatasetName; readonly name: string }
      readonly target: DatasetName
      readonly decrypted: boolean
    }

const introduction = ({ pool, guid, luks, copies }: TextRequest): readonly string[] => {
  const example = copies.find(({ type, state }) => type === 'filesystem' && state !== null)
  const someEncrypted = copies.some(({ encryptionRoot, state }) => encryptionRoot !== null && state !== null)
  const locked = copies.filter(({ state }) => state !== null).flatMap((copy) => keyNeededFor(copy) ?? [])
  return [
    '# These are backups, made by walkaway. They are plain ZFS: any machine with OpenZFS restores them, as root,',
    '# without walkaway. Lines that begin with # explain, all others are commands for a shell.',
    '#',
    // Whoever reads this has done it already.
    ...(luks === null
      ? []
      : [
          `# The pool lies in the LUKS container ${luks}. It has to be open:`,
          `# ${openLine(`/dev/disk/by-uuid/${luks}`, handName(luks))}`,
        ]),
    `# 1. Import the pool of this disk (${pool}, GUID ${guid}): read-only, nothing mounted. Where ZFS says that`,
    '#    another machine used it last, and that machine is gone for good, add -f. Where it finds no pool: -d /dev.',
    importLine(guid, ['/dev/disk/by-id']),
    ...(locked.length === 0
      ? []
      : [
          '#    This disk is encrypted: you are asked for its key. For a key in a file: KEY=file:///path/of/the/file',
          'KEY=prompt',
          ...[...new Set(locked)].map((root) => `zfs load-key -L "$KEY" ${quoted(root)}`),
        ]),
    '# 2. See what there is; each snapshot is a point in time.',
    `zfs list -r -t filesystem,volume,snapshot -o name,creation,refer,encryption ${quoted(pool)}`,
    ...(example === undefined
      ? []
      : [
          '# 3. Only some files: mount a copy, look below /mnt, unmount it. One with a key of its own first wants: zfs load-key',
          `mount -t zfs -o ro,zfsutil ${quoted(example.name)} /mnt`,
          'umount /mnt',
        ]),
    '# 4. All of it: say where to (a pool of the new machine, or a dataset that is there), then send what you want',
    '#    back, parents first. Nothing is overwritten: zfs receive refuses a name that is taken. For an older state',
    '#    put another name behind the @. Properties come back as they were on the source, mountpoints too.',
    ...(someEncrypted
      ? [
          '#    Encrypted datasets are sent without properties: this reads and sets them. It is one command.',
          ...rawFunction,
        ]
      : []),
    'TO=newpool',
  ]
}

const ending = ({ pool, luks, copies }: TextRequest): readonly string[] => [
  '# 5. Let go of the disk. Look at the mountpoints that came back before anything is mounted over what is there;',
  '#    what was encrypted on its source still is, and wants the key of its source: zfs load-key -r.',
  // A raw stream brings the key as it was wrapped then, and what does not change is not sent.
  ...(copies.some((copy) => copy.state !== null && isRaw(copy))
    ? ['#    One that did not change since its key did (zfs change-key) wants the key that it had before.']
    : []),
  exportLine(pool),
  ...(luks === null ? [] : [`# and close its LUKS container: ${closeLine(handName(luks))}`]),
  'zfs get -r -t filesystem -o name,value,source mountpoint,canmount "$TO"',
]

/** Where it is put below `TO`: as it lies on the disk below its host; with the host's part where there are several. */
function placeOf(name: DatasetName, pool: PoolName, roots: readonly DatasetName[]): DatasetName | null {
  const root = roots.length === 1 ? roots[0] : pool
  return root !== undefined && name.startsWith(`${root}/`) ? datasetName(name.slice(root.length + 1)) : null
}

function stepsOf(copy: Copy, target: DatasetName, copies: readonly Copy[]): readonly TextStep[] {
  const { name, state, encryptionRoot, limits } = copy
  if (state === null) {
    const holdsOthers = copies.some((other) => other.name.startsWith(`${name}/`) && other.state !== null)
    return holdsOthers ? [{ kind: 'container', target }] : []
  }
  const from = { dataset: name, name: state }
  const sent: TextStep =
    encryptionRoot === null
      ? { kind: 'send', from, properties: 'in-force', target }
      : { kind: 'send-raw', from, target, decrypted: !isRaw(copy) }
  return assignmentsOf(limits).length === 0 ? [sent] : [sent, { kind: 'limits', target, limits }]
}

/** Fills values with whole lines. Each but the only one says which part it is and how all of them are read. */
function cut(lines: readonly string[], pool: PoolName): readonly string[] {
  const head = (part: number, of: number): string =>
    printable(
      `# Part ${part} of ${of}. All: for i in '' $(seq -f -%g 2 ${of}); do zfs get -H -o value ${mark.restore}$i ${quoted(pool)}; done`,
    )
  const headBytes = head(999_999, 999_999).length + 1
  const parts: string[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const line of lines.map(printable)) {
    if (bytes + line.length + 1 > maxValueBytes - headBytes) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(line)
    bytes += line.length + 1
  }
  return parts.map((part, at) =>
    [...(parts.length === 1 ? [] : [head(at + 1, parts.length)]), ...part].join('\n'),
  )
}

/** Names are ASCII by ZFS's own rule; what is not, on a damaged or hostile disk, must reach no terminal. */
const printable = (line: string): string => line.replaceAll(/[^\x20-\x7e]/g, '?')
