// Records what the machine's zfs and zpool really say, for the parse tests: test/transcripts/<version>/NAME.json.
// Run by hand when the image has another OpenZFS: npx tsx test/vm/recordTranscripts.ts
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listingColumns } from '../../src/zfs/parse.ts'
import type { Transcript } from '../transcripts/transcript.ts'
import { createDisk } from './disk.ts'
import { diskLink, startMachine } from './machine.ts'

await using machine = await startMachine({ layer: 'ready', name: 'transcripts' })
const version =
  (await machine.run(['zfs', 'version'])).stdout.split('\n')[0]?.replace(/^zfs-([\d.]+).*/, '$1') ?? ''
const folder = join(import.meta.dirname, '../transcripts', version)
mkdirSync(folder, { recursive: true })

/** Runs it and keeps what it said under this name. */
async function record(name: string, ...command: readonly string[]): Promise<Transcript> {
  const { exitCode, stdout, stderr } = await machine.run(['env', 'LC_ALL=C', ...command], {
    reject: false,
    deadlineMs: 300_000,
  })
  const transcript = { command, exitCode, stdout, stderr }
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(transcript, null, 2)}\n`)
  process.stdout.write(`${name}: ${exitCode} ${stderr.split('\n')[0] ?? ''}\n`)
  return transcript
}
const recordPipe = (name: string, text: string): Promise<Transcript> =>
  record(name, 'bash', '-o', 'pipefail', '-c', text)
/** What goes wrong here is said, and the rest recorded all the same. */
async function script(text: string): Promise<string> {
  const { stdout, stderr, exitCode } = await machine.run(['bash', '-euo', 'pipefail', '-c', text], {
    reject: false,
    deadlineMs: 600_000,
  })
  if (exitCode !== 0) process.stderr.write(`${text}\n${stderr}\n`)
  return stdout
}

const listing = [
  'list',
  '-Hp',
  '-r',
  '-t',
  'filesystem,volume,snapshot,bookmark',
  '-o',
  listingColumns.join(','),
]
const property = (name: string, dataset: string) =>
  ['zfs', 'get', '-Hp', '-o', 'value', name, dataset] as const

await script(`
  mkdir -p /var/tmp/t && cd /var/tmp/t
  truncate -s 400M a; truncate -s 200M b
  zpool create -o cachefile=none -m /mnt/src src $PWD/a
  zpool create -o cachefile=none -m none dst $PWD/b
  zfs create "src/with spaces"
  zfs create src/child
  zfs create src/child/below
  zfs create -s -V 16M src/volume
  head -c 32 /dev/urandom > key
  zfs create -o encryption=on -o keyformat=raw -o keylocation=file:///var/tmp/t/key src/secret
  head -c 1M /dev/urandom > /mnt/src/child/one
  zfs snapshot -r src@first
  head -c 2M /dev/urandom > /mnt/src/child/two
  zfs snapshot -r "src@second of them"
  zfs bookmark "src/child@first" src/child#first
  zfs hold walkaway:1 src/child@first
  zfs hold other src/child@first
  zfs create dst/room
  zfs set canmount=off dst/room
  zfs set "walkaway:note=two lines
and	a tab" dst/room
`)

await record('list-tree', 'zfs', ...listing, 'src')
await record('list-missing', 'zfs', ...listing, 'src/nothing')
await record('list-missing-pool', 'zfs', ...listing, 'nopool')
await record(
  'get',
  'zfs',
  'get',
  '-Hp',
  '-o',
  'property,value,source',
  'mountpoint,canmount,walkaway:note,readonly',
  'dst/room',
)
await record('get-missing', ...property('guid', 'src/nothing'))
await record('get-guid', ...property('guid', 'src/child#first'))
await record('get-missing-bookmark', ...property('guid', 'src/child#nothing'))
await record(
  'holds-missing',
  'zfs',
  'holds',
  '-H',
  'src/child@nothing',
  'src/nothing@first',
  'src/child@first',
)
await record('hold-again', 'zfs', 'hold', 'other', 'src/child@first', 'src/with spaces@first')
await record(
  'hold-missing',
  'zfs',
  'hold',
  'other',
  'src/child@nothing',
  'src/nothing@first',
  'src/child@first',
)
await record(
  'release-missing',
  'zfs',
  'release',
  'never',
  'src/child@nothing',
  'src/nothing@first',
  'src/child@first',
)
await record(
  'snapshot-exists',
  'zfs',
  'snapshot',
  'src/child@first',
  'src/with spaces@first',
  'src/volume@new',
)
await record('snapshot-missing', 'zfs', 'snapshot', 'src/child@new', 'src/nothing@new')
await record('bookmark-exists', 'zfs', 'bookmark', 'src/child@second of them', 'src/child#first')
await record('bookmark-missing', 'zfs', 'bookmark', 'src/child@nothing', 'src/child#nothing')
await record('destroy-missing-bookmark', 'zfs', 'destroy', 'src/child#nothing')
await record('destroy-held', 'zfs', 'destroy', 'src/child@first')
await record('create-exists', 'zfs', 'create', 'src/child')
await record('rename-no-parent', 'zfs', 'rename', '-u', 'src/child', 'src/no/parent')
await record('abort-nothing', 'zfs', 'receive', '-A', 'dst/room')
await record('abort-missing', 'zfs', 'receive', '-A', 'dst/nothing')
await record('not-root', 'setpriv', '--reuid=65534', '--clear-groups', 'zfs', 'snapshot', 'src/child@new')

await script(
  'zfs snapshot src/child@third; head -c 3M /dev/urandom > /mnt/src/child/three; zfs snapshot src/child@fourth',
)
const receive = 'zfs receive -s -u -v -o readonly=on -o canmount=noauto -x mountpoint'
await recordPipe('receive-full', `zfs send -L -c -p src/child@first | ${receive} dst/child`)
await recordPipe('send-increments', 'zfs send -vP -L -c -p -I src/child@first src/child@fourth > /dev/null')
await recordPipe(
  'receive-increments',
  `zfs send -L -c -p -I src/child@first src/child@fourth | ${receive} dst/child`,
)
await recordPipe('receive-exists', `zfs send -L -c -p src/child@first | ${receive} dst/child`)
await recordPipe('receive-no-parent', `zfs send -L -c -p src/child@first | ${receive} dst/no/parent`)
await recordPipe(
  'receive-no-target',
  `zfs send -L -c -p -i src/child@first src/child@third | ${receive} dst/nothing`,
)
await script('zfs snapshot src/child@fifth; zfs snapshot src/child@sixth')
await recordPipe(
  'receive-no-base',
  `zfs send -L -c -p -i src/child@fifth src/child@sixth | ${receive} dst/child`,
)
await recordPipe('receive-nothing', `${receive} dst/other < /dev/null`)
await recordPipe('receive-garbage', `head -c 1M /dev/urandom | ${receive} dst/other`)
await recordPipe(
  'receive-raw-on-plain',
  `zfs send -w -p -i src/secret@first "src/secret@second of them" | ${receive} dst/child`,
)
await script(`
  zfs set readonly=off dst/child; zfs set mountpoint=/mnt/dst-child dst/child; zfs mount dst/child
  head -c 1000 /dev/urandom > /mnt/dst-child/changed; sync; zfs unmount dst/child
`)
await recordPipe(
  'receive-modified',
  `zfs send -L -c -p -i src/child@fourth src/child@fifth | ${receive} dst/child`,
)

await script('head -c 8M /dev/urandom > "/mnt/src/with spaces/big"; zfs snapshot "src/with spaces@big"')
await recordPipe(
  'receive-incomplete',
  `zfs send -L -c -p "src/with spaces@big" | head -c 5000000 | ${receive} "dst/half of it"`,
)
await record('list-unfinished', 'zfs', ...listing, 'dst')
await recordPipe(
  'receive-unfinished',
  `zfs send -L -c -p "src/with spaces@big" | ${receive} "dst/half of it"`,
)
const token = (await script('zfs get -H -o value receive_resume_token "dst/half of it"')).trim()
await record('token', 'zfs', 'send', '-nvP', '-t', token)
await record('token-corrupt', 'zfs', 'send', '-nvP', '-t', `${token.slice(0, -4)}0000`)
await script('zfs destroy "src/with spaces@big"')
await record('token-snapshot-gone', 'zfs', 'send', '-nvP', '-t', token)
await script('zfs destroy -r dst/child')
await recordPipe('receive-base', `zfs send -L -c -p src/child@first | ${receive} dst/child`)
await script(`
  zfs send -L -c -p -i src/child@first "src/child@second of them" | head -c 1000000 | ${receive} dst/child || true
`)
const increment = (await script('zfs get -H -o value receive_resume_token dst/child')).trim()
await record('list-unfinished-increment', 'zfs', ...listing, 'dst/child')
await record('token-increment', 'zfs', 'send', '-nvP', '-t', increment)
await recordPipe(
  'receive-unfinished-increment',
  `zfs send -L -c -p -i src/child@first src/child@third | ${receive} dst/child`,
)
await script(
  'zfs release walkaway:1 src/child@first; zfs release other src/child@first; zfs destroy src/child#first; zfs destroy src/child@first',
)
await record('token-base-gone', 'zfs', 'send', '-nvP', '-t', increment)
await record('send-missing', 'zfs', 'send', '-vP', '-L', '-c', '-p', 'src/child@first')
await recordPipe('send-missing-base', 'zfs send -vP -L -c -p -i src/child@first src/child@third > /dev/null')
await script('zfs unmount src/secret; zfs unload-key src/secret')
await recordPipe('send-without-key', 'zfs send -vP -L -c src/secret@first > /dev/null')

await script(
  'zfs create -o quota=20M dst/quota; head -c 60M /dev/urandom > /mnt/src/child/large; zfs snapshot src/child@large',
)
await recordPipe('receive-quota', `zfs send -L -c -p src/child@large | ${receive} dst/quota/child`)
await script(`
  zfs create -V 100M dst/ballast
  zfs receive -A "dst/half of it"; zfs receive -A dst/child
`)
await recordPipe('receive-full-pool', `zfs send -L -c -p src/child@large | ${receive} dst/large`)

await record('zpool-list', 'zpool', 'list', '-Hp', '-o', 'name,guid,altroot')
await record('status', 'zpool', 'status', '-p', 'src')
await record('status-missing', 'zpool', 'status', '-p', 'nopool')
await record('reopen-missing', 'zpool', 'reopen', '-n', 'nopool')
await record('clear-missing', 'zpool', 'clear', 'nopool')
await record('export-missing', 'zpool', 'export', 'nopool')
await machine.start(['sleep', '100000'], { cwd: '/mnt/src/child' })
await record('export-busy', 'zpool', 'export', 'src')

const guidOf = async (pool: string): Promise<string> =>
  (await script(`zpool get -H -o value guid ${pool}`)).trim()
const importing = (guid: string, ...files: readonly string[]) =>
  [
    'zpool',
    'import',
    '-N',
    '-R',
    '/run/walkaway/never-mounted',
    '-o',
    'cachefile=none',
    ...files.flatMap((file) => ['-d', file]),
    guid,
  ] as const
const dst = await guidOf('dst')
await record('import-no-such-pool', ...importing('1234567890123456789', '/var/tmp/t/b'))
await record('import-imported', ...importing(dst, '/var/tmp/t/b'))
await script('cd /var/tmp/t; zpool sync dst; cp b foreign; zpool export dst; zgenhostid -f 0badcafe')
await record('import-foreign', ...importing(dst, '/var/tmp/t/foreign'))
await script('cd /var/tmp/t; truncate -s 200M x y; zpool create -o cachefile=none -m none two $PWD/x $PWD/y')
const two = await guidOf('two')
await script('zpool export two; cd /var/tmp/t; mv y elsewhere')
await record('import-missing-device', ...importing(two, '/var/tmp/t/x'))
await script(
  'cd /var/tmp/t; mv elsewhere y; truncate -s 200M z; zpool create -o cachefile=none -m none two $PWD/z',
)
await record('import-name-taken', ...importing(two, '/var/tmp/t/x', '/var/tmp/t/y'))
const gone = await guidOf('two')
await script('zpool destroy two')
await record('import-destroyed', ...importing(gone, '/var/tmp/t/z'))

await script(`
  cd /var/tmp/t; truncate -s 200M bad; zpool create -o cachefile=none -m /mnt/bad bad $PWD/bad
  head -c 60M /dev/urandom > /mnt/bad/file; zpool sync bad; zpool export bad
  dd if=/dev/urandom of=bad bs=1M seek=10 count=100 conv=notrunc status=none
  zpool import -d /var/tmp/t/bad bad
`)
await script('zpool scrub bad')
await record('status-scrubbing', 'zpool', 'status', '-p', 'bad')
await script('zpool wait -t scrub bad')
await record('status-errors', 'zpool', 'status', '-p', 'bad')

await script(`
  zfs create tank/o; zfs create 'tank/o/a b'; zfs create -V 1M tank/o/vol; zfs snapshot -r tank/o@s1
  zfs send -R tank/o@s1 | zfs recv -u tank/r
  zfs snapshot -r tank/r@X; zfs rename -r tank/r@X tank/r@Y
  zfs rename tank/r tank/q
  zfs snapshot -r tank/o@s2
  zfs send -R -i @s1 tank/o@s2 | zfs recv -u -F tank/q
  zfs snapshot tank/q@Z; zfs bookmark tank/q@Z tank/q#Z
  zfs rollback -r tank/q@s2
  head -c 200K /dev/zero > /tank/o/f; zfs snapshot tank/o@s3
  zfs create tank/none; zfs send tank/o@s1 | zfs recv -u -F tank/none
`)
await record('pool-history', 'zpool', 'history', '-i', 'tank')

const serial = 'WDOFFSITE0001'
const disk = await createDisk({ name: 'A', sizeMb: 300 })
const { poolGuid } = await machine.makePool(disk, { serial, pool: 'offsite' })
await machine.plug(disk, { serial })
await machine.run([...importing(poolGuid, diskLink(serial, 1))])
await machine.pull(disk)
await record('reopen-gone', 'zpool', 'reopen', '-n', 'offsite')
await machine.until(['cat', '/proc/spl/kstat/zfs/offsite/state'], {
  deadlineMs: 60_000,
  stdout: (text) => text.trim() === 'SUSPENDED',
})
await record('suspended-status', 'zpool', 'status', '-p', 'offsite')
await record('suspended-list', 'zfs', ...listing, 'offsite')
await record('suspended-get', ...property('available', 'offsite'))
await record('suspended-snapshot', 'zfs', 'snapshot', 'offsite@new')
await record('suspended-zpool-list', 'zpool', 'list', '-Hp', '-o', 'name,guid,altroot')
