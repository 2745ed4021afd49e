// `walkaway plan` as it is typed: which disks, from where it is known, what it prints. That it is right is preview.test.ts.
import { describe, expect, test } from 'vitest'
import { BadInput } from '../../src/errors.ts'
import { type Machine, none } from '../fakes/machine.ts'
import { configText, planOn } from '../fakes/plans.ts'
import { homeMachine, visitOf } from '../fakes/visits.ts'

/** Backed up three times, something new since; offsite-1 is plugged in, exported. */
async function backedUp(): Promise<Machine> {
  const machine = homeMachine()
  for (let visit = 0; visit < 3; visit++) {
    machine.write('tank/home', 1000)
    await visitOf(machine, 'offsite-1')
  }
  machine.keep = { disk: { ...none, last: 2 }, source: { ...none, last: 2 } }
  machine.write('tank/home', 5000)
  machine.state.calls.length = 0
  return machine
}
const imported = (machine: Machine): void => {
  machine.disk('offsite-1').pool.imported = { altroot: null }
}

describe('text', () => {
  test('a disk whose pool is imported: what is sent, how much, why, and each snapshot with its reason', async () => {
    const machine = await backedUp()
    imported(machine)
    const { code, stdout } = await planOn(machine, { disk: 'offsite-1' })
    expect(code).toBe(0)
    expect(stdout).toContain('offsite-1: a visit now would send 1 dataset, about 5 kB; 2 up to date\n')
    expect(stdout).toMatch(/ {2}tank\/home +incremental +about 5 kB +1 snapshot\n/)
    expect(stdout).toContain('the newest on the disk is @walkaway_')
    expect(stdout).toContain('offsite-1/nas/tank/home: 2 of 4 snapshots would go\n')
    expect(stdout).toMatch(/ {4}goes +@walkaway_\S+ +no rule of keep.disk keeps it\n/)
    expect(stdout).toMatch(
      / {4}stays +@walkaway_\S+ \(new\) +last, newest on the disk, common base with the source\n/,
    )
    expect(stdout).not.toContain('not known')
  })

  test('every disk in short', async () => {
    const machine = await backedUp()
    machine.addDisk('offsite-2')
    imported(machine)
    const { stdout } = await planOn(machine)
    expect(stdout).toContain('offsite-1: a visit now would send 1 dataset')
    expect(stdout).toContain('offsite-2: a visit now would send 3 datasets')
    expect(stdout).not.toContain('no rule of')
  })

  test('a disk that is connected but exported is not imported for it', async () => {
    const machine = await backedUp()
    const { stdout } = await planOn(machine, { disk: 'offsite-1' })
    expect(stdout).toContain('planned from the bookmarks on this machine')
    expect(stdout).toContain('not known: what else the disk has')
    expect(stdout).not.toContain('offsite-1/nas/tank/home:')
    expect(machine.disk('offsite-1').pool.imported).toBeNull()
  })

  test.each<[name: string, happen: (machine: Machine) => void]>([
    ['whose device is gone', (machine) => machine.unplug('offsite-1')],
    [
      'that is suspended',
      (machine) => {
        machine.disk('offsite-1').pool.suspended = true
      },
    ],
  ])('nothing is run against an imported pool %s', async (_, happen) => {
    const machine = await backedUp()
    imported(machine)
    happen(machine)
    const { code, stdout } = await planOn(machine, { disk: 'offsite-1' })
    expect([code, stdout.includes('planned from the bookmarks')]).toEqual([0, true])
    expect(machine.state.calls.filter(({ about }) => about.startsWith('offsite-1'))).toEqual([])
  })
})

test('JSON has a version, numbers for sizes, text for GUIDs, and every snapshot', async () => {
  const machine = await backedUp()
  imported(machine)
  const { stdout } = await planOn(machine, { json: true })
  const answer: unknown = JSON.parse(stdout)
  expect(answer).toMatchObject({
    version: 1,
    plans: [
      {
        disk: 'offsite-1',
        poolGuid: machine.disk('offsite-1').pool.guid,
        knownFrom: 'pool',
        unknown: [],
        estimatedBytes: 5000,
        orphans: [],
        datasets: [
          { dataset: 'tank', action: 'nothing', steps: [] },
          {
            dataset: 'tank/home',
            target: 'offsite-1/nas/tank/home',
            action: 'send',
            estimatedBytes: 5000,
            steps: [{ kind: 'incremental', from: expect.stringMatching(/^@walkaway_/) }],
            onDisk: [{ keep: false }, { keep: false }, { keep: true }, { keep: true, guid: null }],
          },
          { dataset: 'tank/home/ann', action: 'nothing' },
        ],
      },
    ],
  })
})

describe('which disk', () => {
  test('by its name, its pool or its GUID', async () => {
    const machine = await backedUp()
    const config = configText(machine).replace('  offsite-1:', '  the blue one:')
    for (const disk of ['the blue one', 'offsite-1', machine.disk('offsite-1').pool.guid])
      expect(await planOn(machine, { disk, config })).toMatchObject({
        stdout: expect.stringMatching(/^the blue one: /),
      })
  })

  test('an unknown one is bad usage, with the nearest that there is', async () => {
    const machine = await backedUp()
    const asked = planOn(machine, { disk: 'ofsite-1' })
    await expect(asked).rejects.toThrow(BadInput)
    await expect(asked).rejects.toMatchObject({ hint: 'did you mean offsite-1?' })
    await expect(planOn(machine, { disk: 'quite another' })).rejects.toMatchObject({
      hint: 'there are: offsite-1',
    })
  })

  test('a configuration with mistakes: each is told, exit code 2, nothing is read', async () => {
    const machine = await backedUp()
    const { code, stdout, stderr } = await planOn(machine, { config: 'sources: []\nkep: {}\n' })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('config.yaml:2:1: ')
    expect(machine.state.calls).toEqual([])
  })
})
