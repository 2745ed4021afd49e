// The parsers over what real versions of OpenZFS said (test/transcripts/). A sentence counts only if it was recorded or,
// where it cannot be provoked in the machine, is quoted from OpenZFS's source with its file.
import { describe, expect, test } from 'vitest'
import { datasetName } from '../../src/core/model.ts'
import { CommandFailed } from '../../src/errors.ts'
import { linesOf, parseNumber } from '../../src/zfs/columns.ts'
import {
  classified,
  complaintKind,
  parseComplaints,
  parseLastUser,
  saysNothingToAbort,
} from '../../src/zfs/complaint.ts'
import { type FailureKind, failureKind } from '../../src/zfs/failure.ts'
import { listingColumns, openListing, parseProperties } from '../../src/zfs/parse.ts'
import { parseImported, parseState, parseStatus } from '../../src/zfs/parsePool.ts'
import {
  parseReceivedBytes,
  parseToken,
  readProgress,
  type TransferProgress,
  withoutProgress,
} from '../../src/zfs/streamReport.ts'
import { readTranscript, transcriptNames, versions } from '../transcripts/transcript.ts'

const kinds: { readonly [name: string]: FailureKind } = {
  'list-missing': 'not-found',
  'list-missing-pool': 'not-found',
  'get-missing': 'not-found',
  'get-missing-bookmark': 'not-found',
  'holds-missing': 'not-found',
  'snapshot-exists': 'exists',
  'snapshot-missing': 'not-found',
  'bookmark-exists': 'exists',
  'bookmark-missing': 'not-found',
  'destroy-missing-bookmark': 'not-found',
  'destroy-held': 'busy',
  'create-exists': 'exists',
  'rename-no-parent': 'not-found',
  'abort-missing': 'not-found',
  'not-root': 'permission',
  'receive-exists': 'exists',
  'receive-no-parent': 'not-found',
  'receive-no-target': 'not-found',
  'receive-no-base': 'no-base',
  'receive-nothing': 'broken-stream',
  'receive-garbage': 'broken-stream',
  'receive-raw-on-plain': 'incompatible-stream',
  'receive-modified': 'diverged',
  'receive-incomplete': 'broken-stream',
  'receive-unfinished': 'exists',
  'receive-unfinished-increment': 'unfinished-receive',
  'receive-quota': 'quota',
  'receive-full-pool': 'no-space',
  'token-corrupt': 'token-dead',
  'token-snapshot-gone': 'token-dead',
  'token-base-gone': 'token-dead',
  'send-missing': 'not-found',
  'send-missing-base': 'not-found',
  'send-without-key': 'key-unavailable',
  'status-missing': 'not-found',
  'reopen-missing': 'not-found',
  'clear-missing': 'not-found',
  'export-missing': 'not-found',
  'export-busy': 'busy',
  'export-not-allowed': 'busy',
  'import-no-such-pool': 'not-found',
  'import-imported': 'exists',
  'import-foreign': 'foreign-pool',
  'import-missing-device': 'missing-devices',
  'import-name-taken': 'exists',
  'import-destroyed': 'not-found',
  'suspended-list': 'suspended',
  'suspended-get': 'suspended',
  'suspended-snapshot': 'suspended',
}

test('there are transcripts', () => expect(versions).not.toEqual([]))

describe.each(versions)('OpenZFS %s', (version) => {
  const read = (name: string) => readTranscript(version, name)

  test.each(Object.entries(kinds).filter(([name]) => transcriptNames(version).includes(name)))(
    '%s is a failure of the kind %s',
    (name, kind) => {
      const { command, exitCode, stderr } = read(name)
      expect(exitCode).not.toBe(0)
      expect(complaintKind(withoutProgress(stderr))).toBe(kind)
      expect(failureKind(classified(new CommandFailed({ command, exitCode, signal: null, stderr })))).toBe(
        kind,
      )
    },
  )
  test('every failure that was recorded is one that is tested', () => {
    const failures = transcriptNames(version).filter((name) => read(name).exitCode !== 0)
    const elsewhere = ['hold-again', 'hold-missing', 'release-missing', 'abort-nothing', 'reopen-gone']
    expect(failures.filter((name) => kinds[name] === undefined && !elsewhere.includes(name))).toEqual([])
  })

  test('a listing', () => {
    const listing = openListing()
    for (const line of linesOf(read('list-tree').stdout)) listing.add(line)
    const datasets = listing.finish([datasetName('src')])
    expect(
      datasets.map(({ name, type, encrypted }) => `${name}: ${type}${encrypted ? ', encrypted' : ''}`),
    ).toEqual([
      'src: filesystem',
      'src/child: filesystem',
      'src/child/below: filesystem',
      'src/secret: filesystem, encrypted',
      'src/volume: volume',
      'src/with spaces: filesystem',
    ])
    for (const { snapshots } of datasets)
      expect(snapshots.map(({ name }) => name)).toEqual(['first', 'second of them'])
    const child = datasets.find(({ name }) => name === 'src/child')
    if (child === undefined) throw new Error('no src/child')
    expect(child.snapshots.map(({ holds }) => holds)).toEqual([2, 0])
    expect(child.bookmarks.map(({ name, guid }) => [name, guid])).toEqual([
      ['first', child.snapshots[0]?.guid],
    ])
    expect(child.bookmarks[0]?.createtxg).toBe(child.snapshots[0]?.createtxg)
    expect(Number(child.snapshots[1]?.writtenBytes)).toBeGreaterThan(2_000_000)
    expect(child.snapshots[0]?.creation.getFullYear()).toBeGreaterThan(2024)
  })
  test('a listing with unfinished receives', () => {
    const open = (name: string, root: string) => {
      const listing = openListing()
      for (const line of linesOf(read(name).stdout)) listing.add(line)
      return listing.finish([datasetName(root)])
    }
    const whole = open('list-unfinished', 'dst').find(({ name }) => name === 'dst/half of it')
    expect(whole).toMatchObject({ snapshots: [], resumeToken: expect.stringMatching(/^1-[0-9a-f-]+$/) })
    const [increment, ...more] = open('list-unfinished-increment', 'dst/child')
    expect(more).toEqual([])
    expect(increment).toMatchObject({
      resumeToken: expect.stringMatching(/^1-/),
      snapshots: [{ name: 'first' }],
    })
  })
  test('the listing was recorded as it is asked for', () => {
    expect(read('list-tree').command).toContain(listingColumns.join(','))
  })

  test('complaints of a command that goes on, one by one', () => {
    const told = (name: string) => parseComplaints(read(name).stderr).map(({ kind, about }) => [kind, about])
    expect(told('hold-again')).toEqual([['exists', 'src/child@first']])
    expect(told('hold-missing')).toEqual([
      ['not-found', 'src/child@nothing'],
      ['not-found', 'src/nothing'],
      ['exists', 'src/child@first'],
    ])
    expect(told('release-missing').map(([kind]) => kind)).toEqual(['not-found', 'not-found', 'not-found'])
    expect(told('list-missing')).toEqual([['not-found', 'src/nothing']])
    expect(told('list-missing-pool')).toEqual([['not-found', 'nopool']])
  })
  test('that there is nothing to abort', () => {
    expect(saysNothingToAbort(read('abort-nothing').stderr)).toBe(true)
    expect(saysNothingToAbort(read('abort-missing').stderr)).toBe(false)
    expect(parseComplaints(read('abort-missing').stderr)[0]).toMatchObject({
      kind: 'not-found',
      about: 'dst/nothing',
    })
  })
  test('properties, also of several lines', () => {
    const names = ['mountpoint', 'canmount', 'walkaway:note', 'readonly']
    expect([...parseProperties(read('get').stdout, names)]).toEqual([
      ['mountpoint', { value: 'none', source: 'inherited from dst' }],
      ['canmount', { value: 'off', source: 'local' }],
      ['walkaway:note', { value: 'two lines\nand\ta tab', source: 'local' }],
      ['readonly', { value: 'off', source: 'default' }],
    ])
  })
  test('a GUID alone', () => {
    expect(parseNumber(read('get-guid').stdout, 'a GUID')).toBeGreaterThan(0n)
  })

  test('pools', () => {
    const pools = parseImported(read('zpool-list').stdout)
    expect(pools.map(({ name }) => name)).toEqual(['dst', 'src', 'tank'])
    for (const { guid, altroot } of pools) expect([/^\d{5,20}$/.test(guid), altroot]).toEqual([true, null])
    const offsite = parseImported(read('suspended-zpool-list').stdout).find(({ name }) => name === 'offsite')
    expect(offsite?.altroot).toBe('/run/walkaway/never-mounted')
  })
  test('a pool’s health', () => {
    const none = { read: 0n, write: 0n, checksum: 0n }
    expect(parseStatus(read('status').stdout)).toEqual({
      state: 'ONLINE',
      errors: none,
      dataErrors: 0n,
      scan: { kind: 'none' },
    })
    expect(parseStatus(read('status-scrubbing').stdout).scan).toEqual({
      kind: 'running',
      scannedBytes: Math.round(60.2 * 1024 ** 2),
      checkedBytes: Math.round(25.7 * 1024 ** 2),
      totalBytes: Math.round(60.2 * 1024 ** 2),
      leftMs: 1000,
    })
    expect(['SUSPENDED', 'UNAVAIL']).toContain(parseStatus(read('suspended-status').stdout).state)
  })
  test('the health of a pool that a scrub has repaired', () => {
    const { errors, dataErrors, scan } = parseStatus(read('status-repaired').stdout)
    expect(errors.checksum).toBe(12n)
    expect(dataErrors).toBe(0n)
    const at = new Date(2026, 10, 23, 12, 34, 49)
    expect(scan).toEqual({ kind: 'finished', at, repairedBytes: 12_800, errors: 0n })
  })
  test('who used a pool last', () => {
    const user = parseLastUser(read('import-foreign').stderr)
    expect(user).toMatchObject({
      host: 'nas',
      hostId: expect.stringMatching(/^[0-9a-f]+$/),
      at: expect.stringMatching(/20\d\d/),
    })
    expect(parseLastUser(read('import-destroyed').stderr)).toBe(null)
  })

  test('what a token stands for', () => {
    expect(parseToken(read('token').stdout)).toMatchObject({
      kind: 'usable',
      toName: 'src/with spaces@big',
      fromGuid: null,
      raw: false,
    })
    const increment = parseToken(read('token-increment').stdout)
    expect(increment).toMatchObject({
      toName: 'src/child@second of them',
      fromGuid: expect.stringMatching(/^\d+$/),
    })
  })
  test('progress and estimate of several snapshots', () => {
    const { stderr } = read('send-increments')
    const seen: TransferProgress[] = []
    const hear = readProgress((progress) => seen.push(progress))
    // In pieces that end in the middle of a line, as a pipe has them.
    for (let at = 0; at < stderr.length; at += 7) hear(stderr.slice(at, at + 7))
    expect(seen[0]?.sentBytes).toBe(0)
    expect(seen[0]?.totalBytes).toBeGreaterThan(5_000_000)
    expect(withoutProgress(stderr).trim()).toBe('')
  })
  test('bytes received', () => {
    const full = parseReceivedBytes(read('receive-full').stdout)
    expect(full).toBeGreaterThan(1_000_000)
    expect(full).toBeLessThan(1_300_000)
    const increments = parseReceivedBytes(read('receive-increments').stdout)
    expect(increments).toBeGreaterThan(5_000_000)
    expect(increments).toBeLessThan(5_800_000)
  })
})

describe('sentences that the machine cannot be brought to say', () => {
  test.each<readonly [string, FailureKind]>([
    // libzfs_sendrecv.c
    [
      "cannot receive incremental stream: IV set guid mismatch. See the 'zfs receive' man page section",
      'incompatible-stream',
    ],
    [
      'cannot receive incremental stream: incremental send stream requires -L (--large-block), to match previous receive.',
      'incompatible-stream',
    ],
    [
      'cannot receive incremental stream: kernel modules must be upgraded to receive this stream.',
      'incompatible-stream',
    ],
    ['cannot receive new filesystem stream: inherited key must be loaded', 'key-unavailable'],
    // libzfs_crypto.c
    ["Key load error: Incorrect key provided for 'a/b'.", 'wrong-key'],
    ['Key load error: Failed to open key material file', 'no-key-file'],
    ['Key load error: Failed to open key material file: No such file or directory', 'no-key-file'],
    ['Key load error: Failed to open key material file: Permission denied', 'no-key-file'],
    ['Key load error: Raw key too long (expected 32).', 'malformed-key'],
    ['Key load error: Hex key too short (expected 64).', 'malformed-key'],
    ['Key load error: Invalid hex character detected.', 'malformed-key'],
    ['Key load error: Passphrase too short (min 8).', 'malformed-key'],
    ["Key load error: Key already loaded for 'a/b'.", 'exists'],
    ["Key unload error: 'a/b' is busy.", 'busy'],
    // zpool_main.c, libzfs_pool.c
    [
      "cannot import 'a': pool is imported on nas2 (hostid: 0xbadcafe)\nExport the pool on the other system",
      'foreign-pool',
    ],
    ["cannot import 'a': unsupported version or feature\n", 'unsupported-feature'],
    ["cannot import 'a': pool is formatted using an unsupported ZFS version\n", 'unsupported-feature'],
    ["cannot import 'a': I/O error\n\tDestroy and re-create the pool from\n\ta backup source.\n", 'io-error'],
    ["cannot export 'a': pool export in progress\n", 'busy'],
    // libzfs_util.c
    ['The ZFS modules are not loaded.\nTry running "modprobe zfs" as root to load them.\n', 'zfs-missing'],
    ["cannot open 'a': insufficient replicas", 'missing-devices'],
    ["cannot create snapshot 'a@b': out of space", 'no-space'],
    ['internal error: something new', 'other'],
    ['', 'other'],
  ])('%s', (stderr, kind) => expect(complaintKind(stderr)).toBe(kind))

  test('a pool that another machine is using now', () => {
    const stderr =
      "cannot import 'a': pool is imported on nas two (hostid: 0xbadcafe)\nExport the pool on the other system"
    expect(parseLastUser(stderr)).toEqual({ host: 'nas two', hostId: 'badcafe', at: null })
  })
  test('a state that is new', () => {
    expect(parseState('ONLINE\n')).toBe('ONLINE')
    expect(parseState('HIBERNATING\n')).toBe('OTHER')
  })
})
