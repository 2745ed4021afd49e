// Where in the file stands what only the machine can tell right from wrong: patterns that match no dataset of it, a group
// that it does not have. Pure.

import type { Position, Tree } from './document.ts'
import { child, itemsOf } from './document.ts'

export interface Places {
  /** Each `exclude` of each source. */
  readonly excludes: readonly ExcludePlace[]
  /** Of `control.group`; null: there is none. */
  readonly group: Position | null
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
    group: child(child(tree, 'control'), 'group')?.at ?? null,
  }
}
