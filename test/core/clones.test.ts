import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inheritedBy, planOrigins } from '../../src/core/clones.ts'
import { type Dataset, datasetName, resumeToken } from '../../src/core/model.ts'
import { ancestorsOf, type Move, type Placed } from '../../src/core/placement.ts'
import { dataset } from './series.ts'

type Given = Placed & { readonly target: Dataset | null; readonly move: Move | null }

/** `tank/b<tank/a@s`: b is a clone of a's snapshot s. Each has snapshots s and t. */
function task(text: string, target: Dataset | null = null): Given {
  const [name = '', origin] = text.split('<')
  const source = dataset('@s @t', { name: datasetName(name), origin: origin ?? null })
  return { source, targetName: datasetName(`disk/nas/${name}`), target, move: null }
}
/** Its copy is brought there from another name. */
function followed(name: string, from: string): Given {
  const move: Move = { kind: 'follow', from: datasetName(`disk/nas/${from}`), type: 'filesystem' }
  return { ...task(name, dataset('@s')), move }
}
const inWords = (tasks: readonly Given[]) => {
  const { order, origins } = planOrigins(tasks)
  return {
    order: order.map(({ source }) => source.name).join(' '),
    origins: Object.fromEntries(
      [...origins].map(([{ source }, found]) => [
        source.name,
        found.kind === 'of' ? `${found.of.source.name}@${found.snapshot.name}` : found.because,
      ]),
    ),
  }
}

describe('the order in which datasets are sent', () => {
  test.each<readonly [string, readonly string[], string, Readonly<Record<string, string>>]>([
    ['without clones: as given', ['tank', 'tank/a', 'tank/b'], 'tank tank/a tank/b', {}],
    [
      'a clone after its origin',
      ['tank', 'tank/a<tank/b@s', 'tank/b'],
      'tank tank/b tank/a',
      { 'tank/a': 'tank/b@s' },
    ],
    [
      'clones of clones',
      ['tank/a<tank/b@s', 'tank/b<tank/c@t', 'tank/c'],
      'tank/c tank/b tank/a',
      { 'tank/a': 'tank/b@s', 'tank/b': 'tank/c@t' },
    ],
    [
      'what is above the origin comes first, too',
      ['tank/a<tank/z/y@s', 'tank/z', 'tank/z/y'],
      'tank/z tank/z/y tank/a',
      { 'tank/a': 'tank/z/y@s' },
    ],
    [
      'an origin below its clone cannot come first',
      ['tank/a<tank/a/b@s', 'tank/a/b'],
      'tank/a tank/a/b',
      { 'tank/a': 'comes-later' },
    ],
    [
      'nor one that waits for the clone in another way',
      ['tank/a<tank/b/x@s', 'tank/b<tank/a/y@s', 'tank/a/y', 'tank/b/x'],
      'tank/b tank/b/x tank/a tank/a/y',
      { 'tank/a': 'tank/b/x@s', 'tank/b': 'comes-later' },
    ],
    ['an origin that is not backed up', ['tank/a<pool/x@s'], 'tank/a', { 'tank/a': 'not-backed-up' }],
    [
      'an origin that is gone',
      ['tank/a<tank/b@gone', 'tank/b'],
      'tank/a tank/b',
      { 'tank/a': 'not-backed-up' },
    ],
  ])('%s', (_, given, order, origins) => {
    expect(inWords(given.map((text) => task(text)))).toEqual({ order, origins })
  })

  test('a clone that the disk has is sent like any other dataset', () => {
    const there = task('tank/a<tank/b@s', dataset('@s'))
    expect(inWords([there, task('tank/b')])).toEqual({ order: 'tank/a tank/b', origins: {} })
  })

  test('a copy is found only where what is above it has come to: its clone cannot be sent before that', () => {
    const given = [task('tank/b<tank/z@s'), followed('tank/b/h', 'tank/h'), followed('tank/z', 'tank/b/h/a')]
    expect(inWords(given.toReversed())).toEqual({
      order: 'tank/b tank/b/h tank/z',
      origins: { 'tank/b': 'comes-later' },
    })
  })

  test('a clone that is half received is still to be received', () => {
    const half = task('tank/a<tank/b@s', dataset('', { resumeToken: resumeToken('1-a') }))
    expect(inWords([half, task('tank/b')]).origins).toEqual({ 'tank/a': 'tank/b@s' })
  })

  test('whatever is a clone of what: all are in it once, parents and origins first', () => {
    const names = ['t', 't/a', 't/a/b', 't/a/b/c', 't/d', 't/d/e', 't/f']
    const origin = fc.option(fc.constantFrom(...names), { nil: null })
    fc.assert(
      fc.property(
        fc.shuffledSubarray(names),
        fc.array(origin, { minLength: 7, maxLength: 7 }),
        (chosen, of) => {
          const tasks = chosen.map((name, at) =>
            task(of[at] == null || of[at] === name ? name : `${name}<${of[at]}@s`),
          )
          const { order, origins } = planOrigins(tasks)
          expect(new Set(order)).toEqual(new Set(tasks))
          expect(order).toHaveLength(tasks.length)
          for (const [at, each] of order.entries()) {
            const before = new Set(order.slice(0, at).map(({ targetName }) => String(targetName)))
            for (const above of ancestorsOf(each.targetName))
              if (tasks.some(({ targetName }) => targetName === above)) expect(before).toContain(above)
            const found = origins.get(each)
            expect(found !== undefined).toBe(each.source.origin !== null)
            if (found?.kind === 'of') expect(before).toContain(found.of.targetName)
            if (found?.kind === 'missing' && found.because === 'not-backed-up')
              expect(chosen).not.toContain(each.source.origin?.split('@')[0])
          }
        },
      ),
    )
  })
})

test('a clone inherits what its origin had, up to the snapshot that it is a clone of', () => {
  const of = dataset('@a @b @c', { name: datasetName('tank/of') })
  const all = new Map([[String(of.name), of]])
  const inherited = (origin: string | null) =>
    inheritedBy(dataset('@x', { origin }), all)
      .map(({ name }) => name)
      .join(' ')
  expect(inherited('tank/of@b')).toBe('a b')
  expect(inherited('tank/of@gone')).toBe('')
  expect(inherited('pool/x@b')).toBe('')
  expect(inherited(null)).toBe('')
})
