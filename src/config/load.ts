// Reads the configuration from its file, and refuses what would let others in: a file that they can write, or
// secrets that they can read. What the text means is decided in config.ts.

import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, realpath, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Mistake, ParsedConfig } from '../config.ts'
import { parseConfig } from '../config.ts'
import { messageOf } from '../errors.ts'
import { explainTooLong, maxLength } from './document.ts'
import { groupId } from './groups.ts'
import type { GroupPlace } from './places.ts'
import type { SecretUse } from './secrets.ts'
import { quote } from './values.ts'

export type ConfigResult = ParsedConfig

export interface LoadOptions {
  readonly file: string
  /** What `{host}` stands for; this machine's name when missing. */
  readonly host?: string
  /** Where systemd has put the credentials of this service; what the environment says when missing. */
  readonly credentials?: string
}

/** Never throws: a file that cannot be read is a mistake like any other. */
export async function loadConfig({
  file,
  host = hostname(),
  credentials = process.env['CREDENTIALS_DIRECTORY'],
}: LoadOptions): Promise<ConfigResult> {
  const reading = await readConfigFile(file)
  if (reading.kind === 'refused') return reject(file, [reading.message])
  const parsed = parseConfig(reading.text, { file, host, ...(credentials !== undefined && { credentials }) })
  const fileMistakes = findFileMistakes(reading.stats, reading.parents).map((message) =>
    wholeFile(file, message),
  )
  const secretMistakes: Mistake[] = []
  for (const use of parsed.secrets) {
    const fault = await findSecretFault(use, reading.stats, credentials)
    if (fault !== null) secretMistakes.push({ file, ...use.at, message: fault })
  }
  const groupMistakes = parsed.group === null ? [] : await findGroupMistakes(file, parsed.group)
  const mistakes = [
    ...fileMistakes,
    ...[...(parsed.kind === 'rejected' ? parsed.mistakes : []), ...secretMistakes, ...groupMistakes].toSorted(
      (a, b) => a.line - b.line || a.column - b.column,
    ),
  ]
  if (mistakes.length === 0) return parsed
  return { ...parsed, kind: 'rejected', mistakes }
}

async function findGroupMistakes(file: string, { name, at }: GroupPlace): Promise<readonly Mistake[]> {
  try {
    await groupId(name)
    return []
  } catch (error) {
    const message = `${messageOf(error)}; the name of a group of this machine was expected (groupadd ${name})`
    return [{ file, ...at, message }]
  }
}

function reject(file: string, messages: readonly string[]): ConfigResult {
  const mistakes = messages.map((message) => wholeFile(file, message))
  return { kind: 'rejected', mistakes, warnings: [], secrets: [], group: null }
}

const wholeFile = (file: string, message: string): Mistake => ({ file, line: 1, column: 1, message })

type FileReading =
  | {
      readonly kind: 'text'
      readonly text: string
      readonly stats: Stats
      /** The directory of the path, and that of what a symbolic link in it leads to. */
      readonly parents: readonly Stats[]
    }
  | { readonly kind: 'refused'; readonly message: string }

async function readConfigFile(file: string): Promise<FileReading> {
  try {
    // One descriptor for the look and the reading, so that both are of one file; a FIFO must not block.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const folders = [dirname(file), dirname(await realpath(file))]
      return await readRegularFile(handle, await Promise.all(folders.map((folder) => stat(folder))))
    } finally {
      await handle.close()
    }
  } catch (error) {
    return refuse(explainUnreadable(error))
  }
}

async function readRegularFile(handle: FileHandle, parents: readonly Stats[]): Promise<FileReading> {
  const stats = await handle.stat()
  if (stats.isDirectory()) return refuse('this is a directory; a file was expected')
  if (!stats.isFile()) return refuse('this is no regular file; a file was expected')
  // No character takes more than four bytes.
  if (stats.size > 4 * maxLength) return refuse(explainTooLong)
  const text = decodeUtf8(await handle.readFile())
  return text === null
    ? refuse('the file is not UTF-8; text in UTF-8 was expected')
    : { kind: 'text', text, stats, parents }
}

const refuse = (message: string): FileReading => ({ kind: 'refused', message })

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

function explainUnreadable(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'there is no such file; the configuration was expected here (see /usr/share/doc/walkaway/examples/config.example.yaml)'
    case 'EACCES':
    case 'EPERM':
      return 'the file cannot be read by this user; root can'
    case 'ENOTDIR':
      return 'a part of this path is no directory; the path of the configuration was expected'
    default:
      return `the file cannot be read (${messageOf(error)}); the configuration was expected here`
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** What is wrong with the file itself, whatever is in it. */
function findFileMistakes(stats: Stats, parents: readonly Stats[]): readonly string[] {
  const me = process.getuid?.() ?? 0
  const mistakes: string[] = []
  if (stats.uid !== 0 && stats.uid !== me)
    mistakes.push(
      `the file belongs to the user with number ${stats.uid}; root as its owner was expected (chown root)`,
    )
  if ((stats.mode & 0o022) !== 0)
    mistakes.push('others than its owner can write the file; its owner alone was expected (chmod go-w)')
  if (parents.some(({ mode }) => (mode & 0o002) !== 0 && (mode & 0o1000) === 0))
    mistakes.push('everybody can replace the file; a directory that its owner alone can write was expected')
  return mistakes
}

async function findSecretFault(
  use: SecretUse,
  config: Stats,
  credentials: string | undefined,
): Promise<string | null> {
  switch (use.kind) {
    case 'inline':
      return (config.mode & 0o004) === 0
        ? null
        : `\`${use.key}\` holds a secret, and everybody can read this file; a file that only root can read (chmod 600), or the secret in a file of its own, was expected`
    case 'file':
      return await findSecretFileFault(use.key, use.path)
    case 'credential':
      // Only the service has them; a person who checks the configuration does not.
      return credentials === undefined
        ? null
        : await findSecretFileFault(use.key, join(credentials, use.name))
  }
}

/** In a sentence, which names `key`, why a file is no place for a secret; null: it is one. */
export async function findSecretFileFault(key: string, path: string): Promise<string | null> {
  const subject = `\`${key}\` names ${quote(path)}, which`
  try {
    const stats = await stat(path)
    if (!stats.isFile()) return `${subject} is no regular file; a file with the secret was expected`
    if ((stats.mode & 0o007) !== 0)
      return `${subject} everybody can read or write; its owner alone was expected (chmod 600)`
    return (stats.mode & 0o020) === 0
      ? null
      : `${subject} its group can write; its owner alone was expected (chmod g-w)`
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return `${subject} does not exist; a file with the secret was expected`
    if (code === 'EACCES') return `${subject} this user cannot look at; root can`
    return `${subject} cannot be looked at (${messageOf(error)}); a file with the secret was expected`
  }
}
