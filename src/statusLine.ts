// The one line that `systemctl status walkaway` shows: what is going on right now, always true.

import { bytesInWords } from './core/bytes.ts'
import { clockTime } from './core/clockTime.ts'
import type { DiskState } from './core/diskState.ts'
import type { Disk, Progress } from './core/model.ts'

interface Shown {
  readonly disk: Disk
  state(): DiskState
  progress(): Progress | null
}

/** Absent disks are not mentioned unless all of them are. */
export function statusLine(runners: readonly Shown[], now: Date): string {
  const parts = runners.flatMap((runner) => {
    const words = describe(runner.state(), runner.progress(), now)
    return words === null ? [] : [`${runner.disk.name}: ${words}`]
  })
  return parts.length === 0 ? 'waiting for a backup disk' : parts.join('; ')
}

function describe(state: DiskState, progress: Progress | null, now: Date): string | null {
  switch (state.kind) {
    case 'absent':
      return null
    case 'arriving':
      return `waiting for ${state.waitingFor}`
    case 'refused':
      return 'refused, not touched'
    case 'visiting':
      if (progress?.phase === 'scrubbing' && progress.totalBytes > 0) return scrubbing(progress, now)
      return progress?.dataset == null ? phaseWords[state.phase] : sending(progress, now)
    case 'removable':
      return state.outcome === 'complete'
        ? 'SAFE TO REMOVE, backup complete'
        : `SAFE TO REMOVE, backup ${state.outcome}`
    case 'not-removable':
      return `do not remove it: ${state.reason}`
    case 'pulled':
      return 'pulled out while in use, plug it in again'
    case 'stuck':
      return `stuck: ${state.reason}`
  }
}

const phaseWords = {
  importing: 'importing its pool',
  'backing-up': 'looking at what to send',
  verifying: 'reading the backup back',
  pruning: 'pruning old snapshots',
  scrubbing: 'scrubbing',
  exporting: 'exporting its pool',
} as const

const ready = ({ readyAt }: Progress, now: Date): string =>
  readyAt === null || readyAt <= now ? '' : `, ready about ${clockTime(readyAt, now)}`

const sending = (progress: Progress, now: Date): string =>
  `sending ${progress.dataset}, ${bytesInWords(progress.sentBytes)} of ${bytesInWords(progress.totalBytes)}${ready(progress, now)}`

const scrubbing = (progress: Progress, now: Date): string =>
  `scrubbing, ${bytesInWords(progress.sentBytes)} of ${bytesInWords(progress.totalBytes)}${ready(progress, now)}`
