// Runs the contract on the real ZFS of the machine that it is started on, each case on two new pools in files. Bundled
// and started with plain node by long/contract.test.ts; a line of JSON on stdout for every case.
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { poolGuid, poolName } from '../../src/core/model.ts'
import { createRun } from '../../src/linux/run.ts'
import { createPools } from '../../src/zfs/pool.ts'
import { createTransfer } from '../../src/zfs/transfer.ts'
import { createZfs } from '../../src/zfs/zfs.ts'
import { cases, type Hand, type World } from '../contract.ts'

const folder = '/var/tmp/walkaway-contract'
const poolMb = 600
const keyFile = join(folder, 'key with spaces')
const wrongKeyFile = join(folder, 'wrong-key')
const hexKeyFile = join(folder, 'hex-key')
const run = createRun()
const command = async (file: string, ...args: readonly string[]): Promise<string> =>
  (await run(file, args, { deadlineMs: 120_000 })).stdout

async function blank(name: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, '')
  await truncate(path, poolMb * 1024 * 1024)
  return path
}

async function openVolume(dataset: string) {
  const path = `/dev/zvol/${dataset.replaceAll(' ', '+')}`
  for (let tries = 0; !existsSync(path) && tries < 300; tries++) await setTimeout(100)
  return open(path, 'r+')
}

function createHand(mountRoot: string): Hand {
  let written = 0
  const volumes = new Map<string, number>()
  return {
    async create(dataset, { type = 'filesystem', encrypted = false } = {}) {
      if (encrypted) await writeFile(keyFile, randomBytes(32))
      const encryption = ['-o', 'encryption=on', '-o', 'keyformat=raw', '-o', `keylocation=file://${keyFile}`]
      const volume = ['-s', '-V', `${poolMb / 4}M`, '-o', 'reservation=1M']
      await command(
        'zfs',
        'create',
        ...(encrypted ? encryption : []),
        ...(type === 'volume' ? volume : []),
        dataset,
      )
      if (type === 'volume') volumes.set(dataset, 0)
    },
    async write(dataset, bytes) {
      const at = volumes.get(dataset)
      if (at === undefined) {
        const path = dataset.split('/').slice(1).join('/')
        await writeFile(join(mountRoot, path, `file-${written++}`), randomBytes(bytes))
        return
      }
      const volume = await openVolume(dataset)
      await volume.write(randomBytes(bytes), 0, bytes, at)
      await volume.sync()
      await volume.close()
      volumes.set(dataset, at + bytes)
    },
    async rename(from, to) {
      await command('zfs', 'rename', from, to)
    },
    async clone(snapshot, dataset) {
      await command('zfs', 'clone', snapshot, dataset)
    },
    async promote(dataset) {
      await command('zfs', 'promote', dataset)
    },
    async receive({ from, to, into }) {
      const pipe = 'into=$1; shift; zfs send "$@" | zfs receive -F "$into"'
      const what = from === null ? [to] : ['-i', from, to]
      await command('bash', '-euo', 'pipefail', '-c', pipe, 'bash', into, ...what)
    },
    async destroy(path) {
      await command('zfs', 'destroy', ...(/[@#]/.test(path) ? [] : ['-r']), path)
    },
  }
}

async function makeWorld(
  number: number,
): Promise<{ readonly world: World; readonly remove: () => Promise<void> }> {
  const [source, disk] = [`source${number}`, `disk ${number}`]
  const [sourceFile, diskFile] = [await blank(source), await blank(`disk-${number}`)]
  const mountRoot = join('/mnt', source)
  await command('zpool', 'create', '-o', 'cachefile=none', '-m', mountRoot, source, sourceFile)
  await command('zpool', 'create', '-o', 'cachefile=none', '-m', 'none', disk, diskFile)
  const guid = (await command('zpool', 'get', '-Hp', '-o', 'value', 'guid', disk)).trim()
  await command('zpool', 'export', disk)
  const world: World = {
    zfs: createZfs(run),
    pools: createPools({ run }),
    transfer: createTransfer({ run, runtimeDir: folder }),
    hand: createHand(mountRoot),
    source: poolName(source),
    keyFiles: { right: keyFile, wrong: wrongKeyFile, hex: hexKeyFile },
    disk: { pool: poolName(disk), guid: poolGuid(guid), links: [diskFile] },
  }
  const remove = async () => {
    for (const pool of (await command('zpool', 'list', '-H', '-o', 'name')).split('\n'))
      if (pool === source || pool === disk) await command('zpool', 'destroy', '-f', pool)
    await Promise.all([sourceFile, diskFile].map((file) => rm(file)))
  }
  return { world, remove }
}

const [wanted = ''] = process.argv.slice(2)
await rm(folder, { recursive: true, force: true })
await mkdir(folder, { recursive: true })
await writeFile(wrongKeyFile, randomBytes(32))
await writeFile(hexKeyFile, `${randomBytes(32).toString('hex')}\n`)
for (const [number, { name, run: check }] of cases.entries()) {
  if (!new RegExp(wanted).test(`${number} ${name}`)) continue
  const startedMs = performance.now()
  let error: string | null = null
  try {
    const { world, remove } = await makeWorld(number)
    try {
      await check(world)
    } finally {
      await remove()
    }
  } catch (failure) {
    error = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)
  }
  const result = { name, error, seconds: Math.round((performance.now() - startedMs) / 100) / 10 }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
