// What lsblk says of a disk, as it prints it: util-linux 2.38 and later, and older ones with their words.
import { expect, test } from 'vitest'
import { UnreadableAnswer } from '../../src/errors.ts'
import { isEmpty, parseContents } from '../../src/linux/contents.ts'

const disk = {
  path: '/dev/sdb',
  type: 'disk',
  size: 4_000_787_030_016,
  fstype: null,
  label: null,
  pttype: 'gpt',
  'phy-sec': 4096,
  rota: true,
  'disc-max': 0,
}
const part = { ...disk, path: '/dev/sdb1', type: 'part', fstype: 'ext4', label: 'photos' }
const lsblk = (...blockdevices: readonly object[]): string => JSON.stringify({ blockdevices })

test('partitions with what is on them', () => {
  const contents = parseContents(lsblk(disk, part))
  expect(contents).toEqual({
    physicalSectorBytes: 4096,
    rotational: true,
    discards: false,
    partitionTable: 'gpt',
    parts: [{ node: '/dev/sdb1', type: 'part', sizeBytes: disk.size, fsType: 'ext4', label: 'photos' }],
  })
  expect(isEmpty(contents)).toBe(false)
})

test('a file system without a partition; nothing at all; a table alone', () => {
  const bare = { ...disk, pttype: null }
  expect(parseContents(lsblk({ ...bare, fstype: 'ntfs' })).parts).toMatchObject([{ node: '/dev/sdb' }])
  expect(isEmpty(parseContents(lsblk({ ...bare, fstype: 'ntfs' })))).toBe(false)
  expect(isEmpty(parseContents(lsblk(bare)))).toBe(true)
  expect(isEmpty(parseContents(lsblk(disk)))).toBe(false)
})

test('an SSD, in the words of older versions', () => {
  const old = { ...disk, size: '4000787030016', 'phy-sec': '512', rota: '0', 'disc-max': '4294966784' }
  expect(parseContents(lsblk(old))).toMatchObject({
    physicalSectorBytes: 512,
    rotational: false,
    discards: true,
  })
})

test.each(['', 'lsblk: /dev/x: not a block device', '{}', lsblk(), lsblk({ path: '/dev/sdb' })])(
  'not to be read: %s',
  (stdout) => {
    expect(() => parseContents(stdout)).toThrow(UnreadableAnswer)
  },
)
