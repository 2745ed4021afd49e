// A disk that has too little room: said before anything is sent where it is certain, and clearly where it was not.
import { describe, expect, test } from 'vitest'
import { datasetOf, expectBackedUp, expectTidy, homeMachine, visitOf } from './fakes/visits.ts'

const sentTo = (calls: readonly { readonly verb: string; readonly about: string }[]): readonly string[] =>
  calls.flatMap(({ verb, about }) => (verb === 'transfer.transfer' ? [about] : []))

describe('a disk with too little room', () => {
  test('a dataset that certainly does not fit fails at once, with how much is missing; the others go on', async () => {
    const machine = homeMachine()
    machine.write('tank/home/ann', 4_000_000)
    machine.disk('offsite-1').pool.availableBytes = 3_000_000n
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', datasets: { sent: 2, failed: 1 } })
    expect(report.failures).toEqual([
      {
        dataset: 'tank/home/ann',
        reason: expect.stringMatching(/4 MB are needed at least, 3 MB are free; 1 MB are missing/),
      },
    ])
    expect(sentTo(machine.state.calls)).not.toContain('offsite-1/nas/tank/home/ann')
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home'])
  })

  test('an increment is measured as one', async () => {
    const machine = homeMachine()
    machine.write('tank', 4_000_000)
    await visitOf(machine, 'offsite-1')
    machine.disk('offsite-1').pool.availableBytes = 1_000_000n
    machine.write('tank', 10)
    machine.write('tank/home', 2_000_000)
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report.failures.map(({ dataset }) => dataset)).toEqual(['tank/home'])
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann'])
  })

  test('target full mid-receive: the reason says how much is missing, nothing of it stays in the way', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const before = datasetOf(machine, 'offsite-1/nas/tank/home').snapshots
    machine.write('tank', 800_000)
    machine.write('tank/home', 900_000)
    machine.disk('offsite-1').pool.availableBytes = 1_000_000n
    const { report } = await visitOf(machine, 'offsite-1')
    expect(report).toMatchObject({ outcome: 'partial', datasets: { sent: 1, unchanged: 1, failed: 1 } })
    expect(report.failures).toEqual([
      {
        dataset: 'tank/home',
        reason: expect.stringMatching(/^the disk is full: about .* of it did not fit$/),
      },
    ])
    expect(datasetOf(machine, 'offsite-1/nas/tank/home').snapshots).toEqual(before)
    expect(datasetOf(machine, 'offsite-1/nas/tank/home').partial).toBeNull()
    expectBackedUp(machine, 'offsite-1', ['tank', 'tank/home/ann'])

    machine.disk('offsite-1').pool.availableBytes = 1n << 40n
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'complete' } })
    expectBackedUp(machine, 'offsite-1')
    expectTidy(machine, 'offsite-1')
  })
})
