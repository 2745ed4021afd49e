import { expect, test } from 'vitest'
import { snapshotsToHold } from '../../src/core/holds.ts'
import { resumeToken } from '../../src/core/model.ts'
import type { Step } from '../../src/core/replication.ts'
import { at, dataset } from './series.ts'

const source = dataset('@a @b @c @d @e')
const incremental = (from: string, to: string, intermediates = false): Step => ({
  kind: 'incremental',
  from: at(source, from),
  to: at(source, to),
  intermediates,
})

test.each<readonly [string, readonly Step[], string]>([
  ['a full stream', [{ kind: 'full', to: at(source, 'b'), missingOrigin: null }], 'b e'],
  ['an increment, with what it starts from', [incremental('a', 'd')], 'a d e'],
  ['all that travels in one stream', [incremental('a', 'd', true)], 'a b c d e'],
  ['several streams', [incremental('a', 'b'), incremental('b', 'd')], 'a b d e'],
  ['a resumed one', [{ kind: 'resume', token: resumeToken('1-a'), to: at(source, 'c') }], 'c e'],
  ['nothing yet', [{ kind: 'discard-partial', reason: 'dead' }], 'e'],
])('%s', (_, steps, held) => {
  const plan = { kind: 'steps', steps, estimatedBytes: 0, leastBytes: 0 } as const
  const names = snapshotsToHold(source, at(source), plan).map(({ name }) => name)
  expect(names.join(' ')).toBe(held)
})

test('nothing is held for what needs no stream', () => {
  expect(snapshotsToHold(source, at(source), { kind: 'unchanged', state: at(source, 'a') })).toEqual([])
})
