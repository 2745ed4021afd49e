// Who uses a disk, asked of a unit of its own: how it is asked, and what happens when it does not answer.
import { expect, test } from 'vitest'
import { poolName } from '../../src/core/model.ts'
import { CommandFailed } from '../../src/errors.ts'
import { createHoldersOutside } from '../../src/linux/holdersOutside.ts'
import type { Run } from '../../src/linux/run.ts'

const program = ['/usr/bin/node', '/usr/lib/walkaway/main.cjs'] as const
const answering = (stdout: string, argvs: (readonly string[])[] = []): Run => {
  return async (file, args) => {
    argvs.push([file, ...args])
    return { stdout, stderr: '', durationMs: 0 }
  }
}

test('what the unit says is the answer; it may look at processes, and nothing else', async () => {
  const argvs: (readonly string[])[] = []
  const holders = createHoldersOutside(
    answering('["process sh (pid 7)","mounted at /a\\nb"]\n', argvs),
    program,
  )
  expect(await holders({ disk: '/dev/sdb' })).toEqual(['process sh (pid 7)', 'mounted at /a\nb'])
  await holders({ pool: poolName('offsite-1') })
  const commands = argvs.map((argv) => argv.slice(argv.indexOf('--')))
  expect(commands).toEqual([
    ['--', ...program, '__holders', '--', '/dev/sdb', ''],
    ['--', ...program, '__holders', '--', '', 'offsite-1'],
  ])
  expect(argvs[0]).toContain('--property=CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH')
  expect(argvs[0]).toContain('--property=PrivateNetwork=yes')
})

test('without its answer the service looks itself', async () => {
  const failing: Run = async () => {
    throw new CommandFailed({ command: ['systemd-run'], exitCode: 1, signal: null, stderr: '' })
  }
  for (const run of [failing, answering(''), answering('{}')])
    expect(await createHoldersOutside(run, program)({ disk: '/dev/no-such-disk' })).toEqual([])
})
