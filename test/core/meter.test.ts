import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMeter } from '../../src/core/meter.ts'

const start = new Date('2026-11-22T21:00:00Z')
const later = (seconds: number): Date => new Date(start.getTime() + seconds * 1000)

test('nothing sent yet: no speed, no promise', () => {
  expect(createMeter(1000, start).read(later(10))).toEqual({
    sentBytes: 0,
    totalBytes: 1000,
    bytesPerSecond: 0,
    readyAt: null,
  })
})

test('streams are counted together, each once', () => {
  const meter = createMeter(1000, start)
  const [one, two] = [meter.begin(), meter.begin()]
  one.advance(100)
  one.advance(200)
  two.advance(50)
  expect(meter.sentBytes()).toBe(250)
  one.end(300)
  expect(meter.sentBytes()).toBe(350)
  two.end(40)
  expect(meter.sentBytes()).toBe(340)
})

test('ready when the rest is sent at the speed so far', () => {
  const meter = createMeter(1000, start)
  meter.begin().advance(250)
  expect(meter.read(later(10))).toEqual({
    sentBytes: 250,
    totalBytes: 1000,
    bytesPerSecond: 25,
    readyAt: later(40),
  })
})

test('the first seconds, and the first few bytes, promise nothing yet', () => {
  const meter = createMeter(100_000, start)
  const stream = meter.begin()
  stream.advance(50_000)
  expect(meter.read(later(9)).readyAt).toBeNull()
  expect(meter.read(later(10)).readyAt).toEqual(later(20))
  stream.advance(999)
  expect(meter.read(later(299)).readyAt).toBeNull()
  expect(meter.read(later(300)).readyAt).not.toBeNull()
  stream.advance(1000)
  expect(meter.read(later(10)).readyAt).not.toBeNull()
})

test('more than was estimated: the total grows, it is ready now', () => {
  const meter = createMeter(1000, start)
  meter.begin().advance(1500)
  expect(meter.read(later(10))).toMatchObject({ totalBytes: 1500, readyAt: later(10) })
})

test('a word after the end of a stream changes nothing', () => {
  const meter = createMeter(1000, start)
  const stream = meter.begin()
  stream.end(100)
  stream.advance(90)
  stream.end(100)
  expect(meter.sentBytes()).toBe(100)
})

test('a stream that stalls after its first bytes promises nothing', () => {
  const meter = createMeter(2 ** 43, start)
  meter.begin().advance(312)
  expect(meter.read(later(3600)).readyAt).toBeNull()
})

test('a clock that was set back gives no speed', () => {
  const meter = createMeter(1000, start)
  meter.begin().advance(500)
  expect(meter.read(later(-3600))).toMatchObject({ bytesPerSecond: 0, readyAt: null })
})

test('whatever the numbers: what is read can be shown', () => {
  const bytes = fc.integer({ min: 0, max: 2 ** 50 })
  fc.assert(
    fc.property(bytes, bytes, fc.integer({ min: -1e7, max: 1e9 }), (estimate, sent, seconds) => {
      const meter = createMeter(estimate, start)
      meter.begin().advance(sent)
      const read = meter.read(later(seconds))
      expect(read.totalBytes).toBeGreaterThanOrEqual(read.sentBytes)
      expect(Number.isFinite(read.bytesPerSecond)).toBe(true)
      if (read.readyAt !== null)
        expect(read.readyAt.getTime()).toBeGreaterThanOrEqual(later(seconds).getTime())
    }),
  )
})
