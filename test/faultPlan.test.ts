import { expect, test } from 'vitest'
import { chooseRounds, listRounds, planCampaign } from './vm/faults/plan.ts'

const list = listRounds()
const names = list.map(({ name }) => name)

const moments = [
  'while idle-imported',
  'at import',
  'during the snapshot',
  'at 5 % of a full send',
  'at 50 % of a full send',
  'at 99 % of a full send',
  'between two datasets',
  'during an incremental',
  'during prune',
  'during scrub',
  'during export',
  'right after the last byte',
]
const returns = ['then the other port', 'then a reboot', 'then the other disk']

test.each([
  ['pulled', 'then the same port'],
  ['killed', 'the disk stays in'],
  ['power cut', 'the disk stays in'],
  ['stopped', 'the disk stays in'],
])('%s at every moment, and every way in which the disk comes back', (accident, inPlace) => {
  const expected = moments.flatMap((moment) =>
    [inPlace, ...returns].map((back) => `${accident} ${moment}, ${back}`),
  )
  expect(names.filter((name) => name.startsWith(`${accident} `)).sort()).toEqual(expected.sort())
})

test('every name is there once, and no two rounds are the same but for their names', () => {
  expect(names).toHaveLength(4 * 12 * 4)
  expect(new Set(names).size).toBe(names.length)
  expect(new Set(list.map((round) => JSON.stringify({ ...round, name: '' }))).size).toBe(list.length)
})

test('a full send is of a dataset that no other round has', () => {
  const made = list.filter(({ name }) => name.includes('full send')).map(({ writes }) => writes[0]?.dataset)
  expect(made).toHaveLength(3 * 4 * 4)
  expect(new Set(made).size).toBe(made.length)
})

test('a moment of the list is seen, not guessed: no delay after it', () => {
  for (const { name, delayMs, moment } of list) {
    expect(delayMs, name).toBe(0)
    expect(moment, name).not.toBe('plugged')
  }
})

test('what is pulled in the moment of its export, and nothing else, may need a reboot', () => {
  expect(names.filter((_, at) => list[at]?.mayWedge)).toEqual([
    'pulled during export, then the same port',
    'pulled during export, then the other port',
    'pulled during export, then a reboot',
    'pulled during export, then the other disk',
    'killed during export, then the other port',
    'killed during export, then a reboot',
    'killed during export, then the other disk',
  ])
})

test('rounds are chosen by a part of their names, after a first visit in which nothing happens', () => {
  const chosen = chooseRounds(/pull.*export/)
  expect(chosen.map(({ fault }) => fault)).toEqual([
    'nothing',
    'pull',
    'pull, then the other port',
    'pull, then a reboot',
    'pull, then the other disk',
  ])
  expect(chooseRounds(/no such name/)).toEqual([])

  const later = chooseRounds(/pull.*export/, 'pulled during export, then a reboot')
  expect(later.map(({ fault }) => fault)).toEqual([
    'nothing',
    'pull, then a reboot',
    'pull, then the other disk',
  ])
  expect(chooseRounds(/pull.*export/, 'pulled at import, then a reboot')).toEqual([])
})

test('a longer campaign with the same seed begins like a shorter one', () => {
  expect(planCampaign(991, 9).slice(0, 4)).toEqual(planCampaign(991, 4))
})
