// Scrubs at the end of a visit: when they run, how they end, what is made of what they find.

import { describe, expect, test } from 'vitest'
import { EndVisit } from '../src/endVisit.ts'
import type { Machine } from './fakes/machine.ts'
import { expectHonest, homeMachine, visitOf } from './fakes/visits.ts'

const day = 86_400_000
function scrubbed(everyMs: number | null = 60 * day): Machine {
  const machine = homeMachine()
  machine.scrubEveryMs = everyMs
  return machine
}
const poolOf = (machine: Machine) => machine.disk('offsite-1').pool
const scrubsOf = (machine: Machine): readonly string[] =>
  machine.state.calls.map(({ verb }) => verb).filter((verb) => /scrub/i.test(verb))

/** Does this at the third look at a running scrub. */
function amidScrub(machine: Machine, act: () => void): void {
  let looks = 0
  machine.state.interference = {
    before: ({ verb }) => {
      if (verb === 'pools.health' && poolOf(machine).scan.kind === 'running' && ++looks === 3) act()
    },
  }
}

describe('a scrub', () => {
  test('runs once when it is due, after the backup, and is told before the export', async () => {
    const machine = scrubbed()
    const result = await visitOf(machine, 'offsite-1')
    expect(result).toMatchObject({ kind: 'released', report: { outcome: 'complete', failures: [] } })
    expectHonest(machine, 'offsite-1', result)
    expect(machine.phases).toEqual(['importing', 'backing-up', 'verifying', 'scrubbing', 'exporting'])
    const told = machine.story()
    expect(told.slice(told.indexOf('verified'))).toEqual([
      'verified',
      'scrub-started',
      'scrub-finished',
      'backup-finished',
      'pool-exported',
    ])
    await visitOf(machine, 'offsite-1')
    machine.now = new Date(machine.now.getTime() + 61 * day)
    await visitOf(machine, 'offsite-1')
    expect(scrubsOf(machine)).toEqual(['pools.scrub', 'pools.scrub'])
  })

  test('runs never when it is switched off, after a failed backup, or on the pool of somebody else', async () => {
    const off = scrubbed(null)
    const failing = scrubbed()
    failing.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.snapshotSet') throw new Error('no luck today')
      },
    }
    const others = scrubbed()
    poolOf(others).imported = { altroot: '/mnt' }
    for (const machine of [off, failing, others]) {
      await visitOf(machine, 'offsite-1')
      expect(scrubsOf(machine)).toEqual([])
    }
  })

  test('is paused when the visit must end, and goes on at the next one', async () => {
    const machine = scrubbed()
    const controller = new AbortController()
    amidScrub(machine, () => controller.abort(new EndVisit('stopping')))
    const result = await visitOf(machine, 'offsite-1', { signal: controller.signal })
    expect(result).toMatchObject({ kind: 'stopped', report: { outcome: 'complete' } })
    const { scan } = poolOf(machine)
    expect(scan).toMatchObject({ kind: 'paused', checkedBytes: 750 })
    machine.state.interference = {}
    machine.state.calls.length = 0
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expect(scrubsOf(machine)).toEqual(['pools.scrub'])
    expect(poolOf(machine).scan.kind).toBe('finished')
    // Four steps in all, not seven.
    expect(machine.state.calls.filter(({ verb }) => verb === 'pools.health')).toHaveLength(3)
  })

  test('of a disk that is pulled: nothing is run on it, and the scrub goes on by itself', async () => {
    const machine = scrubbed()
    amidScrub(machine, () => machine.unplug('offsite-1'))
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'pulled',
      report: { outcome: 'complete' },
    })
    expect(machine.state.wedged).toBe(false)
    expect(scrubsOf(machine)).toEqual(['pools.scrub'])
    machine.state.interference = {}
    machine.plugIn('offsite-1')
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'released',
      report: { outcome: 'complete' },
    })
    expect(scrubsOf(machine)).toEqual(['pools.scrub'])
    expect(poolOf(machine).scan.kind).toBe('finished')
  })

  test('that does not get on is paused, and the disk is let go of', async () => {
    const machine = scrubbed()
    machine.state.interference = {
      after: ({ verb }) => {
        const pool = poolOf(machine)
        if (verb !== 'pools.health' || pool.scan.kind !== 'running') return
        pool.scan = { ...pool.scan, checkedBytes: 0 }
        machine.now = new Date(machine.now.getTime() + 3_600_000)
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({
      kind: 'released',
      report: { outcome: 'partial', reason: expect.stringContaining('does not get on') },
    })
    expect(poolOf(machine).scan.kind).toBe('paused')
  })
})

test('a scrub that only looks up for hours what it will read gets on', async () => {
  const machine = scrubbed()
  let looks = 0
  machine.state.interference = {
    after: ({ verb }) => {
      const pool = poolOf(machine)
      if (verb !== 'pools.health' || pool.scan.kind !== 'running' || ++looks > 9) return
      pool.scan = { ...pool.scan, scannedBytes: looks, checkedBytes: 0 }
      machine.now = new Date(machine.now.getTime() + 3_600_000)
    },
  }
  expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
  expect(poolOf(machine).scan.kind).toBe('finished')
})

describe('what a scrub finds', () => {
  test('damaged files: partial, and some of them are named', async () => {
    const machine = scrubbed()
    poolOf(machine).damaged = [
      'offsite-1/nas/tank:/a\u001b[2Jb',
      ...'123456'.split('').map((n) => `offsite-1/nas/tank@s:/${n}`),
    ]
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({
      outcome: 'partial',
      datasets: { failed: 0 },
      failures: [{ dataset: 'offsite-1' }],
    })
    expect(report.reason).toContain('offsite-1/nas/tank:/a?[2Jb, offsite-1/nas/tank@s:/1,')
    expect(report.reason).toContain('offsite-1/nas/tank@s:/4 and 2 more')
    expect(machine.told).toContainEqual(
      expect.objectContaining({ kind: 'scrub-finished', errors: 7, damaged: 7 }),
    )
  })

  test('on a pool that was not imported for it: no names are looked up', async () => {
    const machine = scrubbed()
    poolOf(machine).damaged = ['offsite-1/nas/tank:/a']
    amidScrub(machine, () => machine.unplug('offsite-1'))
    await visitOf(machine, 'offsite-1')
    machine.state.interference = {}
    machine.plugIn('offsite-1')
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'partial' })
    expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('pools.damagedFiles')
  })

  test('on a pool that hung while it was scrubbed: no names are looked up', async () => {
    const machine = scrubbed()
    const pool = poolOf(machine)
    pool.damaged = ['offsite-1/nas/tank:/a']
    let looks = 0
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'block.isSameDevice' && pool.scan.kind === 'running') pool.suspended = ++looks === 2
      },
    }
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'partial' })
    expect(looks).toBeGreaterThan(2)
    expect(machine.told).toContainEqual(expect.objectContaining({ kind: 'scrub-finished', errors: 1 }))
    expect(machine.state.calls.map(({ verb }) => verb)).not.toContain('pools.damagedFiles')
  })

  test('a resilver that takes its place is called one', async () => {
    const machine = scrubbed()
    amidScrub(machine, () => {
      poolOf(machine).scan = { kind: 'resilvering' }
    })
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'partial',
      reason: expect.stringContaining('gave way to a resilver'),
    })
  })

  test('what it could repair: partial, because the disk may be failing', async () => {
    const machine = scrubbed()
    poolOf(machine).repairableBytes = 4096
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'partial',
      reason: expect.stringContaining('repaired all of it'),
    })
  })

  test.each([60 * day, null])(
    'errors of a pull that it does not find again are forgotten in the same visit, scrubs every %s ms',
    async (everyMs) => {
      const machine = scrubbed(everyMs)
      await visitOf(machine, 'offsite-1')
      machine.state.calls.length = 0
      poolOf(machine).dataErrors = 3n
      expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
        outcome: 'complete',
        failures: [],
      })
      expect(scrubsOf(machine)).toHaveLength(1)
      expect(machine.state.calls.map(({ verb }) => verb)).toContain('pools.clear')
      await visitOf(machine, 'offsite-1')
      expect(scrubsOf(machine)).toHaveLength(1)
    },
  )

  test('errors of a pull that outlive a scrub that found nothing are no damage: the next visit scrubs again', async () => {
    const machine = scrubbed(null)
    await visitOf(machine, 'offsite-1')
    machine.state.calls.length = 0
    poolOf(machine).dataErrors = 3n
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'pools.clear') poolOf(machine).dataErrors = 3n
      },
    }
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expect(scrubsOf(machine)).toHaveLength(1)
    machine.state.interference = {}
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({ outcome: 'complete', failures: [] })
    expect(scrubsOf(machine)).toHaveLength(2)
    expect(poolOf(machine).dataErrors).toBe(0n)
  })

  test('errors that came while it was scrubbed are damage', async () => {
    const machine = scrubbed(null)
    await visitOf(machine, 'offsite-1')
    poolOf(machine).dataErrors = 3n
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'pools.clear') poolOf(machine).dataErrors = 4n
      },
    }
    expect((await visitOf(machine, 'offsite-1')).report.outcome).toBe('partial')
  })

  test('until it has ended, errors of a pull stand', async () => {
    const machine = scrubbed(null)
    await visitOf(machine, 'offsite-1')
    poolOf(machine).dataErrors = 3n
    const controller = new AbortController()
    amidScrub(machine, () => controller.abort(new EndVisit('ejected')))
    expect((await visitOf(machine, 'offsite-1', { signal: controller.signal })).report).toMatchObject({
      outcome: 'partial',
      reason: expect.stringContaining('3 data errors'),
    })
    machine.state.interference = {}
    expect((await visitOf(machine, 'offsite-1')).report.outcome).toBe('complete')
  })

  test('errors that appear after the backup was read back stand, too, until a scrub has ended', async () => {
    const machine = scrubbed(null)
    await visitOf(machine, 'offsite-1')
    const controller = new AbortController()
    let looks = 0
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb !== 'pools.health') return
        if (++looks === 2) poolOf(machine).dataErrors = 3n
        if (looks === 4) controller.abort(new EndVisit('ejected'))
      },
    }
    expect((await visitOf(machine, 'offsite-1', { signal: controller.signal })).report).toMatchObject({
      outcome: 'partial',
      reason: expect.stringContaining('3 data errors'),
    })
  })

  test('what it found stays damaged, without another scrub and without being told anew', async () => {
    const machine = scrubbed(null)
    await visitOf(machine, 'offsite-1')
    poolOf(machine).dataErrors = 1n
    poolOf(machine).damaged = ['/photos/a.jpg']
    for (const scrubs of [1, 0]) {
      machine.state.calls.length = 0
      machine.told.length = 0
      expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
        outcome: 'partial',
        reason: expect.stringContaining('a.jpg'),
      })
      expect(scrubsOf(machine)).toHaveLength(scrubs)
      expect(machine.story().filter((kind) => kind === 'scrub-finished')).toHaveLength(scrubs)
    }
  })

  test('blocks that were wrong when they were read, without any scrub: partial', async () => {
    const machine = scrubbed(null)
    poolOf(machine).checksumErrors = 2n
    expect((await visitOf(machine, 'offsite-1')).report).toMatchObject({
      outcome: 'partial',
      reason: expect.stringContaining('2 blocks'),
    })
  })
})
