// A service that idles for weeks should be small while it does: Node is made for programs that are busy.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * No machine code is made as long as no disk has come: so no compiler is even loaded by a service that idles (7 MB). To be
 * called before anything else runs; the launcher (package/deb.ts) starts Node that way.
 */
export function compileNothing(): void {
  setFlagsFromString('--no-opt')
  setFlagsFromString('--no-sparkplug')
}

/** From now on what runs hot is compiled: planning for many datasets wants that. */
export const compileWhatIsHot = (): void => setFlagsFromString('--opt')

/** Gives back what a burst of work left behind: V8 collects it only when more is made. Takes some milliseconds. */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
}
