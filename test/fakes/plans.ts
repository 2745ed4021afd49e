// `walkaway plan` on the fake machine: as it is typed, with what it answers.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runPlan } from '../../src/cli/plan.ts'
import type { Machine } from './machine.ts'
import type { Answer } from './restores.ts'

/** The configuration of a machine as text, less what has no bearing on a plan. */
export const configText = (machine: Machine, more = ''): string =>
  [
    'sources: [{ dataset: tank }]',
    'disks:',
    ...[...machine.disks.values()].flatMap(({ disk }) => [
      `  ${disk.name}:`,
      `    serial: ${disk.serials[0]}`,
      `    pool: ${disk.pool}`,
      `    poolGuid: ${disk.poolGuid}`,
    ]),
    'backup: { into: nas }',
    `keep: ${JSON.stringify(machine.keep)}`,
    more,
    '',
  ].join('\n')

/** Throws what the command throws. */
export async function planOn(
  machine: Machine,
  asked: { readonly disk?: string; readonly json?: boolean; readonly config?: string } = {},
): Promise<Answer> {
  const folder = mkdtempSync(join(tmpdir(), 'walkaway-plan-test-'))
  const configFile = join(folder, 'config.yaml')
  writeFileSync(configFile, asked.config ?? configText(machine), { mode: 0o600 })
  const said = { stdout: '', stderr: '' }
  const into = (stream: keyof typeof said) => ({
    write: (text: string): void => {
      said[stream] += text
    },
  })
  try {
    const code = await runPlan({
      disk: asked.disk ?? null,
      json: asked.json ?? false,
      configFile,
      stdout: into('stdout'),
      stderr: into('stderr'),
      machine: machine.deps,
    })
    return { code, ...said }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
