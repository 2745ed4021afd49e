// Stub programs in the place of zfs: exits, broken pipes, aborts, much data. What real streams do is contract.ts.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { datasetName, resumeToken, type Snapshot, snapshotGuid } from '../../src/core/model.ts'
import { BadInput, DeadlineExceeded, TransferFailed } from '../../src/errors.ts'
import { createRun } from '../../src/linux/run.ts'
import { failureKind } from '../../src/zfs/failure.ts'
import {
  createTransfer,
  type SendSource,
  type Transfer,
  type TransferProgress,
  type TransferRequest,
} from '../../src/zfs/transfer.ts'

// Time is not the question here, and the computer may be busy.
vi.setConfig({ testTimeout: 60_000 })

const folder = mkdtempSync(join(tmpdir(), 'walkaway-transfer-'))
afterAll(() => rmSync(folder, { recursive: true }))
let stubs = 0

interface World {
  readonly transfer: Transfer
  readonly runtimeDir: string
  readonly said: (side: 'send' | 'receive') => string
}

/** A `zfs` that runs these lines of bash; `$work` is its own folder. */
function stub(sides: { readonly send?: string; readonly receive?: string }, endMs = 1000): World {
  const work = mkdtempSync(join(folder, `stub-${stubs++}-`))
  const runtimeDir = mkdtempSync(join(work, 'run-'))
  const zfsProgram = join(work, 'zfs')
  const text = `#!/bin/bash
work=${work}
printf '%s\\n' "$*" > "$work/$1.args"
case $1 in
send) ${sides.send ?? 'echo stream'}
;;
receive) ${sides.receive ?? 'cat > "$work/received"; echo "received 7B stream in 0.10 seconds (70B/sec)"'}
;;
esac
`
  writeFileSync(zfsProgram, text, { mode: 0o755 })
  const transfer = createTransfer({
    run: createRun(),
    runtimeDir,
    zfsProgram,
    senderEndMs: endMs,
    receiverEndMs: endMs,
  })
  return { transfer, runtimeDir, said: (side) => readFileSync(join(work, `${side}.args`), 'utf8').trim() }
}

const point = (name: string): Snapshot => ({
  dataset: datasetName('tank/my docs'),
  name,
  guid: snapshotGuid('1'),
  createtxg: 1n,
  creation: new Date(0),
  holds: 0,
  writtenBytes: 0n,
  referencedBytes: 0n,
  clones: [],
})
const full: SendSource = { kind: 'full', to: point('b') }

interface Asked {
  readonly send?: SendSource
  readonly encrypted?: boolean
  readonly properties?: TransferRequest['properties']
  readonly type?: 'filesystem' | 'volume'
  readonly target?: string
  readonly signal?: AbortSignal
  readonly mayEndReceiver?: () => Promise<boolean>
  readonly onProgress?: (progress: TransferProgress) => void
}
const ask = ({ transfer }: World, asked: Asked = {}): Promise<{ readonly receivedBytes: number }> =>
  transfer.transfer({
    send: asked.send ?? full,
    encrypted: asked.encrypted ?? false,
    receive: { target: datasetName(asked.target ?? 'disk/host/my docs'), type: asked.type ?? 'filesystem' },
    properties: asked.properties ?? 'masked',
    signal: asked.signal ?? new AbortController().signal,
    ...(asked.mayEndReceiver !== undefined && { mayEndReceiver: asked.mayEndReceiver }),
    onProgress: asked.onProgress ?? (() => undefined),
  })
const failureOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  )
const openDescriptors = (): number => readdirSync('/proc/self/fd').length

describe('what is run', () => {
  test('a full stream of a file system', async () => {
    const world = stub({})
    expect(await ask(world)).toEqual({ receivedBytes: 7 })
    expect(world.said('send')).toBe('send -vP -L -c -p tank/my docs@b')
    const said = world.said('receive')
    for (const flag of [
      '-s',
      '-u',
      '-o readonly=on',
      '-o canmount=noauto',
      '-o setuid=off',
      '-o devices=off',
      '-o exec=off',
      '-o com.sun:auto-snapshot=false',
    ])
      expect(said).toContain(` ${flag} `)
    for (const property of [
      'mountpoint',
      'sharenfs',
      'sharesmb',
      'quota',
      'refquota',
      'reservation',
      'refreservation',
      'encryption',
    ])
      expect(said).toContain(` -x ${property} `)
    expect(said).not.toMatch(/ -[Fde] /)
    expect(said.endsWith(' disk/host/my docs')).toBe(true)
  })
  test('a raw stream of a volume', async () => {
    const world = stub({})
    await ask(world, { encrypted: true, type: 'volume' })
    expect(world.said('send')).toBe('send -vP -w -p tank/my docs@b')
    expect(world.said('receive')).toBe(
      'receive -s -u -v -o readonly=on -o volmode=none -o refreservation=none -x reservation -o com.sun:auto-snapshot=false disk/host/my docs',
    )
  })
  test('a restore: a plain stream brings the properties, a raw one is given them', async () => {
    const world = stub({})
    await ask(world, { properties: 'in-force' })
    expect(world.said('send')).toBe('send -vP -L -c -p -b tank/my docs@b')
    expect(world.said('receive')).toBe('receive -v -u -x encryption disk/host/my docs')
    const set = { compression: 'gzip', 'org:note': "it's mine" }
    await ask(world, { encrypted: true, properties: { set, raw: true } })
    expect(world.said('send')).toBe('send -vP -w tank/my docs@b')
    expect(world.said('receive')).toBe(
      "receive -v -u -o compression=gzip -o org:note=it's mine disk/host/my docs",
    )
    // Of a disk that is encrypted as a whole: ZFS decrypts it.
    await ask(world, { properties: { set, raw: false } })
    expect(world.said('send')).toBe('send -vP -L tank/my docs@b')
    for (const asked of [
      { encrypted: true, properties: 'in-force' },
      { properties: { set, raw: true } },
      { encrypted: true, properties: { set, raw: false } },
      { encrypted: true, properties: { set: { '-F': 'x' }, raw: true } },
    ] as const)
      await expect(ask(world, asked)).rejects.toThrow(BadInput)
  })
  test('increments from a snapshot, with and without what is between, and from a bookmark', async () => {
    const world = stub({})
    const to = point('b')
    await ask(world, { send: { kind: 'incremental', from: point('a'), to, intermediates: true } })
    expect(world.said('send')).toBe('send -vP -L -c -p -I tank/my docs@a tank/my docs@b')
    await ask(world, { send: { kind: 'incremental', from: point('a'), to, intermediates: false } })
    expect(world.said('send')).toBe('send -vP -L -c -p -i tank/my docs@a tank/my docs@b')
    const { dataset, name, guid, createtxg, creation } = point('a')
    const from = { dataset, name, guid, createtxg, creation }
    await ask(world, { send: { kind: 'incremental', from, to, intermediates: false } })
    expect(world.said('send')).toBe('send -vP -L -c -p -i tank/my docs#a tank/my docs@b')
    const impossible = ask(world, { send: { kind: 'incremental', from, to, intermediates: true } })
    expect(await failureOf(impossible)).toBeInstanceOf(BadInput)
  })
  test('a resumed stream takes no flags of its own', async () => {
    const world = stub({})
    await ask(world, { send: { kind: 'resume', token: resumeToken('1-abc-e8-789c') } })
    expect(world.said('send')).toBe('send -vP -t 1-abc-e8-789c')
  })
  test.each([
    '-F',
    'disk/../tank',
    'disk/a@b',
    'disk/a#b',
    'disk//a',
    '/disk',
    '',
    'disk/%recv',
    'disk/a\nb',
  ])('never into a hostile target: %j', async (target) => {
    expect(await failureOf(ask(stub({}), { target }))).toBeInstanceOf(BadInput)
  })
  test.each(['b@c', 'b#c', 'b/c', '', '%', 'b,c'])('never from a hostile snapshot: %j', async (name) => {
    const error = await failureOf(ask(stub({}), { send: { kind: 'full', to: point(name) } }))
    expect(error).toBeInstanceOf(BadInput)
  })
  test('never with a hostile token', async () => {
    const error = await failureOf(ask(stub({}), { send: { kind: 'resume', token: resumeToken('-R') } }))
    expect(error).toBeInstanceOf(BadInput)
  })
})

describe('the pipe', () => {
  test('carries 200 MB unchanged, and leaves no name and no descriptor behind but that of the pipe for the next', async () => {
    const world = stub({
      send: 'head -c 200000000 /dev/zero | tr "\\0" x',
      receive: 'wc -c > "$work/count"; echo "received 191M stream in 1.00 seconds (191M/sec)"',
    })
    const before = openDescriptors()
    expect(await ask(world)).toEqual({ receivedBytes: 191 * 1024 * 1024 })
    expect(readFileSync(join(world.runtimeDir, '..', 'count'), 'utf8').trim()).toBe('200000000')
    expect(readdirSync(world.runtimeDir)).toEqual([])
    expect(openDescriptors()).toBe(before + 1)
    await ask(world)
    expect(openDescriptors()).toBe(before + 1)
  })
  test('serves several transfers at once', async () => {
    const worlds = Array.from({ length: 8 }, (_, at) =>
      stub({ send: `for i in {1..2000}; do echo ${at}; done` }),
    )
    await Promise.all(worlds.map((world) => ask(world)))
    for (const [at, world] of worlds.entries())
      expect(
        new Set(
          readFileSync(join(world.runtimeDir, '..', 'received'), 'utf8')
            .trim()
            .split('\n'),
        ),
      ).toEqual(new Set([String(at)]))
  })
  test('is nobody else’s: a runtime folder that is gone is a failure', async () => {
    const world = stub({})
    rmSync(world.runtimeDir, { recursive: true })
    await failureOf(ask(world))
  })
})

describe('progress', () => {
  test('counts every snapshot of a stream, and not what is only estimated', async () => {
    const seen: TransferProgress[] = []
    const lines = [
      '12:00:01\\t999\\ttank/a@1',
      'incremental\\t1\\ttank/a@2\\t100',
      'incremental\\t2\\ttank/a@3\\t50',
      'size\\t150',
      '12:00:02\\t60\\ttank/a@2',
      '12:00:03\\t100\\ttank/a@2',
      '12:00:04\\t30\\ttank/a@3',
    ]
    const send = lines.map((line) => `printf '${line}\\n' >&2`).join('; ')
    await ask(stub({ send }), { onProgress: (progress) => seen.push(progress) })
    expect(seen.map(({ sentBytes }) => sentBytes)).toEqual([0, 60, 100, 130])
    expect(new Set(seen.map(({ totalBytes }) => totalBytes))).toEqual(new Set([150]))
  })
})

describe('whose fault it was', () => {
  const incomplete =
    'cat > /dev/null; echo "cannot receive incremental stream: checksum mismatch or incomplete stream." >&2; exit 1'
  const diverged =
    'echo "cannot receive incremental stream: destination disk/a has been modified" >&2; echo "since most recent snapshot" >&2; exit 1'

  test.each([
    ['the receiver refuses while the sender writes', 'yes', diverged, 'receive', 'diverged'],
    ['the receiver refuses before the sender writes', 'sleep 0.3; yes', diverged, 'receive', 'diverged'],
    ['the receiver refuses and the sender does not notice', 'sleep 5', diverged, 'receive', 'diverged'],
    [
      'the receiver refuses after the stream',
      'echo stream',
      `cat > /dev/null; ${diverged}`,
      'receive',
      'diverged',
    ],
    ['the receiver is killed', 'yes', 'kill -9 $$', 'receive', 'other'],
    [
      'the sender fails and the receiver starves',
      'echo "cannot send: I/O error" >&2; exit 1',
      incomplete,
      'send',
      'io-error',
    ],
    [
      'the sender fails and the receiver is content',
      'echo half; echo "cannot send: I/O error" >&2; exit 1',
      'cat > /dev/null',
      'send',
      'io-error',
    ],
    ['somebody kills the sender', 'echo half; kill -9 $$', incomplete, 'send', 'other'],
    ['somebody ends the sender politely', 'echo half; kill $$', 'cat > /dev/null', 'send', 'other'],
    ['the stream is damaged on its way', 'echo stream', incomplete, 'receive', 'broken-stream'],
    [
      'the sender says more than can be kept',
      'for i in {1..4000}; do printf "12:00:00\\t1\\ttank/a@b\\n" >&2; done; echo "cannot send: key must be loaded" >&2; exit 1',
      incomplete,
      'send',
      'key-unavailable',
    ],
  ] as const)('%s', async (_, send, receive, side, kind) => {
    const error = await failureOf(ask(stub({ send, receive })))
    expect(error).toBeInstanceOf(TransferFailed)
    expect(error).toMatchObject({ side })
    expect(failureKind(error)).toBe(kind)
  })
  test('a missing program', async () => {
    const transfer = createTransfer({ run: createRun(), runtimeDir: folder, zfsProgram: '/no/such/zfs' })
    const error = await failureOf(ask({ transfer, runtimeDir: folder, said: () => '' }))
    expect(failureKind(error)).toBe('zfs-missing')
  })
})

describe('an abort', () => {
  const reason = new Error('the disk is wanted back')
  const filesOf = (world: World): readonly string[] => readdirSync(join(world.runtimeDir, '..'))
  /** Aborts once the stub says that it is where the test wants it: by a file of that name. */
  const abortWhen = (world: World, began: string): AbortSignal => {
    const stop = new AbortController()
    void vi
      .waitFor(() => expect(filesOf(world)).toContain(began), { timeout: 50_000 })
      .then(() => stop.abort(reason))
    return stop.signal
  }

  test('before the start runs nothing', async () => {
    const world = stub({})
    expect(await failureOf(ask(world, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(() => world.said('send')).toThrow()
  })
  test('ends the sender; the receiver sees the end of the stream and keeps what it has', async () => {
    const world = stub({
      send: 'exec yes',
      receive:
        'trap "echo signalled > $work/signalled" TERM INT; head -c 2 > /dev/null; echo > "$work/began"; cat | tail -c 2 > /dev/null; echo kept > "$work/kept"; exit 1',
    })
    expect(await failureOf(ask(world, { signal: abortWhen(world, 'began') }))).toBe(reason)
    expect(filesOf(world)).toContain('kept')
    expect(filesOf(world)).not.toContain('signalled')
  })
  test('leaves a receiver alone that does not end', async () => {
    const world = stub(
      {
        send: 'exec yes',
        receive:
          'head -c 2 > /dev/null; echo > "$work/began"; cat > /dev/null; until [ -e "$work/go" ]; do sleep 0.1; done; echo > "$work/late"',
      },
      500,
    )
    const error = await failureOf(ask(world, { signal: abortWhen(world, 'began') }))
    expect(error).toBeInstanceOf(DeadlineExceeded)
    writeFileSync(join(world.runtimeDir, '..', 'go'), '')
    await expect.poll(() => filesOf(world), { timeout: 50_000 }).toContain('late')
  })
  test('kills a sender that does not listen', async () => {
    const send = 'trap "" TERM; echo > "$work/began"; while :; do echo x; done 2>/dev/null'
    const world = stub({ send }, 500)
    const error = await failureOf(ask(world, { signal: abortWhen(world, 'began') }))
    expect(error).toBeInstanceOf(DeadlineExceeded)
  })
  test.each([true, false, 'unknown'] as const)(
    'of a sender that hangs and keeps the stream open: the receiver is told to end only if it may: %s',
    async (may) => {
      const world = stub(
        {
          send: 'trap "" TERM; sleep 9 & echo > "$work/began"; while :; do sleep 0.1; done',
          receive: 'trap "echo > $work/told; exit 1" TERM; exec 3<&0; cat <&3 > /dev/null & wait',
        },
        1500,
      )
      const signal = abortWhen(world, 'began')
      const mayEndReceiver = async () => {
        if (may === 'unknown') throw new Error('the state of the pool cannot be read')
        return may
      }
      const error = await failureOf(ask(world, { signal, mayEndReceiver }))
      expect(error).toBeInstanceOf(DeadlineExceeded)
      expect(filesOf(world).includes('told')).toBe(may === true)
    },
  )
  test('while the receiver finishes a whole stream is waited for, and is a success', async () => {
    const world = stub({
      receive:
        'cat > /dev/null; echo > "$work/whole"; sleep 0.6; echo "received 1.50K stream in 1.00 seconds (1.5K/sec)"',
    })
    const stop = new AbortController()
    const asked = ask(world, { signal: stop.signal })
    await expect.poll(() => filesOf(world), { timeout: 30_000 }).toContain('whole')
    stop.abort(reason)
    expect(await asked).toEqual({ receivedBytes: 1536 })
  })
})
