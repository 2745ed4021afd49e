// A disk is added to the text of the configuration: it is there, and every other character is where it was.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDisk, type DiskEntry } from '../../src/config/addDisk.ts'
import { parseConfig } from '../../src/config.ts'
import { BadInput } from '../../src/errors.ts'

const entry: DiskEntry = {
  name: 'new one',
  serials: ['00123'],
  pool: 'new-one',
  poolGuid: '18446744073709551614',
  keyFile: null,
}
const lines = '  "new one":\n    serial: 00123\n    pool: new-one\n    poolGuid: 18446744073709551614\n'
const sources = 'sources: [dataset: tank]\n'
const configOf = (text: string) => {
  const result = parseConfig(text, { file: 'c', host: 'nas' })
  if (result.kind === 'ok') return result.config
  throw new Error(`${result.mistakes.map(({ message }) => message).join('\n')}\n${text}`)
}

describe('where it goes', () => {
  test.each([
    ['no `disks`', sources, `${sources}disks:\n${lines}`],
    ['no `disks`, no last line feed', sources.trimEnd(), `${sources}disks:\n${lines.trimEnd()}`],
    ['nothing below it', `disks:   # mine\n${sources}`, `disks:   # mine\n${lines}${sources}`],
    ['an empty map', `disks: {}  # mine\n${sources}`, `disks:  # mine\n${lines}${sources}`],
    [
      'behind the last, before what is said after it',
      `disks:\n  a:  # first\n    serial: S1   # s\n    poolGuid: 1\n    pool: a # end\n\n  # later: more\n\n${sources}`,
      `disks:\n  a:  # first\n    serial: S1   # s\n    poolGuid: 1\n    pool: a # end\n${lines}\n  # later: more\n\n${sources}`,
    ],
    [
      'entries in one line, indented by four',
      `disks:\n    a: { serial: S1, pool: a,  poolGuid: 1 } # x\n${sources}`,
      `disks:\n    a: { serial: S1, pool: a,  poolGuid: 1 } # x\n${lines.replaceAll(/^/gm, '  ').trimEnd()}\n${sources}`,
    ],
    [
      'a list of serials at the end',
      `${sources}disks:\n  a:\n    pool: a\n    poolGuid: 1\n    serial:\n    - S1\n    - S2`,
      `${sources}disks:\n  a:\n    pool: a\n    poolGuid: 1\n    serial:\n    - S1\n    - S2\n${lines.trimEnd()}`,
    ],
    [
      'all in one line',
      `disks: { a: { serial: S1, pool: a, poolGuid: 1 } }\n${sources}`,
      `disks: { a: { serial: S1, pool: a, poolGuid: 1 }, "new one": { serial: 00123, pool: new-one, poolGuid: 18446744073709551614 } }\n${sources}`,
    ],
    [
      'Windows line ends',
      `disks:\r\n  a: { serial: S1, pool: a, poolGuid: 1 }\r\n${sources}`,
      `disks:\r\n  a: { serial: S1, pool: a, poolGuid: 1 }\r\n${lines.replaceAll('\n', '\r\n')}${sources}`,
    ],
  ])('%s', (_what, before, after) => {
    expect(addDisk(before, entry)).toBe(after)
    expect(configOf(after).disks.at(-1)).toMatchObject({ name: 'new one', serials: ['00123'] })
  })
})

describe('the example', () => {
  const example = readFileSync(`${import.meta.dirname}/../../config.example.yaml`, 'utf8')

  test('its first disk is filled in, with all that is said there; its others go', () => {
    const text = addDisk(example, { ...entry, keyFile: '/etc/walkaway/new-one.key' })
    expect(configOf(text).disks).toMatchObject([
      { name: 'new one', serials: ['00123'], pool: 'new-one', keyFile: '/etc/walkaway/new-one.key' },
    ])
    expect(text).not.toContain('WD-WX52D91A000')
    const comments = (of: string) => of.match(/#.*$/gm)
    expect(comments(text)).toEqual(comments(example))
  })

  test('a second disk comes behind the first', () => {
    const second = { ...entry, name: 'offsite-2', serials: ['B2'], pool: 'offsite-2', poolGuid: '2' }
    const { disks } = configOf(addDisk(addDisk(example, entry), second))
    expect(disks.map(({ name }) => name)).toEqual(['new one', 'offsite-2'])
  })
})

test.each([
  ['the name is there already', `${sources}disks:\n  new one: { serial: S, pool: p, poolGuid: 1 }\n`],
  ['not even YAML', 'disks: [\n'],
  ['a list', '- a\n'],
  ['nothing', ''],
  ['all in one map', '{ sources: [dataset: tank] }\n'],
])('not where %s', (_what, text) => {
  expect(() => addDisk(text, entry)).toThrow(BadInput)
})

test('whatever it is called and however the others are written: they stay, it is there', () => {
  const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9 '"#:,{}&*!|>%@`_.-]{0,12}[A-Za-z0-9]$/)
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9 ._-]{0,8}[a-z0-9]$/), {
    minLength: 1,
    maxLength: 5,
  })
  const style = fc.constantFrom('block', 'flow', 'quoted')
  const comment = fc.constantFrom('', ' # a comment', '\n  # on a line of its own', '\n')
  fc.assert(
    fc.property(
      names,
      fc.array(fc.tuple(style, comment), { minLength: 5, maxLength: 5 }),
      fc.uniqueArray(word, { minLength: 1, maxLength: 2 }),
      fc.boolean(),
      ([name = 'x', ...others], styles, serials, sourcesFirst) => {
        const written = others.map((other, at) => {
          const [how, said] = styles[at] ?? ['block', '']
          const fields = [`serial: longer-than-those-${at}`, `pool: p${at}`, `poolGuid: ${at + 1}`]
          const key = how === 'quoted' ? JSON.stringify(other) : other
          return how === 'flow'
            ? `  ${key}: { ${fields.join(', ')} }${said}\n`
            : `  ${key}:\n${fields.map((field) => `    ${field}${said.startsWith(' ') ? said : ''}\n`).join('')}${said.trim()}\n`
        })
        const disks = `disks:\n${written.join('')}`
        const text = sourcesFirst ? sources + disks : disks + sources
        const before = configOf(text)
        const added = { ...entry, name, serials }
        const result = addDisk(text, added)
        const after = configOf(result)
        // A name that is a number comes before others, wherever it stands.
        expect(after.disks.find((disk) => disk.name === name)).toMatchObject({
          serials,
          poolGuid: entry.poolGuid,
        })
        expect({ ...after, disks: after.disks.filter((disk) => disk.name !== name) }).toEqual(before)
        let at = 0
        for (const line of text.split('\n')) {
          at = result.indexOf(line, at)
          expect(at).not.toBe(-1)
        }
      },
    ),
    { numRuns: 100 },
  )
})
