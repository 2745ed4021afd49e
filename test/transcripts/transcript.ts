// Recorded answers of real zfs and zpool commands; vm/recordTranscripts.ts makes them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Transcript {
  readonly command: readonly string[]
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** The OpenZFS versions that were recorded. */
export const versions: readonly string[] = readdirSync(import.meta.dirname).filter(
  (name) => /^\d/.test(name) && readdirSync(join(import.meta.dirname, name)).length > 0,
)

export const transcriptNames = (version: string): readonly string[] =>
  readdirSync(join(import.meta.dirname, version)).map((name) => name.replace(/\.json$/, ''))

export function readTranscript(version: string, name: string): Transcript {
  return JSON.parse(readFileSync(join(import.meta.dirname, version, `${name}.json`), 'utf8'))
}
