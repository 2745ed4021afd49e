import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesInWords } from '../../src/core/bytes.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [1700, '1.7 kB'],
  [123_456, '123.4 kB'],
  [999_999, '999.9 kB'],
  [1_000_000, '1 MB'],
  [16_100_000, '16.1 MB'],
  [4_000_787_030_016, '4 TB'],
  [18_400_000_000_000_000_000, '18.4 EB'],
  [5_000_000_000_000_000_000, '5 EB'],
  [12.345, '12.3 B'],
])('%d is %s', (bytes, words) => {
  expect(bytesInWords(bytes)).toBe(words)
})

test('never more than there is, and less by no more than a tenth of the unit', () => {
  const scales: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 900_000_000_000_000 }), (bytes) => {
      const [number, unit = ''] = bytesInWords(bytes).split(' ')
      const scale = scales[unit] ?? Number.NaN
      const tenths = Math.round(Number(number) * 10)
      expect(Number(number)).toBeLessThan(1000)
      expect(tenths * (scale / 10)).toBeLessThanOrEqual(bytes)
      expect((tenths + 1) * (scale / 10)).toBeGreaterThan(bytes)
    }),
  )
})
