// What no single key can tell: two disks with one serial, a source inside another, two secrets where one belongs.
// Works on the tree, not on the finished Config, so that these are told together with every other mistake; what
// is missing or malformed is skipped here, because the schema tells it. Pure.

import { canMatchBelow, isExcluded, isPatternMatch, isWithin } from '../core/selection.ts'
import type { Finding, Position, Tree } from './document.ts'
import { child, entriesOf, has, itemsOf, keyAtOf } from './document.ts'
import { maxSources } from './schema.ts'
import type { Reader } from './values.ts'
import * as read from './values.ts'
import { quote } from './values.ts'

export interface Judgement {
  readonly mistakes: readonly Finding[]
  readonly warnings: readonly Finding[]
}

interface Located {
  readonly text: string
  readonly at: Position
}

/** `@walkaway_20261122T210000Z`, which must fit behind every name on the disk. */
const snapshotSuffixLength = 26
const maxNameLength = 255

export function judge(tree: Tree, host: string): Judgement {
  const sources = listSources(tree)
  const into = findInto(tree, host)
  return {
    mistakes: [
      ...judgeDisks(tree, sources),
      ...sources.flatMap(judgeWholeExcludes),
      ...judgeOverlaps(sources),
      ...(into.kind === 'refused' ? [into.finding] : judgeLengths(tree, sources, into.path)),
      ...judgePolicies(tree),
      ...itemsOf(child(tree, 'notify')).flatMap(judgeChannel),
    ],
    warnings: [...warn(tree), ...warnOfNames(tree), ...sources.flatMap(warnOfExcludes)],
  }
}

/** `backup.into` with the host's name filled in; also the one way to it for the finished Config. */
export function fillInto(into: string, host: string): string {
  return into.replaceAll('{host}', host)
}

// --- disks

function judgeDisks(tree: Tree, sources: readonly WrittenSource[]): Finding[] {
  const findings: Finding[] = []
  const seen = new Map<string, { readonly disk: string; readonly at: Position }>()
  const claim = (what: string, disk: string, { text, at }: Located, why: string) => {
    const first = seen.get(`${what}\n${text}`)
    if (first === undefined) seen.set(`${what}\n${text}`, { disk, at })
    else {
      const owner = first.disk === disk ? `this disk already` : `the disk ${quote(first.disk)} already`
      findings.push({
        ...at,
        message: `the ${what} ${quote(text)} belongs to ${owner} (line ${first.at.line}); ${why}`,
      })
    }
  }
  for (const [name, { keyAt, value }] of entriesOf(child(tree, 'disks'))) {
    if (read.readDiskName(name).kind === 'refused')
      findings.push({
        ...keyAt,
        message: `the disk name ${quote(name)} cannot be used; at most 64 letters, digits, \`-\`, \`_\`, \`.\` and spaces, beginning with a letter or digit, were expected`,
      })
    const serials = child(value, 'serial')
    for (const one of serials?.kind === 'list' ? serials.items : [serials]) {
      const serial = validText(one, read.readSerial)
      if (serial !== null) claim('serial', name, serial, 'a serial of its own was expected')
    }
    if (serials?.kind === 'list' && serials.items.length > 1 && has(value, 'luks'))
      findings.push(
        finding(
          keyAtOf(value, 'luks'),
          '`luks` is for a pool on one disk; one serial was expected beside it',
        ),
      )
    const uuid = validText(child(child(value, 'luks'), 'uuid'), read.readUuid)
    if (uuid !== null)
      claim('LUKS UUID', name, { ...uuid, text: uuid.text.toLowerCase() }, 'a UUID of its own was expected')
    const guid = validText(child(value, 'poolGuid'), read.readPoolGuid)
    if (guid !== null) claim('pool GUID', name, guid, 'a pool GUID of its own was expected')
    const pool = validText(child(value, 'pool'), read.readPoolName)
    if (pool === null) continue
    const source = sources.find((s) => s.dataset.text.split('/')[0] === pool.text)
    if (source !== undefined)
      findings.push({
        ...pool.at,
        message: `the pool ${quote(pool.text)} is also the pool of the source ${quote(source.dataset.text)} (line ${source.dataset.at.line}); a pool that is on the backup disk alone was expected`,
      })
  }
  return findings
}

/** Disks that are carried in turn often have pools of one name. By their GUIDs they are told apart. */
function warnOfNames(tree: Tree): Finding[] {
  const first = new Map<string, { readonly disk: string; readonly line: number }>()
  return [...entriesOf(child(tree, 'disks'))].flatMap(([disk, { value }]) => {
    const pool = validText(child(value, 'pool'), read.readPoolName)
    if (pool === null) return []
    const other = first.get(pool.text)
    first.set(pool.text, other ?? { disk, line: pool.at.line })
    return other === undefined
      ? []
      : [
          finding(
            pool.at,
            `the pool of the disk ${quote(other.disk)} is called ${quote(pool.text)}, too (line ${other.line}), so one waits as long as the other one's pool is imported, also after that disk was pulled out too early; before OpenZFS 2.3 a name of its own was expected`,
          ),
        ]
  })
}

// --- sources

interface WrittenSource {
  readonly dataset: Located
  readonly place: Located
  readonly excludes: readonly Located[]
  readonly exclude: readonly string[]
}

function listSources(tree: Tree): readonly WrittenSource[] {
  return itemsOf(child(tree, 'sources'))
    .slice(0, maxSources)
    .flatMap((item) => {
      const dataset = validText(child(item, 'dataset'), read.readDatasetName)
      if (dataset === null) return []
      const excludes = itemsOf(child(item, 'exclude')).flatMap((pattern) => {
        const text = validText(pattern, read.readExclude)
        return text === null ? [] : [text]
      })
      const place = validText(child(item, 'as'), read.readDatasetPath) ?? dataset
      return [{ dataset, place, excludes, exclude: excludes.map((e) => e.text) }]
    })
}

function judgeWholeExcludes({ dataset, excludes }: WrittenSource): Finding[] {
  return excludes.flatMap(({ text, at }) =>
    isPatternMatch(text, dataset.text)
      ? [
          finding(
            at,
            `${quote(text)} excludes the whole source ${quote(dataset.text)}; a dataset below it was expected`,
          ),
        ]
      : [],
  )
}

/** What matches nothing on any machine; what matches nothing on this one, only ZFS can tell. */
function warnOfExcludes({ dataset, excludes }: WrittenSource): Finding[] {
  return excludes.flatMap(({ text, at }) =>
    isPatternMatch(text, dataset.text) || canMatchBelow(text, dataset.text)
      ? []
      : [
          finding(
            at,
            `${quote(text)} is not below its source, so it excludes nothing; a whole name such as ${quote(`${dataset.text}/scratch`)} was expected`,
          ),
        ],
  )
}

function judgeOverlaps(sources: readonly WrittenSource[]): Finding[] {
  return sources.flatMap((later, i) => {
    for (const earlier of sources.slice(0, i)) {
      const overlap = findOverlap(earlier, later)
      // The first is enough: the same source five hundred times is five hundred mistakes, not their square.
      if (overlap !== null) return [overlap]
    }
    return []
  })
}

function findOverlap(earlier: WrittenSource, later: WrittenSource): Finding | null {
  const line = earlier.dataset.at.line
  const name = quote(earlier.dataset.text)
  if (earlier.dataset.text === later.dataset.text)
    return finding(
      later.dataset.at,
      `the source ${name} is here twice (also line ${line}); each once was expected`,
    )
  for (const [outer, inner] of [
    [earlier, later],
    [later, earlier],
  ] as const) {
    const innerName = quote(inner.dataset.text)
    if (isWithin(inner.dataset.text, outer.dataset.text) && !isExcluded(outer, inner.dataset.text))
      return finding(
        later.dataset.at,
        `the source ${innerName} lies inside the source ${quote(outer.dataset.text)} (see line ${line}); one of them, or an \`exclude\` of the inner one, was expected`,
      )
    // The dataset of the outer source that would land where the inner one does.
    const rival = outer.dataset.text + inner.place.text.slice(outer.place.text.length)
    if (isWithin(inner.place.text, outer.place.text) && !isExcluded(outer, rival))
      return finding(
        later.place.at,
        `${innerName} would land in ${quote(inner.place.text)} on the disk, where ${quote(outer.dataset.text)} has ${quote(outer.place.text)} (see line ${line}); another place (\`as\`) was expected`,
      )
  }
  return null
}

type Into =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'refused'; readonly finding: Finding }

function findInto(tree: Tree, host: string): Into {
  const node = child(child(tree, 'backup'), 'into')
  const written = node?.kind === 'text' ? node.text : '{host}'
  const path = fillInto(written, host)
  const reading = read.readDatasetPath(path)
  if (reading.kind === 'value') return { kind: 'path', path }
  const because = /[{}]/.test(path) ? '{host} is the only placeholder' : reading.because
  const filled = written === path ? '' : `, here ${quote(path)},`
  return {
    kind: 'refused',
    finding: finding(
      node?.at ?? tree.at,
      `\`into\` is ${quote(written)}${filled} (${because}); a dataset path such as {host} or backups/{host} was expected`,
    ),
  }
}

function judgeLengths(tree: Tree, sources: readonly WrittenSource[], into: string): Finding[] {
  const pools = [...entriesOf(child(tree, 'disks'))].map(
    ([, { value }]) => textOf(child(value, 'pool'))?.text ?? '',
  )
  const longest = Math.max(0, ...pools.map((pool) => pool.length))
  const room = maxNameLength - snapshotSuffixLength - longest - into.length - 2
  return sources.flatMap(({ place }) =>
    place.text.length <= room
      ? []
      : [
          finding(
            place.at,
            `this name is too long to lie on the disks below ${quote(into)}; at most ${Math.max(room, 0)} characters were expected`,
          ),
        ],
  )
}

// --- keep, notify

function judgePolicies(tree: Tree): Finding[] {
  return [...entriesOf(child(tree, 'keep'))].flatMap(([name, { keyAt, value }]) => {
    const counts = [...entriesOf(value)].map(([, entry]) => textOf(entry.value)?.text)
    return counts.length > 0 && counts.every((count) => count !== undefined && /^0+$/.test(count))
      ? [
          finding(
            keyAt,
            `\`${name}\` keeps nothing at all; a number above 0, or no policy to keep everything, was expected`,
          ),
        ]
      : []
  })
}

function judgeChannel(channel: Tree): Finding[] {
  const type = textOf(child(channel, 'type'))?.text
  const smtp = child(channel, 'smtp')
  const findings = [
    ...judgePair(channel, 'token', 'tokenFile'),
    ...judgePair(smtp, 'password', 'passwordFile'),
  ]
  const hasPassword = has(smtp, 'password') || has(smtp, 'passwordFile')
  if (type === 'gotify' && !has(channel, 'token') && !has(channel, 'tokenFile'))
    findings.push(finding(channel.at, 'Gotify takes nothing without a token; `tokenFile` was expected'))
  if (smtp !== undefined && has(smtp, 'user') && !hasPassword)
    findings.push(
      finding(keyAtOf(smtp, 'user'), '`user` has no password; `passwordFile` beside it was expected'),
    )
  if (smtp !== undefined && !has(smtp, 'user') && hasPassword)
    findings.push(finding(smtp.at, 'a password without a user; `user` beside it was expected'))
  const program = type === 'command' ? textOf(itemsOf(child(channel, 'run'))[0]) : null
  if (program !== null && read.readAbsolutePath(program.text).kind === 'refused')
    findings.push(
      finding(
        program.at,
        `the program is ${quote(program.text)}; an absolute path such as /usr/local/bin/notify was expected`,
      ),
    )
  return findings
}

function judgePair(tree: Tree | undefined, inline: string, file: string): Finding[] {
  return has(tree, inline) && has(tree, file) && tree !== undefined
    ? [
        finding(
          keyAtOf(tree, inline),
          `\`${inline}\` and \`${file}\` are both here; one of them was expected`,
        ),
      ]
    : []
}

function warn(tree: Tree): Finding[] {
  if (tree.kind !== 'map') return []
  const disks = child(tree, 'disks')
  const hasDisks = [...entriesOf(disks)].length > 0
  const isWrongKind = disks !== undefined && disks.kind !== 'empty' && disks.kind !== 'map'
  if (hasDisks || isWrongKind) return []
  const at = disks === undefined ? tree.at : keyAtOf(tree, 'disks')
  return [finding(at, 'no disk is configured; `walkaway disks` prints the lines for one')]
}

// --- the tree

const finding = (at: Position, message: string): Finding => ({ line: at.line, column: at.column, message })

function textOf(tree: Tree | undefined): Located | null {
  return tree?.kind === 'text' ? { text: tree.text, at: tree.at } : null
}

function validText(tree: Tree | undefined, reader: Reader<string>): Located | null {
  const located = textOf(tree)
  return located !== null && reader(located.text).kind === 'value' ? located : null
}
