// The pages in docs/ speak of the program as it is: what they quote it says, what they name is there.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Conflict, explainConflict } from '../src/core/conflict.ts'
import { describeRefusal, type RefusalReason } from '../src/core/identity.ts'
import {
  type Disk,
  datasetName,
  diskName,
  poolGuid,
  poolName,
  type Snapshot,
  serial,
  snapshotGuid,
} from '../src/core/model.ts'
import { render } from '../src/sentences.ts'
import { examples } from './fakes/eventExamples.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const offsite: Disk = {
  name: diskName('offsite-1'),
  serials: [serial('ABC')],
  pool: poolName('offsite-1'),
  poolGuid: poolGuid('222'),
}
const stranger = { pool: poolName('tank'), poolGuid: poolGuid('111') }
const refusals: { readonly [K in RefusalReason['kind']]: Extract<RefusalReason, { kind: K }> } = {
  'other-pool': { kind: 'other-pool', node: '/dev/sdb1', found: stranger },
  'foreign-serial': { kind: 'foreign-serial', node: '/dev/sdb1', serials: [serial('XYZ')] },
  twin: { kind: 'twin', nodes: ['/dev/sdb1', '/dev/sdc1'] },
  renamed: { kind: 'renamed', node: '/dev/sdb1', found: poolName('other') },
  'no-pool': { kind: 'no-pool', node: '/dev/sdb' },
}

const snapshot = (name: string, guid: string, dataset = 'tank/home'): Snapshot => ({
  dataset: datasetName(dataset),
  name,
  guid: snapshotGuid(guid),
  createtxg: 1n,
  creation: new Date(0),
  holds: 0,
  writtenBytes: 0n,
  referencedBytes: 0n,
  clones: [],
})
const common = snapshot('walkaway_20261101T180000Z', '111')
const onDisk = snapshot('by-hand', '222')
const clone = 'offsite-1/nas/tank/clone'
const conflicts: { readonly [K in Conflict['kind']]: Extract<Conflict, { kind: K }> } = {
  diverged: { kind: 'diverged', common, onDisk },
  'target-newer': { kind: 'target-newer', common, onDisk },
  modified: { kind: 'modified', onDisk },
  'no-common-base': { kind: 'no-common-base', onDisk },
  'not-a-backup': { kind: 'not-a-backup', onDisk },
  promoted: {
    kind: 'promoted',
    common: snapshot(common.name, common.guid, 'tank/clone'),
    source: datasetName('tank/home'),
  },
  'promoted-on-disk': {
    kind: 'promoted-on-disk',
    origin: `${clone}@${common.name}`,
    copy: datasetName('offsite-1/nas/tank/home'),
  },
  'name-taken': { kind: 'name-taken' },
  'type-differs': { kind: 'type-differs', onDisk: 'volume' },
  'copy-not-encrypted': { kind: 'copy-not-encrypted' },
}

const troubleshooting = read('docs/troubleshooting.md')

/** What is quoted below the heading of this name; null: there is no such heading. */
function quotedOf(name: string): readonly string[] | null {
  const [, section] = troubleshooting.split(`\n### \`${name}\`\n`)
  if (section === undefined) return null
  const [own = ''] = section.split(/\n##+ /)
  return own.split('\n').flatMap((line) => (line.startsWith('> ') ? [line.slice(2)] : []))
}

describe('troubleshooting quotes what the program says', () => {
  test.each(Object.entries(examples('REASON')))('of the event %s', (kind, events) => {
    const quoted = quotedOf(kind)
    expect(quoted).not.toBeNull()
    expect(quoted).not.toEqual([])
    expect(events.map((event) => render(event).message)).toEqual(expect.arrayContaining([...(quoted ?? [])]))
  })

  test.each(Object.entries(conflicts))('of the conflict %s', (kind, conflict) => {
    expect(quotedOf(kind)).toEqual([explainConflict(conflict)])
  })

  test.each(Object.entries(refusals))('of the refusal %s', (kind, reason) => {
    expect(quotedOf(kind)).toEqual([describeRefusal(offsite, reason)])
  })

  test('in the first column of its tables, whatever stands for something else in capitals', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    const sources = files
      .filter((path) => path.endsWith('.ts'))
      .map((path) => read(`src/${path}`).replaceAll(/['`] \+\n\s*['`]/g, ''))
      .join('\n')
    const words = tablesOf(troubleshooting, ['reason', 'answer'])
      .flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, said = '']) => said))
      .flatMap((said) => said.split(/\b(?:[A-Z]{2,}|N)\b|\.\.\./))
      .map((part) => part.trim())
      .filter((part) => part.length > 3)
    expect(words.length).toBeGreaterThan(60)
    expect(words.filter((part) => !sources.includes(part))).toEqual([])
  })
})

/** The first cells of all tables whose first column has one of these headings. */
function tablesOf(page: string, headings: readonly string[]): readonly string[] {
  const cells: string[] = []
  let inside = false
  for (const line of page.split('\n')) {
    const first = /^\| (.*?) \|/.exec(line)?.[1]
    if (first === undefined) inside = false
    else if (headings.includes(first)) inside = true
    else if (inside && !/^-+$/.test(first)) cells.push(first)
  }
  return cells
}
