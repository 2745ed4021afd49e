// The journal catalog: every event is explained, in the form that journalctl --update-catalog reads.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventKinds } from '../../src/eventKinds.ts'
import { renderCatalog } from '../../src/package/catalog.ts'

const entry = {
  kind: 'disk-arrived',
  messageId: 'b86ddcd8ac0b4002a690e30f45803390',
  subject: 'A backup disk was plugged in',
  explanation: `${'word '.repeat(40)}end`,
}

test('an entry has its id, its subject and an explanation in short lines', () => {
  const lines = renderCatalog([entry]).split('\n')
  expect(lines).toContain(`-- ${entry.messageId}`)
  expect(lines).toContain(`Subject: ${entry.subject}`)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(lines.filter((line) => line.includes('word')).length).toBeGreaterThan(1)
})

test('two kinds with one message id, or a bad one, are a bug', () => {
  expect(() => renderCatalog([entry, { ...entry, kind: 'other' }])).toThrow(/same message id/)
  expect(() => renderCatalog([{ ...entry, messageId: 'B86DDCD8-AC0B' }])).toThrow(/not a message id/)
})

test.runIf(spawnSync('journalctl', ['--version']).status === 0)('journalctl takes the whole catalog', () => {
  const root = mkdtempSync(join(tmpdir(), 'walkaway-catalog-'))
  try {
    const folder = join(root, 'usr/lib/systemd/catalog')
    spawnSync('mkdir', ['-p', folder, join(root, 'var/lib/systemd/catalog')])
    writeFileSync(join(folder, 'walkaway.catalog'), renderCatalog(eventKinds))
    const update = spawnSync('journalctl', [`--root=${root}`, '--update-catalog'], { encoding: 'utf8' })
    expect(update.stderr).toBe('')
    const shown = spawnSync('journalctl', [`--root=${root}`, '--list-catalog'], { encoding: 'utf8' })
    for (const { messageId, subject } of eventKinds)
      expect(shown.stdout).toContain(`${messageId} walkaway: ${subject}`)
  } finally {
    rmSync(root, { recursive: true })
  }
})
