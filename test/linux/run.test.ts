// Real children that behave badly: what `run` promises is about them.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { CommandFailed, DeadlineExceeded, UnreadableAnswer } from '../../src/errors.ts'
import { createRun, launch, type RunEntry, withoutSecrets } from '../../src/linux/run.ts'

// Time is not the question here, and the computer may be busy.
vi.setConfig({ testTimeout: 60_000 })

/** Longer than any of these tests may take. */
const deadlineMs = 600_000
const node = process.execPath
const run = createRun()
const folder = mkdtempSync(join(tmpdir(), 'walkaway-run-'))
afterAll(() => rmSync(folder, { recursive: true }))

const script = (text: string): readonly string[] => ['-e', text]
const failureOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  )
const timed = async (act: () => Promise<unknown>): Promise<number> => {
  const startedMs = performance.now()
  await act()
  return performance.now() - startedMs
}
/** True while the process is there and not a zombie. */
const isRunning = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false // no such process
  }
}

describe.concurrent('a command that ends', () => {
  test('gives what it wrote, untouched', async () => {
    const { stdout, stderr } = await run('printf', ['a\t\tb\n\n'], { deadlineMs })
    expect(stdout).toBe('a\t\tb\n\n')
    expect(stderr).toBe('')
  })
  test('runs without a shell, with a small environment and no standard input', async () => {
    process.env['WALKAWAY_TEST_SECRET'] = 'hunter2'
    expect((await run('printf', ['%s', '$HOME; `id`'], { deadlineMs })).stdout).toBe('$HOME; `id`')
    const { stdout } = await run('env', [], { deadlineMs })
    expect(stdout.trim().split('\n').sort()).toEqual(['LC_ALL=C', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'])
    expect((await run('cat', [], { deadlineMs })).stdout).toBe('')
  })
  test('gets its input', async () => {
    const input = 'x'.repeat(1_000_000)
    expect((await run('wc', ['-c'], { deadlineMs, input })).stdout.trim()).toBe('1000000')
  })
  test('may leave its input unread', async () => {
    await run('true', [], { deadlineMs, input: 'x'.repeat(1_000_000) })
  })
  test('is told to the debug log, however it ended', async () => {
    const entries: RunEntry[] = []
    const told = createRun({ debug: (entry) => entries.push(entry) })
    await told('true', [], { deadlineMs })
    await failureOf(told('sh', ['-c', 'echo no >&2; exit 3'], { deadlineMs }))
    await failureOf(told('sleep', ['60'], { deadlineMs: 100 }))
    expect(entries.map((entry) => entry.end)).toEqual([
      'exit code 0',
      'exit code 3',
      'late: killed and abandoned',
    ])
    expect(entries[1]).toMatchObject({ command: ['sh', '-c', 'echo no >&2; exit 3'], stderr: 'no\n' })
  })
})

describe.concurrent('a terminal', () => {
  /** Process group and session, the fifth and the sixth of its figures (proc(5)). */
  const groupOf = (stat: string): readonly string[] => stat.split(' ').slice(4, 6)

  test('reaches us alone with its Ctrl-C: a command is in a session of its own', async () => {
    const { stdout } = await run('cat', ['/proc/self/stat'], { deadlineMs })
    const [pid = ''] = stdout.split(' ')
    expect(groupOf(stdout)).toEqual([pid, pid])
    expect(groupOf(stdout)).not.toEqual(groupOf(readFileSync('/proc/self/stat', 'utf8')))
  })
  test('a stream stays where we are', async () => {
    let stdout = ''
    const child = launch('cat', ['/proc/self/stat'], { stdout: (text) => (stdout += text) })
    await child.ended
    expect(groupOf(stdout)).toEqual(groupOf(readFileSync('/proc/self/stat', 'utf8')))
  })
})

describe.concurrent('a command that fails', () => {
  test('says its exit code and what it complained', async () => {
    const error = await failureOf(run('sh', ['-c', 'echo out; echo complaint >&2; exit 7'], { deadlineMs }))
    expect(error).toBeInstanceOf(CommandFailed)
    expect(error).toMatchObject({ exitCode: 7, signal: null, stderr: 'complaint\n' })
  })
  test('says the signal that ended it', async () => {
    const error = await failureOf(run('sh', ['-c', 'kill -SEGV $$'], { deadlineMs }))
    expect(error).toMatchObject({ exitCode: null, signal: 'SIGSEGV' })
  })
  test('says which program is missing', async () => {
    const error = await failureOf(run('no-such-program', ['--version'], { deadlineMs }))
    expect(error).toBeInstanceOf(CommandFailed)
    expect(String(error)).toContain('there is no program no-such-program')
  })
  test('keeps the end of a long complaint', async () => {
    const flood = script('process.stderr.write("x".repeat(1e6) + "the end", () => process.exit(1))')
    const error = await failureOf(run(node, flood, { deadlineMs }))
    expect(error).toBeInstanceOf(CommandFailed)
    if (!(error instanceof CommandFailed)) return
    expect(error.stderr).toHaveLength(64 * 1024)
    expect(error.stderr.endsWith('the end')).toBe(true)
  })
})

describe.concurrent('output', () => {
  test('of many megabytes arrives whole', async () => {
    const big = script('for (let i = 0; i < 200000; i++) console.log("line " + i + " " + "y".repeat(40))')
    const { stdout } = await run(node, big, { deadlineMs: 60_000 })
    expect(stdout.split('\n')).toHaveLength(200_001)
    expect(stdout.endsWith(`line 199999 ${'y'.repeat(40)}\n`)).toBe(true)
  })
  test('that is heard piece by piece has no limit, and is not kept', async () => {
    const small = createRun({ maxStdoutLength: 1000 })
    let heard = ''
    const onStdout = (text: string): void => {
      heard += text
    }
    const { stdout } = await small('sh', ['-c', 'yes | head -c 300001'], { deadlineMs, onStdout })
    expect([heard.length, stdout]).toEqual([300_001, ''])
  })
  test('beyond the limit is a failure, never a shorter answer', async () => {
    const small = createRun({ maxStdoutLength: 1000 })
    expect(await failureOf(small('yes', [], { deadlineMs }))).toBeInstanceOf(UnreadableAnswer)
    const exactly = await failureOf(small('sh', ['-c', 'yes | head -c 1001'], { deadlineMs }))
    expect(exactly).toBeInstanceOf(UnreadableAnswer)
    expect((await small('sh', ['-c', 'yes | head -c 1000'], { deadlineMs })).stdout).toHaveLength(1000)
  })
})

describe.concurrent('a deadline', () => {
  const stubborn = script('process.on("SIGTERM", () => {}); console.error("up"); setInterval(() => {}, 1000)')

  test('ends the wait and the child', async () => {
    const noted = join(folder, 'pid')
    const child = run('sh', ['-c', `echo $$ > ${noted}; exec sleep 5`], { deadlineMs: 300 })
    expect(await failureOf(child)).toBeInstanceOf(DeadlineExceeded)
    await expect.poll(() => isRunning(Number(readFileSync(noted, 'utf8')))).toBe(false)
  })
  test('holds for a child that ignores SIGTERM, one that is stopped, one that floods', async () => {
    for (const [file, args] of [
      [node, stubborn],
      ['sh', ['-c', 'kill -STOP $$']],
      ['sh', ['-c', 'yes >&2']],
    ] as const) {
      const error = await failureOf(run(file, args, { deadlineMs: 500 }))
      expect(error).toBeInstanceOf(DeadlineExceeded)
    }
  })
  test('is not waited out for a grandchild that keeps the pipe open', async () => {
    let stdout = ''
    const tookMs = await timed(async () => {
      stdout = (await run('sh', ['-c', 'echo first; sleep 3 & exit 0'], { deadlineMs })).stdout
    })
    expect(stdout).toBe('first\n')
    expect(tookMs).toBeLessThan(2500)
  })
})

/** A child says by this file that it is where the test wants it. */
const there = (file: string): Promise<void> =>
  vi.waitFor(() => expect(existsSync(file)).toBe(true), { timeout: 50_000 })

describe.concurrent('aborting', () => {
  test('before the start runs nothing', async () => {
    const reason = new Error('stopping')
    expect(
      await failureOf(run('no-such-program', [], { deadlineMs, signal: AbortSignal.abort(reason) })),
    ).toBe(reason)
  })
  test('ends the child and throws the reason', async () => {
    const stop = new AbortController()
    const reason = new Error('stopping')
    const began = join(folder, 'ends')
    const sleeper = ['-c', 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 60', began]
    const running = failureOf(run('sh', sleeper, { deadlineMs, signal: stop.signal }))
    await there(began)
    stop.abort(reason)
    expect(await running).toBe(reason)
    expect(isRunning(Number(readFileSync(began, 'utf8')))).toBe(false)
  })
  test('gives up on a child that ignores SIGTERM', async () => {
    const stop = new AbortController()
    const reason = new Error('stopping')
    const began = join(folder, 'ignores')
    const stubborn = ['-c', 'trap "" TERM; echo > "$0"; while :; do sleep 1; done', began]
    const running = failureOf(run('sh', stubborn, { deadlineMs, signal: stop.signal }))
    await there(began)
    stop.abort(reason)
    expect(await running).toBe(reason)
  })
  test('a command that ends well all the same has its answer kept', async () => {
    const stop = new AbortController()
    const began = join(folder, 'ends-well')
    const waits = 'trap "echo done; exit 0" TERM; echo ready; echo > "$0"; while :; do sleep 0.05; done'
    const running = run('sh', ['-c', waits, began], { deadlineMs, signal: stop.signal })
    await there(began)
    stop.abort()
    expect((await running).stdout).toBe('ready\ndone\n')
  })
})

test('a child that was given up does not keep the program from exiting', () => {
  const program = `
    import { launch } from ${JSON.stringify(new URL('../../src/linux/run.ts', import.meta.url).href)}
    const child = launch('sh', ['-c', 'trap "" TERM; sleep 100 & wait'], { stdout: () => {} })
    setTimeout(() => child.abandon(), 200)
    console.log((await child.ended).kind)
  `
  const args = ['--import', 'tsx', '--input-type=module', '-e', program]
  const { stdout, stderr, status } = spawnSync(node, args, { encoding: 'utf8', timeout: 50_000 })
  expect({ stdout, stderr, status }).toEqual({ stdout: 'abandoned\n', stderr: '', status: 0 })
})

test('a launched child that cannot start says so in its ending', async () => {
  const child = launch('/no/such/program', [], { stdout: () => undefined })
  expect(await child.ended).toMatchObject({ kind: 'not-started' })
})

test('what a child wrote arrives although the daemon was too busy to read it', async () => {
  const busyUntil = (atMs: number): void => {
    while (performance.now() < atMs);
  }
  const startedMs = performance.now()
  // While what the first one wrote is dealt with, the second ends; the end of the third makes that known before what
  // the second wrote is read, and then there is more to do.
  launch('sh', ['-c', 'echo; sleep 1'], { stdout: () => busyUntil(startedMs + 1500) })
  const answer = run('sh', ['-c', 'sleep 1; echo late'], { deadlineMs })
  void launch('true', [], { stdout: () => undefined }).ended.then(() => busyUntil(performance.now() + 500))
  busyUntil(startedMs + 500)
  expect((await answer).stdout).toBe('late\n')
})

test('of a program that is none of ours neither arguments nor words are heard', async () => {
  const heard: string[] = []
  const run = createRun({ debug: withoutSecrets((entry) => heard.push(JSON.stringify(entry))) })
  const argv = ['-c', 'echo tk_said >&2; exit 3', 'tk_argument']
  await expect(run('sh', argv, { deadlineMs: 20_000 })).rejects.toThrow()
  await expect(run('/etc/passwd', ['tk_argument'], { deadlineMs: 20_000 })).rejects.toThrow()
  expect(heard).toHaveLength(2)
  expect(heard.join()).not.toMatch(/tk_/)
})
