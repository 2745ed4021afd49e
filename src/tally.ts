// What a visit that is ended early has done until then, by what was told of it: its report is not empty.

import type { VisitReport } from './core/model.ts'
import type { WalkawayEvent } from './events.ts'

export interface Tally {
  hear(event: WalkawayEvent): void
  soFar(): Pick<VisitReport, 'sentBytes' | 'datasets' | 'failures'>
}

/** What is under way when it ends counts for nothing: the next visit goes on with it. */
export function createTally(): Tally {
  let total = 0
  let sentBytes = 0
  const sent = new Set<string>()
  const failures: VisitReport['failures'][number][] = []
  return {
    hear(event) {
      if (event.kind === 'snapshot-taken') total = event.datasets
      if (event.kind === 'dataset-failed') failures.push({ dataset: event.dataset, reason: event.reason })
      if (event.kind !== 'dataset-sent') return
      sent.add(event.dataset)
      sentBytes += event.sentBytes
    },
    soFar: () => ({
      sentBytes,
      datasets: { total, sent: sent.size, unchanged: 0, failed: failures.length },
      failures,
    }),
  }
}
