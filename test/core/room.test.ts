// What a disk takes at least of what a source counts: figures of ZFS's own arithmetic for blocks on raidz and in sectors.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { datasetName } from '../../src/core/model.ts'
import { leastOnDisk, type OnDisk, type OnSource, planRoom } from '../../src/core/room.ts'

const GiB = 2 ** 30

interface Layout {
  readonly ashift: number
  readonly disks: number
  readonly parity: number
}
const single = (ashift: number): Layout => ({ ashift, disks: 1, parity: 0 })

/** vdev_raidz_asize(), and vdev_default_asize() without parity. */
function allocated(bytes: number, { ashift, disks, parity }: Layout): number {
  const data = Math.ceil(bytes / 2 ** ashift)
  if (parity === 0) return data * 2 ** ashift
  const all = data + parity * Math.ceil(data / (disks - parity))
  return Math.ceil(all / (parity + 1)) * (parity + 1) * 2 ** ashift
}

/** What `referenced` and `written` count for a block, and `available` goes down by: bp_get_dsize(). */
const counted = (bytes: number, layout: Layout, copies = 1): number =>
  copies * (allocated(bytes, layout) / 512) * Math.floor(2 ** 17 / (allocated(2 ** 17, layout) / 512))

/** A dataset of as many blocks of this size, and before compression of that. */
const ofBlocks = (
  count: number,
  psize: number,
  layout: Layout,
  { lsize = psize, copies = 1 } = {},
): OnSource => ({
  referencedBytes: count * counted(psize, layout, copies),
  logicalBytes: count * lsize,
  compressRatio: Math.floor((lsize * 100) / psize) / 100,
  compresses: true,
  raw: true,
})
const plain: OnDisk = { compresses: false, deduplicates: false }
const compressing: OnDisk = { compresses: true, deduplicates: false }

describe('what a disk takes at least', () => {
  test('a zvol of 8 KiB blocks on a raidz2 of six disks with 4 KiB sectors counts twice what is in it', () => {
    const raidz2 = { ashift: 12, disks: 6, parity: 2 }
    const blocks = (100 * GiB) / 8192
    const source = ofBlocks(blocks, 8192, raidz2)
    expect(source.referencedBytes / GiB).toBeCloseTo(200, 0)
    expect(blocks * counted(8192, single(12))).toBe(100 * GiB)
    const least = leastOnDisk(source.referencedBytes, source, plain)
    expect(least).toBeGreaterThan(49 * GiB)
    expect(least).toBeLessThanOrEqual(50 * GiB)
  })

  test.each<[name: string, count: number, source: OnSource, disk: OnDisk, atLeast: number, atMost: number]>([
    [
      'blocks of 512 bytes in sectors of 4 KiB: eight times what a disk with small sectors needs',
      8 * GiB,
      ofBlocks((8 * GiB) / 4096, 512, single(12)),
      plain,
      0.49 * GiB,
      0.5 * GiB,
    ],
    [
      'copies=3',
      30 * GiB,
      ofBlocks((10 * GiB) / 131072, 131072, single(12), { copies: 3 }),
      plain,
      4.9 * GiB,
      5 * GiB,
    ],
    [
      'compressed to a third, and sent so',
      10 * GiB,
      ofBlocks((10 * GiB) / 45056, 45056, single(12), { lsize: 131072 }),
      plain,
      4.9 * GiB,
      5 * GiB,
    ],
    [
      'an increment: as all of its dataset lies',
      2 * GiB,
      ofBlocks((100 * GiB) / 8192, 8192, { ashift: 12, disks: 6, parity: 2 }),
      plain,
      0.49 * GiB,
      0.5 * GiB,
    ],
    [
      'never more than the source counts, whatever is shared there',
      10 * GiB,
      { ...ofBlocks(100, 131072, single(12)), referencedBytes: 1 },
      plain,
      5 * GiB,
      5 * GiB,
    ],
    [
      'the disk compresses what the source has tried to',
      8 * GiB,
      { ...ofBlocks(65536, 131072, single(12)), raw: false },
      compressing,
      1.9 * GiB,
      2 * GiB,
    ],
    ['raw, the disk cannot', 8 * GiB, ofBlocks(65536, 131072, single(12)), compressing, 3.9 * GiB, 4 * GiB],
    [
      'only the disk compresses: it may be zeros',
      8 * GiB,
      { ...ofBlocks(65536, 131072, single(12)), raw: false, compresses: false },
      compressing,
      0,
      0,
    ],
    [
      'nobody compresses',
      8 * GiB,
      { ...ofBlocks(65536, 131072, single(12)), raw: false, compresses: false },
      plain,
      3.9 * GiB,
      4 * GiB,
    ],
    [
      'the disk may have it already',
      8 * GiB,
      ofBlocks(65536, 131072, single(12)),
      { compresses: false, deduplicates: true },
      0,
      0,
    ],
    [
      'nothing is in it yet',
      0,
      { referencedBytes: 0, logicalBytes: 0, compressRatio: 1, compresses: true, raw: true },
      plain,
      0,
      0,
    ],
  ])('%s', (_, count, source, disk, atLeast, atMost) => {
    const least = leastOnDisk(count, source, disk)
    expect(least).toBeGreaterThanOrEqual(atLeast)
    expect(least).toBeLessThanOrEqual(atMost)
  })

  const sectors = fc.constantFrom(9, 12, 13)
  const raidz = fc
    .record({
      ashift: sectors,
      parity: fc.integer({ min: 1, max: 3 }),
      data: fc.integer({ min: 1, max: 12 }),
    })
    .map(({ ashift, parity, data }): Layout => ({ ashift, parity, disks: data + parity }))
  const layout = fc.oneof(sectors.map(single), raidz)

  test('whatever lies where: a full copy never takes less', () => {
    const block = fc.record({
      count: fc.integer({ min: 1, max: 1_000_000 }),
      /** In sectors of 512 bytes, before and after compression. */
      lsize: fc.integer({ min: 1, max: 2048 }),
      kept: fc.double({ min: 0.05, max: 1, noNaN: true }),
      copies: fc.integer({ min: 1, max: 3 }),
    })
    const dataset = fc.array(block, { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(dataset, layout, layout, (blocks, there, here) => {
        let [referencedBytes, logicalBytes, storedBytes, takenBytes] = [0, 0, 0, 0]
        for (const { count, lsize, kept, copies } of blocks) {
          const size = Math.ceil(lsize * kept) * 512
          referencedBytes += count * counted(size, there, copies)
          logicalBytes += count * lsize * 512
          storedBytes += count * size
          takenBytes += count * counted(size, here)
        }
        const compressRatio = Math.floor((logicalBytes * 100) / storedBytes) / 100
        const source = { referencedBytes, logicalBytes, compressRatio, compresses: true, raw: true }
        expect(leastOnDisk(referencedBytes, source, plain)).toBeLessThanOrEqual(takenBytes)
      }),
    )
  })
})

describe('what does not fit', () => {
  const need = { name: datasetName('tank/a'), estimatedBytes: 900, leastBytes: 400, reservedBytes: 0 }
  const unfitting = (change: Partial<typeof need>, availableBytes: number) => [
    ...planRoom({ needs: [{ ...need, ...change }], availableBytes, old: [] }).unfitting.values(),
  ]
  test('is what surely takes more than there is; how much is about what it is estimated to take', () => {
    expect(unfitting({}, 400)).toEqual([])
    expect(unfitting({}, 399)).toEqual([{ neededBytes: 900, availableBytes: 399 }])
  })
  test('what is kept free for it is there, too', () => {
    expect(unfitting({ reservedBytes: 100 }, 300)).toEqual([])
    expect(unfitting({ reservedBytes: 100 }, 299)).toEqual([{ neededBytes: 900, availableBytes: 399 }])
  })
})
