// What is decided about a new pool: its block size, its name; and the exact command.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readPoolName } from '../../src/config/values.ts'
import { poolName } from '../../src/core/model.ts'
import { chooseAshift, choosePoolName, isSolidState, type NewPool } from '../../src/core/newPool.ts'
import { BadInput } from '../../src/errors.ts'
import { createArguments } from '../../src/zfs/create.ts'

const disk = (physicalSectorBytes: number) => ({ physicalSectorBytes, rotational: true, discards: false })

test.each([
  [[512], 12],
  [[4096], 12],
  [[8192], 13],
  [[512, 16384], 14],
  [[65536], 16],
  [[131072], 12],
  [[33553920], 12],
  [[0], 12],
])('sectors of %j bytes: ashift %i', (sectors, ashift) => {
  expect(chooseAshift(sectors.map(disk))).toBe(ashift)
})

test('an SSD is what does not turn and takes discards', () => {
  expect(isSolidState({ ...disk(512), rotational: false, discards: true })).toBe(true)
  expect(isSolidState({ ...disk(512), rotational: false })).toBe(false)
  expect(isSolidState({ ...disk(512), discards: true })).toBe(false)
})

test.each([
  ['offsite-1', [], 'offsite-1'],
  ['offsite-1', ['offsite-1', 'offsite-1-2'], 'offsite-1-3'],
  ['the blue one', [], 'the-blue-one'],
  ['2nd', [], 'disk-2nd'],
  ['mirror', [], 'disk-mirror'],
  ['log', [], 'disk-log'],
  ['logs', [], 'logs'],
])('the disk %s gets a pool of a name that is free: beside %j', (name, taken, pool) => {
  expect(choosePoolName(name, new Set(taken))).toBe(pool)
})

test('whatever the disk is called, ZFS takes the name, and it is not taken', () => {
  const taken = fc.array(fc.constantFrom('a', 'disk-1', 'a-2', 'disk-'))
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' }), taken, (name, others) => {
      const pool = choosePoolName(name, new Set(others))
      expect(readPoolName(pool).kind).toBe('value')
      expect(others).not.toContain(pool)
    }),
  )
})

const plan: NewPool = {
  name: poolName('offsite-1'),
  devices: ['/dev/disk/by-id/usb-A'],
  ashift: 12,
  autotrim: false,
  keyFile: null,
  overwrite: false,
}
const command = (changes: Partial<NewPool>) => createArguments({ ...plan, ...changes }, '/never').join(' ')

test('the command for an empty disk', () => {
  expect(command({})).toBe(
    'create -R /never -o ashift=12 -O compression=lz4 -O atime=off -O mountpoint=none -O canmount=off offsite-1 /dev/disk/by-id/usb-A',
  )
})

test('the command for an encrypted mirror of SSDs that are not empty', () => {
  const devices = ['/dev/sdb', '/dev/sdc'] as const
  expect(command({ devices, ashift: 13, autotrim: true, overwrite: true, keyFile: '/etc/a b.key' })).toBe(
    'create -f -R /never -o ashift=13 -o autotrim=on -O compression=lz4 -O atime=off -O mountpoint=none -O canmount=off ' +
      '-O encryption=aes-256-gcm -O keyformat=hex -O keylocation=file:///etc/a b.key offsite-1 mirror /dev/sdb /dev/sdc',
  )
})

test.each([{ name: poolName('-f') }, { devices: ['-f'] as const }, { keyFile: 'key' }])(
  'no command for %j',
  (changes) => {
    expect(() => command(changes)).toThrow(BadInput)
  },
)
