import { expect, test } from 'vitest'
import { together } from '../../src/core/together.ts'

test('gives what each resolved with, in order', async () => {
  expect(await together([Promise.resolve(1), Promise.resolve('two')])).toEqual([1, 'two'])
})

test('throws the first failure only once all of it has ended', async () => {
  let hasEnded = false
  const slow = new Promise<void>((resolve) => {
    setTimeout(() => {
      hasEnded = true
      resolve()
    }, 20)
  })
  const failures = [Promise.reject(new Error('first')), slow, Promise.reject(new Error('second'))]
  await expect(together(failures)).rejects.toThrow('first')
  expect(hasEnded).toBe(true)
})
