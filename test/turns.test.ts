// Who waits for whom when several disks have pools of one name.
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { poolName } from '../src/core/model.ts'
import { createTurns } from '../src/turns.ts'

const backup = poolName('backup')

test('one after the other, in the order in which they came, whoever gives up meanwhile', async () => {
  const take = createTurns()
  const log: string[] = []
  const begin = (name: string) => {
    const { isBehind, come, end } = take(backup)
    void come.then(() => log.push(name))
    return { isBehind, end }
  }
  const [first, second, third] = [begin('first'), begin('second'), begin('third')]
  expect([first, second, third].map(({ isBehind }) => isBehind())).toEqual([false, true, true])
  await turn()
  expect(log).toEqual(['first'])
  // It was ended while it waited: that does not let anybody pass the one before.
  second.end()
  await turn()
  expect(log).toEqual(['first'])
  first.end()
  await turn()
  expect(log).toEqual(['first', 'second', 'third'])
  expect(third.isBehind()).toBe(false)
  third.end()
  await turn()
  expect(take(backup).isBehind()).toBe(false)
})

test('another name waits for nobody', () => {
  const take = createTurns()
  take(backup)
  expect(take(poolName('offsite')).isBehind()).toBe(false)
})
