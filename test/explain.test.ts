// What a disk says of itself after a visit: read from the in-memory disk as a person would, and written only when it differs.
import { describe, expect, test } from 'vitest'
import { mark } from '../src/core/marks.ts'
import { datasetName } from '../src/core/model.ts'
import { type Machine, none } from './fakes/machine.ts'
import { datasetOf, homeMachine, interruptAt, snapshotsOf, sources, visitOf } from './fakes/visits.ts'
import { addDataset, failed } from './fakes/zfsState.ts'

const said = (machine: Machine, dataset: string, name: string): string | undefined =>
  datasetOf(machine, dataset).properties.get(name)?.value
const newestOf = (machine: Machine, source: string): string | undefined =>
  datasetOf(machine, source).snapshots.at(-1)?.name
/** What was written on the disk's datasets since the calls were last forgotten. */
const writes = (machine: Machine): readonly string[] =>
  machine.state.calls.filter(({ verb }) => verb === 'zfs.setProperties').map(({ about }) => about)

describe('after a visit', () => {
  test('each copy says whose it is, how it was sent and which snapshot is its state', async () => {
    const machine = homeMachine()
    addDataset(machine.state, 'tank/secret', { encrypted: true })
    datasetOf(machine, 'tank/home').properties.set('quota', { value: '4096', source: 'local' })
    await visitOf(machine, 'offsite-1')
    for (const source of [...sources, 'tank/secret']) {
      const copy = `offsite-1/nas/${source}`
      expect(said(machine, copy, mark.source)).toBe(source)
      expect(said(machine, copy, mark.host)).toBe('nas')
      expect(said(machine, copy, mark.mode)).toBe(source === 'tank/secret' ? 'raw' : 'plain')
      expect(said(machine, copy, mark.limits)).toBe(source === 'tank/home' ? 'quota=4096' : 'none')
      expect(said(machine, copy, mark.state)).toBe(newestOf(machine, source))
      expect(said(machine, copy, 'quota')).toBeUndefined()
    }
    expect(said(machine, 'offsite-1/nas', mark.host)).toBe('nas')
    expect(said(machine, 'offsite-1/nas', mark.complete)).toBe('2026-11-22T21:01:00Z')
  })

  test('the pool says how it is restored, and its comment points there', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const { pool } = machine.disk('offsite-1')
    const text = said(machine, 'offsite-1', mark.restore) ?? ''
    expect(text).toContain(` ${pool.guid}\n`)
    for (const source of sources)
      expect(text).toContain(`offsite-1/nas/${source}@${newestOf(machine, source)} | zfs receive`)
    expect(pool.comment).toBe('zfs get walkaway:restore')
  })

  test('what it says can be followed whenever a visit breaks off: nothing is pruned before it is written', async () => {
    const machine = homeMachine()
    machine.keep = { ...machine.keep, disk: { ...machine.keep.disk, last: 1 } }
    await visitOf(machine, 'offsite-1')
    for (const name of sources) machine.write(name, 10)
    machine.state.interference = {
      after: ({ verb, about }) => {
        if (verb === 'zfs.destroySnapshots' && about.startsWith('offsite-1')) machine.unplug('offsite-1')
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ kind: 'pulled' })
    const text = said(machine, 'offsite-1', mark.restore) ?? ''
    for (const source of sources)
      expect(text).toContain(
        `offsite-1/nas/${source}@${datasetOf(machine, `offsite-1/nas/${source}`).snapshots.at(-1)?.name} |`,
      )
  })

  test('a comment that a person wrote stays', async () => {
    const machine = homeMachine()
    const { pool } = machine.disk('offsite-1')
    pool.comment = 'the blue one'
    await visitOf(machine, 'offsite-1')
    expect(pool.comment).toBe('the blue one')
  })

  test('an incomplete one does not claim to be complete, but what is there is said', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb, about }) => {
        if (verb === 'transfer.transfer' && about.endsWith('/ann')) throw failed('io-error', 'I/O error')
      },
    }
    expect(await visitOf(machine, 'offsite-1')).toMatchObject({ report: { outcome: 'partial' } })
    expect(said(machine, 'offsite-1/nas', mark.complete)).toBeUndefined()
    expect(said(machine, 'offsite-1/nas/tank/home', mark.state)).toBe(newestOf(machine, 'tank/home'))
    expect(said(machine, 'offsite-1', mark.restore)).not.toContain('ann@')
  })
})

test('a source that was renamed: its copy, and those below it, say so in the same visit, though nothing is sent', async () => {
  const machine = homeMachine()
  await visitOf(machine, 'offsite-1')
  await machine.zfs.rename({
    from: datasetName('tank/home'),
    to: datasetName('tank/users'),
    type: 'filesystem',
  })
  machine.state.calls.length = 0
  const { report } = await visitOf(machine, 'offsite-1')
  expect(report).toMatchObject({ outcome: 'complete', datasets: { sent: 0, unchanged: 3 } })
  for (const source of ['tank/users', 'tank/users/ann'])
    expect(said(machine, `offsite-1/nas/${source}`, mark.source)).toBe(source)
  expect(said(machine, 'offsite-1', mark.restore)).toContain('offsite-1/nas/tank/users/ann@')
  expect(said(machine, 'offsite-1', mark.restore)).not.toContain('tank/home')
  expect(writes(machine)).toContain('offsite-1/nas/tank/users')
  machine.state.calls.length = 0
  await visitOf(machine, 'offsite-1')
  expect(writes(machine)).toEqual(['offsite-1/nas'])
})

describe('cost', () => {
  test('states of many datasets are one command, and what is as it was is not written', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    expect(writes(machine)).toEqual([
      sources.map((source) => `offsite-1/nas/${source}`).join(' '),
      'offsite-1/nas',
      'offsite-1',
    ])
    machine.state.calls.length = 0
    await visitOf(machine, 'offsite-1')
    expect(machine.state.calls.filter(({ verb }) => verb.endsWith('omment'))).toEqual([])
  })

  test('of a disk that has what it had when it was explained, only the roots are read', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    const read = async () => {
      machine.state.calls.length = 0
      await visitOf(machine, 'offsite-1')
      return machine.state.calls.flatMap(({ verb, about }) =>
        /^zfs\.properties/.test(verb) && about.startsWith('offsite-1') ? [`${verb} ${about}`] : [],
      )
    }
    expect(await read()).toContain('zfs.propertiesOfEach offsite-1 offsite-1/nas')
    expect(await read()).not.toContain('zfs.propertiesBelow offsite-1')
    expect(writes(machine)).toEqual(['offsite-1/nas'])
  })

  test.each<readonly [string, (machine: Machine) => void]>([
    [
      'a dataset came that is none of this visit',
      (machine) => {
        const { datasets } = machine.disk('offsite-1').pool
        const name = 'offsite-1/nas/by hand'
        datasets.set(name, { ...datasetOf(machine, 'offsite-1/nas'), name, guid: 99n })
      },
    ],
    [
      'a copy went',
      (machine) => void machine.disk('offsite-1').pool.datasets.delete('offsite-1/nas/tank/home/ann'),
    ],
    [
      'a state was renamed',
      (machine) => {
        const copy = datasetOf(machine, 'offsite-1/nas/tank')
        copy.snapshots = copy.snapshots.map((snapshot) => ({ ...snapshot, name: 'by-hand' }))
      },
    ],
    ['the text was lost', (machine) => void datasetOf(machine, 'offsite-1').properties.delete(mark.text)],
    ['this machine has another name', (machine) => void Object.assign(machine.deps, { host: 'attic' })],
  ])('all of it is read and written anew when %s', async (_, change) => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    change(machine)
    machine.state.calls.length = 0
    await visitOf(machine, 'offsite-1')
    expect(machine.state.calls.map(({ verb, about }) => `${verb} ${about}`)).toContain(
      'zfs.propertiesBelow offsite-1',
    )
    expect(writes(machine)).toContain('offsite-1')
  })

  test('a text that gets shorter leaves nothing of the longer one behind', async () => {
    const machine = homeMachine()
    for (let at = 0; at < 150; at++) addDataset(machine.state, `tank/dataset-${at}`)
    await visitOf(machine, 'offsite-1')
    const parts = ['', '-2', '-3', '-4', '-5'].map((part) => `${mark.restore}${part}`)
    const filled = () => parts.filter((part) => (said(machine, 'offsite-1', part) ?? '') !== '').length
    expect(filled()).toBeGreaterThan(2)
    const { datasets } = machine.disk('offsite-1').pool
    for (let at = 0; at < 150; at++) {
      machine.state.pools.get('tank')?.datasets.delete(`tank/dataset-${at}`)
      datasets.delete(`offsite-1/nas/tank/dataset-${at}`)
    }
    await visitOf(machine, 'offsite-1')
    expect(filled()).toBe(1)
  })
})

describe('trouble', () => {
  test('that the disk cannot be told fails no backup, and is said', async () => {
    for (const verb of ['zfs.propertiesBelow', 'zfs.setProperties', 'pools.setComment']) {
      const machine = homeMachine()
      machine.state.interference = {
        before: (call) => {
          if (call.verb === verb && call.about.startsWith('offsite-1'))
            throw failed('no-space', 'out of space')
        },
      }
      expect(await visitOf(machine, 'offsite-1')).toMatchObject({
        kind: 'released',
        report: { outcome: 'complete' },
      })
      expect(machine.story()).toContain('explain-failed')
    }
  })

  test('a disk whose restore commands are those of before keeps what they name', async () => {
    const machine = homeMachine()
    for (let visit = 0; visit < 3; visit++) {
      machine.write('tank', 10)
      await visitOf(machine, 'offsite-1')
    }
    machine.keep = { disk: { ...none, last: 1 }, source: { ...none, last: 1 } }
    machine.write('tank', 10)
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.setProperties') throw failed('io-error', 'I/O error')
      },
    }
    await visitOf(machine, 'offsite-1')
    expect(snapshotsOf(machine, 'offsite-1/nas/tank')).toHaveLength(4)
    expect(snapshotsOf(machine, 'tank')).toHaveLength(1)
    machine.state.interference = {}
    await visitOf(machine, 'offsite-1')
    expect(snapshotsOf(machine, 'offsite-1/nas/tank')).toHaveLength(1)
  })

  test('what one visit could not write any more, the next one does', async () => {
    const machine = homeMachine()
    machine.state.interference = {
      before: ({ verb }) => {
        if (verb === 'zfs.setProperties') throw failed('io-error', 'I/O error')
      },
    }
    await visitOf(machine, 'offsite-1')
    expect(said(machine, 'offsite-1/nas/tank', mark.state)).toBeUndefined()
    machine.state.interference = {}
    await visitOf(machine, 'offsite-1')
    expect(said(machine, 'offsite-1/nas/tank', mark.state)).toBe(newestOf(machine, 'offsite-1/nas/tank'))
  })

  test('a stream that was resumed has told the copy whose it is, too', async () => {
    const machine = homeMachine()
    await interruptAt(machine, 'offsite-1/nas/tank/home/ann')
    await visitOf(machine, 'offsite-1')
    expect(said(machine, 'offsite-1/nas/tank/home/ann', mark.source)).toBe('tank/home/ann')
    expect(said(machine, 'offsite-1/nas/tank/home/ann', mark.state)).toBe(newestOf(machine, 'tank/home/ann'))
  })

  test('nothing is written to a disk that is gone', async () => {
    const machine = homeMachine()
    await visitOf(machine, 'offsite-1')
    machine.write('tank', 10)
    machine.state.calls.length = 0
    machine.state.interference = {
      after: ({ verb, about }) => {
        if (verb === 'zfs.propertiesOfEach' && about === 'offsite-1/nas/tank') machine.unplug('offsite-1')
      },
    }
    await visitOf(machine, 'offsite-1')
    expect(writes(machine)).toEqual([])
    expect(machine.state.wedged).toBe(false)
  })
})
