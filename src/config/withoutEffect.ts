// Keys that are read and checked, and on which nothing in this version acts: said once for each, so that nobody relies on
// them. Works on the tree, as rules.ts does. Pure.

import type { Finding, Tree } from './document.ts'
import { child, entriesOf, has, keyAtOf } from './document.ts'

const diskKeys = ['luks'] as const

/** In no order. */
export function findWithoutEffect(tree: Tree): readonly Finding[] {
  const disks = [...entriesOf(child(tree, 'disks')).values()].map(({ value }) => value)
  return diskKeys.flatMap((key) => {
    const disk = disks.find((one) => has(one, key))
    return disk === undefined ? [] : [finding(disk, key, key)]
  })
}

const finding = (parent: Tree, key: string, name: string): Finding => {
  const { line, column } = keyAtOf(parent, key)
  return { line, column, message: `\`${name}\` has no effect yet in this version of walkaway` }
}
