// Which datasets are selected, and where each lands.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { datasetName, poolName } from '../../src/core/model.ts'
import type { Source } from '../../src/core/selection.ts'
import {
  chooseSource,
  findUnmatchedExcludes,
  isExcluded,
  isPatternMatch,
  isWithin,
  selectDatasets,
  targetOf,
} from '../../src/core/selection.ts'

const source = (dataset: string, exclude: readonly string[] = [], place = dataset): Source => ({
  dataset: datasetName(dataset),
  place,
  exclude,
})
const names = (...of: readonly string[]) => of.map(datasetName)

describe('a pattern', () => {
  test.each([
    ['tank/scratch', 'tank/scratch', true],
    ['tank/scratch', 'tank/scratch/below/it', true],
    ['tank/scratch', 'tank/scratchy', false],
    ['tank/scratch', 'tank', false],
    ['tank/vm/*/swap', 'tank/vm/a/swap', true],
    ['tank/vm/*/swap', 'tank/vm/a/swap/deeper', true],
    ['tank/vm/*/swap', 'tank/vm/a/b/swap', false],
    ['tank/vm/*/swap', 'tank/vm/swap', false],
    ['tank/*', 'tank/a', true],
    ['tank/*', 'tank', false],
    ['tank/tmp*', 'tank/tmp', true],
    ['tank/tmp*', 'tank/tmp-1/x', true],
    ['tank/*-cache', 'tank/a-cache-b-cache', true],
    ['tank/*-cache', 'tank/cache', false],
    ['tank/a*b*c', 'tank/aXbYbZc', true],
    ['tank/a*b*c', 'tank/aXc', false],
    ['tank/a.b', 'tank/axb', false],
    ['*/scratch', 'tank/scratch', true],
    ['tank/two words', 'tank/two words', true],
  ])('%s and %s: %s', (pattern, dataset, expected) => {
    expect(isPatternMatch(pattern, dataset)).toBe(expected)
  })

  test('made to be slow is not slow', () => {
    const started = performance.now()
    expect(isPatternMatch(`tank/${'a*'.repeat(100)}b`, `tank/${'a'.repeat(240)}`)).toBe(false)
    expect(performance.now() - started).toBeLessThan(500)
  })

  test('matches like the regular expression that it stands for', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 6 })
    const word = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(part, word, (pattern, text) => {
        expect(isPatternMatch(pattern, text)).toBe(
          new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text),
        )
      }),
    )
  })
})

test('a name that only begins alike is not below', () => {
  expect(isWithin('tank/data', 'tank')).toBe(true)
  expect(isWithin('tank', 'tank')).toBe(true)
  expect(isWithin('tank2', 'tank')).toBe(false)
  expect(isWithin('tank', 'tank/data')).toBe(false)
})

test('what is below a source and not excluded is selected, in order', () => {
  const sources = [source('tank', ['tank/scratch', 'tank/vm/*/swap']), source('fast/db')]
  const all = names('fast', 'fast/db', 'fast/db2', 'tank', 'tank/scratch/x', 'tank/vm/a', 'tank/vm/a/swap')
  expect(selectDatasets(sources, all)).toEqual(['fast/db', 'tank', 'tank/vm/a'])
})

test('an excluded dataset can be a source of its own', () => {
  const sources = [source('tank', ['tank/vm']), source('tank/vm', [], 'machines')]
  expect(chooseSource(sources, 'tank/vm/a')?.place).toBe('machines')
  expect(chooseSource(sources, 'tank/a')?.place).toBe('tank')
})

test('a child of anything excluded is excluded', () => {
  const part = fc.string({ unit: fc.constantFrom('a', 'b', '-'), minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), part, (parts, child) => {
      const name = `tank/${parts.join('/')}`
      const outer = source('tank', ['tank/a*', 'tank/*/b'])
      if (isExcluded(outer, name)) expect(isExcluded(outer, `${name}/${child}`)).toBe(true)
    }),
  )
})

describe('the target', () => {
  const disk = { pool: poolName('offsite-1') }
  const config = {
    sources: [source('tank', ['tank/vm']), source('tank/vm', [], 'machines/all')],
    backup: { into: 'nas' },
  }

  test.each([
    ['tank', 'offsite-1/nas/tank'],
    ['tank/a/b', 'offsite-1/nas/tank/a/b'],
    ['tank/vm', 'offsite-1/nas/machines/all'],
    ['tank/vm/x', 'offsite-1/nas/machines/all/x'],
  ])('of %s is %s', (dataset, expected) => {
    expect(targetOf(config, disk, datasetName(dataset))).toBe(expected)
  })

  test('of a dataset that is not selected does not exist', () => {
    expect(() => targetOf(config, disk, datasetName('other'))).toThrow(RangeError)
  })
})

test('an exclude that matches nothing is found', () => {
  const config = { sources: [source('tank', ['tank/scratch', 'tank/srcatch']), source('fast', ['fast/*'])] }
  const found = findUnmatchedExcludes(config, ['tank', 'tank/scratch', 'fast'])
  expect(found.map(({ pattern }) => pattern)).toEqual(['tank/srcatch', 'fast/*'])
})
