// Which snapshots of a source must stay until its goal is on the disk. Pure; placed and released by hold.ts.

import type { Dataset, Snapshot } from './model.ts'
import type { ReplicationPlan, Step } from './replication.ts'

/**
 * Those that the plan reads, and each that the disk has newest at some moment while it is carried out: when the transfer
 * is interrupted, one of them is the only base that the two sides have in common. Oldest first. The origin of a clone is
 * not among them: it cannot be destroyed before the clone.
 */
export function snapshotsToHold(source: Dataset, goal: Snapshot, plan: ReplicationPlan): readonly Snapshot[] {
  if (plan.kind !== 'steps') return []
  return source.snapshots.filter(
    (snapshot) => snapshot.guid === goal.guid || plan.steps.some((step) => isNeededBy(step, snapshot)),
  )
}

/** Whether the step reads this snapshot of its dataset; the disk has it afterwards. */
export function isNeededBy(step: Step, { guid, createtxg }: Snapshot): boolean {
  switch (step.kind) {
    case 'discard-partial':
      return false
    case 'resume':
    case 'full':
      return step.to.guid === guid
    case 'incremental':
      if (step.to.guid === guid || step.from.guid === guid) return true
      return step.intermediates && createtxg > step.from.createtxg && createtxg < step.to.createtxg
  }
}
