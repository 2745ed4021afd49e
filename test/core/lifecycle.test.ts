import { describe, expect, test } from 'vitest'
import type { DiskState, Input } from '../../src/core/diskState.ts'
import { transition } from '../../src/core/lifecycle.ts'
import {
  absent,
  asked,
  ended,
  foreignSerial,
  inWords,
  later,
  looked,
  otherPool,
  present,
  settling,
  start,
  states,
  twin,
} from './sightings.ts'

type Row = [
  name: string,
  from: DiskState,
  input: Input,
  to: DiskState['kind'],
  effects: string,
  atMs?: number,
]

function check([, from, input, to, effects, atMs = 0]: Row): void {
  const next = transition(from, input, later(atMs))
  expect(next.state.kind).toBe(to)
  expect(inWords(next.effects)).toBe(effects)
}

const gone = { sameDevices: false }
const pulledOut = { sameDevices: false, imported: true }
const suspended = { suspended: true }
const { arriving, refused, visiting, removable, pulled, stuck } = states
const notRemovable = states['not-removable']

describe('a look while it is not connected or arrives', () => {
  const noPool: DiskState = { ...arriving, fingerprint: 'no-pool /dev/sd1 1' }
  const udev: DiskState = { ...arriving, fingerprint: 'udev /dev/sd1 1' }
  test.each<Row>([
    ['nothing there', states.absent, looked(absent), 'absent', ''],
    ['plugged in', states.absent, looked(present(1)), 'arriving', 'look-again 1500'],
    ['plugged in, udev is at work', states.absent, looked(settling('udev')), 'arriving', 'look-again 60000'],
    ['plugged in, not itself', states.absent, looked(twin(1, 2)), 'arriving', 'look-again 1500'],
    ['not yet stable', arriving, looked(present(1)), 'arriving', 'look-again 500', 1000],
    ['stable', arriving, looked(present(1)), 'visiting', 'tell disk-arrived, start-visit 1', 1500],
    [
      'another device by now: starts to settle anew',
      arriving,
      looked(present(2)),
      'arriving',
      'look-again 1500',
      1500,
    ],
    ['gone again: nothing is said', arriving, looked(absent), 'absent', '', 1500],
    [
      'the clock was set back: starts to settle anew',
      arriving,
      looked(present(1)),
      'arriving',
      'look-again 1500',
      -1e9,
    ],
    ['no pool on it for long', noPool, looked(settling('no-pool')), 'refused', 'tell disk-refused', 60_000],
    ['no pool on it yet', noPool, looked(settling('no-pool')), 'arriving', 'look-again 1', 59_999],
    ['udev at work for ever: waits on', udev, looked(settling('udev')), 'arriving', '', 1e9],
  ])('%s', (...row) => check(row))
})

describe('a look while it is refused', () => {
  test.each<Row>([
    ['the same as before: said once', refused, looked(twin(1, 2)), 'refused', '', 1e9],
    ['unplugged', refused, looked(absent), 'absent', ''],
    ['the copy is gone: settles', refused, looked(present(1)), 'arriving', 'look-again 1500'],
    ['another reason: settles', refused, looked(otherPool(1)), 'arriving', 'look-again 1500'],
  ])('%s', (...row) => check(row))

  test('is said once for each reason, whatever comes in between', () => {
    const sightings = [twin(1, 2), settling('udev'), twin(1, 2), otherPool(1), twin(1, 2), otherPool(1)]
    let state: DiskState = states.absent
    const told: string[] = []
    let now = 0
    for (const sighting of sightings)
      for (const wait of [0, 20_000]) {
        now += wait
        const next = transition(state, looked(sighting), later(now))
        state = next.state
        for (const effect of next.effects)
          if (effect.kind === 'tell' && effect.what.kind === 'disk-refused')
            told.push(effect.what.reason.kind)
      }
    expect(told).toEqual(['twin', 'other-pool'])
  })
})

describe('a look during a visit', () => {
  const hanging: DiskState = { ...visiting, suspendedSince: start }
  test.each<Row>([
    ['all is well', visiting, looked(present(1), { imported: true }), 'visiting', ''],
    [
      'udev has a blink: the device is the same',
      visiting,
      looked(settling('udev'), { imported: true }),
      'visiting',
      '',
    ],
    ['a scan missed it: the device is the same', visiting, looked(absent), 'visiting', ''],
    ['suspended, seen once', visiting, looked(present(1), suspended), 'visiting', 'look-again 10000'],
    [
      'suspended, and not yet for long',
      hanging,
      looked(present(1), suspended),
      'visiting',
      'look-again 1',
      9999,
    ],
    [
      'suspended, and seen again',
      hanging,
      looked(present(1), suspended),
      'stuck',
      'end-visit, tell disk-stuck',
      10_000,
    ],
    [
      'suspended, the clock was set back',
      hanging,
      looked(present(1), suspended),
      'visiting',
      'look-again 10000',
      -1e9,
    ],
    [
      'suspended, and pulled by now',
      hanging,
      looked(absent, { sameDevices: false, suspended: true }),
      'pulled',
      'end-visit, reopen-pool, tell disk-pulled',
      10_000,
    ],
    [
      'suspended from before: the visit makes it work again',
      { ...visiting, phase: 'importing' },
      looked(present(1), suspended),
      'visiting',
      '',
      1e6,
    ],
    ['gone before the import or after the export', visiting, looked(absent, gone), 'visiting', 'end-visit'],
    ['pulled', visiting, looked(absent, pulledOut), 'pulled', 'end-visit, reopen-pool, tell disk-pulled'],
    [
      'pulled and back at once',
      visiting,
      looked(present(2), pulledOut),
      'pulled',
      'end-visit, reopen-pool, tell disk-pulled',
    ],
  ])('%s', (...row) => check(row))
})

test('suspended for a moment, and again much later: that is not for long', () => {
  const first = transition(visiting, looked(present(1), suspended), start)
  const well = transition(first.state, looked(present(1), { imported: true }), later(5000))
  expect(well).toEqual({ state: visiting, effects: [] })
  expect(transition(well.state, looked(present(1), suspended), later(1e6)).state.kind).toBe('visiting')
})

describe('a look after the visit', () => {
  test.each<Row>([
    ['removable: stays', removable, looked(present(1)), 'removable', ''],
    ['removable: a scan missed it', removable, looked(absent), 'removable', ''],
    [
      'removable: somebody imported it by hand',
      removable,
      looked(present(1), { imported: true }),
      'not-removable',
      'tell not-safe-to-remove, look-again 15000',
    ],
    ['removable: taken', removable, looked(absent, gone), 'absent', 'tell disk-removed'],
    [
      'removable: plugged in again at once',
      removable,
      looked(present(2), gone),
      'arriving',
      'tell disk-removed, look-again 1500',
    ],
    [
      'removable: somebody imported it, then pulled it',
      removable,
      looked(absent, pulledOut),
      'pulled',
      'reopen-pool, tell disk-pulled',
    ],
    [
      'not removable: not yet time to try again',
      notRemovable,
      looked(present(1), { imported: true }),
      'not-removable',
      'look-again 5000',
      10_000,
    ],
    [
      'not removable: exported by hand, tried at once',
      notRemovable,
      looked(present(1)),
      'not-removable',
      'try-release 1, look-again 30000',
      1000,
    ],
    [
      'not removable: not imported any more and still held: tried when it is time',
      { ...notRemovable, imported: false },
      looked(present(1)),
      'not-removable',
      'look-again 5000',
      10_000,
    ],
    [
      'not removable: tried again',
      notRemovable,
      looked(present(1)),
      'not-removable',
      'try-release 1, look-again 30000',
      15_000,
    ],
    [
      'not removable: the clock was set back',
      notRemovable,
      looked(present(1)),
      'not-removable',
      'try-release 1, look-again 30000',
      -1e9,
    ],
    [
      'not removable: pulled',
      notRemovable,
      looked(absent, pulledOut),
      'pulled',
      'reopen-pool, tell disk-pulled',
    ],
    [
      'not removable: exported by hand and taken',
      notRemovable,
      looked(absent, gone),
      'absent',
      'tell disk-removed',
    ],
  ])('%s', (...row) => check(row))

  test('the pause between two tries doubles, up to twenty times the first', () => {
    let state: DiskState = notRemovable
    const pauses: number[] = []
    for (let now = 15_000; pauses.length < 7; ) {
      const next = transition(state, looked(present(1), { imported: true }), later(now))
      state = next.state
      const again = next.effects.find((effect) => effect.kind === 'look-again')
      pauses.push(again?.inMs ?? 0)
      now += again?.inMs ?? 0
    }
    expect(pauses.map((ms) => ms / 15_000)).toEqual([2, 4, 8, 16, 20, 20, 20])
  })
})

describe('a look after it was pulled or got stuck', () => {
  const returning: DiskState = {
    ...pulled,
    returning: {
      fingerprint: arriving.fingerprint.replace('7 1 /dev/sd11', '7 2 /dev/sd21'),
      stableSince: start,
    },
  }
  const hung: DiskState = { ...stuck, wasSuspended: true }
  test.each<Row>([
    ['pulled: still away', pulled, looked(absent, pulledOut), 'pulled', ''],
    ['pulled: the pool went from the kernel', pulled, looked(absent, gone), 'absent', ''],
    ['pulled: back', pulled, looked(present(2), pulledOut), 'pulled', 'look-again 1500'],
    [
      'pulled: back and stable',
      returning,
      looked(present(2), pulledOut),
      'visiting',
      'tell disk-arrived, start-visit 2',
      1500,
    ],
    [
      'pulled: back, the clock was set back',
      returning,
      looked(present(2), pulledOut),
      'pulled',
      'look-again 1500',
      -1e9,
    ],
    ['pulled: back, udev is at work', returning, looked(settling('udev'), pulledOut), 'pulled', '', 1500],
    ['stuck: still there', stuck, looked(present(1), { imported: true }), 'stuck', ''],
    // A command on a pool that the kernel holds on to would only hang, too.
    ['stuck: unplugged', stuck, looked(absent, pulledOut), 'stuck', ''],
    [
      'stuck: unplugged, suspended',
      stuck,
      looked(absent, { ...pulledOut, ...suspended }),
      'pulled',
      'reopen-pool',
    ],
    [
      'stuck: a copy is in its place',
      stuck,
      looked(twin(2, 3), { ...pulledOut, ...suspended }),
      'pulled',
      '',
    ],
    ['stuck: it still hangs', hung, looked(present(1), suspended), 'stuck', ''],
    [
      'stuck: its pool works again',
      hung,
      looked(present(1), { imported: true }),
      'visiting',
      'tell disk-arrived, start-visit 1',
    ],
    [
      'stuck: its pool works again, but it does not settle',
      hung,
      looked(settling('udev'), { imported: true }),
      'stuck',
      '',
    ],
    ['stuck: unplugged and gone from the kernel', stuck, looked(absent, gone), 'absent', ''],
    [
      'stuck: plugged in again',
      stuck,
      looked(present(2), pulledOut),
      'visiting',
      'tell disk-arrived, start-visit 2',
    ],
  ])('%s', (...row) => check(row))

  test.each([
    ['a copy', twin(2, 3)],
    ['its pool under another serial', foreignSerial(2)],
  ])('pulled, and %s is in its place: nothing is reopened until that is gone', (_, inItsPlace) => {
    for (const from of [visiting, removable, notRemovable]) {
      const first = transition(from, looked(inItsPlace, pulledOut), start)
      expect(inWords(first.effects)).toMatch(/tell disk-pulled$/)
      expect(inWords(first.effects)).not.toContain('reopen-pool')
      const second = transition(first.state, looked(inItsPlace, pulledOut), start)
      expect(inWords(second.effects)).toBe('look-again 1500')
      const third = transition(second.state, looked(absent, pulledOut), start)
      expect(inWords(third.effects)).toBe('reopen-pool')
      expect(transition(third.state, looked(absent, pulledOut), start).effects).toEqual([])
    }
  })

  test('pulled, as the visit found: the look that follows reopens it', () => {
    const { state } = transition(visiting, ended('pulled'), start)
    expect(inWords(transition(state, looked(absent, pulledOut), start).effects)).toBe('reopen-pool')
    expect(inWords(transition(state, looked(absent, gone), start).effects)).toBe('')
    expect(inWords(transition(state, looked(twin(2, 3), pulledOut), start).effects)).toBe('look-again 1500')
  })

  test('pulled: what comes back is not it: said once, and waited for', () => {
    const first = transition(pulled, looked(otherPool(2), pulledOut), start)
    expect(inWords(first.effects)).toBe('look-again 1500')
    const second = transition(first.state, looked(otherPool(2), pulledOut), later(1500))
    expect(inWords(second.effects)).toBe('tell disk-refused')
    const third = transition(second.state, looked(otherPool(2), pulledOut), later(60_000))
    expect(inWords(third.effects)).toBe('')
    expect(third.state.kind).toBe('pulled')
  })
})

describe('the end of a visit', () => {
  test.each<Row>([
    ['released', visiting, ended('released'), 'removable', 'tell safe-to-remove, look-again 0'],
    [
      'not released',
      visiting,
      ended('not-released'),
      'not-removable',
      'tell not-safe-to-remove, look-again 15000',
    ],
    ['gone', visiting, ended('gone'), 'absent', 'tell disk-removed, look-again 0'],
    ['pulled', visiting, ended('pulled'), 'pulled', 'tell disk-pulled, look-again 0'],
    ['stuck', visiting, ended('stuck'), 'stuck', 'tell disk-stuck'],
    ['refused by the import', visiting, ended('refused'), 'refused', 'tell disk-refused'],
    ['stopped', visiting, ended('stopped'), 'visiting', ''],
    [
      'released at another try',
      notRemovable,
      ended('released'),
      'removable',
      'tell safe-to-remove, look-again 0',
    ],
    [
      'not released again, for the same reason',
      notRemovable,
      ended('not-released'),
      'not-removable',
      'look-again 15000',
    ],
    [
      'not released again, for another reason',
      notRemovable,
      ended('not-released', 'another'),
      'not-removable',
      'tell not-safe-to-remove, look-again 15000',
    ],
  ])('%s', (...row) => check(row))

  test.each([states.absent, arriving, refused, removable, pulled, stuck])(
    'is nothing to a disk that is $kind',
    (state) => {
      for (const kind of ['released', 'gone', 'pulled', 'stuck'] as const)
        expect(transition(state, ended(kind), start)).toEqual({ state, effects: [] })
    },
  )

  test('after a refused import the same device is left alone, plugged in again it is tried again', () => {
    const { state } = transition(visiting, ended('refused'), start)
    expect(transition(state, looked(present(1)), later(1e9))).toEqual({ state, effects: [] })
    const again = transition(state, looked(present(2)), later(1e9))
    expect(again.state.kind).toBe('arriving')
  })
})

const imported = { imported: true }
describe('asked to run', () => {
  test.each<Row>([
    ['released', removable, asked('run', present(1)), 'visiting', 'tell visit-asked, start-visit 1'],
    [
      'not released, the pool imported by somebody else',
      notRemovable,
      asked('run', present(1), imported),
      'visiting',
      'tell visit-asked, start-visit 1',
    ],
    ['a visit is under way', visiting, asked('run', present(1), imported), 'visiting', ''],
    ['it is about to begin by itself', arriving, asked('run', present(1)), 'arriving', 'look-again 1500'],
    ['refused stays refused', refused, asked('run', twin(1, 2)), 'refused', ''],
    ['not there', states.absent, asked('run', absent), 'absent', ''],
    ['taken meanwhile', removable, asked('run', absent, gone), 'absent', 'tell disk-removed'],
    ['udev is at work on it', removable, asked('run', settling('udev')), 'removable', ''],
    ['stuck', stuck, asked('run', present(1), imported), 'stuck', ''],
    ['pulled', pulled, asked('run', absent, pulledOut), 'pulled', ''],
  ])('%s', (...row) => check(row))
})

describe('asked to eject', () => {
  test.each<Row>([
    [
      'a visit is under way',
      visiting,
      asked('eject', present(1), imported),
      'visiting',
      'tell eject-asked, eject-visit',
    ],
    [
      'a visit is under way whose disk was just pulled',
      visiting,
      asked('eject', absent, pulledOut),
      'pulled',
      'end-visit, reopen-pool, tell disk-pulled',
    ],
    ['safe already', removable, asked('eject', present(1)), 'removable', ''],
    [
      'safe it was, and then somebody imported it',
      removable,
      asked('eject', present(1), imported),
      'not-removable',
      'tell not-safe-to-remove, look-again 15000, tell eject-asked, release 1',
    ],
    [
      'not released: at once, not when it is time',
      notRemovable,
      asked('eject', present(1), imported),
      'not-removable',
      'tell eject-asked, release 1',
    ],
    ['not released, and taken', notRemovable, asked('eject', absent, gone), 'absent', 'tell disk-removed'],
    ['arriving: no visit begins by that', arriving, asked('eject', present(1)), 'arriving', '', 1500],
    ['refused', refused, asked('eject', twin(1, 2)), 'refused', ''],
    ['pulled', pulled, asked('eject', present(2), pulledOut), 'pulled', '', 1e6],
    ['stuck', stuck, asked('eject', present(2), pulledOut), 'stuck', ''],
    ['not there', states.absent, asked('eject', absent), 'absent', ''],
  ])('%s', (...row) => check(row))

  test('the visit that ended so leaves a disk that nothing happens to', () => {
    const ending = transition(visiting, asked('eject', present(1), imported), start).state
    const { state } = transition(ending, ended('released'), start)
    expect(state.kind).toBe('removable')
    for (const ms of [0, 1e6, -1e6])
      expect(transition(state, looked(present(1)), later(ms))).toEqual({ state, effects: [] })
  })
})

test('imported by others since the last look counts for a disk that was released only', () => {
  const { state, effects } = transition(states.removable, { kind: 'imported-by-others' }, start)
  expect(state).toMatchObject({ kind: 'not-removable', imported: true })
  expect(effects.map(({ kind }) => kind)).toEqual(['tell', 'look-again'])
  for (const other of Object.values(states))
    if (other.kind !== 'removable')
      expect(transition(other, { kind: 'imported-by-others' }, start)).toEqual({ state: other, effects: [] })
})

test('a phase counts during a visit only', () => {
  expect(transition(visiting, { kind: 'phase', phase: 'exporting' }, start).state).toEqual({
    ...visiting,
    phase: 'exporting',
  })
  for (const state of Object.values(states))
    if (state.kind !== 'visiting')
      expect(transition(state, { kind: 'phase', phase: 'exporting' }, start).state).toEqual(state)
})
