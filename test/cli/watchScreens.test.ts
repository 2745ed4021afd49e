// `walkaway status --watch` in a real terminal (tmux) of 80 and of 120 columns: the screens in docs/, kept by `vitest -u`.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createControlServer } from '../../src/control/server.ts'
import { away, busy, ready, statusOf } from './statuses.ts'

const root = join(import.meta.dirname, '../..')
/** A program that is compiled first, on a machine that has other things to do. */
const patience = { timeout: 50_000, interval: 200 }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'walkaway-screen-'))
})
afterEach(() => {
  tmux('kill-server')
  rmSync(folder, { recursive: true })
})

/** A server of its own, which takes its terminals along when it ends. */
const tmux = (...argv: readonly string[]): string =>
  spawnSync('tmux', ['-S', join(folder, 'tmux.sock'), '-f', '/dev/null', ...argv], { encoding: 'utf8' })
    .stdout
const screen = (): string => tmux('capture-pane', '-p').replaceAll(/ +$/gm, '').trimEnd()

describe('in a terminal', () => {
  test.each([80, 120])('of %i columns', async (columns) => {
    const server = await createControlServer({
      path: join(folder, 'control.sock'),
      answer: () => ({ version: 1, ok: true, status: statusOf(busy, away, ready) }),
      onProblem: () => undefined,
    })
    try {
      const program = `TZ=UTC '${process.execPath}' --import tsx test/cli/watchInTerminal.ts '${folder}/control.sock'; cat`
      tmux('new-session', '-d', '-x', String(columns), '-y', '24', '-c', root, program)
      await vi.waitFor(() => expect(screen()).toContain('Ctrl-C'), patience)
      await expect(`${screen()}\n`).toMatchFileSnapshot(join(root, `docs/status-watch-${columns}.txt`))

      await server.close()
      await vi.waitFor(() => expect(screen()).toContain('the daemon is not running'), patience)
      expect(screen()).not.toContain('SAFE')
      tmux('send-keys', 'C-c')
      await vi.waitFor(() => expect(screen()).toMatch(/^ended with 3$/m), patience)
      expect(screen()).not.toContain('Ctrl-C')
    } finally {
      await server.close()
    }
  })
})

test('the README shows the screen of 80 columns', () => {
  const shown = readFileSync(join(root, 'docs/status-watch-80.txt'), 'utf8')
  expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain(`\`\`\`\n${shown}\`\`\`\n`)
})
