// The pages in docs/ speak of the program as it is: what they quote it says, what they name is there.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Conflict, explainConflict } from '../src/core/conflict.ts'
import type { Copy, Limits } from '../src/core/marks.ts'
import {
  type Disk,
  datasetName,
  diskName,
  luksUuid,
  poolGuid,
  poolName,
  type Snapshot,
  serial,
  snapshotGuid,
} from '../src/core/model.ts'
import { describeRefusal, type RefusalReason } from '../src/core/refusal.ts'
import { restoreText } from '../src/core/restoreText.ts'
import { render } from '../src/sentences.ts'
import { linesOf, renderSvg, timesOf } from './demoSvg.ts'
import { examples } from './fakes/eventExamples.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const offsite: Disk = {
  name: diskName('offsite-1'),
  serials: [serial('ABC')],
  pool: poolName('offsite-1'),
  poolGuid: poolGuid('222'),
  luks: null,
}
const containerUuid = luksUuid('0b9c5a5e-5d0e-4c53-9c5b-2f6a8f1c7e11')
const stranger = { pool: poolName('tank'), poolGuid: poolGuid('111') }
const refusals: { readonly [K in RefusalReason['kind']]: Extract<RefusalReason, { kind: K }> } = {
  'other-pool': { kind: 'other-pool', node: '/dev/sdb1', found: stranger },
  'foreign-serial': { kind: 'foreign-serial', node: '/dev/sdb1', serials: [serial('XYZ')] },
  twin: { kind: 'twin', nodes: ['/dev/sdb1', '/dev/sdc1'] },
  renamed: { kind: 'renamed', node: '/dev/sdb1', found: poolName('other') },
  'not-in-luks': { kind: 'not-in-luks', node: '/dev/sdb1', expected: containerUuid },
  'in-luks': { kind: 'in-luks', node: '/dev/sdb1', uuid: containerUuid },
  'other-luks': {
    kind: 'other-luks',
    node: '/dev/sdb1',
    found: luksUuid('7d1b3e94-0c4f-4a56-8e0b-94c4d1f0a2b6'),
    expected: containerUuid,
  },
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

test('the restore guide shows the text that a disk carries', () => {
  const stamp = 'walkaway_20261122T175806Z'
  const copy = (path: string, fields: Partial<Copy> = {}): Copy => ({
    name: datasetName(path),
    type: 'filesystem',
    encryptionRoot: null,
    source: null,
    host: 'nas',
    state: null,
    limits: {},
    ...fields,
  })
  const of = (source: string, limits: Limits = {}): Copy =>
    copy(`offsite-1/nas/${source}`, { source, state: stamp, limits })
  const copies = [
    copy('offsite-1', { host: null }),
    copy('offsite-1/nas'),
    of('tank'),
    of('tank/home', { quota: '107374182400' }),
    of('tank/photos'),
  ]
  const text = restoreText({ pool: offsite.pool, guid: poolGuid('4425734906477738374'), luks: null, copies })
  expect(read('docs/restore.md')).toContain(`\n\`\`\`text\n${text.join('\n')}\n\`\`\`\n`)
})

describe('what the pages name is there', () => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
  ]
  test.each(pages.filter((page) => page.endsWith('.md')))('in %s', (page) => {
    const text = read(page)
    const inCode = [...text.matchAll(/(?<![\w/.-])(?:src|test|docs|systemd|udev-rules)\/[\w./-]*\w/g)].map(
      ([path]) => path,
    )
    const linked = [...text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, to = '']) =>
      join(dirname(page), to),
    )
    const missing = [...inCode, ...linked].filter(
      (path) => !existsSync(join(root, path)) && !existsSync(join(root, `${path}.ts`)),
    )
    expect(missing).toEqual([])
  })

  test.each(pages.filter((page) => page.endsWith('.md')))('headings that %s points to', (page) => {
    const missing = [...read(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)].filter(
      ([, to = '', anchor]) => {
        const headings = [...read(to === '' ? page : join(dirname(page), to)).matchAll(/^#+ (.*)$/gm)]
        return !headings.some(([, heading = '']) => anchorOf(heading) === anchor)
      },
    )
    expect(missing.map(([link]) => link)).toEqual([])
  })

  test('and the architecture names every folder of the program', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    )
    const page = read('docs/architecture.md')
    expect(
      folders.filter(({ name }) => !page.includes(`| \`src/${name}\` |`)).map(({ name }) => name),
    ).toEqual([])
  })
})

test('the threat model names what the unit of the service has', () => {
  const unit = read('systemd/walkaway.service')
  const page = read('docs/threat-model.md')
  const closed = tablesOf(page, ['closed by']).flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)])
  const open = [...page.matchAll(/`(CAP_\w+)`/g)]
  expect(closed.length).toBeGreaterThan(10)
  expect(
    [...closed, ...open].filter(([, named = '']) => !unit.includes(named)).map(([, named]) => named),
  ).toEqual([])
  const granted = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? []
  expect(granted.length).toBeGreaterThan(3)
  expect(granted.filter((one) => !page.includes(`\`${one}\``))).toEqual([])
})

describe('the recording of the demonstration', () => {
  test('is drawn from its transcript', () => {
    expect(read('docs/demo.svg')).toBe(renderSvg(read('docs/demo.txt')))
  })

  test('shows every line as it was, in its order, and nothing of it is markup', () => {
    const lines = ['Offsite backups with walkaway & <more>', '   1.0 s  one', '   4.0 s  two', 'done']
    const transcript = ['npm warn', lines[0], ' 0:04  Building', ...lines.slice(1)].join('\n')
    expect(linesOf(transcript)).toEqual(lines)
    expect(renderSvg(transcript)).toContain('>Offsite backups with walkaway &amp; &lt;more&gt;</text>')
    const times = timesOf(lines)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeCloseTo(1)
  })
})

/** As GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .replaceAll(' ', '-')

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
