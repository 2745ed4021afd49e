import { expect, test } from 'vitest'
import { chooseScenarios, type ScenarioFile } from './vm/choose.ts'

const files: readonly ScenarioFile[] = [
  { project: 'vm', name: 'rotation.test.ts', text: "test('two disks in turn', ...)" },
  { project: 'vm', name: 'idle.test.ts', text: "test('nothing is plugged in', ...)" },
  { project: 'long', name: 'pulled.test.ts', text: "test('pulled in mid-transfer, two disks', ...)" },
]
const none = { files: [], titles: [] }

test.each([
  ['no name: all of the project', 'vm', [], [{ ...none, project: 'vm' }]],
  ['a file', 'vm', ['rotation'], [{ ...none, project: 'vm', files: ['rotation'] }]],
  ['a file of the other project', 'vm', ['pulled'], [{ ...none, project: 'long', files: ['pulled'] }]],
  ['a title', 'vm', ['in turn'], [{ ...none, project: 'vm', titles: ['in turn'] }]],
  ['a title of the other project', 'vm', ['mid-tr'], [{ ...none, project: 'long', titles: ['mid-tr'] }]],
  [
    'a title in both: the project asked for',
    'long',
    ['two disks'],
    [{ ...none, project: 'long', titles: ['two disks'] }],
  ],
  [
    'several',
    'vm',
    ['idle', 'pulled', 'in turn'],
    [
      { ...none, project: 'vm', files: ['idle'] },
      { ...none, project: 'long', files: ['pulled'] },
      { ...none, project: 'vm', titles: ['in turn'] },
    ],
  ],
] as const)('%s', (_, project, names, runs) => {
  expect(chooseScenarios(project, names, files)).toEqual({ kind: 'run', runs })
})

test('what nothing is called is said, and nothing is run', () => {
  expect(chooseScenarios('vm', ['idle', 'nonsense', 'rubbish'], files)).toEqual({
    kind: 'unknown',
    names: ['nonsense', 'rubbish'],
  })
})
