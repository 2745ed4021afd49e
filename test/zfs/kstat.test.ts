// Reading what the kernel shows of a pool while the pool is exported under the reader.
import { expect, test } from 'vitest'
import { readKstat } from '../../src/zfs/kstat.ts'

const failing = (code: string): Error => Object.assign(new Error(`${code}: read`), { code })
/** A file that answers its readers one after the other. */
const answering = (...answers: readonly (string | null | Error)[]) => {
  const left = [...answers]
  return async (): Promise<string | null> => {
    const answer = left.shift()
    if (answer === undefined) throw new Error('read too often')
    if (answer instanceof Error) throw answer
    return answer
  }
}

test('a pool that is exported while its file is read is gone; one that took its name is seen', async () => {
  expect(await readKstat('state', answering(failing('EIO'), null))).toBe(null)
  expect(await readKstat('state', answering(failing('EIO'), 'ONLINE'))).toBe('ONLINE')
})

test('what cannot be read is never taken for gone', async () => {
  await expect(readKstat('state', answering(failing('EIO'), failing('EIO')))).rejects.toThrow('EIO')
  await expect(readKstat('state', answering(failing('EACCES')))).rejects.toThrow('EACCES')
  expect(await readKstat('/proc/self/no-such-file')).toBe(null)
})
