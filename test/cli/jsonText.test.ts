// JSON that a terminal shows and does not obey, and that says to a program what the plain one does.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonText } from '../../src/cli/jsonText.ts'

test('control characters, direction marks and the like are escapes; everything else is as it was', () => {
  const text = 'a\u001b[2J\u009b2J\u202e\u007f\\x41 Größe 🙂'
  expect(jsonText({ text }, 0)).toBe('{"text":"a\\u001b[2J\\u009b2J\\u202e\\u007f\\\\x41 Größe 🙂"}\n')
})

test('a program reads the same', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom(0, 2), (value, indent) => {
      expect(JSON.stringify(JSON.parse(jsonText(value, indent)))).toBe(JSON.stringify(value))
    }),
  )
})
