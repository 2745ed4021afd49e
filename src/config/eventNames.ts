// The names that `on:` of a notification channel may list, and those it tells when `on:` is missing.

export const eventNames = [
  'daemon-started',
  'daemon-stopping',
  'config-reloaded',
  'config-rejected',
  'disk-arrived',
  'disk-refused',
  'pool-imported',
  'key-not-needed',
  'snapshot-taken',
  'plan-made',
  'dataset-sent',
  'dataset-failed',
  'backup-finished',
  'verified',
  'explain-failed',
  'pruned',
  'scrub-finished',
  'pool-exported',
  'safe-to-remove',
  'not-safe-to-remove',
  'disk-removed',
  'disk-pulled',
  'disk-stuck',
  'disk-overdue',
  'take-disk-away',
  'backup-incomplete',
  'nothing-offsite',
  'disk-unused',
  'notify-failed',
] as const
export type EventName = (typeof eventNames)[number]

/** What a person must know: each of these asks for a hand, or says that none is needed any more. */
export const tellingEvents: readonly EventName[] = [
  'config-rejected',
  'disk-refused',
  'safe-to-remove',
  'not-safe-to-remove',
  'disk-pulled',
  'disk-stuck',
  'disk-overdue',
  'take-disk-away',
  'backup-incomplete',
  'nothing-offsite',
  'disk-unused',
]
