// Whose visit it is: disks whose pools have one name are served one after the other, because the kernel takes one of them at a
// time. First come, first served.

import type { PoolName } from './core/model.ts'

export interface Turn {
  /** Somebody who came before is not done. */
  isBehind(): boolean
  /** Resolves when everybody who came before is done. */
  readonly come: Promise<void>
  /** It is the next one's turn, once everybody before is done, too. */
  end(): void
}

export type TakeTurn = (pool: PoolName) => Turn

export function createTurns(): TakeTurn {
  const last = new Map<PoolName, Promise<unknown>>()
  return (pool) => {
    const before = last.get(pool)
    let end: () => void = () => undefined
    const own = new Promise<void>((resolve) => {
      end = resolve
    })
    let isBehind = before !== undefined
    const come = Promise.resolve(before).then(() => {
      isBehind = false
    })
    const done: Promise<unknown> = Promise.all([come, own]).then(() => {
      if (last.get(pool) === done) last.delete(pool)
    })
    last.set(pool, done)
    return { isBehind: () => isBehind, come, end }
  }
}
