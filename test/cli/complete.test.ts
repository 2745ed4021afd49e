// Shell completion: what belongs at the cursor, which names it is, and what bash makes of it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { complete, runComplete } from '../../src/cli/complete.ts'
import { completionScripts } from '../../src/cli/completionScripts.ts'

function createProgram(): Command {
  const program = new Command('walkaway').option('--config <file>', 'configuration file')
  program.command('run').argument('<disk>').option('--json', 'as JSON')
  program.command('init').argument('[device...]').option('--name <name>', 'a name')
  program.command('daemon').addOption(new Option('--log-format <format>').choices(['journal', 'plain']))
  program.command('restore').argument('<disk>').argument('[dataset]').option('--key-file <file>')
  const config = program.command('config')
  config.command('check').argument('[file]')
  program.command('__complete', { hidden: true })
  return program
}

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-complete-'))
  file = join(folder, 'config.yaml')
  writeFileSync(file, 'disks:\n  offsite-1: { serial: A }\n  "my disk": {}\nnonsense: 7\n')
})
afterEach(() => rmSync(folder, { recursive: true }))

const wordsAt = (...words: string[]) => {
  const { wanted } = complete(createProgram(), words)
  return wanted.kind === 'words' ? wanted.words.map(({ value }) => value) : wanted.kind
}

test.each<[line: string[], expected: readonly string[] | string]>([
  [[''], ['run', 'init', 'daemon', 'restore', 'config', 'help']],
  [
    ['config', ''],
    ['check', 'help'],
  ],
  [['config', 'check', ''], 'file'],
  [['run', ''], 'disk'],
  [['run', 'offsite-1', ''], 'nothing'],
  [['--config', '/x', 'run', ''], 'disk'],
  [['run', '--json', ''], 'disk'],
  [
    ['run', '--'],
    ['--json', '--help', '--config'],
  ],
  [['run', '--config', ''], 'file'],
  [
    ['daemon', '--log-format', ''],
    ['journal', 'plain'],
  ],
  [
    ['daemon', '--log-format', '=', 'jou'],
    ['journal', 'plain'],
  ],
  [
    ['daemon', '--log-format', '='],
    ['journal', 'plain'],
  ],
  [['restore', 'offsite-1', '--key-file', ''], 'file'],
  [['restore', 'offsite-1', ''], 'nothing'],
  [['init', '--name', 'run', '/dev/sdb', ''], 'file'],
  [['never', ''], 'nothing'],
])('%j wants %j', (line, expected) => {
  expect(wordsAt(...line)).toEqual(expected)
})

async function completed(...words: string[]): Promise<readonly string[]> {
  const written: string[] = []
  const stdout = { write: (text: string) => written.push(text) }
  const socket = join(folder, 'no.sock')
  await runComplete({ program: createProgram(), words, configFile: file, stdout, socket })
  return written.join('').trimEnd().split('\n')
}

test('names of disks come from the configuration, whatever else is wrong with it', async () => {
  expect(await completed('run', '')).toEqual(['offsite-1\tbackup disk', 'my disk\tbackup disk'])
  expect(await completed('run', 'my\\ d')).toEqual(['my disk\tbackup disk'])
  expect(await completed('run', '"of')).toEqual(['offsite-1\tbackup disk'])
})

test('without a configuration and a daemon there is nothing, and no complaint', async () => {
  expect(await completed('--config', join(folder, 'none'), 'run', '')).toEqual([''])
  writeFileSync(file, 'disks: [')
  expect(await completed('run', '')).toEqual([''])
})

test('bash shows what the program answers, quoted, and names of files where it asks for them', () => {
  writeFileSync(
    join(folder, 'walkaway'),
    '#!/bin/sh\necho "$*" >> "$LOG"\nprintf \'my disk\\tbackup disk\\noffsite-1\\tbackup disk\\n:files\\n\'\n',
    { mode: 0o755 },
  )
  writeFileSync(join(folder, 'script'), completionScripts.bash)
  writeFileSync(join(folder, 'a file'), '')
  const typed = `compopt() { :; }; . ./script; COMP_WORDS=(walkaway run "a"); COMP_CWORD=2; _walkaway; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['--norc', '--noprofile', '-c', typed], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: `${folder}:/usr/bin:/bin`, LOG: join(folder, 'log') },
  })
  expect({ stderr, lines: stdout.trimEnd().split('\n') }).toEqual({
    stderr: '',
    lines: ['my\\ disk', 'offsite-1', 'a file'],
  })
  const asked = spawnSync('cat', [join(folder, 'log')], { encoding: 'utf8' }).stdout
  expect(asked).toBe('__complete -- run a\n')
})

test.each([
  ['my', ['my\\ disk', "it\\'s\\ \\$5"]],
  ['"my', ['my disk', "it's \\$5"]],
  ["'my", ['my disk', "it'\\''s $5"]],
])('bash goes on in the quotes that were opened: %s', (typed, expected) => {
  writeFileSync(join(folder, 'walkaway'), "#!/bin/sh\nprintf 'my disk\\tx\\nit'\\''s $5\\tx\\n'\n", {
    mode: 0o755,
  })
  writeFileSync(join(folder, 'script'), completionScripts.bash)
  const command = `. ./script; COMP_WORDS=(walkaway run "$TYPED"); COMP_CWORD=2; _walkaway; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['--norc', '--noprofile', '-c', command], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: `${folder}:/usr/bin:/bin`, TYPED: typed },
  })
  expect({ stderr, lines: stdout.trimEnd().split('\n') }).toEqual({ stderr: '', lines: expected })
})
