import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Run } from '../../src/linux/run.ts'
import { createNotifier, inhibit, watchdogPeriodMs } from '../../src/linux/systemd.ts'

/** A service manager that hears slowly. */
function createManager(): { run: Run; heard: string[] } {
  const heard: string[] = []
  return {
    heard,
    run: async (file, args) => {
      expect([file, ...args.slice(0, 2)]).toEqual(['env', 'NOTIFY_SOCKET=@s', 'systemd-notify'])
      await new Promise((resolve) => setTimeout(resolve, 10))
      heard.push(args.slice(2).join(' '))
      return { stdout: '', stderr: '', durationMs: 10 }
    },
  }
}
const env = { NOTIFY_SOCKET: '@s' }

describe('notifier', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('tells in order', async () => {
    const { run, heard } = createManager()
    const notifier = createNotifier({ run, env })
    void notifier.ready()
    notifier.status('one\ntwo')
    void notifier.reloading()
    const stopped = notifier.stopping()
    await vi.advanceTimersByTimeAsync(100)
    await stopped
    expect(heard).toEqual([
      'READY=1',
      'STATUS=one two',
      expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/),
      'STOPPING=1',
    ])
  })

  test('a status at most once a second, only when it changed, and the last one gets out', async () => {
    const { run, heard } = createManager()
    const notifier = createNotifier({ run, env })
    for (const text of ['a', 'b', 'c']) notifier.status(text)
    await vi.advanceTimersByTimeAsync(900)
    expect(heard).toEqual(['STATUS=a'])
    await vi.advanceTimersByTimeAsync(200)
    expect(heard).toEqual(['STATUS=a', 'STATUS=c'])
    notifier.status('d')
    notifier.status('c')
    await vi.advanceTimersByTimeAsync(5_000)
    expect(heard).toHaveLength(2)
    notifier.status('e')
    notifier.status('f')
    const closed = notifier.close()
    await vi.advanceTimersByTimeAsync(100)
    await closed
    expect(heard.slice(2)).toEqual(['STATUS=e', 'STATUS=f'])
  })

  test('the watchdog at half of its time', async () => {
    const { run, heard } = createManager()
    const notifier = createNotifier({
      run,
      env: { ...env, WATCHDOG_USEC: '60000000', WATCHDOG_PID: String(process.pid) },
    })
    notifier.startWatchdog()
    notifier.startWatchdog()
    await vi.advanceTimersByTimeAsync(60_100)
    expect(heard).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1'])
    void notifier.close()
    await vi.advanceTimersByTimeAsync(120_000)
    expect(heard).toHaveLength(3)
  })

  test('a manager that cannot be told is one warning', async () => {
    const warnings: string[] = []
    const run: Run = () => Promise.reject(new Error('no such socket'))
    const notifier = createNotifier({ run, env, onWarning: (text) => warnings.push(text) })
    await notifier.ready()
    await notifier.stopping()
    expect(warnings).toEqual([expect.stringContaining('no such socket')])
  })

  test('without a manager nothing runs', async () => {
    const run: Run = () => Promise.reject(new Error('must not run'))
    const notifier = createNotifier({ run, env: { WATCHDOG_USEC: '1000' }, onWarning: expect.fail })
    notifier.status('x')
    notifier.startWatchdog()
    await Promise.all([notifier.ready(), notifier.reloading(), notifier.stopping(), notifier.close()])
  })
})

test.each([
  [{}, null],
  [{ WATCHDOG_USEC: '30000000' }, 15_000],
  [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }, null],
  [{ WATCHDOG_USEC: 'x' }, null],
])('watchdog period of %j', (variables, expected) => {
  expect(watchdogPeriodMs(variables)).toBe(expected)
})

describe('inhibit', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'walkaway-inhibit-'))
  })
  afterEach(() => rm(folder, { recursive: true }))
  async function program(text: string): Promise<string> {
    const file = join(folder, 'systemd-inhibit')
    await writeFile(file, `#!/bin/sh\n${text}\n`)
    await chmod(file, 0o755)
    return file
  }
  const request = { what: 'sleep:idle', why: 'a backup runs' }

  test('held until it is released', async () => {
    const file = await program(`echo "$@" > ${folder}/args; shift 4; "$@"; touch ${folder}/over`)
    const inhibitor = await inhibit({ ...request, file })
    expect(inhibitor.held).toBe(true)
    await expect(readFile(`${folder}/over`)).rejects.toThrow()
    await inhibitor.release()
    await inhibitor.release()
    expect(await readFile(`${folder}/over`, 'utf8')).toBe('')
    expect(await readFile(`${folder}/args`, 'utf8')).toBe(
      '--what=sleep:idle --who=walkaway --why=a backup runs --mode=block cat\n',
    )
  })

  test('logind that cannot be asked, or a program that is not there: not held, nothing thrown', async () => {
    const refused = await inhibit({ ...request, file: await program('echo Failed to inhibit >&2; exit 1') })
    const missing = await inhibit({ ...request, file: join(folder, 'missing') })
    expect([refused.held, missing.held]).toEqual([false, false])
    await Promise.all([refused.release(), missing.release()])
  })
})
