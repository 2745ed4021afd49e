// Waits for the moment of a round: an event in the journal, or a sight inside the machine, where what the daemon runs is
// looked at fifty times a second. Nothing is guessed by a clock.
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackupDisk, visitDeadlineMs } from '../home.ts'
import { diskLink } from '../machine.ts'
import type { FaultKind, Round, Sight } from './plan.ts'
import type { World } from './world.ts'

/**
 * One small file lists the daemon's processes. `rchar` counts what a process and the kernel on its behalf have read. What
 * is `idle` for longer than ZFS collects writes (zfs_txg_timeout, 5 s) has nothing left to write; the command that the visit
 * waits for meanwhile is stopped, and goes on by itself 2 s later.
 */
const script = String.raw`
  my ($kind, $command, $bytes, $disk) = @ARGV;
  $| = 1;
  sub content { open(my $file, '<', $_[0]) or return ''; local $/; my $text = <$file>; defined $text ? $text : '' }
  sub rest { select(undef, undef, undef, $_[0]) }
  sub tell_now { print 'now ', (split ' ', content('/proc/uptime'))[0], "\n" }
  sub matches {
    my $line = content("/proc/$_[0]/cmdline");
    $line =~ tr/\0/ /;
    $line =~ s/ +$//;
    # Programs are started by their absolute paths.
    $line =~ s{^\S*/}{};
    return $line =~ /$command/s;
  }
  sub received { my ($read) = content("/proc/$_[0]/io") =~ /^rchar: (\d+)/m; return defined $read ? $read : 0 }
  sub written {
    my ($name) = (readlink($disk) || '') =~ m{([^/]+)$};
    return (split ' ', content("/sys/class/block/$name/stat"))[6];
  }
  sub wait_until_idle {
    my ($last, $calm) = (written(), 0);
    while ($calm < 60) {
      rest(0.1);
      my $now = written();
      $calm = $now == $last ? $calm + 1 : 0;
      $last = $now;
    }
  }

  my $seen = 0;
  for (;; rest(0.02)) {
    my @running = split ' ', content('/sys/fs/cgroup/system.slice/walkaway.service/cgroup.procs');
    my ($found) = grep { matches($_) } @running;
    if ($kind eq 'ends') {
      last if $seen && (!$found || $found != $seen);
      $seen = $found || 0;
      next;
    }
    next unless $found;
    next if $kind eq 'received' && received($found) < $bytes;
    if ($kind eq 'idle') {
      kill('STOP', $found);
      wait_until_idle();
      tell_now();
      rest(2);
      kill('CONT', $found);
      exit;
    }
    last;
  }
  tell_now();`

/**
 * Resolves with the seconds since boot at which a sight was seen; null: it was an event. A visit that does not come as far as
 * an event has ended, or is stuck: the fault comes all the same. A sight that does not come is a failure of the round.
 */
export async function meetMoment(
  world: World,
  { moment, delayMs }: Round,
  disk: BackupDisk,
  after: number,
): Promise<number | null> {
  const { journal } = world.nas
  const ended = ['safe-to-remove', 'disk-stuck', 'disk-pulled']
  const waitFor = (event: readonly string[]) =>
    journal.waitFor({ event, disk: disk.name }, { deadlineMs: visitDeadlineMs, after })
  if (typeof moment !== 'string') return meetSight(world, moment, disk, waitFor(ended))
  if (moment !== 'plugged') await waitFor([moment, ...ended])
  await sleep(delayMs)
  return null
}

async function meetSight(
  { nas }: World,
  sight: Sight,
  disk: BackupDisk,
  ended: Promise<Readonly<Record<string, string>>>,
): Promise<number> {
  const { kind, command } = sight
  const bytes = kind === 'received' ? sight.kilobytes * 1024 : 0
  const watch = nas.start(['perl', '-e', script, kind, command, String(bytes), diskLink(disk.serial)])
  let missed: string | null = null
  ended.then(
    (entry) => {
      missed = entry['MESSAGE'] ?? ''
    },
    (error: Error) => {
      missed = error.message
    },
  )
  watch.wait().catch(() => undefined)
  for (;;) {
    const seconds = /^now (\S+)$/m.exec(watch.stdout())?.[1]
    if (seconds !== undefined) return Number(seconds)
    if (missed !== null) {
      watch.kill()
      throw new Error(`the moment never came (${kind} ${command}): ${missed} ${watch.stderr()}`)
    }
    await sleep(10)
  }
}

/** What systemd or the kernel says when the fault has struck. */
const struck = /USB disconnect|Main process exited, code=killed|^Stopping walkaway/

/**
 * Milliseconds from the sight of the moment until the journal had heard of the fault, which is later than the fault, by the
 * machine's own clock; null where that is not known.
 */
export function struckAfterMs(
  { nas }: World,
  fault: FaultKind,
  seen: { readonly seconds: number | null; readonly mark: number },
): number | null {
  if (seen.seconds === null || fault.startsWith('power cut')) return null
  const [entry] = nas.journal.entries({ message: struck, after: seen.mark })
  const at = entry?.['__MONOTONIC_TIMESTAMP']
  return at === undefined ? null : Math.round(Number(at) / 1000 - seen.seconds * 1000)
}
