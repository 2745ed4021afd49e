// What the daemon answers about one disk: how it stands, and why a wish is not granted. Pure.

import { type DiskAnswer, type Refusal, refusal, visitAnswer } from './control/protocol.ts'
import type { DiskState, Wish } from './core/diskState.ts'
import { judgeFreshness } from './core/freshness.ts'
import type { Disk, Progress } from './core/model.ts'
import { describeRefusal } from './core/refusal.ts'
import type { HistoryRecord } from './linux/history.ts'

/** What `status` answers about one disk. */
export function describe(of: {
  readonly disk: Disk
  readonly state: DiskState
  readonly since: Date | null
  readonly ending: boolean
  readonly progress: Progress | null
  /** Why its visit does nothing yet; null: it does, or there is none. */
  readonly waiting: string | null
  readonly visits: readonly HistoryRecord[]
  readonly overdueMs: number | null
  readonly now: Date
}): DiskAnswer {
  const { disk, state, progress, visits } = of
  const { lastComplete, dueBy, overdue } = judgeFreshness(visits, of.overdueMs, of.now)
  const last = visits.at(-1)
  return {
    name: disk.name,
    pool: disk.pool,
    poolGuid: disk.poolGuid,
    serials: [...disk.serials],
    state: state.kind === 'visiting' ? state.phase : state.kind,
    since: of.since?.toISOString() ?? null,
    reason: of.waiting ?? reasonOf(state, disk),
    overdue,
    dueBy: dueBy?.toISOString() ?? null,
    lastComplete: lastComplete?.toISOString() ?? null,
    lastVisit: last === undefined ? null : visitAnswer(last),
    ending: of.ending,
    progress: progress === null ? null : { ...progress, readyAt: progress.readyAt?.toISOString() ?? null },
  }
}

function reasonOf(state: DiskState, disk: Disk): string | null {
  switch (state.kind) {
    case 'absent':
    case 'visiting':
    case 'removable':
      return null
    case 'arriving':
      return `waiting for ${state.waitingFor}`
    case 'refused':
      return state.reason.kind === 'import-refused'
        ? state.reason.sentence
        : describeRefusal(disk, state.reason)
    case 'not-removable':
    case 'stuck':
      return state.reason
    case 'pulled':
      return 'pulled out while in use: plug it in again, the backup goes on where it was'
  }
}

/** Why a wish is not granted in the state that it led to; null: it is. */
export function refusalOf(wish: Wish, state: DiskState, disk: Disk): Refusal | null {
  const no = (why: string): Refusal => refusal(`${disk.name}: ${why}`, state.kind === 'refused' ? 4 : 1)
  switch (state.kind) {
    case 'visiting':
      return null
    case 'absent':
      return no('it is not connected')
    case 'arriving':
      return wish === 'run' ? null : no(`it has just been plugged in: ${reasonOf(state, disk)}; ask again`)
    case 'removable':
    case 'not-removable':
      return wish === 'eject' ? null : no('its devices are not settled right now; ask again')
    case 'refused':
      return no(`refused and not touched: ${reasonOf(state, disk)}`)
    case 'pulled':
    case 'stuck':
      return no(reasonOf(state, disk) ?? state.kind)
  }
}
