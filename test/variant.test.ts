// Which system the machine is.
import { expect, test } from 'vitest'
import { chosenVariant, variants } from './vm/variant.ts'

test('the first one, unless another one is named', () => {
  for (const name of [undefined, '']) expect(chosenVariant(name)).toBe(variants[0])
  for (const variant of variants) expect(chosenVariant(variant.name)).toBe(variant)
})

test('one that there is not is an error that says what there is', () => {
  expect(() => chosenVariant('debian-1')).toThrow(
    'one of debian-13, debian-13-backports, debian-12 was expected, not "debian-1"',
  )
})
