// How a key gets into ZFS: by the name of its file, and nothing else. What real ZFS does with it is contract.ts.
import { expect, test } from 'vitest'
import { datasetName } from '../../src/core/model.ts'
import { BadInput, CommandFailed, DeadlineExceeded, KeyRefused, NotFound } from '../../src/errors.ts'
import type { Run } from '../../src/linux/run.ts'
import { createZfs } from '../../src/zfs/zfs.ts'

const root = datasetName('offsite 1')

async function load(said: string | Error, keyFile = '/etc/walkaway/my key') {
  const ran: (readonly string[])[] = []
  const run: Run = async (file, args, { input }) => {
    ran.push([file, ...args])
    expect(input).toBeUndefined()
    if (said === '') return { stdout: '', stderr: '', durationMs: 1 }
    throw typeof said === 'string'
      ? new CommandFailed({ command: [file], exitCode: 255, signal: null, stderr: said })
      : said
  }
  const failure = await createZfs(run)
    .loadKey(root, keyFile)
    .then(
      () => null,
      (error: unknown) => error,
    )
  return { ran, failure }
}

test('the file is named as a URI, as it is; one that is loaded already is fine', async () => {
  const { ran, failure } = await load('')
  expect(failure).toBeNull()
  expect(ran).toEqual([['zfs', 'load-key', '-L', 'file:///etc/walkaway/my key', 'offsite 1']])
  expect(await load("Key load error: Key already loaded for 'offsite 1'.")).toMatchObject({ failure: null })
})

test.each([
  ["Key load error: Incorrect key provided for 'offsite 1'.", /is not the key of offsite 1/],
  ['Key load error: Raw key too short (expected 32).', /no key of the kind/],
  ['Key load error: Failed to open key material file: No such file or directory', /is not there/],
])('%s', async (said, why) => {
  const { failure } = await load(said)
  expect(failure).toBeInstanceOf(KeyRefused)
  expect(failure).toMatchObject({ message: expect.stringMatching(why), hint: expect.stringMatching(/./) })
})

test('other failures stay what they are, and what is no path never reaches a command', async () => {
  expect((await load("cannot open 'offsite 1': dataset does not exist")).failure).toBeInstanceOf(NotFound)
  expect((await load(new DeadlineExceeded('zfs load-key', 1))).failure).toBeInstanceOf(DeadlineExceeded)
  for (const odd of ['', 'key', 'prompt', 'https://example.org/key', '/a\0b']) {
    const { ran, failure } = await load('', odd)
    expect([ran, failure]).toEqual([[], expect.any(BadInput)])
  }
})
