// A service that idles for weeks should be small while it does: Node is made for programs that are busy.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Machine code is made only of what has run hot for long, by the optimizing compiler; so no compiler is even loaded by a
 * service that idles (7 MB). To be called before anything else runs.
 */
export function compileLate(): void {
  setFlagsFromString('--interrupt-budget=2000000')
  setFlagsFromString('--no-sparkplug')
}

/** Gives back what a burst of work left behind: V8 collects it only when more is made. Takes some milliseconds. */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
}
