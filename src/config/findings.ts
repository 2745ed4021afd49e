// What the schema complains of -> sentences at positions of the file. Pure.

import type * as z from 'zod/mini'
import { chooseNearest } from '../core/nearest.ts'
import type { IssueParams } from './blocks.ts'
import type { Finding, Position, Tree } from './document.ts'
import { quote } from './values.ts'

/** The tree as plain values, for the schema. An empty value is `undefined`: its key is known to be there. */
export function plainValue(tree: Tree): unknown {
  switch (tree.kind) {
    case 'empty':
      return undefined
    case 'text':
      return tree.text
    case 'list':
      return tree.items.map(plainValue)
    case 'map': {
      // Without a prototype: a key named `__proto__` is a key like any other.
      const plain: Record<string, unknown> = Object.create(null)
      for (const [key, { value }] of tree.entries) plain[key] = plainValue(value)
      return plain
    }
  }
}

/** The findings for one issue; `tree` is the root that the issue's path begins at. */
export function explainIssue(issue: z.core.$ZodIssue, tree: Tree): readonly Finding[] {
  const place = locate(tree, issue.path)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => explainUnknownKey(key, issue.message.split(' '), place))
    case 'invalid_union': {
      // Of "a text or a list of texts" the alternative that is of the right kind is the one that was meant.
      const meant = issue.errors.find((issues) => !issues.some(isWrongKind))
      if (meant !== undefined)
        return meant.flatMap((inner) =>
          explainIssue({ ...inner, path: [...issue.path, ...inner.path] }, tree),
        )
      const words = 'options' in issue ? (issue.options ?? []).map(String) : []
      return [explainValue(place, issue.message, { words, echo: words.length > 0 ? 'value' : 'kind' })]
    }
    case 'custom':
      return [
        explainValue(place, issue.message, {
          ...issue.params,
          echo: issue.params?.['secret'] === true ? 'nothing' : 'value',
        }),
      ]
    default:
      return [explainValue(place, issue.message, { echo: 'kind' })]
  }
}

const isWrongKind = (issue: z.core.$ZodIssue): boolean =>
  issue.path.length === 0 && issue.code === 'invalid_type'

function explainUnknownKey(key: string, known: readonly string[], place: Place): Finding {
  const entry = place.tree?.kind === 'map' ? place.tree.entries.get(key) : undefined
  const near = chooseNearest(key, known)
  const instead = near === null ? `known here: ${known.join(', ')}` : `did you mean \`${near}\`?`
  return { ...(entry?.keyAt ?? place.keyAt), message: `unknown key ${quote(key)}; ${instead}` }
}

interface Wording extends IssueParams {
  /** How much of the value a message may repeat. Where a map belongs a text may be anything, a password too. */
  readonly echo: 'value' | 'kind' | 'nothing'
}

function explainValue(place: Place, expected: string, { because, words = [], echo }: Wording): Finding {
  const { tree, subject } = place
  const reason = because === undefined ? '' : ` (${because})`
  const say = (at: Position, fault: string, instead = `${expected} was expected`): Finding => ({
    line: at.line,
    column: at.column,
    message: `${subject} ${fault}${reason}; ${instead}`,
  })
  if (tree === null) return say(place.keyAt, 'is missing')
  switch (tree.kind) {
    case 'empty':
      return say(place.keyAt, 'is empty')
    case 'list':
      return say(tree.at, tree.items.length === 0 ? 'is an empty list' : 'is a list')
    case 'map':
      return say(tree.at, 'is a map')
    case 'text': {
      if (tree.text === '') return say(tree.at, 'is empty')
      const near = chooseNearest(tree.text, words)
      if (near !== null) return say(tree.at, `is ${quote(tree.text)}`, `did you mean \`${near}\`?`)
      return say(
        tree.at,
        { value: `is ${quote(tree.text)}`, kind: 'is a text', nothing: 'cannot be used' }[echo],
      )
    }
  }
}

interface Place {
  /** Null when the file has no such key. */
  readonly tree: Tree | null
  /** Where its key stands; for a missing key its parent's, for an item of a list the item itself. */
  readonly keyAt: Position
  readonly subject: string
}

function locate(root: Tree, path: readonly PropertyKey[]): Place {
  let place: Place = { tree: root, keyAt: root.at, subject: 'the configuration' }
  for (const step of path) {
    const { tree } = place
    if (typeof step === 'number') {
      const item = tree?.kind === 'list' ? (tree.items[step] ?? null) : null
      place = { tree: item, keyAt: item?.at ?? place.keyAt, subject: `item ${step + 1} of ${place.subject}` }
    } else {
      const entry = tree?.kind === 'map' ? tree.entries.get(String(step)) : undefined
      place = { tree: entry?.value ?? null, keyAt: entry?.keyAt ?? place.keyAt, subject: quote(String(step)) }
    }
  }
  return place
}
