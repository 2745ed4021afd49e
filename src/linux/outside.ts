// Starts programs outside of the service's own sandbox: the service manager does it, as a unit of its own for each, with the
// rights that are asked for here. What a sandbox would stop or should not have goes this way: programs of others, a user's
// own session, the network.

import type { Run } from './run.ts'

export interface OutsideOptions {
  readonly description: string
  /** How long the manager lets it run, whatever becomes of us. */
  readonly limitMs: number
  /** Properties of its unit beside these, as in systemd.exec(5); without any it may do what root may. */
  readonly properties?: readonly string[]
}

/**
 * A `Run` for such programs. `user` is the unit's user. Exit code, input and output are the program's own; as `Run` itself,
 * it does not wait longer than the deadline.
 */
export function createOutside(run: Run, { description, limitMs, properties = [] }: OutsideOptions): Run {
  const unit = [
    ...['--quiet', '--collect', '--wait', '--pipe'],
    `--description=${description}`,
    ...[
      // A message must get out while the machine is shut down, too.
      'DefaultDependencies=no',
      `RuntimeMaxSec=${Math.ceil(limitMs / 1000)}`,
      ...properties,
    ].map((property) => `--property=${property}`),
  ]
  return async (file, args, { user, ...options }) => {
    const as = user === undefined ? [] : [`--uid=${user.uid}`, `--gid=${user.gid}`]
    return run('systemd-run', [...unit, ...as, '--', file, ...args.map(literally)], options)
  }
}

/** The manager looks up what a dollar sign names, but not after two (systemd.service(5), "Command lines"). */
const literally = (argument: string): string => argument.replaceAll('$', '$$$$')

/** What no such unit needs. */
export const closed = [
  'NoNewPrivileges=yes',
  'ProtectSystem=strict',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'LockPersonality=yes',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'SystemCallArchitectures=native',
  'SystemCallErrorNumber=EPERM',
  'SystemCallFilter=@system-service',
  'SystemCallFilter=~@privileged @resources',
  'LimitCORE=0',
] as const

/** Of a unit that needs the network and nothing else of this machine: a user of its own, no rights, nothing to write to. */
export const onlyNetwork = [
  ...closed,
  'DynamicUser=yes',
  'CapabilityBoundingSet=',
  'ProtectHome=yes',
  'InaccessiblePaths=-/etc/walkaway -/run/walkaway -/var/lib/walkaway',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'PrivateIPC=yes',
  'ProtectProc=invisible',
  'ProtectHostname=yes',
  // Netlink is how a program finds out whether there is IPv6 here.
  'RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6',
  'UMask=0077',
  'MemoryMax=256M',
  'TasksMax=64',
] as const
