// YAML text -> a small tree that knows the line and column of every key and value. Every scalar stays the text
// that was written: `00123` and `5758E134` are serial numbers here, not numbers. Knows nothing of the keys.

import type { ParsedNode, Scalar, YAMLError } from 'yaml'
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'

/** 1-based, as editors count. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A mistake whose file is still to be added. */
export interface Finding extends Position {
  readonly message: string
}

export type Tree =
  | { readonly kind: 'empty'; readonly at: Position }
  | { readonly kind: 'text'; readonly at: Position; readonly text: string }
  | { readonly kind: 'list'; readonly at: Position; readonly items: readonly Tree[] }
  | { readonly kind: 'map'; readonly at: Position; readonly entries: ReadonlyMap<string, Entry> }

export interface Entry {
  readonly keyAt: Position
  readonly value: Tree
}

export const explainTooLong = 'the file is larger than 256 kB; a configuration was expected'

export type TreeResult =
  | { readonly kind: 'tree'; readonly tree: Tree; readonly findings: readonly Finding[] }
  /** The structure of the file is broken: nothing more can be said about what is in it. */
  | { readonly kind: 'broken'; readonly findings: readonly Finding[] }

const maxDepth = 20
/** Characters. Ten thousand disks fit; what takes the parser long does not. */
export const maxLength = 256_000
const start: Position = { line: 1, column: 1 }

/** Never throws, whatever the text. The findings are in the order of the file. */
export function parseTree(text: string): TreeResult {
  if (text.length > maxLength) return { kind: 'broken', findings: [{ ...start, message: explainTooLong }] }
  const unreadable = findUnreadableCharacter(text)
  if (unreadable !== null) return { kind: 'broken', findings: [unreadable] }
  const counter = new LineCounter()
  const positionOf = (offset: number): Position => {
    const { line, col } = counter.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  // `failsafe` resolves every scalar to the text it was written as. Duplicate keys are found below, because
  // yaml's own check takes quadratic time.
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    logLevel: 'error',
    schema: 'failsafe',
    stringKeys: true,
    strict: true,
    uniqueKeys: false,
  })
  const errors = document.errors.filter((error, i, all) => isFirstOfItsLine(error, i, all, positionOf))
  const findings = errors.map((error) => ({ ...positionOf(error.pos[0]), message: explain(error) }))
  if (errors.some(isStructural)) return { kind: 'broken', findings }
  const tree =
    document.contents === null
      ? { kind: 'empty' as const, at: start }
      : growTree(document.contents, { findings, positionOf, depth: 0 })
  findings.sort(byPosition)
  return { kind: 'tree', tree, findings }
}

export function byPosition(a: Position, b: Position): number {
  return a.line - b.line || a.column - b.column
}

export function child(tree: Tree | undefined, key: string): Tree | undefined {
  return tree?.kind === 'map' ? tree.entries.get(key)?.value : undefined
}

export function entriesOf(tree: Tree | undefined): ReadonlyMap<string, Entry> {
  return tree?.kind === 'map' ? tree.entries : new Map()
}

export function itemsOf(tree: Tree | undefined): readonly Tree[] {
  return tree?.kind === 'list' ? tree.items : []
}

export const has = (tree: Tree | undefined, key: string): boolean =>
  tree?.kind === 'map' && tree.entries.has(key)

export const keyAtOf = (tree: Tree, key: string): Position =>
  (tree.kind === 'map' ? tree.entries.get(key)?.keyAt : undefined) ?? tree.at

interface Growth {
  readonly findings: Finding[]
  readonly positionOf: (offset: number) => Position
  readonly depth: number
}

function growTree(node: ParsedNode, growth: Growth): Tree {
  const at = growth.positionOf(node.range[0])
  const complain = (where: Position, message: string) => growth.findings.push({ ...where, message })
  if (isAlias(node)) {
    complain(at, `\`*${node.source}\` is an alias; the value itself, written out, was expected`)
    return { kind: 'empty', at }
  }
  if (node.anchor !== undefined)
    complain(at, `\`&${node.anchor}\` is an anchor, which is not used here; the value alone was expected`)
  if (node.tag !== undefined)
    complain(at, 'a YAML tag (`!...`) is not used here; the value alone was expected')
  if (growth.depth > maxDepth) {
    complain(at, `nested more than ${maxDepth} deep; no key of this file is`)
    return { kind: 'empty', at }
  }
  const deeper: Growth = { ...growth, depth: growth.depth + 1 }
  if (isSeq(node)) return { kind: 'list', at, items: node.items.map((item) => growTree(item, deeper)) }
  if (isScalar(node)) return isEmptyScalar(node) ? { kind: 'empty', at } : growText(node, at)
  const entries = new Map<string, Entry>()
  if (!isMap(node)) return { kind: 'empty', at }
  for (const { key, value } of node.items) {
    const keyAt = growth.positionOf(key.range[0])
    const name = isScalar(key) ? String(key.value) : ''
    const first = entries.get(name)
    if (isScalar(key) && key.anchor !== undefined)
      complain(keyAt, `\`&${key.anchor}\` is an anchor, which is not used here; the key alone was expected`)
    if (first !== undefined)
      complain(
        keyAt,
        `the key \`${name}\` is here twice; it is also in line ${first.keyAt.line}, and each key was expected once`,
      )
    else
      entries.set(name, {
        keyAt,
        value: value === null ? { kind: 'empty', at: keyAt } : growTree(value, deeper),
      })
  }
  return { kind: 'map', at, entries }
}

function growText(node: Scalar.Parsed, at: Position): Tree {
  return { kind: 'text', at, text: String(node.value) }
}

const isEmptyScalar = (node: Scalar.Parsed): boolean => node.type === 'PLAIN' && node.value === ''

/** Characters that an editor does not show. A tab has its own message, where it matters. */
function findUnreadableCharacter(text: string): Finding | null {
  let line = 1
  let lineStart = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 10) {
      line++
      lineStart = i + 1
    } else if ((code < 32 && code !== 9 && !(code === 13 && text[i + 1] === '\n')) || code === 127) {
      const hex = code.toString(16).toUpperCase().padStart(4, '0')
      const message = `an invisible control character (U+${hex}); text alone was expected`
      return { line, column: i - lineStart + 1, message }
    }
  }
  return null
}

/** After one syntax error the parser stumbles over the rest of the line: only the first is told. */
function isFirstOfItsLine(
  error: YAMLError,
  index: number,
  all: readonly YAMLError[],
  positionOf: (offset: number) => Position,
): boolean {
  const previous = all[index - 1]
  return previous === undefined || positionOf(previous.pos[0]).line !== positionOf(error.pos[0]).line
}

/** Whether the parser's idea of what belongs to what can no longer be relied on. */
function isStructural(error: YAMLError): boolean {
  return error.code !== 'TAB_AS_INDENT' && error.code !== 'BAD_DQ_ESCAPE' && error.code !== 'BAD_SCALAR_START'
}

/** yaml's errors in the words of somebody who edits a file. Text of the file is not repeated: it may be secret. */
function explain(error: YAMLError): string {
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return 'a tab in the indentation; spaces were expected'
    case 'BAD_SCALAR_START':
      return 'a value cannot start with this character; the value in quotes was expected'
    case 'BAD_DQ_ESCAPE':
      return 'an unknown `\\` escape; in double quotes a backslash is written `\\\\`, or single quotes were expected'
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'a second key on one line; a value (in quotes if it contains `: `), or the key on a line of its own with the right indentation, was expected'
    case 'MULTILINE_IMPLICIT_KEY':
      return 'a key without its colon, or a line indented wrongly; `key: value` was expected'
    case 'BAD_INDENT':
      return error.message.startsWith('Flow')
        ? 'a `[` or `{` is not closed before this; `]` or `}` was expected'
        : 'wrong indentation; the same number of spaces as the keys beside it was expected'
    case 'MISSING_CHAR':
      if (error.message.includes('quote')) return 'a quoted text does not end; the closing quote was expected'
      return error.message.includes('map values')
        ? 'a key without its colon; `key: value` was expected'
        : 'something is not closed or separated; a comma, `]`, `}` or space was expected'
    case 'BLOCK_IN_FLOW':
      return 'an indented list or map inside `[` or `{`; `[a, b]` or `{ key: value }` was expected'
    case 'MULTIPLE_DOCS':
      return 'a second document (`---`); one was expected'
    case 'NON_STRING_KEY':
      return 'a key that is a list, a map or an alias; a name was expected'
    case 'RESOURCE_EXHAUSTION':
      return `nested far too deep; no key of this file is nested more than ${maxDepth} deep`
    case 'BAD_ALIAS':
    case 'ALIAS_PROPS':
    case 'MULTIPLE_ANCHORS':
      return 'an anchor or alias (`&`, `*`), which is not used here; the value in quotes was expected'
    case 'MULTIPLE_TAGS':
    case 'TAG_RESOLVE_FAILED':
    case 'BAD_PROP_ORDER':
    case 'BAD_COLLECTION_TYPE':
      return 'a YAML tag (`!`), which is not used here; the value in quotes was expected'
    case 'BAD_DIRECTIVE':
      return 'a YAML directive (`%`), which is not used here; a key was expected'
    case 'DUPLICATE_KEY':
      return 'a key that is here twice; each once was expected'
    case 'KEY_OVER_1024_CHARS':
      return 'a key of more than 1024 characters; `key: value` was expected'
    case 'UNEXPECTED_TOKEN':
    case 'IMPOSSIBLE':
      return 'this does not fit here; `key: value`, or `- item` in a list, with the indentation of its neighbours was expected'
  }
}
