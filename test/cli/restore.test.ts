// `walkaway restore` from end to end on the fake machine: what was backed up comes back as it was; what is in the way, in
// use, or not what it seems, is refused before anything is done.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { DiskAnswer } from '../../src/control/protocol.ts'
import { createControlServer } from '../../src/control/server.ts'
import { mark } from '../../src/core/marks.ts'
import { BadInput, DiskVanished, KeyRefused } from '../../src/errors.ts'
import type { Machine } from '../fakes/machine.ts'
import { newPool, restoreOn, seen } from '../fakes/restores.ts'
import { datasetOf, homeMachine, sources, visitOf } from '../fakes/visits.ts'
import { addDataset, failed } from '../fakes/zfsState.ts'

/** Backed up once: file systems with properties, one with a limit, one encrypted, a volume; the disk is plugged in, exported. */
async function backedUp(disk: Parameters<typeof homeMachine>[0] = {}): Promise<Machine> {
  const machine = homeMachine(disk)
  addDataset(machine.state, 'tank/my secret', { encrypted: true })
  addDataset(machine.state, 'tank/vm', { type: 'volume' })
  machine.write('tank/my secret', 10)
  machine.write('tank/vm', 20)
  const set = (dataset: string, properties: Readonly<Record<string, string>>): void => {
    for (const [name, value] of Object.entries(properties))
      datasetOf(machine, dataset).properties.set(name, { value, source: 'local' })
  }
  set('tank', { compression: 'zstd', mountpoint: '/srv' })
  set('tank/home', { readonly: 'off', canmount: 'on', exec: 'on', quota: '4096', 'org:note': 'a\tb' })
  set('tank/my secret', {
    compression: 'gzip',
    readonly: 'off',
    mountpoint: '/home/me',
    'org:note': "it's mine",
  })
  set('tank/vm', { refreservation: '1024' })
  expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
  newPool(machine)
  machine.state.calls.length = 0
  return machine
}
const everything = [...sources, 'tank/my secret', 'tank/vm']
const below = (dataset: string, to: string): string => `${to}${dataset.slice('tank'.length)}`
const datasetsOf = (machine: Machine, pool: string): readonly string[] =>
  [...(machine.state.pools.get(pool)?.datasets.keys() ?? [])].sort()
/** The disk is let go of, and on the machine there is what was there before. */
const expectUntouched = (machine: Machine): void => {
  expect(datasetsOf(machine, 'new')).toEqual(['new', 'new/mine'])
  expect(machine.disk('offsite-1').pool.imported).toBeNull()
}
const serialOf = (machine: Machine): string => machine.disk('offsite-1').disk.serials[0] ?? ''
const configOf = (machine: Machine, serial = serialOf(machine)): string =>
  [
    'sources: [{ dataset: tank }]',
    'disks:',
    '  the blue one:',
    `    serial: ${serial}`,
    '    pool: offsite-1',
    `    poolGuid: ${machine.disk('offsite-1').pool.guid}`,
    'backup: { into: nas }',
    '',
  ].join('\n')

describe('what was backed up comes back', () => {
  test('everything, by the name of the pool, without configuration and daemon: data, GUIDs, properties, limits', async () => {
    const machine = await backedUp()
    const wanted = new Map(everything.map((source) => [source, seen(machine, source)]))
    const { code, stdout } = await restoreOn(machine, { dataset: 'tank', to: 'new/tank' })
    expect(code).toBe(0)
    for (const source of everything)
      expect(seen(machine, below(source, 'new/tank')), source).toEqual(wanted.get(source))
    expect(stdout).toContain('restored 5 datasets')
    expect(stdout).toContain('new/tank will be mounted at /srv')
    expect(stdout).toContain('new/tank/my secret will be mounted at /home/me\n')
    expect(stdout).toContain('zfs load-key')
    expect(machine.disk('offsite-1').pool.imported).toBeNull()
  })

  test('all of it into a pool of its own', async () => {
    const machine = await backedUp()
    expect(await restoreOn(machine, { to: 'new' })).toMatchObject({ code: 0 })
    expect(seen(machine, 'new/tank/home')).toEqual(seen(machine, 'tank/home'))
  })

  test('by GUID, and by its name in the configuration', async () => {
    const machine = await backedUp()
    const asked = { dataset: 'tank/home', to: 'new/home' }
    expect(await restoreOn(machine, { ...asked, disk: machine.disk('offsite-1').pool.guid })).toMatchObject({
      code: 0,
    })
    const configured = { ...asked, to: 'new/home2', disk: 'the blue one', config: configOf(machine) }
    expect(await restoreOn(machine, configured)).toMatchObject({ code: 0 })
    expect(seen(machine, 'new/home2')).toEqual(seen(machine, 'tank/home'))
  })

  test('nothing at all is written to the disk: it is imported read-only', async () => {
    const machine = await backedUp()
    let imported: unknown = null
    machine.state.interference = {
      after: ({ verb }) => {
        if (verb === 'pools.importPool') imported = machine.disk('offsite-1').pool.imported
      },
    }
    await restoreOn(machine, { dataset: 'tank/home', to: 'new/home' })
    expect(imported).toMatchObject({ readonly: true })
  })

  test.each([null, '/', '/mnt'])(
    'a pool that somebody has imported, altroot %s, is used as it is and left imported',
    async (altroot) => {
      const machine = await backedUp()
      machine.disk('offsite-1').pool.imported = { altroot }
      expect(await restoreOn(machine, { dataset: 'tank', to: 'new/tank' })).toMatchObject({ code: 0 })
      expect(seen(machine, 'new/tank/my secret')).toEqual(seen(machine, 'tank/my secret'))
      expect(machine.disk('offsite-1').pool.imported).not.toBeNull()
    },
  )

  test('a disk that is encrypted as a whole: with its key, what was plain is plain again', async () => {
    const machine = await backedUp({ encrypted: true, keyFile: '/keys/right' })
    const wanted = new Map(everything.map((source) => [source, seen(machine, source)]))
    const asked = { dataset: 'tank', to: 'new/tank' }
    await expect(restoreOn(machine, asked)).rejects.toThrow(KeyRefused)
    await expect(restoreOn(machine, { ...asked, keyFile: '/keys/wrong' })).rejects.toThrow(KeyRefused)
    expectUntouched(machine)
    expect(await restoreOn(machine, { ...asked, keyFile: '/keys/right' })).toMatchObject({ code: 0 })
    for (const source of everything)
      expect(seen(machine, below(source, 'new/tank')), source).toEqual(wanted.get(source))
    expect(machine.disk('offsite-1').pool.imported).toBeNull()
  })

  test('its key is asked for only where it is needed, and named in a dry run', async () => {
    const machine = await backedUp({ encrypted: true, keyFile: '/keys/right' })
    expect(await restoreOn(machine, { dataset: 'tank/my secret', to: 'new/s' })).toMatchObject({ code: 0 })
    expect(await restoreOn(machine, { list: true })).toMatchObject({ code: 0 })
    const asked = { dataset: 'tank/home', to: 'new/home', dryRun: true }
    expect((await restoreOn(machine, asked)).stdout).toContain('zfs load-key -L prompt offsite-1\n')
    const named = await restoreOn(machine, { ...asked, keyFile: "/it's mine" })
    expect(named.stdout).toContain(`zfs load-key -L 'file:///it'\\''s mine' offsite-1\n`)
  })

  test('only what came back is said to be mounted somewhere', async () => {
    const machine = await backedUp()
    datasetOf(machine, 'new/mine').properties.set('mountpoint', { value: '/mine', source: 'local' })
    const { code, stdout } = await restoreOn(machine, { to: 'new' })
    expect(code).toBe(0)
    expect(stdout).toContain('new/tank will be mounted at /srv')
    expect(stdout).not.toContain('new/mine')
  })

  test('an older state, by the time that --list shows and by a snapshot’s name', async () => {
    const machine = await backedUp()
    const [old] = datasetOf(machine, 'tank/home').snapshots
    if (old === undefined) expect.fail('no snapshot')
    machine.write('tank/home', 5)
    await visitOf(machine, 'offsite-1')
    for (const [at, to] of [
      [old.creation.toISOString().slice(0, 19).concat('Z'), 'new/a'],
      [old.name, 'new/b'],
    ] as const) {
      expect(await restoreOn(machine, { dataset: 'tank/home', to, at })).toMatchObject({ code: 0 })
      expect(seen(machine, to)).toMatchObject({ guid: old.guid, content: old.content })
    }
  })
})

describe('--list', () => {
  test('shows every dataset with its newest state, and every state of one', async () => {
    const machine = await backedUp()
    machine.write('tank/home', 5)
    await visitOf(machine, 'offsite-1')
    const all = await restoreOn(machine, { list: true })
    expect(all.code).toBe(0)
    const rows = all.stdout.split('\n')
    for (const source of everything)
      expect(rows.filter((row) => row.startsWith(`${source}  `))).toHaveLength(1)
    expect(rows.find((row) => row.startsWith('tank/my secret'))).toMatch(/encrypted/)
    expect(rows.find((row) => row.startsWith('tank/vm'))).toMatch(/volume/)
    const one = await restoreOn(machine, { list: true, dataset: 'tank/home' })
    for (const { name } of datasetOf(machine, 'tank/home').snapshots) expect(one.stdout).toContain(name)
    expectUntouched(machine)
  })

  test('what somebody wrote into the properties of the disk reaches no terminal and no command', async () => {
    const machine = await backedUp()
    const { properties } = datasetOf(machine, 'offsite-1/nas/tank/home')
    properties.set(mark.source, { value: '\x1b[2J-F\u202e\n"; rm -rf /', source: 'local' })
    properties.set(mark.host, { value: '\x1b]0;x\x07', source: 'local' })
    properties.set(mark.limits, { value: 'quota=1 mountpoint=/ -x=2', source: 'local' })
    const { stdout, code } = await restoreOn(machine, { list: true })
    expect(code).toBe(0)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
    const obeyed = /[\u0000-\u0009\u000b-\u001f\u202e]/
    expect(stdout).not.toMatch(obeyed)
    const note = '\x1b[2J\ttab \u202e end'
    datasetOf(machine, 'offsite-1/nas/tank/my secret').received = new Map([['org:note', note]])
    const dry = await restoreOn(machine, { dataset: 'nas/tank', to: 'new/tank', dryRun: true })
    expect(dry.stdout).not.toMatch(/rm -rf|-F|mountpoint=/)
    expect(dry.stdout).not.toMatch(obeyed)
    const raw = dry.stdout.split('\n').find((line) => line.includes('-w')) ?? ''
    expect(wordsOf(raw)).toContain(`org:note=${note}`)
    expect(dry.stdout).toContain('zfs set quota=1 new/tank/home')
  })
})

describe('--dry-run', () => {
  test('prints commands that a shell reads as they are meant, and changes nothing', async () => {
    const machine = await backedUp()
    const { code, stdout } = await restoreOn(machine, { dataset: 'tank', to: 'new/my tank', dryRun: true })
    expect(code).toBe(0)
    const { guid, link } = machine.disk('offsite-1').pool
    const commands = stdout.trimEnd().split('\n').map(wordsOf)
    expect(commands[0]).toEqual([
      ...'zpool import -N -o readonly=on -o cachefile=none -R /run/walkaway/read-only -d'.split(' '),
      link,
      guid,
    ])
    expect(commands.at(-1)).toEqual(['zpool', 'export', 'offsite-1'])
    const secret = commands.find((words) => words.includes('-w'))
    const [newest] = datasetOf(machine, 'tank').snapshots.slice(-1)
    expect(secret).toEqual([
      ...'zfs send -w'.split(' '),
      `offsite-1/nas/tank/my secret@${newest?.name}`,
      ...'| zfs receive -u -o compression=gzip -o readonly=off -o mountpoint=/home/me -o'.split(' '),
      "org:note=it's mine",
      'new/my tank/my secret',
    ])
    expectUntouched(machine)
    expect(machine.state.calls.filter(({ verb }) => verb === 'transfer.transfer')).toEqual([])
  })
})
const wordsOf = (line: string): readonly string[] =>
  execFileSync('sh', ['-c', `printf '%s\\0' ${line.replaceAll(' | ', " '|' ")}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1)

describe('refused, and nothing is done', () => {
  test('what exists is never restored over', async () => {
    const machine = await backedUp()
    addDataset(machine.state, 'new/tank')
    const { code, stderr } = await restoreOn(machine, { to: 'new' })
    expect(code).toBe(4)
    expect(stderr).toContain('new/tank')
    expect(datasetOf(machine, 'new/tank').snapshots).toEqual([])
    expect(machine.disk('offsite-1').pool.imported).toBeNull()
  })

  test.each<[string, Parameters<typeof restoreOn>[1], number]>([
    ['no such disk', { disk: 'usb', to: 'new/x' }, 2],
    ['no such dataset', { dataset: 'tank/none', to: 'new/x' }, 2],
    ['no such place', { to: 'nopool/x' }, 2],
    ['onto the disk', { dataset: 'tank', to: 'offsite-1/x' }, 4],
    ['a time before everything', { to: 'new/x', at: '1999-01-01' }, 2],
    ['a time that is none', { to: 'new/x', at: '2026-02-31' }, 2],
  ])('%s', async (_what, asked, code) => {
    const machine = await backedUp()
    expect(await restoreOn(machine, asked)).toMatchObject({ code, stdout: '' })
    expectUntouched(machine)
  })

  test('without --to, or with a name that is none', async () => {
    const machine = await backedUp()
    for (const to of [null, '-F', 'new//x', 'new/x@y', ''])
      await expect(restoreOn(machine, { to })).rejects.toThrow(BadInput)
    expectUntouched(machine)
  })

  test('a configured disk whose serial is another one', async () => {
    const machine = await backedUp()
    const asked = { disk: 'the blue one', to: 'new/x', config: configOf(machine, 'OTHER') }
    expect(await restoreOn(machine, asked)).toMatchObject({ code: 4 })
    expectUntouched(machine)
  })

  test('a disk that is not there', async () => {
    const machine = await backedUp()
    machine.unplug('offsite-1')
    const asked = { disk: 'the blue one', to: 'new/x', config: configOf(machine) }
    expect(await restoreOn(machine, asked)).toMatchObject({ code: 1 })
  })

  test.each([
    ['ofsite-1', 'did you mean offsite-1?'],
    ['the blu one', 'did you mean the blue one?'],
    ['something else', 'see: walkaway disks'],
  ])('a disk that nobody knows: %s', async (disk, words) => {
    const machine = await backedUp()
    const { code, stderr } = await restoreOn(machine, { disk, to: 'new/x', config: configOf(machine) })
    expect([code, stderr]).toEqual([2, expect.stringContaining(words)])
  })

  test('a pool that another machine used last', async () => {
    const machine = await backedUp()
    machine.disk('offsite-1').pool.lastUser = 'burnt'
    const { code, stderr } = await restoreOn(machine, { to: 'new/x' })
    expect(code).toBe(4)
    expect(stderr).toContain('burnt')
    expectUntouched(machine)
  })

  test('a disk that the daemon is using; not one that it has released', async () => {
    const machine = await backedUp()
    const folder = mkdtempSync(join(tmpdir(), 'walkaway-restore-'))
    let state: DiskAnswer['state'] = 'backing-up'
    const path = join(folder, 'control.sock')
    const server = await createControlServer({
      path,
      group: null,
      onProblem: () => undefined,
      answer: () => ({
        version: 1,
        ok: true,
        status: {
          version: 1,
          host: 'nas',
          daemon: { version: '0', startedAt: '2026-11-22T21:00:00Z' },
          undelivered: [],
          disks: [
            {
              name: 'offsite-1',
              pool: 'offsite-1',
              poolGuid: machine.disk('offsite-1').pool.guid,
              serials: [],
              state,
              since: null,
              reason: null,
              overdue: false,
              dueBy: null,
              lastComplete: null,
              lastVisit: null,
              ending: false,
              progress: null,
            },
          ],
        },
      }),
    })
    try {
      const asked = { to: 'new/x', socket: path }
      for (state of ['arriving', 'importing', 'backing-up', 'exporting', 'pulled', 'stuck'] as const)
        expect(await restoreOn(machine, asked), state).toMatchObject({ code: 4 })
      expect(machine.state.calls.filter(({ verb }) => verb === 'pools.importPool')).toEqual([])
      state = 'removable'
      expect(await restoreOn(machine, asked)).toMatchObject({ code: 0 })
    } finally {
      await server.close()
      rmSync(folder, { recursive: true })
    }
  })
})

describe('trouble', () => {
  test('a dataset that fails takes what is below it along, stops no other, and is told', async () => {
    const machine = await backedUp()
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about === 'new/tank/home')
          throw failed('no-space', 'out of space')
      },
    }
    const { code, stdout } = await restoreOn(machine, { dataset: 'tank', to: 'new/tank' })
    expect(code).toBe(1)
    expect(stdout).toMatch(/NOT restored: new\/tank\/home: .*out of space/)
    expect(stdout).toContain('NOT restored: new/tank/home/ann: the dataset above it')
    expect(seen(machine, 'new/tank/vm')).toEqual(seen(machine, 'tank/vm'))
    expect(machine.disk('offsite-1').pool.imported).toBeNull()
  })

  test('a limit that cannot be set is told; the data counts as restored', async () => {
    const machine = await backedUp()
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'zfs.setProperties' && about === 'new/tank/home')
          throw failed('quota', 'less than it uses')
      },
    }
    const { code, stdout } = await restoreOn(machine, { dataset: 'tank', to: 'new/tank' })
    expect(code).toBe(1)
    expect(stdout).toContain('restored 5 datasets')
    expect(stdout).toMatch(/without its limits: new\/tank\/home: .*less than it uses/)
    expect(seen(machine, 'new/tank/home/ann')).toEqual(seen(machine, 'tank/home/ann'))
  })

  test('what is not there after it was sent is not called restored', async () => {
    const machine = await backedUp()
    machine.state.interference = {
      after: ({ verb, about }) => {
        if (verb === 'transfer.transfer') datasetOf(machine, about).snapshots = []
      },
    }
    const { code, stdout } = await restoreOn(machine, { dataset: 'tank/home/ann', to: 'new/x' })
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/restored 0 datasets[\s\S]*NOT restored: new\/x/),
    ])
  })

  test('ended by hand in the middle: nothing half is left, and the disk is let go of', async () => {
    const machine = await backedUp()
    const controller = new AbortController()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'transfer.transfer') setImmediate(() => controller.abort())
      },
    }
    const asked = { dataset: 'tank', to: 'new/tank', interrupted: controller.signal }
    const { code, stderr } = await restoreOn(machine, asked)
    expect([code, stderr]).toEqual([1, expect.stringContaining('interrupted; what was begun is gone')])
    expectUntouched(machine)
  })

  test.each([
    ['pools.imported', { list: true }],
    ['pools.importPool', { list: true }],
    ['zfs.observe', { list: true }],
    ['zfs.observe', { dataset: 'tank', to: 'new/tank', dryRun: true }],
    ['zfs.observe', { dataset: 'tank', to: 'new/tank' }],
  ])('ended by hand at %s, asked for %o: nothing is told, and the disk is let go of', async (at, asked) => {
    const machine = await backedUp()
    const controller = new AbortController()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === at) controller.abort()
      },
    }
    expect(await restoreOn(machine, { ...asked, interrupted: controller.signal })).toEqual({
      code: 1,
      stdout: '',
      stderr: 'walkaway: interrupted; nothing was changed\n',
    })
    expectUntouched(machine)
  })

  test('the disk is pulled out: nothing is exported without it', async () => {
    const machine = await backedUp()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb !== 'transfer.transfer') return
        machine.unplug('offsite-1')
        throw failed('io-error', 'I/O error')
      },
    }
    await expect(restoreOn(machine, { to: 'new/x' })).rejects.toThrow(DiskVanished)
    expect(machine.state.wedged).toBe(false)
  })

  test('an export that fails is told, and the exit code says so', async () => {
    const machine = await backedUp()
    machine.disk('offsite-1').pool.busy = true
    const { code, stdout, stderr } = await restoreOn(machine, { dataset: 'tank/home', to: 'new/x' })
    expect(code).toBe(1)
    expect(stdout).toContain('restored')
    expect(stderr).toContain('could not be exported')
  })

  test('two plugged pools of one name: only a GUID tells which', async () => {
    const machine = await backedUp()
    machine.addDisk('offsite-2')
    Object.assign(machine.disk('offsite-2').pool, { name: 'offsite-1' })
    expect(await restoreOn(machine, { to: 'new/x' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('GUID'),
    })
    const { guid } = machine.disk('offsite-1').pool
    expect(await restoreOn(machine, { to: 'new/x', disk: guid })).toMatchObject({ code: 0 })
  })
})
