import { execFile } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { UnreadableAnswer } from '../../src/errors.ts'
import { createEventQueue } from '../../src/linux/eventQueue.ts'
import { createNodeUdev, type NativeUdev } from '../../src/linux/nodeUdev.ts'
import { createRun } from '../../src/linux/run.ts'
import { createUdev, type DiskEvent } from '../../src/linux/udev.ts'
import { createMonitorParser, createUdevadm } from '../../src/linux/udevadm.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walkaway-udev-'))
})
afterEach(() => rm(folder, { recursive: true }))

const event = (action: string): DiskEvent => ({
  action,
  node: '/dev/sda',
  diskSeq: '1',
  syspath: '/sys/x',
  at: 0,
})

async function take(events: AsyncIterable<DiskEvent>, count: number): Promise<readonly string[]> {
  const actions: string[] = []
  for await (const { action } of events) {
    actions.push(action)
    if (actions.length === count) break
  }
  return actions
}

describe('event queue', () => {
  test('keeps the order for every subscriber from its subscription on', async () => {
    const queue = createEventQueue()
    queue.push(event('before'))
    const first = queue.subscribe()
    queue.push(event('add'))
    const second = queue.subscribe()
    queue.push(event('change'))
    expect(await take(first, 2)).toEqual(['add', 'change'])
    expect(await take(second, 1)).toEqual(['change'])
  })

  test('wakes a reader that waits', async () => {
    const queue = createEventQueue()
    const taken = take(queue.subscribe(), 1)
    queue.push(event('remove'))
    expect(await taken).toEqual(['remove'])
  })

  test('a burst that nobody reads takes bounded memory and ends in a rescan', async () => {
    const queue = createEventQueue()
    const events = queue.subscribe()
    for (let count = 0; count < 257; count += 1) queue.push(event('change'))
    queue.push(event('remove'))
    expect(await take(events, 2)).toEqual(['rescan', 'remove'])
  })
})

describe('node-udev', () => {
  function createNative(devices: unknown): { native: NativeUdev; monitors: EventEmitter[] } {
    const monitors: EventEmitter[] = []
    class Monitor extends EventEmitter {
      constructor() {
        super()
        monitors.push(this)
      }
    }
    return { native: { list: () => devices, Monitor }, monitors }
  }

  test('events, after a first rescan', async () => {
    const { native, monitors } = createNative([])
    const udev = createNodeUdev(native, () => undefined)
    expect(monitors).toHaveLength(0)
    udev.events()
    const events = udev.events()
    expect(monitors).toHaveLength(1)
    monitors[0]?.emit('add', { syspath: '/sys/a', DEVNAME: '/dev/sdb', DISKSEQ: '7' })
    monitors[0]?.emit('remove', { syspath: '/sys/a' })
    monitors[0]?.emit('change', null)
    const seen: DiskEvent[] = []
    for await (const one of events) if (seen.push(one) === 4) break
    expect(seen.map(({ at: _, ...rest }) => rest)).toEqual([
      { action: 'rescan', node: '', diskSeq: '', syspath: '' },
      { action: 'add', node: '/dev/sdb', diskSeq: '7', syspath: '/sys/a' },
      { action: 'remove', node: '', diskSeq: '', syspath: '/sys/a' },
      { action: 'change', node: '', diskSeq: '', syspath: '' },
    ])
  })

  test('a monitor that cannot be had is a warning: the scan goes on', () => {
    const native: NativeUdev = {
      list: () => [],
      Monitor: class extends EventEmitter {
        constructor() {
          super()
          throw new Error('no netlink here')
        }
      },
    }
    const warnings: string[] = []
    createNodeUdev(native, (text) => warnings.push(text)).events()
    expect(warnings.join()).toContain('no netlink here')
  })

  test('a scan leaves out what vanished and what is no disk', async () => {
    await mkdir(join(folder, 'block/sdb/sdb1'), { recursive: true })
    await writeFile(join(folder, 'block/sdb/size'), '2048\n')
    await writeFile(join(folder, 'block/sdb/diskseq'), '9\n')
    await writeFile(join(folder, 'block/sdb/sdb1/size'), '1024\n')
    const base = `${folder}/block`
    const { native } = createNative([
      { syspath: `${base}/sdb`, DEVNAME: '/dev/sdb', DEVTYPE: 'disk', USEC_INITIALIZED: '1', ODD: null },
      { syspath: `${base}/sdb/sdb1`, DEVNAME: '/dev/sdb1', DEVTYPE: 'partition', USEC_INITIALIZED: '1' },
      { syspath: `${base}/sdc`, DEVNAME: '/dev/sdc', DEVTYPE: 'disk', USEC_INITIALIZED: '1' },
      { syspath: `${base}/sdd` },
      { syspath: `${base}/zd0`, DEVNAME: '/dev/zd0', DEVTYPE: 'disk', USEC_INITIALIZED: '1' },
    ])
    const devices = await createNodeUdev(native, () => undefined).scan()
    expect(devices.map(({ node, diskSeq, sizeBytes }) => [node, diskSeq, sizeBytes])).toEqual([
      ['/dev/sdb', '9', 1_048_576n],
      ['/dev/sdb1', '9', 524_288n],
    ])
  })

  test.each([
    ['an empty list', []],
    ['no list', undefined],
    ['nothing identified', [{ syspath: '/sys/x/sda', DEVNAME: '/dev/sda' }]],
  ])('%s is a failed scan, not "all disks removed"', async (_, listed) => {
    const { native } = createNative(listed)
    await expect(createNodeUdev(native, () => undefined).scan()).rejects.toThrow(UnreadableAnswer)
  })

  // In a process of its own: the addon must not be loaded where tests run.
  test('the real addon loads where it is installed, lists and listens', async () => {
    const source = `
      import { loadNodeUdev, createNodeUdev } from './src/linux/nodeUdev.ts'
      const native = loadNodeUdev()
      if (typeof native === 'string') { console.log(native); process.exit() }
      createNodeUdev(native, console.log).events()
      console.log(Array.isArray(native.list('block')))
      process.exit()`
    const options = { cwd: join(import.meta.dirname, '../..') }
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', source],
      options,
    )
    expect(stdout.trim()).toMatch(/^(true|it is not installed)$/)
  }, 30_000)
})

describe('udevadm', () => {
  async function program(text: string): Promise<string> {
    const file = join(folder, 'udevadm')
    await writeFile(file, `#!/bin/sh\n${text}\n`)
    await chmod(file, 0o755)
    return file
  }

  test('monitor lines', () => {
    const told: (string | DiskEvent)[] = []
    const read = createMonitorParser({
      onListening: () => told.push('listening'),
      onEvent: (one) => told.push(one),
    })
    const text = `monitor will print the received events for:
UDEV - the event which udev sends out after rule processing

UDEV  [4155.712398] add      /devices/x/block/sdb/sdb1 (block)
ACTION=add
DEVPATH=/devices/x/block/sdb/sdb1
DEVNAME=/dev/sdb1
DISKSEQ=21
ID_FS_LABEL_ENC=a=b

UDEV  [4156.1] remove   /devices/x/block/sdb (block)
ACTION=remove
DEVPATH=/devices/x/block/sdb

`
    for (const line of text.split('\n')) read(line)
    expect(told).toEqual([
      'listening',
      {
        action: 'add',
        node: '/dev/sdb1',
        diskSeq: '21',
        syspath: '/sys/devices/x/block/sdb/sdb1',
        at: expect.any(Number),
      },
      {
        action: 'remove',
        node: '',
        diskSeq: '',
        syspath: '/sys/devices/x/block/sdb',
        at: expect.any(Number),
      },
    ])
  })

  // Recorded on Debian 13 (systemd 257): a pool disk is pulled and plugged in, its pool imported, a zvol made.
  test('the lines of a real monitor', async () => {
    const told: DiskEvent[] = []
    let listening = 0
    const read = createMonitorParser({ onListening: () => ++listening, onEvent: (one) => told.push(one) })
    const text = await readFile(join(import.meta.dirname, '../transcripts/udev-257/monitor.txt'), 'utf8')
    for (const line of text.split('\n')) read(line)
    expect(listening).toBe(1)
    expect(told.map(({ action, node }) => `${action} ${node}`)).toEqual([
      'remove /dev/sda1',
      'remove /dev/sda9',
      'remove /dev/sda',
      'add /dev/sda',
      'add /dev/sda9',
      'add /dev/sda1',
      'change /dev/sda',
      'change /dev/sda1',
      'add /dev/zd0',
    ])
    expect(told[3]?.diskSeq).not.toBe(told[2]?.diskSeq)
  })

  test('a monitor that dies is started again, and a rescan finds what was missed', async () => {
    const file = await program(
      `printf 'monitor will print\\nUDEV - the event\\n\\nUDEV [1] add /x (block)\\nACTION=add\\nDEVPATH=/x\\n\\n'`,
    )
    const warnings: string[] = []
    const onWarning = (text: string) => warnings.push(text)
    const udev = createUdevadm({ run: createRun(), onWarning, file, firstRestartMs: 10 })
    expect(await take(udev.events(), 4)).toEqual(['rescan', 'add', 'rescan', 'add'])
    expect(warnings[0]).toContain('exit code 0')
  })

  test('a program that is missing is a warning, not a crash', async () => {
    const file = join(folder, 'missing')
    const warned = new Promise<string>((resolve) => {
      createUdevadm({ run: createRun(), onWarning: resolve, file, firstRestartMs: 60_000 }).events()
    })
    expect(await warned).toContain('ENOENT')
  })

  test('a scan asks for the disks only, and again when one vanished meanwhile', async () => {
    for (const name of ['sdb', 'loop0', 'zd0']) await mkdir(join(folder, 'class', name), { recursive: true })
    const file = await program(`
      echo "$@" >> ${folder}/asked
      if [ ! -e ${folder}/again ]; then touch ${folder}/again; echo Unknown device >&2; exit 1; fi
      printf 'P: /block/sdb\\nE: DEVNAME=/dev/sdb\\nE: USEC_INITIALIZED=1\\n\\n'`)
    const udev = createUdevadm({
      run: createRun(),
      onWarning: () => undefined,
      file,
      classBlock: `${folder}/class`,
    })
    // The fake disk has no size in the real /sys, so it counts as vanished.
    expect(await udev.scan()).toEqual([])
  })

  test('no disk at all, or fewer answers than questions, is a failed scan', async () => {
    await mkdir(join(folder, 'class/loop0'), { recursive: true })
    const file = await program('exit 0')
    const udev = createUdevadm({
      run: createRun(),
      onWarning: () => undefined,
      file,
      classBlock: `${folder}/class`,
    })
    await expect(udev.scan()).rejects.toThrow(UnreadableAnswer)
    await mkdir(join(folder, 'class/sdb'))
    await expect(udev.scan()).rejects.toThrow('told 0')
  })
})

test('udevadm is the engine when it is preferred', async () => {
  const udev = await createUdev({ run: createRun(), onWarning: () => undefined, prefer: 'udevadm' })
  expect(udev.engine).toBe('udevadm')
})
