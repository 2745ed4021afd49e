import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { poolName } from '../../src/core/model.ts'
import { CommandFailed, DeadlineExceeded } from '../../src/errors.ts'
import { type Block, createBlock } from '../../src/linux/block.ts'
import { parseMountinfo } from '../../src/linux/holders.ts'
import { createRun, type Run } from '../../src/linux/run.ts'

let root: string
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'walkaway-block-')))
  await Promise.all(
    ['dev', 'proc', 'sys/class/block'].map((name) => mkdir(join(root, name), { recursive: true })),
  )
})
afterEach(() => rm(root, { recursive: true }))

const place = (path: string): string => join(root, path)
async function put(path: string, text: string): Promise<void> {
  await mkdir(join(root, path, '..'), { recursive: true })
  await writeFile(place(path), text)
}

/** A disk of a fake machine: plain files as nodes, so that real programs can open them. */
async function addDisk(name: string, diskSeq: string, { scsi = true } = {}): Promise<string> {
  await put(`sys/devices/${name}/diskseq`, `${diskSeq}\n`)
  await put(`sys/devices/${name}/size`, '8\n')
  await put(`sys/devices/${name}/${name}1/partition`, '1\n')
  await put(`sys/devices/${name}/${name}1/size`, '4\n')
  if (scsi) await mkdir(place(`sys/devices/${name}/device/scsi_disk`), { recursive: true })
  await symlink(place(`sys/devices/${name}`), place(`sys/class/block/${name}`))
  await symlink(place(`sys/devices/${name}/${name}1`), place(`sys/class/block/${name}1`))
  for (const node of [name, `${name}1`]) await writeFile(place(`dev/${node}`), 'x'.repeat(4096))
  return place(`dev/${name}`)
}

const blockOn = (run: Run): Block =>
  createBlock({ run, root: { sys: place('sys'), proc: place('proc'), dev: place('dev') } })

const failure = (command: string, exitCode: number | null, stderr = ''): CommandFailed =>
  new CommandFailed({ command: [command], exitCode, signal: null, stderr })

/** Runs the real flush, and lets the disk answer a stop as the test says: an exit code a try, or an error. */
function stopping(...answers: readonly (number | null | Error)[]): { run: Run; asked: string[] } {
  const real = createRun()
  const asked: string[] = []
  const left = [...answers]
  return {
    asked,
    run: async (file, args, options) => {
      asked.push([file, ...args].join(' '))
      if (file === 'udevadm') throw failure('udevadm', 1)
      // Not every file system of temporary files can be read past its cache.
      if (file === 'dd') return { stdout: '', stderr: '', durationMs: 1 }
      if (file !== 'sg_start') return real(file, args, options)
      const answer = left.length === 0 ? 0 : left.shift()
      if (answer instanceof Error) throw answer
      if (answer !== 0) throw failure('sg_start', answer ?? null)
      return { stdout: '', stderr: '', durationMs: 1 }
    },
  }
}

describe('isSameDevice', () => {
  test('a disk and its partition', async () => {
    const node = await addDisk('sdb', '14')
    const block = blockOn(createRun())
    expect(await block.isSameDevice({ node, diskSeq: '14' })).toBe(true)
    expect(await block.isSameDevice({ node: `${node}1`, diskSeq: '14' })).toBe(true)
    expect(await block.isSameDevice({ node, diskSeq: '13' })).toBe(false)
    expect(await block.isSameDevice({ node, diskSeq: '' })).toBe(false)
    expect(await block.isSameDevice({ node: place('dev/sdc'), diskSeq: '14' })).toBe(false)
  })

  test('a kernel without sequence numbers: the node must do', async () => {
    const node = await addDisk('sdb', '14')
    await rm(place('sys/devices/sdb/diskseq'))
    expect(await blockOn(createRun()).isSameDevice({ node: `${node}1`, diskSeq: '' })).toBe(true)
  })

  test('a node without a device, and a device without a node', async () => {
    const node = await addDisk('sdb', '14')
    await rm(node)
    expect(await blockOn(createRun()).isSameDevice({ node, diskSeq: '14' })).toBe(false)
    expect(await blockOn(createRun()).isSameDevice({ node: `${node}1`, diskSeq: '14' })).toBe(true)
    await rm(place('sys/class/block/sdb1'))
    expect(await blockOn(createRun()).isSameDevice({ node: `${node}1`, diskSeq: '14' })).toBe(false)
  })
})

test('size, and where a link leads', async () => {
  const node = await addDisk('sdb', '14')
  await symlink(node, place('dev/link'))
  const block = blockOn(createRun())
  expect(await block.sizeBytes(node)).toBe(4096n)
  expect(await block.sizeBytes(`${node}1`)).toBe(2048n)
  expect(await block.sizeBytes(place('dev/sdc'))).toBeNull()
  expect(await block.leadsTo(place('dev/link'), node)).toBe(true)
  expect(await block.leadsTo(place('dev/link'), `${node}1`)).toBe(false)
  expect(await block.leadsTo(place('dev/missing'), node)).toBe(false)
})

describe('readable', () => {
  test('no device', async () => {
    expect(await blockOn(createRun()).readable(place('dev/sdb'))).toBe(false)
  })
  test('a device that hangs is given up at the deadline', async () => {
    const run: Run = (file, _, { deadlineMs }) => Promise.reject(new DeadlineExceeded(file, deadlineMs))
    expect(await blockOn(run).readable('/dev/sdb', { deadlineMs: 5 })).toBe(false)
  })
})

describe('release', () => {
  const released = (stopped: boolean, note: string | null) => ({ kind: 'released', stopped, note })
  const noStop = expect.stringContaining('not support')

  test.each<[string, readonly (number | null | Error)[], unknown]>([
    ['stopped', [0], released(true, null)],
    ['recovered error', [21], released(true, null)],
    ['told something first, then stopped', [6, 0], released(true, null)],
    ['busy, busy, stopped', [26, 26, 0], released(true, null)],
    ['a stick', [5], released(false, noStop)],
    ['a bridge that does not know the command', [9], released(false, noStop)],
    ['stopped already', [2], released(false, noStop)],
    ['always busy', [26, 26, 26], { kind: 'failed', reason: expect.stringContaining('busy') }],
    ['hardware error', [3], { kind: 'failed', reason: expect.stringContaining('did not stop') }],
    [
      'no answer',
      [new DeadlineExceeded('sg_start', 60_000)],
      { kind: 'failed', reason: expect.stringContaining('60 s') },
    ],
    ['no program', [null], { kind: 'failed', reason: expect.stringContaining('sg3-utils') }],
  ])('%s', async (_, answers, expected) => {
    const node = await addDisk('sdb', '14')
    const { run, asked } = stopping(...answers)
    expect(await blockOn(run).release({ node, diskSeq: '14' }, { spinDown: true })).toEqual(expected)
    // The disk is left alone after the stop: whatever opens it would start it again.
    expect(asked.at(-1)).toBe(`sg_start --readonly --stop ${node}`)
    expect(asked[0]).toContain('udevadm settle')
  })

  test('without spin-down, and a disk without a motor: flushed only', async () => {
    const node = await addDisk('sdb', '14')
    const virtual = await addDisk('vdb', '15', { scsi: false })
    const { run, asked } = stopping()
    const block = blockOn(run)
    expect(await block.release({ node, diskSeq: '14' }, { spinDown: false })).toEqual(released(false, null))
    expect(await block.release({ node: virtual, diskSeq: '15' }, { spinDown: true })).toMatchObject({
      stopped: false,
    })
    expect(asked.filter((command) => command.startsWith('sg_start'))).toEqual([])
  })

  test('another disk under its name is not touched', async () => {
    const node = await addDisk('sdb', '15')
    const { run, asked } = stopping()
    expect(await blockOn(run).release({ node, diskSeq: '14' }, { spinDown: true })).toEqual({ kind: 'gone' })
    expect(asked).toEqual([])
  })

  test('removed while it is released', async () => {
    const node = await addDisk('sdb', '14')
    const run: Run = async (file) => {
      if (file === 'sg_start') await rm(node)
      return { stdout: '', stderr: '', durationMs: 1 }
    }
    expect(await blockOn(run).release({ node, diskSeq: '14' }, { spinDown: true })).toEqual({ kind: 'gone' })
  })

  test('a disk that does not answer is not opened here', async () => {
    const node = await addDisk('sdb', '14')
    const run: Run = (file, _, { deadlineMs }) => Promise.reject(new DeadlineExceeded(file, deadlineMs))
    expect(await blockOn(run).release({ node, diskSeq: '14' }, { spinDown: true })).toEqual({
      kind: 'failed',
      reason: expect.stringContaining('not answer'),
    })
  })

  test('a flush that fails or hangs is never "released"', async () => {
    const node = await addDisk('sdb', '14')
    for (const error of [
      failure('node', 1, 'EIO: i/o error, fsync'),
      new DeadlineExceeded('node', 180_000),
    ]) {
      const run: Run = async (file) => {
        if (file === 'sync') throw error
        return { stdout: '', stderr: '', durationMs: 1 }
      }
      const result = await blockOn(run).release({ node, diskSeq: '14' }, { spinDown: true })
      expect(result).toEqual({ kind: 'failed', reason: expect.stringContaining(error.message) })
    }
  })
})

// A loop device is a block device like any other to open(2): root only, and where the kernel has loop devices.
describe.runIf(process.getuid?.() === 0 && existsSync('/dev/loop-control'))('a real block device', () => {
  const run = createRun()
  const command = async (file: string, ...args: readonly string[]): Promise<string> =>
    (await run(file, args, { deadlineMs: 20_000 })).stdout.trim()

  async function attach(): Promise<{ node: string; diskSeq: string }> {
    await writeFile(place('image'), '')
    await truncate(place('image'), 16 * 1024 * 1024)
    const node = await command('losetup', '--find', '--show', place('image'))
    onTestFinished(async () => void (await command('losetup', '--detach', node)))
    const diskSeq = await readFile(`/sys/class/block/${node.slice(5)}/diskseq`, 'utf8').catch(() => '')
    return { node, diskSeq: diskSeq.trim() }
  }

  test('released when nobody holds it, held with the mount as the reason', async () => {
    const disk = await attach()
    const block = createBlock({ run })
    expect(await block.isSameDevice(disk)).toBe(true)
    expect(await block.readable(disk.node)).toBe(true)
    expect(await block.sizeBytes(disk.node)).toBe(16n * 1024n * 1024n)
    expect(await block.release(disk, { spinDown: true })).toMatchObject({ kind: 'released', stopped: false })

    await command('mkfs.ext4', '-q', disk.node)
    await mkdir(place('mnt a'))
    await command('mount', disk.node, place('mnt a'))
    try {
      expect(await block.release(disk, { spinDown: true })).toEqual({
        kind: 'held',
        holders: [`mounted at ${place('mnt a')}`],
      })
    } finally {
      await command('umount', place('mnt a'))
    }
    expect(await block.release(disk, { spinDown: false })).toMatchObject({ kind: 'released' })
  })

  test('a process that has it open is named', async () => {
    const disk = await attach()
    const child = spawn('sh', ['-c', `exec 3<${disk.node}; echo open; read line`])
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve))
      expect(await createBlock({ run }).holders({ disk: disk.node })).toEqual([
        `process sh (pid ${child.pid})`,
      ])
    } finally {
      child.kill()
    }
  })
})

describe('holders', () => {
  test('devices stacked on a partition, swap, and the mounts of a pool in any namespace', async () => {
    const disk = await addDisk('sdb', '14')
    await mkdir(place('sys/class/block/sdb1/holders/dm-0'), { recursive: true })
    await put('sys/class/block/dm-0/dm/name', 'luks-1\n')
    await put('proc/swaps', `Filename\tType\tSize\n${disk}1 partition 100 0 -2\n/dev/other file 1 1 1\n`)
    const mount = (source: string, at: string) =>
      `36 35 0:43 / ${at} rw,relatime shared:1 - zfs ${source} rw,xattr\n`
    await put('proc/self/mountinfo', mount('offsite-10', '/x') + mount('offsite-1/a\\040b', '/mnt/a\\040b'))
    await put('proc/77/mountinfo', mount('offsite-1/c@snap', '/box'))
    await put('proc/77/comm', 'backup.sh\n')
    await mkdir(place('proc/77/ns'))
    await mkdir(place('proc/77/fd'))
    await symlink('mnt:[2]', place('proc/77/ns/mnt'))
    await symlink('/mnt/a b/file', place('proc/77/fd/3'))
    await mkdir(place('dev/zvol/offsite-1/vm'), { recursive: true })
    await writeFile(place('dev/zd0'), '')
    await symlink('../../../zd0', place('dev/zvol/offsite-1/vm/disk'))
    await put('proc/78/comm', 'qemu\n')
    await mkdir(place('proc/78/fd'))
    await symlink(place('dev/zd0'), place('proc/78/fd/9'))
    const block = blockOn(createRun())
    expect(await block.holders({ disk })).toEqual(['device dm-0 (luks-1)', `swap on ${disk}1`])
    expect(await block.holders({ pool: poolName('offsite-1') })).toEqual([
      'mounted at /mnt/a b',
      'mounted at /box for process backup.sh (pid 77)',
      'process backup.sh (pid 77)',
      'process qemu (pid 78)',
    ])
    expect(await block.holders({ disk: place('dev/sdz') })).toEqual([])
  })

  test('mountinfo with optional fields and escapes', () => {
    expect(
      parseMountinfo(
        '1 2 0:3 / /a rw - ext4 /dev/sda1 rw\n4 5 0:6 / /\\303\\251\\134 rw shared:1 master:2 - zfs t/\\040x rw\n',
      ),
    ).toEqual([
      { source: '/dev/sda1', mountpoint: '/a' },
      { source: 't/ x', mountpoint: '/é\\' },
    ])
  })
})
