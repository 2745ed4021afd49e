// Adds a disk to the text of config.yaml: a few lines in the right place, every other character as it was. Works on the
// positions that the document's nodes have; whether the result means what it should is for the caller to check. Pure.
import type { Pair, ParsedNode, Scalar, YAMLMap } from 'yaml'
import { isMap, isScalar, isSeq, parseDocument } from 'yaml'
import { BadInput } from '../errors.ts'

/** An entry of `disks:`, in the words of the file. */
export interface DiskEntry {
  readonly name: string
  readonly serials: readonly string[]
  readonly pool: string
  readonly poolGuid: string
  readonly keyFile: string | null
}

/** Serial and pool GUID of the disks in config.example.yaml, which nobody has. */
const placeholders: ReadonlyMap<string, string> = new Map([
  ['WD-WX52D91A0001', '4425734906477738374'],
  ['WD-WX52D91A0002', '1093847561029384756'],
])

/** An entry that was copied with the example: it stands for a disk, and is none. */
export const isPlaceholder = ({
  serials,
  poolGuid,
}: {
  readonly serials: readonly string[]
  readonly poolGuid: string
}): boolean => placeholders.get(serials.join()) === poolGuid

/** An entry of `disks:`, not yet indented below it. */
export function entryLines(
  {
    name,
    serials,
    pool,
    poolGuid,
    keyFile,
    luksUuid = null,
  }: DiskEntry & { readonly luksUuid?: string | null },
  indent = '  ',
): readonly string[] {
  return [
    `${yamlScalar(name)}:`,
    `${indent}serial: ${yamlSerials(serials)}`,
    `${indent}pool: ${yamlScalar(pool)}`,
    `${indent}poolGuid: ${poolGuid}`,
    ...(keyFile === null ? [] : [`${indent}keyFile: ${yamlScalar(keyFile)}`]),
    // Where its key will be, nobody knows but the person: a name to begin with.
    ...(luksUuid === null
      ? []
      : [`${indent}luks: { uuid: ${luksUuid}, keyFile: ${yamlScalar(`/etc/walkaway/${name}.luks`)} }`]),
  ]
}

/** The configuration takes plain scalars exactly as they are written, numbers included. */
const yamlScalar = (text: string): string =>
  /^[A-Za-z0-9/][A-Za-z0-9/._-]*$/.test(text) ? text : JSON.stringify(text)

function yamlSerials(serials: readonly string[]): string {
  const [first = '', ...others] = serials.map(yamlScalar)
  return others.length === 0 ? first : `[${[first, ...others].join(', ')}]`
}

interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

/**
 * The text with the disk in it. The entries of the example are filled in (the first) or go (the others). Throws `BadInput`
 * where the file's form has no place for it, and for a name that is there already.
 */
export function addDisk(text: string, entry: DiskEntry): string {
  const document = parseDocument(text, {
    logLevel: 'error',
    prettyErrors: false,
    schema: 'failsafe',
    stringKeys: true,
    strict: true,
    uniqueKeys: false,
  })
  const root = document.contents
  if (document.errors.length > 0 || !isMap(root) || root.flow === true)
    throw new BadInput('the configuration has a form that no disk can be added to by itself', {
      hint: `Add these lines below "disks:" yourself:\n${entryLines(entry).join('\n')}`,
    })
  return apply(text, editsFor(text, root, entry))
}

function editsFor(text: string, root: YAMLMap.Parsed, entry: DiskEntry): readonly Edit[] {
  const pair = root.items.find(({ key }) => nameOf(key) === 'disks')
  const { value: disks } = pair ?? {}
  if (pair === undefined) return [appendLines(text, text.length, ['disks:', ...indented(entry, '  ')])]
  if (!isMap(disks) || disks.items.length === 0)
    return [
      ...(isMap(disks) ? [cutBefore(text, disks.range[0], disks.range[1])] : []),
      appendLines(text, lineEnd(text, disks?.range[1] ?? endOf(pair.key)), indented(entry, '  ')),
    ]
  const taken = disks.items.find((one) => nameOf(one.key) === entry.name)
  if (taken !== undefined && !isPlaceholderPair(taken))
    throw new BadInput(`a disk is configured as ${entry.name} already`)
  const [first, ...others] = disks.items.filter(isPlaceholderPair)
  if (first !== undefined)
    return [...fillIn(text, first, entry), ...others.map((one) => cutLines(text, one, disks))]
  const end = endOfPair(disks.items.at(-1))
  if (disks.flow === true) return [{ from: end, to: end, text: `, ${inFlow(entry)}` }]
  return [appendLines(text, lineEnd(text, end), indented(entry, indentOf(text, disks.items[0])))]
}

type EntryPair = Pair<ParsedNode, ParsedNode | null>

const nameOf = (key: ParsedNode): string | null => (isScalar(key) ? String(key.value) : null)

function isPlaceholderPair({ value }: EntryPair): boolean {
  const serial = fieldOf(value, 'serial')
  const poolGuid = fieldOf(value, 'poolGuid')
  return (
    serial !== null &&
    poolGuid !== null &&
    isPlaceholder({ serials: [String(serial.value)], poolGuid: String(poolGuid.value) })
  )
}

function fieldOf(disk: ParsedNode | null, name: string): Scalar.Parsed | null {
  const found = isMap(disk) ? disk.items.find(({ key }) => nameOf(key) === name)?.value : null
  return isScalar(found) ? found : null
}

/** Its comments stay; the values are new. */
function fillIn(text: string, { key, value }: EntryPair, entry: DiskEntry): readonly Edit[] {
  const replace = (node: ParsedNode | null, by: string): readonly Edit[] =>
    node === null ? [] : [{ from: node.range[0], to: node.range[1], text: by }]
  const guid = fieldOf(value, 'poolGuid')
  const inOneLine = isMap(value) && value.flow === true
  const keyFile = entry.keyFile === null ? '' : `keyFile: ${yamlScalar(entry.keyFile)}`
  return [
    ...replace(key, yamlScalar(entry.name)),
    ...replace(fieldOf(value, 'serial'), yamlSerials(entry.serials)),
    ...replace(fieldOf(value, 'pool'), yamlScalar(entry.pool)),
    ...replace(guid, `${entry.poolGuid}${inOneLine && keyFile !== '' ? `, ${keyFile}` : ''}`),
    ...(guid === null || inOneLine || keyFile === ''
      ? []
      : [
          appendLines(text, lineEnd(text, guid.range[1]), [
            `${indentOf(text, isMap(value) ? value.items[0] : undefined)}${keyFile}`,
          ]),
        ]),
  ]
}

/** An entry with its lines; in a map that is written in one line, with the comma before it. */
function cutLines(text: string, pair: EntryPair, disks: YAMLMap.Parsed): Edit {
  if (disks.flow === true) {
    const before = disks.items[disks.items.indexOf(pair) - 1]
    return { from: endOfPair(before), to: endOfPair(pair), text: '' }
  }
  const from = text.lastIndexOf('\n', pair.key.range[0] - 1) + 1
  const to = text.indexOf('\n', endOfPair(pair))
  return { from, to: to === -1 ? text.length : to + 1, text: '' }
}

const inFlow = ({ name, serials, pool, poolGuid, keyFile }: DiskEntry): string =>
  `${yamlScalar(name)}: { serial: ${yamlSerials(serials)}, pool: ${yamlScalar(pool)}, poolGuid: ${poolGuid}${keyFile === null ? '' : `, keyFile: ${yamlScalar(keyFile)}`} }`

const indented = (entry: DiskEntry, indent: string): readonly string[] =>
  entryLines(entry).map((line) => indent + line)

/** What stands before a key in its line. */
function indentOf(text: string, pair: EntryPair | undefined): string {
  const at = pair?.key.range[0] ?? 0
  return /^[ ]*/.exec(text.slice(text.lastIndexOf('\n', at - 1) + 1, at))?.[0] ?? ''
}

const endOf = (node: ParsedNode): number => node.range[1]

/** Behind the last character of the entry that is no blank, comment or line break. */
function endOfPair(pair: EntryPair | undefined): number {
  if (pair === undefined) return 0
  const { key, value } = pair
  if (value === null) return endOf(key)
  if (isMap(value) && value.flow !== true) return endOfPair(value.items.at(-1))
  if (isSeq(value) && value.flow !== true) return value.items.reduce((_, item) => endOf(item), endOf(key))
  return endOf(value)
}

/** Where the line ends that this place is in; before the line break. */
function lineEnd(text: string, at: number): number {
  const found = text.indexOf('\n', at)
  if (found === -1) return text.length
  return text[found - 1] === '\r' ? found - 1 : found
}

function appendLines(text: string, at: number, lines: readonly string[]): Edit {
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const block = lines.join(newline)
  const startsLine = at === 0 || text[at - 1] === '\n'
  // At the end of a file whose last line is ended, this one is ended, too.
  return { from: at, to: at, text: startsLine ? block + newline : newline + block }
}

/** With the blanks before it, so that nothing dangles behind the key. */
const cutBefore = (text: string, from: number, to: number): Edit => ({
  from: text.slice(0, from).trimEnd().length,
  to,
  text: '',
})

/** From the end, so that no edit moves another one's place. */
const apply = (text: string, edits: readonly Edit[]): string =>
  edits
    .toSorted((a, b) => b.from - a.from || b.to - a.to)
    .reduce((result, { from, to, text: by }) => result.slice(0, from) + by + result.slice(to), text)
