// `walkaway __holders DISK POOL`: what the service starts in a unit that may look at everybody's processes
// (linux/holdersOutside.ts). An empty word is none.
import { poolName } from '../core/model.ts'
import { findHolders } from '../linux/holders.ts'
import type { Output } from './words.ts'

export async function runHolders(disk: string, pool: string, stdout: Output): Promise<void> {
  const of = { ...(disk !== '' && { disk }), ...(pool !== '' && { pool: poolName(pool) }) }
  stdout.write(`${JSON.stringify(await findHolders(of, { sys: '/sys', proc: '/proc', dev: '/dev' }))}\n`)
}
