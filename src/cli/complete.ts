// What could stand at the cursor of a command line, for the completion scripts of the shells. The commands and options are
// those of the program itself; names of disks are read from the configuration, or asked of the daemon by who may not read it.
import { readFile } from 'node:fs/promises'
import type { Argument, Command, Option } from 'commander'
import { child, entriesOf, parseTree } from '../config/document.ts'
import { oneLine } from '../linux/oneLine.ts'
import { controlSocket } from './places.ts'
import type { Output } from './words.ts'

export interface Candidate {
  readonly value: string
  readonly description: string
}

/** What belongs at the cursor. */
export type Wanted =
  | { readonly kind: 'words'; readonly words: readonly Candidate[] }
  | { readonly kind: 'disk' }
  | { readonly kind: 'file' }
  | { readonly kind: 'nothing' }

export interface Completion {
  readonly wanted: Wanted
  /** What is typed of it already, without quotes. */
  readonly typed: string
  /** The value of --config, if it was given. */
  readonly configFile: string | null
}

/** `words`: what is typed after the name of the program, as it is; the last one, maybe empty, is at the cursor. Pure. */
export function complete(program: Command, words: readonly string[]): Completion {
  // bash splits `--option=value` into three.
  const clean = words.map(unquoted).filter((word, at) => word !== '=' || at === words.length - 1)
  const last = clean.at(-1) ?? ''
  const typed = last === '=' ? '' : last
  let command = program
  let operands = 0
  let pending: Option | null = null
  let configFile: string | null = null
  for (const word of clean.slice(0, -1)) {
    if (pending !== null) {
      if (pending.long === '--config') configFile = word
      pending = null
    } else if (word.startsWith('-')) {
      const [name, value] = word.split('=', 2)
      const option = optionsOf(program, command).find(({ long, short }) => long === name || short === name)
      if (option?.long === '--config' && value !== undefined) configFile = value
      pending = option !== undefined && value === undefined && takesValue(option) ? option : null
    } else {
      const next = operands === 0 ? subcommandsOf(command).find((each) => each.name() === word) : undefined
      if (next === undefined) operands += 1
      else command = next
    }
  }
  if (pending !== null) return { wanted: valueWanted(pending), typed, configFile }
  if (typed.startsWith('-'))
    return { wanted: { kind: 'words', words: optionWords(program, command) }, typed, configFile }
  const subcommands = operands === 0 ? subcommandsOf(command) : []
  const wanted: Wanted =
    subcommands.length > 0
      ? {
          kind: 'words',
          words: subcommands.map((each) => ({ value: each.name(), description: each.description() })),
        }
      : argumentAt(command, operands)
  return { wanted, typed, configFile }
}

const unquoted = (word: string): string =>
  word.replace(/^["']/, '').replace(/["']$/, '').replaceAll(/\\(.)/g, '$1')

const subcommandsOf = (command: Command): readonly Command[] => command.createHelp().visibleCommands(command)

/** The program's own may stand behind a command, too. */
const optionsOf = (program: Command, command: Command): readonly Option[] => {
  const own = command.createHelp().visibleOptions(command)
  return command === program ? own : [...own, ...program.options.filter(({ long }) => long === '--config')]
}

const optionWords = (program: Command, command: Command): readonly Candidate[] =>
  optionsOf(program, command).flatMap(({ long, description }) =>
    long === undefined || long === null ? [] : [{ value: long, description }],
  )

const takesValue = ({ required, optional }: Option): boolean => required || optional

function argumentAt({ registeredArguments }: Command, at: number): Wanted {
  const last = registeredArguments.at(-1)
  const argument = registeredArguments[at] ?? (last?.variadic === true ? last : undefined)
  return argument === undefined ? { kind: 'nothing' } : named(argument.name(), argument)
}

const valueWanted = (option: Option): Wanted => named(/[<[]([^>\].]+)/.exec(option.flags)?.[1] ?? '', option)

/** The name of an argument in the usage text says what it is. */
function named(name: string, { argChoices }: Pick<Argument | Option, 'argChoices'>): Wanted {
  if (argChoices !== undefined)
    return { kind: 'words', words: argChoices.map((value) => ({ value, description: name })) }
  switch (name) {
    case 'disk':
      return { kind: 'disk' }
    case 'file':
    case 'device':
      return { kind: 'file' }
    default:
      return { kind: 'nothing' }
  }
}

export interface CompleteOptions {
  readonly program: Command
  readonly words: readonly string[]
  /** Without --config in `words`. */
  readonly configFile: string
  readonly stdout: Output
  readonly socket?: string
}

/** Prints `value TAB description` lines, or `:files` where the shell shall complete the name of a file. Never throws. */
export async function runComplete(options: CompleteOptions): Promise<0> {
  const { program, words, stdout, socket = controlSocket } = options
  const { wanted, typed, configFile } = complete(program, words)
  switch (wanted.kind) {
    case 'words':
      stdout.write(render(wanted.words, typed))
      break
    case 'disk': {
      const names = (await configuredNames(configFile ?? options.configFile)) ?? (await servedNames(socket))
      stdout.write(
        render(
          names.map((value) => ({ value, description: 'backup disk' })),
          typed,
        ),
      )
      break
    }
    case 'file':
      stdout.write(':files\n')
      break
    case 'nothing':
      break
  }
  return 0
}

const render = (candidates: readonly Candidate[], typed: string): string =>
  candidates
    .filter(({ value }) => value.startsWith(typed))
    .map(({ value, description }) => `${oneLine(value)}\t${oneLine(description)}\n`)
    .join('')

/** From a file with mistakes, too; null: it cannot be read. */
async function configuredNames(file: string): Promise<readonly string[] | null> {
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === null) return null
  const parsed = parseTree(text)
  return parsed.kind === 'broken' ? [] : [...entriesOf(child(parsed.tree, 'disks')).keys()]
}

/** Short enough for somebody who waits with a finger on the tab key. */
const askDeadlineMs = 500

async function servedNames(socket: string): Promise<readonly string[]> {
  const { askStatus } = await import('../control/client.ts')
  const reply = await askStatus(
    socket,
    { version: 1, command: 'status' },
    { deadlineMs: askDeadlineMs },
  ).catch(() => null)
  if (reply === null || 'kind' in reply || !reply.ok) return []
  return reply.status.disks.map(({ name }) => name)
}

/** Every command with its options, arguments and its whole help, as data. */
export interface DescribedCommand {
  /** `config check`; empty for the program itself. */
  readonly name: string
  readonly options: readonly string[]
  readonly arguments: readonly string[]
  readonly help: string
  /** It only has others below it. */
  readonly isGroup: boolean
}

export function describeCommands(program: Command): readonly DescribedCommand[] {
  const describe = (command: Command, path: readonly string[]): readonly DescribedCommand[] => {
    const below = subcommandsOf(command).filter((each) => each.name() !== 'help')
    const help: string[] = []
    command.configureOutput({ writeOut: (text) => help.push(text) })
    command.outputHelp()
    return [
      {
        name: path.join(' '),
        options: command.options.flatMap(({ long }) => long ?? []),
        arguments: command.registeredArguments.map((argument) => argument.name()),
        help: help.join(''),
        isGroup: below.length > 0,
      },
      ...below.flatMap((each) => describe(each, [...path, each.name()])),
    ]
  }
  return describe(program, [])
}
