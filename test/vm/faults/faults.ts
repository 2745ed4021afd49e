// Every fault as it is done to the machine, and what a person does about it right then. That it heals is looked after in
// round.ts: here nobody waits for a backup.
import { setTimeout as sleep } from 'node:timers/promises'
import type { BackupDisk } from '../home.ts'
import type { FaultKind, Round } from './plan.ts'
import type { World } from './world.ts'

export type Strike = {
  readonly world: World
  readonly round: Round
  readonly disk: BackupDisk
  readonly plugAgain: (controller: 0 | 1) => Promise<void>
  /** The other disk is plugged in, backed up and taken away. */
  readonly visitOther: () => Promise<void>
  readonly plugOther: () => Promise<void>
}

/** Commands that may find nothing to do: the visit may be over when a late fault comes. */
const attempt = async ({ nas }: World, command: string): Promise<void> => {
  await nas.run(['bash', '-c', command], { reject: false, deadlineMs: 120_000 })
}

export const faults: Readonly<Record<FaultKind, (strike: Strike) => Promise<void>>> = {
  nothing: async () => undefined,
  pull: async (strike) => {
    await away(strike)
    await strike.plugAgain(strike.round.controller)
  },
  'pull, then the other port': after(away, otherPort),
  'pull, then a reboot': after(away, reboot),
  'pull, then the other disk': after(away, otherDisk),
  'kill the daemon': killDaemon,
  'kill the daemon, then the other port': after(killDaemon, away, otherPort),
  'kill the daemon, then a reboot': after(killDaemon, away, reboot),
  'kill the daemon, then the other disk': after(killDaemon, away, otherDisk),
  'kill the sender': ({ world }) => attempt(world, "pkill -KILL -f '^[^ ]*zfs send '"),
  'kill the receiver': ({ world }) => attempt(world, "pkill -KILL -f '^[^ ]*zfs (receive|recv) '"),
  'kill udevd': ({ world }) => attempt(world, 'systemctl kill -s KILL systemd-udevd.service'),
  stop: async (strike) => {
    await stop(strike)
    await sleep(strike.round.awayMs)
    await start(strike)
  },
  'stop, then the other port': after(stop, away, start, otherPort),
  'stop, then a reboot': after(stop, away, start, reboot),
  'stop, then the other disk': after(stop, away, start, otherDisk),
  restart: async ({ world }) => {
    await world.nas.run(['systemctl', 'restart', 'walkaway'], { deadlineMs: 220_000 })
  },
  'power cut': async ({ world }) => {
    await world.nas.powerCut()
    await world.nas.boot()
    await world.witness.begin()
  },
  'power cut, then the other port': after(powerCutAndOut, otherPort),
  // It was switched on without the disk.
  'power cut, then a reboot': after(powerCutAndOut, (strike) => strike.plugAgain(strike.round.controller)),
  'power cut, then the other disk': after(powerCutAndOut, otherDisk),
  reload: ({ world }) => attempt(world, 'systemctl reload walkaway'),
  'a day ahead': ({ world }) => attempt(world, 'date --set "@$(( $(date +%s) + 86400 ))"'),
  'a day back': ({ world }) => attempt(world, 'date --set "@$(( $(date +%s) - 86400 ))"'),
  'snapshot destroyed': ({ world }) =>
    attempt(
      world,
      `for dataset in tank/docs tank/photos; do
         zfs list -H -o name -t snapshot -S createtxg -d 1 $dataset | grep @walkaway_ | head -1 | xargs -r zfs destroy
       done`,
    ),
  'slow disk': async ({ world, round, disk }) => {
    await world.nas.usb.throttle(disk.image, 60_000)
    await sleep(round.awayMs)
    await world.nas.usb.throttle(disk.image, 0)
  },
  // The disk was plugged in with them.
  'write errors': async () => undefined,
  'disk full': ({ world, disk: { pool } }) =>
    attempt(
      world,
      `free=$(zfs get -Hp -o value available ${pool}) && zfs create -V $(( (free - 3000000) / 8192 * 8192 )) ${pool}/ballast`,
    ),
  'burst of events': ({ world }) =>
    attempt(world, 'for n in $(seq 30); do udevadm trigger --subsystem-match=block --action=change; done'),
  'the other disk comes, too': (strike) => strike.plugOther(),
}

type Act = (strike: Strike) => Promise<void>

/** One after the other. */
function after(...acts: readonly Act[]): Act {
  return async (strike) => {
    for (const act of acts) await act(strike)
  }
}

async function away({ world, round, disk }: Strike): Promise<void> {
  await world.nas.pull(disk.image)
  await sleep(round.awayMs)
}

async function killDaemon({ world }: Strike): Promise<void> {
  await attempt(world, 'systemctl kill --kill-whom=main -s KILL walkaway')
}

async function stop({ world }: Strike): Promise<void> {
  await world.nas.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 100_000 })
}

async function start({ world }: Strike): Promise<void> {
  await world.nas.run(['systemctl', 'start', 'walkaway'], { deadlineMs: 120_000 })
}

/** The disk is taken out while there is no power. */
async function powerCutAndOut({ world }: Strike): Promise<void> {
  await world.nas.powerCut()
  world.nas.usb.letGo()
  await world.nas.boot()
  await world.witness.begin()
}

function otherPort(strike: Strike): Promise<void> {
  return strike.plugAgain(strike.round.controller === 0 ? 1 : 0)
}

async function reboot(strike: Strike): Promise<void> {
  const { nas, witness } = strike.world
  // What hangs in the kernel keeps a clean reboot from coming to its end.
  if (strike.round.mayWedge) await nas.reset()
  else await nas.reboot()
  await witness.begin()
  await strike.plugAgain(strike.round.controller)
}

async function otherDisk(strike: Strike): Promise<void> {
  await strike.visitOther()
  await strike.plugAgain(strike.round.controller)
}
