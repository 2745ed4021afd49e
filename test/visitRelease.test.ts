import { describe, expect, test } from 'vitest'
import { poolName } from '../src/core/model.ts'
import { EndVisit } from '../src/endVisit.ts'
import { DeadlineExceeded } from '../src/errors.ts'
import { visit } from '../src/visit.ts'
import { ZfsFailed } from '../src/zfs/failure.ts'
import type { Machine } from './fakes/machine.ts'
import { expectBackedUp, expectHonest, homeMachine, releaseOf, snapshotsOf, visitOf } from './fakes/visits.ts'

/** The pool was left suspended, and ZFS answers no question about pools until it works again. */
function machineWithoutList(): Machine {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  pool.imported = { altroot: '/run/walkaway/never-mounted' }
  pool.suspended = true
  machine.state.interference = {
    before: ({ verb }) => {
      if (verb === 'pools.imported' && pool.suspended) throw new DeadlineExceeded('zpool list', 20_000)
    },
  }
  return machine
}

describe('how the pool was found', () => {
  test.each(['ONLINE', 'SUSPENDED'] as const)(
    'left imported by us, %s: the visit goes on with it',
    async (state) => {
      const machine = homeMachine()
      machine.state.interference = {
        before: ({ verb }) => {
          if (verb === 'pools.exportPool') throw new Error('killed')
        },
      }
      expect((await visitOf(machine, 'offsite-1')).kind).toBe('not-released')
      machine.state.interference = {}
      machine.disk('offsite-1').pool.suspended = state === 'SUSPENDED'
      machine.told.length = 0
      expect(await visitOf(machine, 'offsite-1')).toMatchObject({
        kind: 'released',
        report: { outcome: 'complete' },
      })
      const how = state === 'SUSPENDED' ? 'came-back' : 'left-by-us'
      expect(machine.told).toContainEqual(expect.objectContaining({ kind: 'pool-imported', how }))
    },
  )

  test('a clear that hangs is freed by a reopen', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: '/run/walkaway/never-mounted' }
    pool.suspended = true
    const verbs: string[] = []
    machine.state.interference = {
      before: ({ verb }) => {
        verbs.push(verb)
        if (verb !== 'pools.clear') return
        if (verbs.includes('pools.reopen')) machine.state.interference = {}
        else throw new DeadlineExceeded('zpool clear', 30_000)
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'released',
      report: { outcome: 'complete' },
    })
    expect(verbs.filter((verb) => ['pools.clear', 'pools.reopen'].includes(verb))).toEqual([
      'pools.clear',
      'pools.reopen',
      'pools.clear',
    ])
  })

  test('no list of pools is answered until the suspended one works again: it is known by its name, and made to work', async () => {
    const machine = machineWithoutList()
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'released',
      report: { outcome: 'complete' },
    })
  })

  test('and where another disk may have a pool of that name, none is touched: the name proves nothing', async () => {
    const machine = machineWithoutList()
    machine.addDisk('offsite-2')
    // As before OpenZFS 2.3, whose kernel shows no GUIDs.
    machine.deps.pools.nameOf = async (_, expected) => expected
    const config = machine.config()
    const disks = config.disks.map((disk) => ({ ...disk, pool: poolName('offsite-1') }))
    const result = await visitOf(machine, 'offsite-1', { config: { ...config, disks } })
    expect(result.kind).toBe('stuck')
    expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('pools.clear')
  })

  test('a clear that does not open the disk anew, of a pool that is suspended again: an error scrub does', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: '/run/walkaway/never-mounted' }
    pool.suspended = true
    let isOpen = false
    let letGo: () => void = () => undefined
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'pools.clear' && !isOpen) throw new DeadlineExceeded('zpool clear', 30_000)
        if (verb !== 'pools.openAnew') return
        isOpen = true
        return new Promise<void>((resolve) => {
          letGo = resolve
        })
      },
      after: ({ verb }) => {
        if (verb === 'pools.clear') letGo()
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'released',
      report: { outcome: 'complete' },
    })
    expectBackedUp(machine, 'offsite-1')
  })

  test.each([
    ['once', 1, { kind: 'released', report: { outcome: 'complete' } }],
    ['always', 99, { kind: 'stuck', reason: expect.stringContaining('does not come back (zpool clear') }],
  ])('a clear right after the disk came back fails with an I/O error, %s', async (_, failures, expected) => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: '/run/walkaway/never-mounted' }
    pool.suspended = true
    let left = failures
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb !== 'pools.clear' || left-- <= 0) return
        const failed = { exitCode: 1, signal: null, stderr: 'cannot clear errors for offsite-1: I/O error' }
        throw new ZfsFailed('io-error', { command: ['zpool', 'clear', 'offsite-1'], ...failed })
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject(expected)
  })

  test('it does not come back: stuck', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: '/run/walkaway/never-mounted' }
    machine.state.interference = {
      after: () => {
        pool.suspended = true
      },
    }
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({ kind: 'stuck', report: { outcome: 'failed' } })
  })

  test('imported by somebody else: backed up to, left imported, released once they export it', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: null }
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({ kind: 'not-released', report: { outcome: 'complete' } })
    expect(pool.imported).not.toBeNull()
    expectBackedUp(machine, 'offsite-1')
    expect((await releaseOf(machine, 'offsite-1', result.report)).kind).toBe('not-released')
    pool.imported = null
    expect((await releaseOf(machine, 'offsite-1', result.report)).kind).toBe('released')
  })

  test('imported by somebody else, and its disk was away meanwhile: the pool comes back, and is left imported', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: null }
    pool.suspended = true
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'not-released',
      report: { outcome: 'complete' },
    })
    expect(pool).toMatchObject({ suspended: false, imported: { altroot: null } })
    expectBackedUp(machine, 'offsite-1')
  })

  test('last used by another machine: refused, its name is said, nothing is touched', async () => {
    const machine = homeMachine()
    machine.disk('offsite-1').pool.lastUser = 'attic'
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({ kind: 'refused', report: { outcome: 'failed' } })
    expect(JSON.stringify(result)).toContain('attic')
    expect(machine.disk('offsite-1').pool.imported).toBeNull()
    expect(snapshotsOf(machine, 'tank')).toEqual([])
  })

  test('another device took over the name of the disk: refused, not tried for ever', async () => {
    const machine = homeMachine()
    const other = machine.addDisk('copy')
    const [vdev] = machine.vdevs('offsite-1')
    if (vdev === undefined) throw new Error('no device')
    const vdevs = [{ ...vdev, link: other.pool.link }]
    const result = await visit(
      {
        disk: machine.disk('offsite-1').disk,
        vdevs,
        config: machine.config(),
        past: [],
        signal: new AbortController().signal,
        earlier: Promise.resolve(),
        turn: { isBehind: () => false, come: Promise.resolve() },
      },
      machine.deps,
    )
    expect(result.kind).toBe('refused')
    expect(machine.state.calls.some(({ verb }) => verb === 'pools.importPool')).toBe(false)
  })

  test('an import that never ends: stuck', async () => {
    const machine = homeMachine()
    machine.state.wedged = true
    expect((await visitOf(machine, 'offsite-1')).kind).toBe('stuck')
  })
})

describe('how the disk is left', () => {
  test('a pool that is in use is not released; when it is free again, it is', async () => {
    const machine = homeMachine()
    const disk = machine.disk('offsite-1')
    disk.pool.busy = true
    disk.holders = ['rsync (pid 4711)']
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({ kind: 'not-released', report: { outcome: 'complete' } })
    expect(JSON.stringify(result)).toContain('rsync (pid 4711)')
    expect((await releaseOf(machine, 'offsite-1', result.report)).kind).toBe('not-released')
    disk.pool.busy = false
    disk.holders = []
    const released = await releaseOf(machine, 'offsite-1', result.report)
    expect(released).toMatchObject({ kind: 'released', report: result.report })
    expectHonest(machine, 'offsite-1', released)
  })

  test('a device that is held after the export is not released', async () => {
    const machine = homeMachine()
    machine.disk('offsite-1').holders = ['dd (pid 12)']
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({ kind: 'not-released', report: { outcome: 'complete' } })
    expect(JSON.stringify(result)).toContain('dd (pid 12)')
    machine.disk('offsite-1').holders = []
    expect((await releaseOf(machine, 'offsite-1', result.report)).kind).toBe('released')
  })

  test('a disk that is there but does not answer is never exported, and tried again', async () => {
    const machine = homeMachine()
    machine.disk('offsite-1').readable = false
    const result = await visitOf(machine, 'offsite-1')
    expect(result.kind).toBe('not-released')
    expect(machine.disk('offsite-1').pool.imported).not.toBeNull()
    machine.disk('offsite-1').readable = true
    expect((await releaseOf(machine, 'offsite-1', result.report)).kind).toBe('released')
  })

  test('the disk is taken right after the export: gone, not stopped', async () => {
    const machine = homeMachine()
    const controller = new AbortController()
    machine.state.interference = {
      after: ({ verb }) => {
        if (verb !== 'pools.exportPool') return
        machine.unplug('offsite-1')
        controller.abort(new EndVisit('device-gone'))
      },
    }
    const result = await visitOf(machine, 'offsite-1', { signal: controller.signal })
    expect(result).toMatchObject({ kind: 'gone', report: { outcome: 'complete' } })
  })

  test('another disk under the same node: its pool is not exported', async () => {
    const machine = homeMachine()
    const { disk, pool } = machine.disk('offsite-1')
    const vdevs = machine.vdevs('offsite-1').map((vdev) => ({ ...vdev, diskSeq: '4711' }))
    const { signal } = new AbortController()
    const request = {
      disk,
      vdevs,
      config: machine.config(),
      past: [],
      signal,
      earlier: Promise.resolve(),
      turn: { isBehind: () => false, come: Promise.resolve() },
    }
    expect((await visit(request, machine.deps)).kind).toBe('pulled')
    expect(pool.imported).not.toBeNull()
  })

  test('data errors on a disk that somebody else has imported: not complete, and what tells', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    pool.imported = { altroot: '/mnt' }
    pool.dataErrors = 3n
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.outcome).toBe('partial')
    expect(report.reason).toContain('3 data errors')
    expect(report.reason).toContain('zpool scrub -w offsite-1 && zpool clear offsite-1')
  })

  test('a kernel that does not say what it has imported: nothing is called released', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'pools.importPool' || verb === 'pools.exportPool') throw new Error('no answer')
      },
    }
    const nameOf = async (): Promise<never> => {
      throw new Error('cannot be read')
    }
    const deps = { ...machine.deps, pools: { ...machine.pools, nameOf } }
    const blind: Machine = { ...machine, deps }
    expect((await visitOf(blind, 'offsite-1')).kind).toBe('stuck')
  })
})
