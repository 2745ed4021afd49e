// Keeps the file for node_exporter's textfile collector as things stand: written whole, never in the way of a backup. What is in
// it is metrics.ts, which is loaded once somebody wants it.
import { lutimes, rm } from 'node:fs/promises'
import { messageOf } from './errors.ts'
import { replaceFile } from './linux/replaceFile.ts'
import { isGone } from './linux/sysfs.ts'
import type { Measured } from './metrics.ts'

export interface MetricsFile {
  /**
   * Writes to `file` what is measured then; null: to none. Returns at once and never throws; a file that it wrote before
   * and is not to write any more is removed, for node_exporter takes no figure from two files. The same text again only makes
   * the file new (node_textfile_mtime_seconds): a service that was killed or hangs cannot write that it is not up.
   */
  show(file: string | null, measure: () => Measured): void
  /** Resolves when what was shown is written, or could not be. */
  settled(): Promise<void>
}

/** Measured while there is a daemon, as it is once it has gone: what only it knew is not known any more. */
export const withoutDaemon = ({ disks }: Measured): Measured => ({
  daemon: null,
  disks: disks.map((disk) => ({ ...disk, state: null, progress: null })),
  undelivered: [],
})

interface Wanted {
  readonly file: string | null
  readonly measure: () => Measured
}

export function createMetricsFile({ warn }: { readonly warn: (message: string) => void }): MetricsFile {
  let wanted: Wanted | null = null
  let working: Promise<void> | null = null
  let written: { readonly file: string; readonly text: string } | null = null
  let failedBecause: string | null = null

  /** The collector runs as another user, so it is for everybody to read. */
  const put = async ({ file, measure }: Wanted): Promise<void> => {
    if (written !== null && written.file !== file) {
      const { file: old } = written
      written = null
      await rm(old, { force: true })
    }
    if (file === null) return
    const { renderMetrics } = await import('./metrics.ts')
    const text = renderMetrics(measure())
    if (text === written?.text && (await touch(file))) {
      failedBecause = null
      return
    }
    await replaceFile(file, text, { mode: 0o644 })
    written = { file, text }
    failedBecause = null
  }

  /** One at a time; of what is wanted meanwhile only the last. */
  const work = async (): Promise<void> => {
    for (let next = wanted; next !== null; next = wanted) {
      wanted = null
      try {
        await put(next)
      } catch (error) {
        const reason = explain(error, next.file)
        if (reason !== failedBecause) warn(reason)
        failedBecause = reason
      }
    }
    working = null
  }

  return {
    show(file, measure) {
      if (file === null && written === null && working === null) return
      wanted = { file, measure }
      working ??= work()
    },
    settled: async () => void (await working),
  }
}

/** False: it is not there any more. Whatever a link leads to that somebody put in its place stays as it is. */
async function touch(file: string): Promise<boolean> {
  const now = new Date()
  try {
    await lutimes(file, now, now)
    return true
  } catch (error) {
    if (isGone(error)) return false
    throw error
  }
}

function explain(error: unknown, file: string | null): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const advice =
    code === 'EROFS'
      ? '; walkaway.service may not write there: see metrics in the example configuration'
      : code === 'ENOENT'
        ? '; its folder is not there: make it, then systemctl restart walkaway'
        : ''
  return `metrics cannot be written${file === null ? '' : ` to ${file}`}: ${messageOf(error)}${advice}`
}
