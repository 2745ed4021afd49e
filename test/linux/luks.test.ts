// The command lines for LUKS containers, what their exit codes mean, and what sysfs says of what is open.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { luksUuid } from '../../src/core/model.ts'
import { CommandFailed, DeadlineExceeded, KeyRefused } from '../../src/errors.ts'
import { mappingOf } from '../../src/linux/blockDevice.ts'
import { createLuks } from '../../src/linux/luks.ts'
import { readMapping } from '../../src/linux/sysfs.ts'

const uuid = luksUuid('945b2ae4-00f1-46ed-bf3b-7b121e3fd3d3')
const name = `walkaway-${uuid}`
/** As the device mapper of Linux 6.12 and cryptsetup 2.7.5 say it. */
const dmUuid = `CRYPT-LUKS2-945b2ae400f146edbf3b7b121e3fd3d3-${name}`

let sys: string
let keyFile: string
let commands: string[][]
beforeEach(() => {
  sys = mkdtempSync(join(tmpdir(), 'walkaway-luks-test-'))
  mkdirSync(join(sys, 'class/block'), { recursive: true })
  keyFile = join(sys, 'key')
  writeFileSync(keyFile, 'the secret')
  commands = []
})
afterEach(() => rmSync(sys, { recursive: true }))

/** `exitCode` null: there is no such program. */
const luksWith = (answer: (file: string) => number | null | 'hangs' = () => 0) =>
  createLuks({
    sys,
    run: async (file, args) => {
      commands.push([file, ...args])
      const exitCode = answer(file)
      if (exitCode === 'hangs') throw new DeadlineExceeded(file, 1000)
      if (exitCode === 0) return { stdout: '', stderr: '', durationMs: 1 }
      throw new CommandFailed({ command: [file, ...args], exitCode, signal: null, stderr: '' })
    },
  })

/** A device of the device mapper, on this one; null: on one that was unplugged. */
function mapped(
  kernelName: string,
  fields: { readonly uuid: string; readonly name: string; readonly on: string | null },
): string {
  const folder = join(sys, 'class/block', kernelName)
  mkdirSync(join(folder, 'dm'), { recursive: true })
  mkdirSync(join(folder, 'slaves'))
  writeFileSync(join(folder, 'dm/uuid'), `${fields.uuid}\n`)
  writeFileSync(join(folder, 'dm/name'), `${fields.name}\n`)
  if (fields.on === null) symlinkSync('../../nowhere/sda1', join(folder, 'slaves/sda1'))
  else {
    mkdirSync(join(sys, 'devices', fields.on), { recursive: true })
    symlinkSync(join(sys, 'devices', fields.on), join(folder, 'slaves', fields.on))
  }
  return folder
}

const container = () => ({ node: '/dev/sda1', name, keyFile })

describe('open', () => {
  test('names the file with the key, never the key, and waits for udev', async () => {
    await luksWith().open(container())
    expect(commands.map(([file]) => file)).toEqual(['cryptsetup', 'udevadm'])
    expect(commands[0]).toEqual(expect.arrayContaining(['open', '--key-file', keyFile, '/dev/sda1', name]))
    expect(JSON.stringify(commands)).not.toContain('the secret')
  })

  test.each([
    ['a key that does not fit', 2, /the key in .* does not open the LUKS container on \/dev\/sda1/],
    ['no cryptsetup', null, /cryptsetup is missing/],
  ])('%s', async (_, exitCode, message) => {
    const failure = await luksWith(() => exitCode)
      .open(container())
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(KeyRefused)
    expect(failure).toMatchObject({
      message: expect.stringMatching(message),
      hint: expect.stringContaining('plug the disk in again'),
    })
    expect(String(failure)).not.toContain('the secret')
  })

  test('no key file: nothing is started', async () => {
    rmSync(keyFile)
    await expect(luksWith().open(container())).rejects.toThrow(/is not there or cannot be read/)
    expect(commands).toEqual([])
  })

  test.each([
    ['another failure', 4, CommandFailed],
    ['a deadline', 'hangs', DeadlineExceeded],
  ] as const)('%s stays what it is', async (_, answer, failure) => {
    await expect(luksWith(() => answer).open(container())).rejects.toBeInstanceOf(failure)
  })
})

describe('close', () => {
  test.each([
    ['closed', 0, true, 'closed'],
    ['in use', 5, true, 'busy'],
    ['closed by somebody else meanwhile', 4, false, 'closed'],
  ] as const)('%s', async (_, exitCode, isThere, expected) => {
    if (isThere) mapped('dm-0', { uuid: dmUuid, name, on: 'sda1' })
    const luks = luksWith((file) => (file === 'cryptsetup' ? exitCode : 0))
    expect(await luks.close(name)).toBe(expected)
  })

  test('without cryptsetup it is not known to be closed', async () => {
    await expect(luksWith(() => null).close(name)).rejects.toBeInstanceOf(CommandFailed)
  })

  test('a udev that does not come to rest does not keep it open', async () => {
    expect(await luksWith((file) => (file === 'udevadm' ? 'hangs' : 0)).close(name)).toBe('closed')
  })
})

describe('inside', () => {
  test.each([
    ['open on this device', dmUuid, 'sda1', '/dev/dm-0'],
    ['open on another one', dmUuid, 'sdb1', null],
    ['open on one of that name that was pulled out', dmUuid, null, null],
    ['another container', dmUuid.replace('945b', '0000'), 'sda1', null],
    ['another kind of mapping', 'LVM-abc', 'sda1', null],
  ])('%s', async (_, dm, on, expected) => {
    mapped('dm-0', { uuid: dm, name, on })
    expect(await luksWith().inside({ node: '/dev/sda1', uuid })).toBe(expected)
  })

  test('a sysfs that cannot be read shows nothing', async () => {
    rmSync(join(sys, 'class'), { recursive: true })
    expect(await luksWith().inside({ node: '/dev/sda1', uuid })).toBeNull()
  })
})

describe('what the device mapper says', () => {
  test.each([
    ['LUKS2', dmUuid, name, true],
    ['LUKS1', dmUuid.replace('LUKS2', 'LUKS1'), name, true],
    ['renamed since', dmUuid, 'mine', true],
    ['opened by somebody else', dmUuid.replace(name, 'mine'), 'mine', false],
    ['opened by somebody else, renamed to ours', dmUuid.replace(name, 'mine'), name, false],
  ])('%s', (_, dm, shown, ours) => {
    expect(mappingOf({ uuid: dm, name: shown, on: '/sys/a' })).toEqual({
      luksUuid: uuid,
      name: shown,
      on: '/sys/a',
      ours,
    })
  })

  test.each(['LVM-0123', 'CRYPT-PLAIN-x', 'CRYPT-LUKS2-945b-x', ''])('no LUKS container: %j', (dm) => {
    expect(mappingOf({ uuid: dm, name, on: null })).toBeNull()
  })

  test('of a disk that was unplugged, there is nothing below it', async () => {
    const folder = mapped('dm-0', { uuid: dmUuid, name, on: null })
    expect(await readMapping(folder)).toEqual({ luksUuid: uuid, name, on: null, ours: true })
    expect(await readMapping(mapped('dm-1', { uuid: dmUuid, name, on: 'sda1' }))).toMatchObject({
      on: join(sys, 'devices/sda1'),
    })
  })
})
