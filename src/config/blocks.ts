// The building blocks of the schema: scalars read by values.ts, maps, lists. Every issue's message is what was
// expected; findings.ts makes the sentence of it.

import * as z from 'zod/mini'
import type { Reader } from './values.ts'
import * as read from './values.ts'

type Json = Record<string, unknown>
export const textOrNumber: Json = { type: ['string', 'number'] }
/** Names of datasets: what an editor can know of it. The readers in values.ts know all, and why. */
export const nameOfDataset: Json = { ...textOrNumber, pattern: '^[A-Za-z0-9_.:][A-Za-z0-9_.: /-]*$' }
export const fileOrCredential: Json = { pattern: '^(/.*[^/]|credential:[A-Za-z0-9_-][A-Za-z0-9_.-]*)$' }

/** What a custom issue carries beside its message, which always is what was expected. */
export interface IssueParams {
  readonly because?: string
  /** The value must not be repeated in a message. */
  readonly secret?: boolean
  /** For a word out of a list: the list. */
  readonly words?: readonly string[]
}

interface Description {
  /** Completes the sentence "... was expected". */
  readonly expected: string
  readonly describe: string
  readonly json?: Json
  readonly params?: IssueParams
}

/** A single value. Its input always is the text as it was written, so nothing is rounded or resolved. */
export function scalar<T>(reader: Reader<T>, { expected, describe, json = {}, params = {} }: Description) {
  const read = z.transform((text: string, context) => {
    const reading = reader(text)
    if (reading.kind === 'value') return reading.value
    const because = reading.because === undefined ? {} : { because: reading.because }
    context.issues.push({
      code: 'custom',
      input: text,
      message: expected,
      params: { ...params, ...because },
    })
    return z.NEVER
  })
  return z.pipe(z.string({ error: expected }), read).check(z.meta({ description: describe, ...json }))
}

export function word<const W extends string>(words: readonly W[], describe: string) {
  const expected = `${words.length > 6 ? 'one of ' : ''}${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  const reader: Reader<W> = (text) => {
    const found = words.find((w) => w === text)
    return found === undefined ? { kind: 'refused' } : { kind: 'value', value: found }
  }
  return scalar(reader, { expected, describe, json: { enum: [...words] }, params: { words } })
}

/**
 * A map with these keys and no others. For an unknown key the message of the issue is the list of the known ones,
 * separated by spaces; findings.ts makes the sentence of it.
 */
export function section<S extends z.core.$ZodLooseShape>(shape: S, describe: string) {
  const keys = Object.keys(shape)
  const error = (issue: z.core.$ZodRawIssue) =>
    issue.code === 'unrecognized_keys' ? keys.join(' ') : `a map with the keys ${keys.join(', ')}`
  return z.strictObject(shape, { error }).check(z.meta({ description: describe }))
}

export function list<T extends z.ZodMiniType>(item: T, expected: string) {
  return z.array(item, { error: expected })
}

export function oneOrMore<T extends z.ZodMiniType>(item: T, expected: string, describe: string) {
  return z
    .union([item, list(item, expected).check(z.minLength(1, { error: expected }))], { error: expected })
    .check(z.meta({ description: describe }))
}

export const flag = (describe: string) =>
  scalar(read.readBoolean, { expected: 'true or false', describe, json: { type: 'boolean' } })
export const duration = (describe: string) =>
  scalar(read.readDurationOrNever, {
    expected: 'a duration such as 15m, 12h, 30d or 8w, or never',
    describe,
    json: { pattern: '^([0-9]+ ?[smhdw]|never)$', examples: ['12h', '30d', '8w', 'never'] },
  })
export const wholeNumber = (least: number, most: number, describe: string) =>
  scalar(read.readWholeNumber(least, most), {
    expected: `a whole number from ${least} to ${most}`,
    describe,
    json: { type: 'integer', minimum: least, maximum: most },
  })
export const secret = (describe: string) =>
  scalar(read.readSecret, {
    expected: 'the secret in one line',
    describe,
    json: textOrNumber,
    params: { secret: true },
  })
export const httpAddress = (describe: string) =>
  scalar(read.readHttpAddress, {
    expected: 'an address that begins with https:// or http://',
    describe,
    json: { pattern: '^[Hh][Tt][Tt][Pp][Ss]?://' },
    params: { secret: true },
  })
