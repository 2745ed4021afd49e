// Where a configuration holds a secret, or names a file with one. By the keys alone, whatever else is wrong with
// the file. Pure; who can read them is found out in load.ts.

import type { Position, Tree } from './document.ts'
import { child, entriesOf, itemsOf } from './document.ts'
import { credentialName } from './values.ts'

export type SecretUse =
  /** The secret is in the configuration itself. */
  | { readonly kind: 'inline'; readonly at: Position; readonly key: string }
  | { readonly kind: 'file'; readonly at: Position; readonly key: string; readonly path: string }
  | { readonly kind: 'credential'; readonly at: Position; readonly key: string; readonly name: string }

const fileKeys = ['keyFile', 'passwordFile', 'tokenFile']
const inlineKeys = ['password', 'token']

export function findSecrets(tree: Tree): readonly SecretUse[] {
  const disks = [...entriesOf(child(tree, 'disks')).values()].map((entry) => entry.value)
  const channels = itemsOf(child(tree, 'notify'))
  return [
    ...disks.flatMap((disk) => [disk, child(disk, 'luks')]),
    ...channels.flatMap((channel) => [channel, child(channel, 'smtp')]),
  ].flatMap(findIn)
}

function findIn(map: Tree | undefined): readonly SecretUse[] {
  return [...entriesOf(map)].flatMap(([key, { value }]): readonly SecretUse[] => {
    if (value.kind !== 'text') return []
    const { at, text } = value
    if (fileKeys.includes(key)) {
      const name = credentialName(text)
      if (name !== null) return [{ kind: 'credential', at, key, name }]
      return text.startsWith('/') ? [{ kind: 'file', at, key, path: text }] : []
    }
    const isInline = inlineKeys.includes(key) || (key === 'url' && holdsSecret(text))
    return isInline ? [{ kind: 'inline', at, key }] : []
  })
}

/** Before the host, or in the query: `https://user:password@host/`, `https://host/topic?auth=...`. */
const holdsSecret = (url: string): boolean =>
  /^\w+:\/\/[^/]*@/.test(url) || /[?&](auth|\w*token|\w*key|\w*secret|passw\w*)=/i.test(url)
