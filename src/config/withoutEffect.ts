// Keys that are read and checked, and on which nothing in this version acts: said once for each, so that nobody relies on
// them. Works on the tree, as rules.ts does. Pure.

import type { Finding, Tree } from './document.ts'
import { child, entriesOf, has, keyAtOf } from './document.ts'

const sectionKeys: readonly (readonly [section: string, key: string])[] = [['metrics', 'textfile']]
const diskKeys = ['luks'] as const

/** In no order. What is empty, or switched off, asks for nothing. */
export function findWithoutEffect(tree: Tree): readonly Finding[] {
  const inSections = sectionKeys.flatMap(([name, key]) => {
    const section = child(tree, name)
    return section !== undefined && asksForSomething(child(section, key))
      ? [finding(section, key, `${name}.${key}`)]
      : []
  })
  const disks = [...entriesOf(child(tree, 'disks')).values()].map(({ value }) => value)
  const inDisks = diskKeys.flatMap((key) => {
    const disk = disks.find((one) => has(one, key))
    return disk === undefined ? [] : [finding(disk, key, key)]
  })
  return [...inSections, ...inDisks]
}

function asksForSomething(value: Tree | undefined): boolean {
  switch (value?.kind) {
    case undefined:
    case 'empty':
      return false
    case 'text':
      return value.text !== 'never'
    case 'list':
      return value.items.length > 0
    case 'map':
      return true
  }
}

const finding = (parent: Tree, key: string, name: string): Finding => {
  const { line, column } = keyAtOf(parent, key)
  return { line, column, message: `\`${name}\` has no effect yet in this version of walkaway` }
}
