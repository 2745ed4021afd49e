// How long the daemon takes to answer `status`, measured inside the machine.
import type { Machine } from '../machine.ts'

/** perl is there in no time, where node would take seconds of an emulated processor. */
const ask = `
use IO::Socket::UNIX;
sub uptime { local @ARGV = '/proc/uptime'; (split ' ', <>)[0] }
my $begun = uptime;
my $socket = IO::Socket::UNIX->new(Peer => '/run/walkaway/control.sock') or exit 3;
print $socket qq({"version":1,"command":"status"}\\n);
$socket->shutdown(1);
local $/;
my $answer = <$socket>;
exit 3 unless $answer =~ /"ok":true/;
printf "%.0f", (uptime() - $begun) * 1000 || 10;`

/** Milliseconds, in steps of 10, and 10 at least; 0: there is no daemon that could answer, or it ended while it was asked. */
export async function statusMs(nas: Machine): Promise<number> {
  const { exitCode, stdout } = await nas.run(['perl', '-e', ask], { reject: false, deadlineMs: 60_000 })
  return exitCode === 0 ? Number(stdout) : 0
}
