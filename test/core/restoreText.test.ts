// The text that a disk carries: every value fits, names exactly this pool, and a shell reads the commands as they are meant.
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Copy, parseLimits } from '../../src/core/marks.ts'
import { datasetName, luksUuid, poolGuid, poolName } from '../../src/core/model.ts'
import { rawFunction } from '../../src/core/rawRestore.ts'
import { lineOf, quoted } from '../../src/core/restoreCommands.ts'
import {
  commentFor,
  maxValueBytes,
  mayReplaceComment,
  restoreProperty,
  restoreText,
} from '../../src/core/restoreText.ts'

const pool = poolName('offsite 1')
const guid = poolGuid('4425734906477738374')

/** A copy in the notation `nas/tank@newest`, `nas/tank` without a state, `!nas/tank@s` encrypted. */
function copy(notation: string, fields: Partial<Copy> = {}): Copy {
  const [path = '', state] = notation.replace(/^!/, '').split('@')
  const name = datasetName(path === '' ? pool : `${pool}/${path}`)
  return {
    name,
    type: 'filesystem',
    encryptionRoot: notation.startsWith('!') ? name : null,
    source: state === undefined ? null : path.split('/').slice(1).join('/'),
    host: state === undefined && path === 'nas' ? 'nas' : null,
    state: state ?? null,
    limits: {},
    ...fields,
  }
}
const textOf = (...copies: readonly Copy[]) =>
  restoreText({ pool, guid, luks: null, copies: [copy(''), ...copies] })
/** The lines that are commands. */
const commandsOf = (parts: readonly string[]) =>
  parts.flatMap((part) => part.split('\n')).filter((line) => !line.startsWith('#'))
/** The words that a shell makes of a line, with `TO=new pool`. */
const wordsOf = (line: string): readonly string[] =>
  execFileSync('sh', ['-c', `TO='new pool'; printf '%s\\0' ${line.replaceAll(' | ', " '|' ")}`], {
    encoding: 'utf8',
  })
    .split('\0')
    .slice(0, -1)

test('says which key a copy wants, where one came with its source', () => {
  const word = 'zfs change-key'
  expect(textOf(copy('nas/tank@s2')).join()).not.toContain(word)
  expect(textOf(copy('nas/tank@s2'), copy('!nas/secret@s2')).join()).toContain(word)
})

test('of a pool in a LUKS container, that it is opened first and closed at the end; no command says so', () => {
  const uuid = luksUuid('2b1f9a52-52a4-4b8e-9d6c-5c1f5d0f7a11')
  const copies = [copy(''), copy('nas'), copy('nas/tank@s2')]
  const [inLuks, plain] = [uuid, null].map((luks) => restoreText({ pool, guid, luks, copies }))
  expect(commandsOf(inLuks ?? [])).toEqual(commandsOf(plain ?? []))
  const text = inLuks?.join('\n') ?? ''
  const places = [
    `cryptsetup open /dev/disk/by-uuid/${uuid}`,
    'zpool import',
    'zpool export',
    'cryptsetup close',
  ]
  expect(places.map((place) => text.indexOf(place))).toEqual(
    places.map((place) => text.indexOf(place)).toSorted((a, b) => a - b),
  )
  expect(text.indexOf(places[0] ?? '')).toBeGreaterThan(0)
})

describe('the commands', () => {
  test('of a small disk, from import to export', () => {
    const parts = textOf(
      copy('nas'),
      copy('nas/tank@s2'),
      copy('!nas/tank/my secret@s2'),
      copy('nas/tank/vm@s1', { type: 'volume', limits: { refreservation: '1024' } }),
    )
    expect(parts).toHaveLength(1)
    expect(commandsOf(parts)).toEqual([
      'zpool import -N -o readonly=on -o cachefile=none -d /dev/disk/by-id 4425734906477738374',
      "zfs list -r -t filesystem,volume,snapshot -o name,creation,refer,encryption 'offsite 1'",
      "mount -t zfs -o ro,zfsutil 'offsite 1/nas/tank' /mnt",
      'umount /mnt',
      ...rawFunction,
      'TO=newpool',
      `zfs send -L -c -p -b 'offsite 1/nas/tank@s2' | zfs receive -u -x encryption "$TO"/tank`,
      `restore_raw 'offsite 1/nas/tank/my secret@s2' "$TO"/'tank/my secret'`,
      `zfs send -L -c -p -b 'offsite 1/nas/tank/vm@s1' | zfs receive -u -x encryption "$TO"/tank/vm`,
      'zfs set refreservation=1024 "$TO"/tank/vm',
      "zpool export 'offsite 1'",
      'zfs get -r -t filesystem -o name,value,source mountpoint,canmount "$TO"',
    ])
  })

  test('of a disk that is encrypted as a whole: its key is asked for first, and what was plain comes back plain', () => {
    const encryptionRoot = copy('').name
    const commands = commandsOf(
      textOf(
        copy('nas', { encryptionRoot }),
        copy('nas/tank@s2', { encryptionRoot }),
        copy('!nas/tank/my secret@s2'),
      ),
    )
    expect(commands.slice(1, 3)).toEqual(['KEY=prompt', `zfs load-key -L "$KEY" 'offsite 1'`])
    expect(commands.filter((line) => line.startsWith('restore_raw ') || line.startsWith('zfs send'))).toEqual(
      [
        `restore_raw 'offsite 1/nas/tank@s2' "$TO"/tank -L`,
        `restore_raw 'offsite 1/nas/tank/my secret@s2' "$TO"/'tank/my secret'`,
      ],
    )
  })

  test('what only contains backups is made, what contains none is not mentioned', () => {
    const commands = commandsOf(
      textOf(copy('nas'), copy('nas/tank'), copy('nas/tank/a@s'), copy('nas/empty')),
    )
    expect(commands).toContain('zfs create -p -u -o canmount=off "$TO"/tank')
    expect(commands.join('\n')).not.toContain('empty')
  })

  test('the function for encrypted copies is there only for them, once and in one piece', () => {
    const long = (letter: string): string => Array(12).fill(letter.repeat(18)).join('/')
    const many = Array.from({ length: 100 }, (_, at) => copy(`!nas/${long('x')}${at}@${'s'.repeat(20)}`))
    const parts = textOf(copy('nas'), ...many)
    expect(parts.length).toBeGreaterThan(3)
    const whole = rawFunction.join('\n')
    expect(parts.map((part) => part.split(whole).length - 1)).toEqual([1, ...parts.slice(1).map(() => 0)])
    expect(textOf(copy('nas'), copy('!nas/without a state'), copy('nas/tank@s')).join('\n')).not.toContain(
      'restore_raw',
    )
  })

  test('two hosts do not get into each other’s way', () => {
    const nas2 = copy('nas2', { host: 'nas2' })
    const commands = commandsOf(textOf(copy('nas'), copy('nas/tank@s'), nas2, copy('nas2/tank@s')))
    expect(commands.filter((line) => line.endsWith('tank') && line.startsWith('zfs send'))).toEqual([
      expect.stringContaining('"$TO"/nas/tank'),
      expect.stringContaining('"$TO"/nas2/tank'),
    ])
  })

  test('a shell reads each of them as it is meant', () => {
    const words = wordsOf(
      lineOf(
        {
          kind: 'send',
          from: { dataset: datasetName('a b/c'), name: 'x y' },
          properties: 'in-force',
          target: datasetName('t  t'),
        },
        (target) => `"$TO"/${quoted(target)}`,
      ),
    )
    expect(words.join('|')).toBe(
      'zfs|send|-L|-c|-p|-b|a b/c@x y|||zfs|receive|-u|-x|encryption|new pool/t  t',
    )
  })
})

describe('whatever is on the disk', () => {
  const component = fc.stringMatching(/^[A-Za-z0-9_.: -]{1,40}$/)
  // Long enough, mostly, for several values.
  const copies = fc.array(
    fc.tuple(fc.array(component, { minLength: 1, maxLength: 4 }), component, fc.boolean()),
    { maxLength: 300, size: 'max' },
  )

  test('no value is longer than ZFS takes, all is printable, and the pool is named by its GUID', () => {
    let manyParts = false
    fc.assert(
      fc.property(copies, (some) => {
        const parts = textOf(
          ...some.map(([path, state, raw]) => copy(`${raw ? '!' : ''}nas/${path.join('/')}@${state}`)),
        )
        for (const part of parts) expect(Buffer.byteLength(part)).toBeLessThanOrEqual(maxValueBytes)
        expect(parts.join('\n')).toMatch(/^[\x20-\x7e\n]*$/)
        const imports = commandsOf(parts).filter((line) => line.startsWith('zpool import'))
        expect(imports).toEqual([expect.stringMatching(new RegExp(` ${guid}$`))])
        const sends = commandsOf(parts).filter((line) => /^(zfs send|restore_raw) /.test(line))
        expect(sends).toHaveLength(some.length)
        manyParts ||= parts.length > 1
        if (parts.length > 1)
          for (const [at, part] of parts.entries())
            expect(part).toContain(`# Part ${at + 1} of ${parts.length}`)
      }),
      { numRuns: 40 },
    )
    expect(manyParts).toBe(true)
  })

  test('a disk of 500 datasets fills its values to the brim, and not over it', () => {
    const parts = textOf(...Array.from({ length: 500 }, (_, at) => copy(`nas/tank/dataset ${at}@s`)))
    expect(parts.length).toBeGreaterThan(5)
    for (const part of parts) expect(Buffer.byteLength(part)).toBeLessThanOrEqual(maxValueBytes)
    for (const part of parts.slice(0, -1)) expect(Buffer.byteLength(part)).toBeGreaterThan(7700)
  })

  test('names from a damaged or hostile disk stay one line, without escapes', () => {
    const parts = textOf(copy('nas'), copy('nas/a\nrm -rf x\x1b[2J@s'), copy('nas/b`id`$(id)@s'))
    expect(parts.join('\n')).not.toContain('\x1b')
    expect(commandsOf(parts).filter((line) => line.startsWith('rm'))).toEqual([])
    const send = commandsOf(parts).find((line) => line.includes('`id`')) ?? ''
    expect(wordsOf(send)).toContain('offsite 1/nas/b`id`$(id)@s')
  })

  test('any word goes through a shell unchanged', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'grapheme' }).map((word) => word.replaceAll('\0', '')),
          { minLength: 1, maxLength: 5 },
        ),
        (words) => {
          const line = words.map(quoted).join(' ')
          const read = execFileSync('sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' })
          expect(read.split('\0').slice(0, -1)).toEqual(words)
        },
      ),
      { numRuns: 100 },
    )
  })
})

test('the properties are numbered as people count', () => {
  expect([0, 1, 2].map(restoreProperty)).toEqual([
    'walkaway:restore',
    'walkaway:restore-2',
    'walkaway:restore-3',
  ])
})

test('the comment fits and points at the text; a person’s own is left', () => {
  expect(commentFor(poolName('usb'))).toBe('zfs get walkaway:restore usb')
  expect(commentFor(poolName('a-pool-with-a-long-name'))).toBe('zfs get walkaway:restore')
  for (const name of ['usb', 'offsite-1', 'x'.repeat(200)])
    expect(commentFor(poolName(name)).length).toBeLessThanOrEqual(32)
  for (const ours of ['-', '', 'zfs get walkaway:restore', 'zfs get walkaway:restore old'])
    expect(mayReplaceComment(ours)).toBe(true)
  expect(mayReplaceComment('the blue one')).toBe(false)
})

test('limits are read as they were written, and nothing else is one', () => {
  expect(parseLimits('quota=1024 refreservation=18446744073709551615')).toEqual({
    quota: '1024',
    refreservation: '18446744073709551615',
  })
  for (const odd of [
    null,
    '',
    'none',
    'quota=',
    'quota=0',
    'quota=-1',
    'quota=1=2',
    'mountpoint=/',
    'quota=1G',
    '-x=1',
  ])
    expect(parseLimits(odd)).toEqual({})
})
