// The notations of single values: durations, names, paths, addresses. Each reader takes the text as it was
// written and gives the value, or says what was expected instead. Pure; knows no keys and no positions.

export type Reading<T> =
  | { readonly kind: 'value'; readonly value: T }
  /** `because`: the particular fault, where "was expected" alone would leave the person guessing. */
  | { readonly kind: 'refused'; readonly because?: string }

export type Reader<T> = (text: string) => Reading<T>

const value = <T>(of: T): Reading<T> => ({ kind: 'value', value: of })
const refused = (because?: string): Reading<never> =>
  because === undefined ? { kind: 'refused' } : { kind: 'refused', because }

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const maxDurationMs = 36_500 * unitMs.d

/** `15m`, `12h`, `30d`, `8w` in milliseconds; not zero. */
function readDuration(text: string): Reading<number> {
  const [, digits, unit] = /^(\d{1,9})\s?([smhdw])$/.exec(text) ?? []
  if (digits === undefined || unit === undefined)
    return /^\d+$/.test(text) ? refused('the unit is missing') : refused()
  const ms = Number(digits) * (isUnit(unit) ? unitMs[unit] : 0)
  if (ms === 0) return refused('it is no time at all')
  return ms > maxDurationMs ? refused('it is more than a hundred years') : value(ms)
}

const isUnit = (text: string): text is keyof typeof unitMs => text in unitMs

/** As readDuration; `never` is null. */
export function readDurationOrNever(text: string): Reading<number | null> {
  return text === 'never' ? value(null) : readDuration(text)
}

/** Minutes since midnight, local time. `until` may lie before `from`: the night. */
export interface QuietHours {
  readonly fromMinute: number
  readonly untilMinute: number
}

export function readQuietHours(text: string): Reading<QuietHours> {
  const [, fromHour, fromMin, toHour, toMin] =
    /^([01]?\d|2[0-3]):([0-5]\d)\s*[-\u2013]\s*([01]?\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
  if (fromHour === undefined) return refused()
  const fromMinute = Number(fromHour) * 60 + Number(fromMin)
  const untilMinute = Number(toHour) * 60 + Number(toMin)
  return fromMinute === untilMinute
    ? refused('it begins and ends at the same time')
    : value({ fromMinute, untilMinute })
}

/** A whole number within the bounds, both included. */
export function readWholeNumber(least: number, most: number): Reader<number> {
  return (text) => {
    if (!/^-?\d{1,9}$/.test(text)) return refused()
    const number = Number(text)
    return number < least || number > most ? refused() : value(number)
  }
}

export function readBoolean(text: string): Reading<boolean> {
  return text === 'true' ? value(true) : text === 'false' ? value(false) : refused()
}

// OpenZFS, zfs_namecheck.c: 255 characters, 50 levels, and these characters in a component.
const maxNameLength = 255
const maxNameLevels = 50
const badNameCharacter = /[^A-Za-z0-9_.: /-]/u

/** `a/b/c` by the rules of ZFS, without a pool in front: what `as` and `into` hold. */
export function readDatasetPath(text: string): Reading<string> {
  const fault = findNameFault(text, badNameCharacter)
  return fault === null ? value(text) : refused(fault)
}

/** A whole dataset name; its first component is a pool. */
export function readDatasetName(text: string): Reading<string> {
  const fault = findNameFault(text, badNameCharacter) ?? findPoolFault(text.split('/')[0] ?? '')
  return fault === null ? value(text) : refused(fault)
}

/** As a dataset name, with `*` for any characters but `/`. */
export function readExclude(text: string): Reading<string> {
  const fault =
    findNameFault(text, /[^A-Za-z0-9_.: */-]/u) ??
    (text.includes('**') ? '`**` means nothing here: what lies below a match is excluded with it' : null)
  return fault === null ? value(text) : refused(fault)
}

export function readPoolName(text: string): Reading<string> {
  if (text.includes('/')) return refused('it has a `/`: a dataset, not a pool')
  const fault = findNameFault(text, badNameCharacter) ?? findPoolFault(text)
  return fault === null ? value(text) : refused(fault)
}

function findNameFault(text: string, bad: RegExp): string | null {
  if (text === '') return 'it is empty'
  if (text.length > maxNameLength) return `it is longer than ${maxNameLength} characters`
  const parts = text.split('/')
  if (parts.length > maxNameLevels) return `it has more than ${maxNameLevels} levels`
  if (text.startsWith('/')) return 'it begins with `/`: the name of a dataset, not a mount point'
  if (text.endsWith('/')) return 'it ends with `/`'
  if (parts.includes('')) return 'it has an empty part (`//`)'
  if (parts.includes('.') || parts.includes('..')) return 'it has a part `.` or `..`'
  if (text !== text.trim()) return 'it begins or ends with a space'
  const character = bad.exec(text)?.[0]
  return character === undefined ? null : `ZFS allows no ${quote(character)} in names`
}

function findPoolFault(pool: string): string | null {
  if (!/^[A-Za-z]/.test(pool)) return 'a pool begins with a letter'
  if (/^(mirror|raidz|draid|spare)/.test(pool) || pool === 'log')
    return `ZFS reserves the pool name ${quote(pool)}`
  return null
}

/** A pool's GUID as `zpool get guid` prints it. */
export function readPoolGuid(text: string): Reading<string> {
  if (!/^[1-9]\d{0,19}$/.test(text)) return refused()
  return BigInt(text) < 2n ** 64n ? value(text) : refused('it is more than 64 bits')
}

export function readSerial(text: string): Reading<string> {
  return isPlainLine(text, 128) ? value(text) : refused()
}

/** What a person calls a disk: it is typed on command lines, so it does not begin like an option. */
export function readDiskName(text: string): Reading<string> {
  return /^[\p{L}\p{N}]([\p{L}\p{N}\p{M} ._-]{0,62}[\p{L}\p{N}\p{M}._-])?$/u.test(text)
    ? value(text)
    : refused()
}

export function readUuid(text: string): Reading<string> {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) ? value(text) : refused()
}

export function readAbsolutePath(text: string): Reading<string> {
  if (!isPlainLine(text, 4096)) return refused()
  return text.startsWith('/') && !text.endsWith('/') ? value(text) : refused()
}

/** An absolute path, or `credential:NAME` as systemd names its credentials. */
export function readKeyFile(text: string): Reading<string> {
  if (!text.startsWith(credentialPrefix)) return readAbsolutePath(text)
  return credentialName(text) === null ? refused('a credential has a plain name') : value(text)
}

const credentialPrefix = 'credential:'

/** The NAME of `credential:NAME`; null for anything else. */
export function credentialName(text: string): string | null {
  const name = text.startsWith(credentialPrefix) ? text.slice(credentialPrefix.length) : ''
  return /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}$/.test(name) ? name : null
}

/** node_exporter reads no other files than `*.prom`. */
export function readTextfilePath(text: string): Reading<string> {
  return text.endsWith('.prom') ? readAbsolutePath(text) : refused('it does not end with `.prom`')
}

export function readGroupName(text: string): Reading<string> {
  return /^[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?$/.test(text) ? value(text) : refused()
}

export function readHttpAddress(text: string): Reading<string> {
  return /^https?:\/\/[^\s\p{Cc}]+$/iu.test(text) && URL.canParse(text) ? value(text) : refused()
}

/** `me@example.org`, `root`, or `Name <me@example.org>`; nothing that could end a mail header. */
export function readMailAddress(text: string): Reading<string> {
  const bare = /^[^<>]*<([^<>]+)>$/.exec(text)?.[1] ?? text
  return isPlainLine(text, 320) && /^[^\s<>,;"@-][^\s<>,;"@]*(@[^\s<>,;"@]+)?$/.test(bare)
    ? value(text)
    : refused()
}

export function readHostName(text: string): Reading<string> {
  return /^[A-Za-z0-9:]([A-Za-z0-9.:-]{0,253}[A-Za-z0-9.:])?$/.test(text) ? value(text) : refused()
}

/** One argument of a command: anything that the kernel can pass on. */
export function readArgument(text: string): Reading<string> {
  return text.includes('\0') ? refused('it has a NUL character') : value(text)
}

export function readSecret(text: string): Reading<string> {
  return isPlainLine(text, 4096) ? value(text) : refused()
}

export function readText(text: string): Reading<string> {
  return isPlainLine(text, 256) ? value(text) : refused()
}

function isPlainLine(text: string, most: number): boolean {
  return text !== '' && text.length <= most && text === text.trim() && !/\p{Cc}/u.test(text)
}

/** A text of the file inside a message: one line, of bearable length, nothing that a terminal would obey. */
export function quote(text: string): string {
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text
  return `\`${shown.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`)}\``
}
