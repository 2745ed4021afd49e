// Programs that only look are ended by an interruption, and waited for.
import { expect, test } from 'vitest'
import { endedBy, unlessInterrupted } from '../../src/cli/interrupt.ts'
import { createRun } from '../../src/linux/run.ts'

test('a program that looks is ended, and the command with it', async () => {
  const controller = new AbortController()
  const ends: string[] = []
  const run = endedBy(controller.signal, createRun({ debug: ({ end }) => ends.push(end) }))
  let stderr = ''
  const working = unlessInterrupted(
    { interrupted: controller.signal, stderr: { write: (text) => (stderr += text) } },
    async () => {
      await run('sleep', ['600'], { deadlineMs: 600_000 })
      return 0
    },
  )
  controller.abort()
  expect(await working).toBe(1)
  expect(ends).toEqual(['aborted, signal SIGTERM'])
  expect(stderr).toBe('walkaway: interrupted; nothing was changed\n')
})

test('what went wrong by itself stays what it is', async () => {
  const controller = new AbortController()
  controller.abort()
  const asked = { interrupted: controller.signal, stderr: { write: () => undefined } }
  await expect(unlessInterrupted(asked, () => Promise.reject(new Error('no disk')))).rejects.toThrow(
    'no disk',
  )
})
