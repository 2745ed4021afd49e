// `walkaway restore` on the fake machine: as it is typed, with what it answers.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RestoreOptions, runRestore } from '../../src/cli/restore.ts'
import type { Machine } from './machine.ts'
import { datasetOf } from './visits.ts'
import { addDataset, type FakeDataset } from './zfsState.ts'

export interface Answer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}
type Asked = Partial<
  Pick<RestoreOptions, 'dataset' | 'to' | 'at' | 'list' | 'dryRun' | 'keyFile' | 'socket' | 'interrupted'>
> & {
  readonly disk?: string
  /** The configuration file's text; without one there is no file. */
  readonly config?: string
}

/** Without a daemon and, if nothing else is said, without a configuration. Throws what the command throws. */
export async function restoreOn(machine: Machine, asked: Asked = {}): Promise<Answer> {
  const folder = mkdtempSync(join(tmpdir(), 'walkaway-restore-test-'))
  const configFile = join(folder, 'config.yaml')
  const { disk = 'offsite-1', config, ...rest } = asked
  if (config !== undefined) writeFileSync(configFile, config, { mode: 0o600 })
  let stdout = ''
  let stderr = ''
  try {
    const code = await runRestore({
      disk,
      dataset: null,
      to: null,
      at: null,
      list: false,
      dryRun: false,
      keyFile: null,
      configFile,
      socket: join(folder, 'no-daemon.sock'),
      interrupted: new AbortController().signal,
      machine: {
        zfs: machine.zfs,
        pools: machine.pools,
        transfer: machine.transfer,
        block: machine.block,
        luks: machine.deps.luks,
        scan: machine.deps.scan,
        until: machine.deps.until,
      },
      ...rest,
      stdout: {
        write: (text) => {
          stdout += text
        },
      },
      stderr: {
        write: (text) => {
          stderr += text
        },
      },
    })
    return { code, stdout, stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A new pool, as on a machine that has replaced the one that burnt. */
export function newPool(machine: Machine, name = 'new'): void {
  machine.addPool(name)
  addDataset(machine.state, `${name}/mine`)
}

/** What a person sees of a dataset: data, kind, and which properties are in force. */
export const seen = (machine: Machine, name: string) => {
  const { type, encrypted, properties, snapshots }: FakeDataset = datasetOf(machine, name)
  return {
    type,
    encrypted,
    properties: Object.fromEntries([...properties].map(([property, { value }]) => [property, value]).sort()),
    content: snapshots.at(-1)?.content,
    guid: snapshots.at(-1)?.guid,
  }
}
