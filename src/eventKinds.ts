// What each kind of event is called in the journal catalog: a stable message id, a subject and an explanation for a person
// who asks (`journalctl -x`). What one event says is sentences.ts.

interface Kind {
  readonly messageId: string
  /** One line for `journalctl -x`. */
  readonly subject: string
  readonly explanation: string
}

export const kinds = {
  'daemon-started': {
    messageId: 'a21d9978cf5940acaf6fce0bb7ec1f63',
    subject: 'walkaway is watching for backup disks',
    explanation:
      'The service has read its configuration and watches for the disks named in it. Plug one in and its backup starts.',
  },
  'daemon-stopping': {
    messageId: 'a4332e109b4441ee9a329888dbe32692',
    subject: 'walkaway is stopping',
    explanation:
      'A running transfer is ended in a way that can be resumed, and every pool that walkaway imported is exported first.',
  },
  'config-reloaded': {
    messageId: 'b8a47fb8630a4c299929da706f1e0ded',
    subject: 'The configuration was read again',
    explanation:
      'The new configuration is in force. Visits that were running go on with the one they began with.',
  },
  'config-rejected': {
    messageId: '52addb92c50f4e01a50485f10ec45679',
    subject: 'The configuration has mistakes',
    explanation:
      'Every mistake is listed with its line and column. Nothing was touched; while the service runs, the configuration it had stays in force. Correct the file and check it with: walkaway config check',
  },
  'disk-arrived': {
    messageId: 'b86ddcd8ac0b4002a690e30f45803390',
    subject: 'A backup disk was plugged in',
    explanation: 'The disk is a known one by its serial number and its pool GUID. Its backup begins now.',
  },
  'visit-asked': {
    messageId: 'ef0987b5e41c7fdd2facb2283c380cb2',
    subject: 'A visit of a backup disk was asked for',
    explanation:
      'Somebody used walkaway run: the backup begins now, as if the disk had been plugged in. Do not unplug it until walkaway says that it is safe to remove.',
  },
  'eject-asked': {
    messageId: '3e6893a301361ddd37f271ddc9a70e51',
    subject: 'A backup disk was asked for',
    explanation:
      'Somebody used walkaway eject: the visit ends early, what was sent stays, and the rest is sent at the next visit. Do not unplug the disk until walkaway says that it is safe to remove. No visit begins by itself until it is plugged in again.',
  },
  'disk-refused': {
    messageId: 'bad2c34f339f42b4b94a1c28a84628d9',
    subject: 'A disk is not the backup disk that it claims to be',
    explanation:
      'A disk is used only when its serial number and its pool GUID are configured together. This one was not touched. If it is right and the configuration is old, see: walkaway disks',
  },
  'pool-imported': {
    messageId: 'ed0b016c586c4209861e3c38c42a7a50',
    subject: 'The pool of a backup disk is in use',
    explanation:
      'Do not unplug the disk until walkaway says that it is safe to remove. Nothing on it is mounted.',
  },
  'key-not-needed': {
    messageId: '23dd35655d3745479f8282dfd096e0ae',
    subject: 'The pool of a backup disk is not encrypted',
    explanation:
      'A file with its key is configured, so somebody expects its backups to be encrypted: they are not, unless their sources are. Make the pool anew with encryption, or remove keyFile from the configuration.',
  },
  'snapshot-taken': {
    messageId: '88b49d67970848c48453d022f6978e5f',
    subject: 'Snapshots of the sources were taken',
    explanation:
      'All datasets of a source pool are snapshotted in one atomic step. This is the state that is backed up.',
  },
  'plan-made': {
    messageId: '25f0771a58d04f34b05e203ce5fe10ca',
    subject: 'What this visit is going to send',
    explanation: "Sizes are ZFS's own estimates before compression of the stream is known.",
  },
  'dataset-sent': {
    messageId: '52beb7b8eda84c01820aff2fdb854b81',
    subject: 'A dataset was sent',
    explanation:
      'The disk received it. It counts as backed up only when it was read back at the end of the visit.',
  },
  'dataset-gone': {
    messageId: 'ba027d950ea04ff481c7dab217f1f1a5',
    subject: 'A dataset was destroyed while it was to be backed up',
    explanation:
      'It was there when the visit began, and is not any more: that is no failure. Or it has another name, under which it is still to be backed up: then this visit is not complete, and the next one follows it. What the disk holds of it from earlier visits stays.',
  },
  'dataset-failed': {
    messageId: '706c817f54a2405eb5891186a5a7e3e1',
    subject: 'A dataset could not be backed up',
    explanation:
      'The other datasets go on. What the disk holds of this dataset from earlier visits is untouched.',
  },
  verified: {
    messageId: '1b5de822b78b43b9b6edb9404497e6d4',
    subject: 'The backup was read back from the disk',
    explanation:
      'The newest snapshot of each of these datasets is on the disk with the GUID that the source has.',
  },
  pruned: {
    messageId: '7847eb33d1f44fa7a8ddd4028be44063',
    subject: 'Old snapshots were destroyed',
    explanation:
      'On the disk, what keep.disk gives up; on the source, of the snapshots that walkaway took, what keep.source gives up. What a disk needs for its next increment stays, as does what is held. When there would not be room enough, keep.disk is applied to the disk before anything is sent, to nothing newer than what both sides have. What could not be destroyed goes at a later visit; the backup is complete all the same.',
  },
  'scrub-started': {
    messageId: '2e095193aa6c472aa64e4c19279fb76c',
    subject: 'A backup disk is being scrubbed',
    explanation:
      'The backup is on the disk and was read back. Now ZFS reads everything on the disk and compares it with its checksums (finish.scrubEvery). A disk that is needed before that has ended is had with walkaway eject: the scrub is paused, and goes on at the next visit.',
  },
  'scrub-finished': {
    messageId: '9fec6179e5394c2ab5fcd7b77b939907',
    subject: 'A backup disk was scrubbed',
    explanation:
      'ZFS has read everything on the disk and compared it with its checksums (finish.scrubEvery). What could not be repaired makes the visit partial, and its reason names the files.',
  },
  'explain-failed': {
    messageId: 'f0fd76a78a634ba695e3206791eb3ef9',
    subject: 'A backup disk could not be told what is on it',
    explanation:
      'The backup itself is not affected. What the disk says of itself (user properties, and the commands that restore it without walkaway) may be out of date; the next visit writes it again.',
  },
  'backup-finished': {
    messageId: '154b563f67064a4d84330b6c7b247fe4',
    subject: 'A visit has ended',
    explanation:
      'complete: everything is on the disk. partial: some datasets are not. failed: nothing could be done. interrupted: it goes on at the next visit. Whether the disk may be taken is said separately.',
  },
  'pool-exported': {
    messageId: 'cecebd05cd744553bf4b752424878e6b',
    subject: 'The pool of a backup disk was exported',
    explanation:
      'ZFS has let go of the disk. Wait for the word that it is safe to remove: its cache is flushed next.',
  },
  'safe-to-remove': {
    messageId: '7cfb3b83329b4087a190f0a8071d5cc8',
    subject: 'A backup disk can be taken away',
    explanation:
      'Its pool is exported, nothing holds the device, its cache is flushed. Take it to its other place. Whether the backup is complete is in the same line.',
  },
  'not-safe-to-remove': {
    messageId: '16f323fdd6f44a1a9eaee57915c73093',
    subject: 'A backup disk must not be taken away yet',
    explanation:
      'The visit is over but the disk could not be released. The reason is in the message; it is tried again.',
  },
  'disk-removed': {
    messageId: '48bd4e1283ef4d3eaa10fd9b878a8f80',
    subject: 'A backup disk was taken away',
    explanation:
      'It was not in use any more. It is expected back by the date that walkaway status shows. If walkaway had not said before that it was safe to remove, plug it in once more.',
  },
  'disk-pulled': {
    messageId: 'a0a035c835c545829058f70a66b53771',
    subject: 'A backup disk was removed while it was in use',
    explanation:
      'Nothing on this machine is affected. Plug the disk in again, in any port: the backup goes on where it was. Do not export or destroy its pool by hand meanwhile; that can block every ZFS command until a reboot.',
  },
  'disk-stuck': {
    messageId: 'ee81d78f83694f8aac10942d8376d1c5',
    subject: 'A backup disk hangs',
    explanation:
      'A ZFS command on its pool did not end, or the disk does not answer although it is plugged in. Unplug it and plug it in again: the backup goes on where it was. If that does not help, the machine needs a reboot. Other disks are served as far as the kernel allows.',
  },
  'disk-overdue': {
    messageId: '78fc37a9a6da4139bdb7826696242bea',
    subject: 'A backup disk is overdue',
    explanation:
      'It had no complete backup for longer than remind.overdue, or its own overdue, says. Bring it and plug it in; the backup begins by itself. This is said when it is due, a week later, and every day from twice that time on.',
  },
  'take-disk-away': {
    messageId: '9f61cdb01645485e828b9669735562a0',
    subject: 'A finished backup disk is still plugged in',
    explanation:
      'Its backup is complete and it is safe to remove. As long as it is here it does not protect against what happens here: take it to its other place. This is said after remind.takeAway, and then every day.',
  },
  'backup-incomplete': {
    messageId: '7ce0c31b1382452a8eaa9164201570ca',
    subject: 'The backup on a disk that is plugged in is not complete',
    explanation:
      'Its last visit did not back up everything; the reason is in the message. The disk may be taken out. Plugged in again it gets another visit, which goes on where this one ended. This is said every day while the disk is plugged in; once it is away, it counts by its last complete backup.',
  },
  'nothing-offsite': {
    messageId: '610726cde32b4629affad488517c131d',
    subject: 'All backup disks are at home',
    explanation:
      'Every backup disk that was ever plugged in here is plugged in now, longer than remind.takeAway says. What happens to this place happens to all of them: take one away, once it is safe to remove. This is said every day.',
  },
  'disk-unused': {
    messageId: '7d3398a1357f4208b4a0f72623bcbdd0',
    subject: 'A configured backup disk was never used',
    explanation:
      'The disk stands in the configuration for as long as remind.overdue says, and was never visited. Plug it in, or remove it from the configuration. If it is plugged in and nothing happens, compare its serial number and GUID with: walkaway disks. This is said once.',
  },
  'notify-failed': {
    messageId: '1453f2eaf92b4dcfb747b509bd125a72',
    subject: 'Messages could not be delivered',
    explanation:
      'A notification channel of the configuration cannot be reached, or refuses what it is sent. It is said once for each time that this happens. The messages are kept over a restart and tried again for three days, the newest hundred of them; backups are not affected. walkaway status shows what waits.',
  },
} as const satisfies Readonly<Record<string, Kind>>

/** All kinds of event in the order in which they usually happen; the journal catalog is made from this. */
export const eventKinds: readonly ({ readonly kind: keyof typeof kinds } & Kind)[] = (
  Object.keys(kinds) as (keyof typeof kinds)[]
).map((kind) => ({ kind, ...kinds[kind] }))
