// A message to a person, and what all of them are made of: lines, sentences, lists with an end. Pure.

import { onOneLine } from '../sentences.ts'

export interface Message {
  /** Fits a phone's lock screen as long as the disk's name is short. */
  readonly title: string
  readonly body: string
  /** high: somebody must do something, at night too. */
  readonly urgency: 'low' | 'normal' | 'high'
  /** null: the event says nothing of that. */
  readonly mayUnplug: boolean | null
}

export const lines = (...parts: readonly (string | null)[]): string =>
  parts.filter((part) => part !== null && part !== '').join('\n')
/** One line of a few; whoever is quoted in it cannot add another one. Whole it is in the journal. */
const longestLine = 400
export function line(text: string): string {
  const whole = onOneLine(text)
  return whole.length <= longestLine ? whole : `${onOneLine(whole.slice(0, longestLine))} ...`
}
export function ended(text: string): string {
  const whole = line(text)
  return /[.!?]$/.test(whole) ? whole : `${whole}.`
}
export const sentence = (text: string): string => ended(`${text.charAt(0).toUpperCase()}${text.slice(1)}`)
/** The first of many, each as a line. */
const mostListed = 5
export const listed = (all: readonly string[], before = ''): readonly string[] => [
  ...all.slice(0, mostListed).map((text) => `${before}${line(text)}`),
  ...(all.length > mostListed ? [`${before}and ${all.length - mostListed} more`] : []),
]

export const waitForWord = 'You will be told when you can take it.'
export const inUse = 'Do not unplug it now: it is in use.'
