// Names as people give them: no shell, no splitting at blanks, and room for the longest.
import { expect } from 'vitest'
import {
  fingerprintOf,
  lookElsewhere,
  mountCopy,
  setUpHome,
  snapshotsUnder,
  startService,
  takeAway,
  travelled,
  visitWith,
} from '../home.ts'
import { scenario } from '../scenario.ts'

const atLength = (start: string, length: number) => start + 'x'.repeat(length - start.length)

const names = [
  'tank/my documents',
  'tank/my documents/2024: taxes v1.0',
  'tank/ two  blanks ',
  'tank/-r',
  'tank/0',
  'tank/..a.b:c-d_e',
  'tank/walkaway_20200101T000000Z',
  atLength('tank/long name: ', 100),
  atLength(`${atLength('tank/long name: ', 100)}/`, 200),
]

scenario('dataset names with blanks, dots, colons and 200 characters, and snapshots named so', async (s) => {
  const home = await setUpHome(s)
  const { nas, disk } = home
  expect(names.at(-1)).toHaveLength(200)
  for (const name of names) await nas.run(['zfs', 'create', name])
  for (const name of names)
    await nas.writeFile(`/${name}/a file of ${name.slice(0, 40).replaceAll('/', '_')}`, name)
  await nas.run(['zfs', 'snapshot', '-r', 'tank/my documents@before the move: 1.0'])
  await nas.run(['zfs', 'snapshot', 'tank/0@0'])
  await nas.run(['zfs', 'bookmark', 'tank/0@0', 'tank/0#0'])
  await startService(nas)
  await visitWith(home, disk)
  await takeAway(home, disk)

  for (const name of names) await nas.writeFile(`/${name}/later`, `later in ${name}`)
  await nas.run(['zfs', 'snapshot', '-r', 'tank/my documents@between -i visits'])
  const { before } = await visitWith(home, disk)
  const sent = nas.journal.events({ event: 'dataset-sent', after: before })
  // logger(1), through which the journal gets its fields, takes blanks off their ends.
  expect(new Set(sent.map((entry) => entry['WALKAWAY_DATASET']))).toEqual(
    new Set(names.map((name) => name.trimEnd())),
  )
  for (const { MESSAGE } of sent) expect(MESSAGE).toContain('(incremental)')

  const snapshots = travelled(await snapshotsUnder(nas, 'tank'), nas, before)
  for (const name of ['before the move: 1.0', 'between -i visits'])
    expect(snapshots.filter((line) => line.includes(`@${name}\t`))).toHaveLength(2)
  const files = await fingerprintOf(nas, '/tank')
  await lookElsewhere(s, home, disk, async (elsewhere, root) => {
    expect(await snapshotsUnder(elsewhere, `${root}/tank`)).toEqual(snapshots)
    expect(await fingerprintOf(elsewhere, await mountCopy(elsewhere, `${root}/tank`))).toBe(files)
  })
  const bookmark = (await nas.script('zfs list -Hp -o name,guid -t bookmark -r tank/0')).split('\n')
  expect(bookmark.some((line) => line.startsWith('tank/0#0\t'))).toBe(true)
})
