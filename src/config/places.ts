// Where in the file stands what only the machine can tell right from wrong: patterns that match no dataset of it, a group
// that it does not have. Pure.

import type { Position, Tree } from './document.ts'
import { child, itemsOf } from './document.ts'
import { readGroupName } from './values.ts'

export interface Places {
  /** Each `exclude` of each source. */
  readonly excludes: readonly ExcludePlace[]
}
export interface ExcludePlace {
  readonly dataset: string
  readonly pattern: string
  readonly at: Position
}

export function findPlaces(tree: Tree): Places {
  return {
    excludes: itemsOf(child(tree, 'sources')).flatMap((source) => {
      const dataset = child(source, 'dataset')
      return dataset?.kind !== 'text'
        ? []
        : itemsOf(child(source, 'exclude')).flatMap((item) =>
            item.kind === 'text' ? [{ dataset: dataset.text, pattern: item.text, at: item.at }] : [],
          )
    }),
  }
}

export interface GroupPlace {
  readonly name: string
  readonly at: Position
}

/** `control.group`; null: there is none, or no group can have this name. */
export function findGroup(tree: Tree): GroupPlace | null {
  const node = child(child(tree, 'control'), 'group')
  return node?.kind === 'text' && readGroupName(node.text).kind === 'value'
    ? { name: node.text, at: node.at }
    : null
}
