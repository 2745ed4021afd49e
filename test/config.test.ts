// config.yaml: what is taken, what is refused, and where exactly each mistake is.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventNames } from '../src/config/eventNames.ts'
import type { Config } from '../src/config.ts'
import { parseConfig, renderMistake } from '../src/config.ts'
import { eventKinds } from '../src/eventKinds.ts'
import { makeConfigSchema } from '../src/package/schema.ts'

const parse = (text: string) => parseConfig(text, { file: 'c', host: 'nas' })
const mistakesOf = (text: string): readonly string[] => {
  const result = parse(text)
  return result.kind === 'rejected' ? result.mistakes.map(renderMistake) : []
}
const configOf = (text: string): Config => {
  const result = parse(text)
  if (result.kind === 'ok') return result.config
  throw new Error(result.mistakes.map(renderMistake).join('\n'))
}

const sources = 'sources: [dataset: tank]\n'
const disk = 'disks:\n  a: { serial: S1, pool: a, poolGuid: 1 }\n'
const good = sources + disk
const withSerial = (serial: string) =>
  `${sources}disks:\n  a: { pool: a, poolGuid: 1 }\n`.replace('{', `{ serial: ${serial},`)

describe('what is taken', () => {
  test('the least that is needed gets every default', () => {
    const everything = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 }
    const day = 86_400_000
    expect(configOf(good)).toEqual({
      sources: [{ dataset: 'tank', place: 'tank', exclude: [] }],
      disks: [
        {
          name: 'a',
          serials: ['S1'],
          pool: 'a',
          poolGuid: '1',
          overdueMs: 30 * day,
          keyFile: null,
          luks: null,
        },
      ],
      backup: { into: 'nas', snapshots: 'all', parallel: 2, onConflict: 'stop' },
      keep: { disk: everything, source: everything },
      finish: { scrubEveryMs: null, spinDown: true },
      remind: { overdueMs: 30 * day, takeAwayMs: day / 2, quiet: null },
      notify: [],
      metrics: { textfile: null },
      control: { group: null },
      log: { level: 'info' },
    })
  })

  test('sections without anything in them are the defaults too', () => {
    const empty =
      'backup:\nkeep:\n  disk:\n  source: {}\nfinish:\nremind: {}\nnotify:\nmetrics:\ncontrol:\nlog:\n'
    expect(configOf(good + empty)).toEqual(configOf(good))
  })

  test('every key', () => {
    const config = configOf(`
sources:
  - dataset: tank
    exclude: [tank/vm]
    as: old/nas
disks:
  a:
    serial: [S1, S2]
    pool: a
    poolGuid: 18446744073709551615
    overdue: 8w
    keyFile: /etc/walkaway/a.key
  b:
    serial: S3
    pool: b
    poolGuid: 2
    overdue: never
    luks: { uuid: 2b1f9a52-52a4-4b8e-9d6c-5c1f5d0f7a11, keyFile: /etc/walkaway/luks }
backup: { into: "backups/{host}", snapshots: own, parallel: 4, onConflict: set-aside }
keep:
  disk: { last: 3, hourly: 5, daily: 14, weekly: 8, monthly: 24, yearly: 10 }
  source: { last: 2 }
finish: { scrubEvery: 60d, spinDown: false }
remind: { overdue: 45d, takeAway: never, quiet: 22:00-07:00 }
notify:
  - { type: desktop, on: [disk-overdue] }
  - type: email
    to: [me@example.org, root]
    from: Walkaway <walkaway@example.org>
    smtp: { host: mail.example.org, user: walkaway, passwordFile: /etc/walkaway/smtp-password }
  - { type: ntfy, url: https://ntfy.example.org/backup, token: tk_secret }
  - { type: command, run: [/usr/local/bin/blink-led, "{event}", 007] }
metrics: { textfile: /var/lib/walkaway.prom }
control: { group: backup }
log: { level: debug }
`)
    expect(config.sources).toEqual([{ dataset: 'tank', place: 'old/nas', exclude: ['tank/vm'] }])
    expect(config.disks).toMatchObject([
      { serials: ['S1', 'S2'], poolGuid: '18446744073709551615', overdueMs: 8 * 7 * 86_400_000 },
      { name: 'b', overdueMs: null, luks: { keyFile: '/etc/walkaway/luks' } },
    ])
    expect(config.backup).toEqual({
      into: 'backups/nas',
      snapshots: 'own',
      parallel: 4,
      onConflict: 'set-aside',
    })
    expect(config.remind).toMatchObject({ takeAwayMs: null, quiet: { fromMinute: 1320, untilMinute: 420 } })
    expect(config.notify).toMatchObject([
      { type: 'desktop', on: ['disk-overdue'] },
      {
        type: 'email',
        to: ['me@example.org', 'root'],
        smtp: { port: 587, password: { kind: 'file', path: '/etc/walkaway/smtp-password' } },
      },
      { type: 'ntfy', token: { kind: 'inline' } },
      { type: 'command', run: ['/usr/local/bin/blink-led', '{event}', '007'] },
    ])
    expect(JSON.stringify(config)).not.toContain('tk_secret')
  })

  test.each([
    '00123',
    '5758E134',
    '57583141393745353132',
    'yes',
    'null',
    '~',
    '0x1F',
    '0o17',
    '1_000',
    'true',
  ])('the serial %s stays what it is, quoted or not', (serial) => {
    expect(configOf(withSerial(serial)).disks[0]?.serials).toEqual([serial])
    expect(configOf(withSerial(`'${serial}'`)).disks[0]?.serials).toEqual([serial])
    expect(configOf(withSerial(`["${serial}"]`)).disks[0]?.serials).toEqual([serial])
  })

  test.each(['1e3', '+1', '.5', '-.inf', '.nan', '2026-11-22', '22:00', '1:30', 'NO', 'Null'])(
    'the serial %s is no number, date or truth',
    (serial) => {
      expect(configOf(withSerial(serial)).disks[0]?.serials).toEqual([serial])
    },
  )

  test('any serial of ordinary characters comes back exactly', () => {
    const unit = fc.constantFrom(...'0123456789ABCDEFXabcdefxyz_.+-')
    const serial = fc
      .stringMatching(/^[0-9A-Za-z]$/)
      .chain((first) => fc.string({ unit, maxLength: 30 }).map((rest) => first + rest))
    fc.assert(
      fc.property(serial, (text) => {
        expect(configOf(withSerial(text)).disks[0]?.serials).toEqual([text])
      }),
    )
  })

  test('any GUID of 64 bits comes back exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), (guid) => {
        expect(configOf(good.replace('poolGuid: 1', `poolGuid: ${guid}`)).disks[0]?.poolGuid).toBe(`${guid}`)
      }),
    )
  })

  test('a source inside another that the other excludes', () => {
    const config = configOf(
      good.replace('[dataset: tank]', '[{ dataset: tank, exclude: [tank/vm] }, { dataset: tank/vm }]'),
    )
    expect(config.sources).toHaveLength(2)
  })

  test('disks named like the innards of JavaScript', () => {
    const text = good.replace('  a:', '  constructor:')
    expect(configOf(text).disks[0]?.name).toBe('constructor')
  })

  test('no disks: a warning, and where to get one', () => {
    const result = parse(`${sources}disks: {}\n`)
    expect(result).toMatchObject({ kind: 'ok', warnings: [{ line: 2, column: 1 }] })
    expect(parse(good).warnings).toEqual([])
  })

  test('two pools of one name: a warning, and both disks', () => {
    const result = parse(`${good}  b: { serial: S2, pool: a, poolGuid: 2 }\n`)
    const message = expect.stringMatching(/^the pool of the disk `a` is called `a`, too \(line 3\)/)
    expect(result).toMatchObject({ kind: 'ok', warnings: [{ line: 4, column: 26, message }] })
    expect(result.kind === 'ok' && result.config.disks.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  test.each([
    ['elsewhere', 'scratch'],
    ['in another pool', 'fast/a'],
    ['that is a part of its name', 'tank/home/me/x/y'],
  ])('an exclude %s excludes nothing: a warning where it stands', (_what, exclude) => {
    const text = `sources: [{dataset: tank/home/you, exclude: ["${exclude}"]}]\n${disk}`
    const message = expect.stringMatching(/is not below its source.* was expected$/)
    expect(parse(text)).toMatchObject({ kind: 'ok', warnings: [{ line: 1, column: 46, message }] })
  })
})

describe('what is refused, and where', () => {
  test.each<[string, string, string]>([
    ['nothing', '', '1:1: the file holds no configuration'],
    ['comments only', '# x\n', '1:1: the file holds no configuration'],
    ['a list', '- a\n', '1:1: the configuration is a list'],
    ['a text', 'hello\n', '1:1: the configuration is a text'],
    ['no sources', disk, '1:1: `sources` is missing'],
    ['empty sources', `sources:\n${disk}`, '1:1: `sources` is empty'],
    ['an empty list of sources', `sources: []\n${disk}`, '1:10: `sources` is an empty list'],
    ['sources of a wrong kind', `sources: tank\n${disk}`, '1:10: `sources` is a text; a list'],
    ['disks of a wrong kind', `${sources}disks: [a]\n`, '2:8: `disks` is a list; a map of disks'],
    ['an unknown key', `${good}bakcup: {}\n`, '4:1: unknown key `bakcup`; did you mean `backup`?'],
    ['an unknown key without a value', `${good}bakcup:\n`, '4:1: unknown key `bakcup`'],
    ['a key unlike any', `${good}zzz: 1\n`, '4:1: unknown key `zzz`; known here: sources, disks,'],
    [
      'another spelling',
      good.replace('poolGuid', 'pool_guid'),
      '3:29: unknown key `pool_guid`; did you mean `poolGuid`?',
    ],
    ['a key of JavaScript', `${good}__proto__: 1\n`, '4:1: unknown key `__proto__`'],
    ['a missing key', good.replace(' pool: a,', ''), "3:3: `pool` is missing; the name of the disk's pool"],
    ['an empty key', good.replace('pool: a', 'pool: '), '3:20: `pool` is empty'],
    [
      'a list for a text',
      good.replace('pool: a', 'pool: [a]'),
      '3:26: `pool` is a list; the name of the disk',
    ],
    ['a map for a text', good.replace('pool: a', 'pool: {a: b}'), '3:26: `pool` is a map'],
    ['a serial in a map', withSerial('{a: b}'), '3:16: `serial` is a map'],
    ['a serial in a list in a list', withSerial('[a, [b]]'), '3:20: item 2 of `serial` is a list'],
    ['an empty list of serials', withSerial('[]'), '3:16: `serial` is an empty list'],
    ['an empty text', withSerial('""'), '3:16: `serial` is empty'],
    ['a disk without anything', `${sources}disks:\n  a:\n`, '3:3: `a` is empty; a map with the keys serial'],
    ['a disk named like an option', good.replace('  a:', '  -a:'), '3:3: the disk name `-a`'],
    ['a disk named __proto__', good.replace('  a:', '  __proto__:'), '3:3: the disk name `__proto__`'],
    ['a GUID in hexadecimal', good.replace('poolGuid: 1', 'poolGuid: 0x1F'), '3:39: `poolGuid` is `0x1F`; '],
    [
      'a GUID of 65 bits',
      good.replace('Guid: 1', 'Guid: 18446744073709551616'),
      '3:39: `poolGuid` is `18446744073709551616` (it is more than 64 bits)',
    ],
    ['a GUID of nothing', good.replace('Guid: 1', 'Guid: 0'), '3:39: `poolGuid` is `0`'],
    [
      'a dataset with a snapshot',
      'sources: [dataset: tank@a]\n',
      '1:20: `dataset` is `tank@a` (ZFS allows no `@` in names)',
    ],
    ['a mount point', 'sources: [dataset: /tank]\n', '1:20: `dataset` is `/tank` (it begins with `/`'],
    ['a slash too many', 'sources: [dataset: tank/]\n', '1:20: `dataset` is `tank/` (it ends with `/`)'],
    ['an empty part', 'sources: [dataset: tank//a]\n', '1:20: `dataset` is `tank//a` (it has an empty part'],
    ['dots', 'sources: [dataset: tank/../a]\n', '1:20: `dataset` is `tank/../a` (it has a part'],
    [
      'a pool that begins with a digit',
      'sources: [dataset: 1tank]\n',
      '1:20: `dataset` is `1tank` (a pool begins with a letter)',
    ],
    ['a reserved pool', 'sources: [dataset: mirror]\n', '1:20: `dataset` is `mirror` (ZFS reserves'],
    ['a dataset for a pool', good.replace('pool: a', 'pool: a/b'), '3:26: `pool` is `a/b` (it has a `/`'],
    ['a wide letter', 'sources: [dataset: tänk]\n', '1:20: `dataset` is `tänk` (ZFS allows no `ä`'],
    ['a name that is too long', `sources: [dataset: t${'x'.repeat(255)}]\n`, '1:20: `dataset` is'],
    [
      'an exclude of everything',
      'sources: [{dataset: tank/a, exclude: [tank/*]}]\n',
      '1:39: `tank/*` excludes the whole source',
    ],
    [
      'two stars',
      'sources: [{dataset: tank, exclude: [tank/**/a]}]\n',
      '1:37: item 1 of `exclude` is `tank/**/a` (`**` means',
    ],
    [
      'a source inside another',
      'sources: [dataset: tank, dataset: tank/a]\n',
      '1:35: the source `tank/a` lies inside the source `tank`',
    ],
    [
      'a source around another',
      'sources: [dataset: tank/a, dataset: tank]\n',
      '1:37: the source `tank/a` lies inside the source `tank`',
    ],
    ['a source twice', 'sources: [dataset: tank, dataset: tank]\n', '1:35: the source `tank` is here twice'],
    [
      'two sources in one place',
      'sources: [dataset: t, {dataset: u, as: t}]\n',
      '1:40: `u` would land in `t` on the disk',
    ],
    [
      'one place inside another',
      'sources: [dataset: t, {dataset: u, as: t/x}]\n',
      '1:40: `u` would land in `t/x` on the disk',
    ],
    [
      'a pool that is a source too',
      good.replace('pool: a', 'pool: tank'),
      '3:26: the pool `tank` is also the pool of the source `tank`',
    ],
    [
      'no more room for the name',
      good.replace('tank]', `t${'x'.repeat(240)}]`),
      '1:20: this name is too long',
    ],
    [
      'a serial twice',
      `${good}  b: { serial: S1, pool: b, poolGuid: 2 }\n`,
      '4:16: the serial `S1` belongs to the disk `a` already (line 3)',
    ],
    [
      'a serial twice in a list',
      withSerial('[S1, S1]'),
      '3:21: the serial `S1` belongs to this disk already',
    ],
    [
      'a GUID twice',
      `${good}  b: { serial: S2, pool: b, poolGuid: 1 }\n`,
      '4:39: the pool GUID `1` belongs to the disk `a` already',
    ],
    ['parallel 0', `${good}backup: { parallel: 0 }\n`, '4:21: `parallel` is `0`; a whole number from 1'],
    [
      'a wrong word',
      `${good}backup: { snapshots: al }\n`,
      '4:22: `snapshots` is `al`; all or own was expected',
    ],
    [
      'a word nearly right',
      `${good}backup: { onConflict: setaside }\n`,
      '4:23: `onConflict` is `setaside`; did you mean `set-aside`?',
    ],
    [
      'another placeholder',
      `${good}backup: { into: "{hots}" }\n`,
      '4:17: `into` is `{hots}` ({host} is the only',
    ],
    ['into with a snapshot', `${good}backup: { into: a@b }\n`, '4:17: `into` is `a@b` (ZFS allows no `@`'],
    ['a negative policy', `${good}keep: { disk: { daily: -1 } }\n`, '4:24: `daily` is `-1`; a whole number'],
    [
      'a fractional policy',
      `${good}keep: { disk: { daily: 1.5 } }\n`,
      '4:24: `daily` is `1.5`; a whole number',
    ],
    [
      'a policy that keeps nothing',
      `${good}keep: { disk: { last: 0 } }\n`,
      '4:9: `disk` keeps nothing at all',
    ],
    [
      'a duration without a unit',
      `${good}remind: { overdue: 30 }\n`,
      '4:20: `overdue` is `30` (the unit is missing)',
    ],
    [
      'a duration of nothing',
      `${good}remind: { overdue: 0d }\n`,
      '4:20: `overdue` is `0d` (it is no time at all)',
    ],
    [
      'a duration of ages',
      `${good}remind: { overdue: 999999999w }\n`,
      '4:20: `overdue` is `999999999w` (it is more',
    ],
    ['an unknown unit', `${good}remind: { overdue: 1y }\n`, '4:20: `overdue` is `1y`; a duration such as'],
    ['a negative duration', `${good}remind: { overdue: -1d }\n`, '4:20: `overdue` is `-1d`; a duration'],
    [
      'an hour that is none',
      `${good}remind: { quiet: 25:00-07:00 }\n`,
      '4:18: `quiet` is `25:00-07:00`; two times',
    ],
    [
      'a quiet time of nothing',
      `${good}remind: { quiet: 7:00-07:00 }\n`,
      '4:18: `quiet` is `7:00-07:00` (it begins',
    ],
    ['yes for true', `${good}finish: { spinDown: yes }\n`, '4:21: `spinDown` is `yes`; true or false'],
    ['an unknown level', `${good}log: { level: warn }\n`, '4:15: `level` is `warn`; did you mean `warning`?'],
    [
      'a relative path',
      `${good}metrics: { textfile: x.prom }\n`,
      '4:22: `textfile` is `x.prom`; an absolute',
    ],
    [
      'metrics nobody reads',
      `${good}metrics: { textfile: /x.txt }\n`,
      '4:22: `textfile` is `/x.txt` (it does not end',
    ],
    [
      'a group that is none',
      `${good}control: { group: a b }\n`,
      '4:19: `group` is `a b`; the name of a group',
    ],
    ['an unknown channel', `${good}notify: [type: ntfi]\n`, '4:16: `type` is `ntfi`; did you mean `ntfy`?'],
    ['a channel without type', `${good}notify: [url: x]\n`, '4:10: `type` is missing; a channel'],
    ['a channel that is a text', `${good}notify: [desktop]\n`, '4:10: item 1 of `notify` is a text'],
    [
      'an unknown event',
      `${good}notify: [{type: wall, on: [safe-to-remov]}]\n`,
      '4:28: item 1 of `on` is `safe-to-remov`; did you mean `safe-to-remove`?',
    ],
    [
      'a key of another channel',
      `${good}notify: [{type: wall, url: x}]\n`,
      '4:23: unknown key `url`; known here: type, on',
    ],
    [
      'an address that is none',
      `${good}notify: [{type: ntfy, url: ntfy.sh/x}]\n`,
      '4:28: `url` cannot be used; an address',
    ],
    [
      'a line break in a mail header',
      `${good}notify: [{type: email, from: r, to: "a@b\\nX: y"}]\n`,
      '4:37: `to` is `a@b\\u{a}X: y`; a mail',
    ],
    [
      'gotify without a token',
      `${good}notify: [{type: gotify, url: "https://x"}]\n`,
      '4:10: Gotify takes nothing without',
    ],
    [
      'two tokens',
      `${good}notify: [{type: ntfy, url: "https://x", token: a, tokenFile: /a}]\n`,
      '4:41: `token` and `tokenFile` are both here',
    ],
    [
      'a user without a password',
      `${good}notify: [{type: email, from: r, to: r, smtp: {host: h, user: u}}]\n`,
      '4:56: `user` has no password',
    ],
    [
      'a command without a path',
      `${good}notify: [{type: command, run: [ls]}]\n`,
      '4:32: the program is `ls`; an absolute path',
    ],
    ['a command of nothing', `${good}notify: [{type: command, run: []}]\n`, '4:31: `run` is an empty list'],
  ])('%s', (_, text, expected) => {
    const mistakes = mistakesOf(text)
    expect(
      mistakes.filter((mistake) => mistake.startsWith(`c:${expected}`)),
      mistakes.join('\n'),
    ).toHaveLength(1)
    for (const mistake of mistakes)
      expect(mistake).toMatch(/; (did you mean|known here|.* expected$|a disk|`|what)/)
  })

  test('a secret is not repeated, wherever it was put', () => {
    const text = `${good}notify:
  - { type: ntfy, url: "ftp://u:hunter2@x", token: "hunter2\\n" }
  - { type: email, to: r, from: r, smtp: hunter2 }
  - { type: email, to: r, from: r, smtp: { host: h, user: hunter2, password: [hunter2] } }
  - { type: email, to: r, from: r, smtp: { host: h, user: u, passwordFile: hunter2 } }
  - { type: gotify, url: https://x, tokenFile: hunter2 }
  - { type: wall }
`.replace(
      'disks:',
      'disks:\n  x: { serial: s, pool: x, poolGuid: 17, keyFile: hunter2, luks: { keyFile: hunter2 } }',
    )
    expect(text).toContain('keyFile: hunter2')
    expect(mistakesOf(text).length).toBeGreaterThanOrEqual(4)
    expect(mistakesOf(text).join('\n')).not.toContain('hunter2')
  })
})

test('ten mistakes in one file are told at once, in order', () => {
  const text = `sources:
  - dataset: tank@x
    exlude: []
disks:
  one:
    serail: 00123
    pool: one
    poolGuid: 12a
  two: { serial: S2, pool: one, poolGuid: 7 }
backup: { parallel: 0, parallel: 1 }
keep: { disk: { daily: -1 } }
finish: { spinDown: maybe }
notify: [{ type: desktop, on: [bang] }]
`
  expect(mistakesOf(text).map((mistake) => mistake.split(' ')[0])).toEqual([
    'c:2:14:',
    'c:3:5:',
    'c:5:3:',
    'c:6:5:',
    'c:8:15:',
    'c:10:21:',
    'c:10:24:',
    'c:11:24:',
    'c:12:21:',
    'c:13:32:',
  ])
})

describe('YAML that is broken or hostile', () => {
  test.each<[string, string, string]>([
    ['a tab', `sources:\n\t- dataset: tank\n${disk}`, '2:1: a tab in the indentation'],
    ['an open bracket', `sources: [\n${disk}`, '2:1: a `[` or `{` is not closed'],
    ['an open quote', `${sources}disks: "x`, '2:10: a quoted text does not end'],
    ['two documents', `${good}---\n${good}`, '4:1: a second document'],
    ['a key twice', good + disk, '4:1: the key `disks` is here twice; it is also in line 2'],
    ['a bad escape', `${good}backup: { into: "\\q" }\n`, '4:18: an unknown `\\` escape'],
    ['two keys on a line', `${good}log: level: info\n`, '4:6: a second key on one line'],
    ['wrong indentation', 'sources:\n  - dataset: tank\n y: 2\n', '3:1: wrong indentation'],
    ['a reserved character', 'sources: [dataset: @x]\n', '1:20: a value cannot start with this'],
    ['a tag', `${good}log: { level: !!str info }\n`, '4:21: a YAML tag'],
    ['a tag of its own', `${good}log: { level: !evil info }\n`, '4:21: a YAML tag'],
    ['an anchor', `${good}log: &log { level: info }\n`, '4:11: `&log` is an anchor'],
    ['an alias', `${good}log: *log\n`, '4:6: `*log` is an alias'],
    ['a list as a key', `${good}[a]: 1\n`, '4:1: a key that is a list'],
    ['a NUL', `${good}log: { level: in\0fo }\n`, '4:17: an invisible control character (U+0000)'],
    ['an escape sequence', `${good}# \u001b[2J\n`, '4:3: an invisible control character (U+001B)'],
    ['a carriage return alone', `${good}log: {}\r`, '4:8: an invisible control character (U+000D)'],
  ])('%s', (_, text, expected) => {
    const mistakes = mistakesOf(text)
    expect(
      mistakes.filter((mistake) => mistake.startsWith(`c:${expected}`)),
      mistakes.join('\n'),
    ).toHaveLength(1)
  })

  test('a byte order mark and carriage returns are taken, and move no position', () => {
    const windows = `\uFEFF${good}`.replaceAll('\n', '\r\n')
    expect(configOf(windows)).toEqual(configOf(good))
    expect(mistakesOf(`\uFEFFx: 1\r\n${good}log: 1\r\n`)).toEqual([
      expect.stringContaining('c:1:1: unknown key `x`'),
      expect.stringContaining('c:5:6: `log` is a text'),
    ])
  })

  test('a bomb of aliases is refused before anything is expanded', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}, *l${i}]`)
    expect(mistakesOf(`l0: &l0 boom\n${levels.join('\n')}\n`).length).toBeGreaterThan(30)
  })

  test.each([
    ['a megabyte', `sources: [dataset: ${'x'.repeat(999_000)}]`],
    ['a long line', `sources: [dataset: ${'x'.repeat(250_000)}]`],
    ['brackets in brackets', `a: ${'['.repeat(100_000)}`],
    ['maps in maps', '{a: '.repeat(25_000)],
    ['lists in lists', '- '.repeat(50_000)],
    ['ten thousand keys', Array.from({ length: 10_000 }, (_, i) => `k${i}:`).join('\n')],
    ['eight thousand sources', `sources: [${'dataset: tank, '.repeat(8_000)}]`],
  ])('%s is refused in bearable time', { timeout: 60_000 }, (_, text) => {
    const started = performance.now()
    expect(parse(text).kind).toBe('rejected')
    expect(performance.now() - started).toBeLessThan(30_000)
  })

  test('no text makes it throw, and every position is inside the file', { timeout: 60_000 }, () => {
    const piece = fc.constantFrom(
      ...[
        'sources',
        'disks',
        'serial',
        'tank',
        ':',
        ': ',
        '- ',
        '\n',
        '\n  ',
        '\n\t',
        '{',
        '}',
        '[',
        ']',
        ',',
        '"',
        "'",
      ],
      ...[
        '&a ',
        '*a',
        '!t ',
        '|\n',
        '>',
        '# ',
        '?',
        '%',
        '@',
        '\0',
        '\r',
        '---\n',
        '<<',
        'é',
        '\u{1F4BE}',
        '0',
      ],
    )
    const text = fc.oneof(
      fc.array(piece, { maxLength: 60 }).map((parts) => parts.join('')),
      fc.string(),
    )
    fc.assert(
      fc.property(text, (hostile) => {
        const result = parse(hostile)
        if (result.kind === 'ok') return
        expect(result.mistakes.length).toBeGreaterThan(0)
        const lines = hostile.split('\n')
        for (const { line, column, message } of result.mistakes) {
          expect(column).toBeLessThanOrEqual((lines[line - 1]?.length ?? -1) + 1)
          expect(message).not.toMatch(/[\p{Cc}]/u)
        }
      }),
      { numRuns: 500 },
    )
  })
})

test.each(['a.key', 'credential:', 'credential:a/b', 'credential:..', 'Credential:a', 'credential: a'])(
  'a key file that is neither a path nor a credential: %s',
  (keyFile) => {
    const text = `sources: [dataset: tank]\ndisks: { a: { serial: S, pool: a, poolGuid: 1, keyFile: "${keyFile}" } }\n`
    expect(mistakesOf(text)).toEqual([
      expect.stringMatching(/^c:2:\d+: `keyFile` .*path of a file, or credential:NAME/),
    ])
  },
)

describe('a disk in a LUKS container', () => {
  const uuid = '2b1f9a52-52a4-4b8e-9d6c-5c1f5d0f7a11'
  const withDisks = (disks: string): string => `sources: [dataset: tank]\ndisks: ${disks}\n`
  const one = (name: string, luks: string): string =>
    `${name}: { serial: S${name}, pool: ${name}, poolGuid: ${name.charCodeAt(0)}, luks: ${luks} }`

  test('its UUID in any case, its key from a file or a credential', () => {
    const text = withDisks(
      `{ ${one('a', `{ uuid: ${uuid.toUpperCase()}, keyFile: /a.key }`)}, ${one('b', `{ uuid: ${uuid.replace('2', '3')}, keyFile: "credential:b" }`)} }`,
    )
    expect(configOf(text).disks.map(({ luks }) => luks)).toEqual([
      { uuid, keyFile: '/a.key' },
      { uuid: uuid.replace('2', '3'), keyFile: '/run/credentials/walkaway.service/b' },
    ])
    expect(parse(text).warnings).toEqual([])
  })

  test.each([
    ['without a key file', `{ ${one('a', `{ uuid: ${uuid} }`)} }`, /keyFile/],
    ['with a UUID that is none', `{ ${one('a', '{ uuid: 2b1f9a52, keyFile: /a }')} }`, /cryptsetup luksUUID/],
    [
      'of several disks',
      `{ a: { serial: [S1, S2], pool: a, poolGuid: 1, luks: { uuid: ${uuid}, keyFile: /a } } }`,
      /one serial was expected/,
    ],
    [
      'twice',
      `{ ${one('a', `{ uuid: ${uuid}, keyFile: /a }`)}, ${one('b', `{ uuid: ${uuid.toUpperCase()}, keyFile: /b }`)} }`,
      /LUKS UUID .*belongs to the disk `a` already/,
    ],
  ])('%s is a mistake', (_, disks, message) => {
    expect(mistakesOf(withDisks(disks))).toEqual([expect.stringMatching(message)])
  })
})

test('what is switched off asks for nothing', () => {
  const off = 'finish: { scrubEvery: never }\nremind: { takeAway: never }\nmetrics: {}\nnotify: []\n'
  expect(parse(good + off).warnings).toEqual([])
})

describe('what ships', () => {
  const example = readFileSync(`${import.meta.dirname}/../config.example.yaml`, 'utf8')

  test('the example is valid as it is', () => {
    expect(configOf(example)).toMatchObject({ sources: [{ dataset: 'tank' }], disks: [{}, {}], notify: [] })
    expect(parse(example).warnings).toEqual([])
  })

  test('every key of the schema is in the example', () => {
    const keysOf = (value: unknown): readonly string[] => {
      if (typeof value !== 'object' || value === null) return []
      const { properties = {} } = value as { readonly properties?: object }
      return [...Object.keys(properties), ...Object.values(value).flatMap(keysOf)]
    }
    const keys = [...new Set(keysOf(makeConfigSchema()))]
    expect(keys).toEqual(expect.arrayContaining(['exclude', 'hourly', 'passwordFile', 'textfile']))
    expect(keys.filter((key) => !new RegExp(`\\b${key}:`).test(example))).toEqual([])
  })

  test('what is advised to a person is there to be used', () => {
    const read = (path: string): string => readFileSync(`${import.meta.dirname}/../${path}`, 'utf8')
    const folder = `${import.meta.dirname}/../src/cli/commands`
    const commands = readdirSync(folder).flatMap((name) =>
      [...readFileSync(join(folder, name), 'utf8').matchAll(/\.command\('([\w-]+)'\)/g)].map(
        ([, word]) => word,
      ),
    )
    expect(commands).toContain('status')
    for (const text of [example, read('README.md'), JSON.stringify(makeConfigSchema())])
      for (const [, name = ''] of text.matchAll(/(?:`|^#? *|sudo )walkaway ([a-z-]+)/gm))
        expect(commands).toContain(name)
  })

  test('the manual page lists the events that a channel may name', () => {
    const page = readFileSync(`${import.meta.dirname}/../docs/walkaway.1`, 'utf8').replaceAll('\\-', '-')
    const [, list = ''] = page.match(/The events:\n\.PP\n\.nf\n([\s\S]*?)\.fi\n/) ?? []
    expect(list.trim().split(/\s+/)).toEqual(eventNames)
  })

  test('the example is valid with everything in it switched on', () => {
    const [before = '', after = ''] = example.split('notify: []\n')
    const switchOn = (text: string) =>
      text.replace(/^( *)# (?=(as|overdue|keyFile|luks|quiet|metrics|control):( |$))/gm, '$1')
    const all = `${switchOn(before)}notify:\n${switchOn(after)
      .replace(/^# {2}(?=( {2})?(- |#|[a-zA-Z]+: ))/gm, '  ')
      .replace(/^# {3}(?=(textfile|group): )/gm, '  ')}`
    const config = configOf(all)
    expect(config.notify.map(({ type }) => type).toSorted()).toEqual([
      'command',
      'desktop',
      'email',
      'gotify',
      'healthchecks',
      'ntfy',
      'wall',
      'webhook',
    ])
    expect(config.remind.quiet).not.toBeNull()
    expect(config.metrics.textfile).not.toBeNull()
    expect(config.control.group).not.toBeNull()
    expect(config.disks[0]?.luks).not.toBeNull()
    expect(config.sources[0]?.place).toBe('nas-tank')
  })

  test('the schema for editors knows every key, its words and its defaults', () => {
    const schema = makeConfigSchema()
    expect(schema).toMatchObject({
      required: ['sources'],
      additionalProperties: false,
      properties: {
        disks: { additionalProperties: { required: ['serial', 'pool', 'poolGuid'] } },
        backup: {
          properties: {
            parallel: { type: ['integer', 'null'], minimum: 1, default: 2 },
            snapshots: { enum: ['all', 'own', null], default: 'all' },
          },
        },
        finish: { properties: { spinDown: { type: ['boolean', 'null'], default: true } } },
        remind: { properties: { overdue: { default: '30d' } } },
      },
    })
  })

  describe('the schema for editors is as strict as the program', () => {
    const at = (path: string): Record<string, unknown> =>
      path
        .split('.')
        .reduce<Record<string, unknown>>(
          (node, step) =>
            Object(
              Object(step === '*' ? node : node['properties'])[step === '*' ? 'additionalProperties' : step],
            ),
          Object(makeConfigSchema()),
        )
    const disk = (key: string, value: string): string => {
      const keys = { serial: 'S', pool: 'a', poolGuid: '1', [key]: JSON.stringify(value) }
      return `sources: [dataset: tank]\ndisks: { a: { ${Object.entries(keys)
        .map((pair) => pair.join(': '))
        .join(', ')} } }\n`
    }
    const below = (section: string, key: string) => (value: string) =>
      `${good}${section}: { ${key}: ${JSON.stringify(value)} }\n`
    const inDisk = (key: string) => (value: string) => disk(key, value)

    test.each<[string, (value: string) => string, readonly string[]]>([
      ['disks.*.poolGuid', inDisk('poolGuid'), ['1', '18446744073709551615', '0', '00123', '1e3', '-1', 'x']],
      ['disks.*.pool', inDisk('pool'), ['a', 'off site-1', 'a/b', '1a', 'a@b', '']],
      [
        'disks.*.keyFile',
        inDisk('keyFile'),
        ['/etc/a.key', 'credential:a', 'a.key', '/etc/', 'credential:', 'credential:a/b'],
      ],
      ['disks.*.overdue', inDisk('overdue'), ['30d', 'never', '30', '5y', '-1d', '1.5h']],
      [
        'remind.quiet',
        below('remind', 'quiet'),
        ['22:00-07:00', '9:00 - 10:00', '22-7', '22:60-07:00', 'night'],
      ],
      ['metrics.textfile', below('metrics', 'textfile'), ['/a/b.prom', 'b.prom', '/a/b.txt']],
      ['control.group', below('control', 'group'), ['backup', '_x-1', '1x', 'a b', 'ü']],
      ['backup.onConflict', below('backup', 'onConflict'), ['stop', 'set-aside', 'overwrite']],
    ])('%s', (path, textWith, values) => {
      const { pattern, enum: words } = at(path)
      for (const value of values) {
        const isFine = Array.isArray(words)
          ? words.includes(value)
          : new RegExp(String(pattern), 'u').test(value)
        expect([value, isFine]).toEqual([value, parse(textWith(value)).kind === 'ok'])
      }
    })

    test('names of disks', () => {
      const { propertyNames } = at('disks')
      const names = new RegExp(String(Object(propertyNames).pattern), 'u')
      for (const name of ['offsite-1', 'das Alte ü', '-x', '../x', 'a/b', ' a'])
        expect([name, names.test(name)]).toEqual([
          name,
          parse(`sources: [dataset: tank]\ndisks: { "${name}": { serial: S, pool: a, poolGuid: 1 } }\n`)
            .kind === 'ok',
        ])
    })

    test('a key that may be missing may be empty', () => {
      for (const path of [
        'keep',
        'keep.disk',
        'keep.disk.last',
        'notify',
        'finish.spinDown',
        'backup.snapshots',
      ])
        expect(at(path)['type'], path).toContain('null')
      expect(at('backup.snapshots')['enum']).toContain(null)
      expect(at('sources')['type']).toBe('array')
      expect(
        parse(`${good}keep: { disk: }\nnotify:\nfinish: { spinDown: }\nbackup: { snapshots: }\n`).kind,
      ).toBe('ok')
    })
  })

  test('every event can be listed in `on`', () => {
    for (const { kind } of eventKinds) expect(eventNames).toContain(kind)
  })
})
