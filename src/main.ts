// The front door: the command line to commands, which cli/commands/ defines. Also the reading map:
//
//   config.example.yaml       what a user says
//   core/lifecycle.ts         the life of a disk, as a pure state machine
//   visit.ts                  one visit: import, back up (backup.ts, plan.ts, move.ts, send.ts), export, release
//   core/replication.ts       what has to be sent, decided by GUID
//   cli/daemon.ts             how the real parts are put together; daemon.ts is the loop
//
// Look at the world, decide with pure functions, do one thing, look again; say what happened as data.
// The rest is adapters: zfs/ (the zfs and zpool commands), linux/ (udev, block devices, systemd, journal), control/.

import { Command, CommanderError } from 'commander'
import { addDiskCommands } from './cli/commands/disks.ts'
import { type Front, usageOfPlugin } from './cli/commands/front.ts'
import { addMachineCommands } from './cli/commands/machine.ts'
import { addServiceCommands } from './cli/commands/service.ts'
import { watchReader } from './cli/lostReader.ts'
import { messageOf } from './errors.ts'
import { oneLine } from './linux/oneLine.ts'
import { version } from './version.ts'

const configPath = process.env['WALKAWAY_CONFIG'] || '/etc/walkaway/config.yaml'
const streams = { stdout: process.stdout, stderr: process.stderr }

const reader = watchReader(streams, (exitCode) => process.exit(exitCode))

/** Leaves through process.exit: node-udev must never be closed, and an abandoned child must not hold us. */
async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0
  const program = new Command('walkaway')
    .description('Plug in the offsite disk. Walk away. Be told when to take it.')
    .version(version, '-V, --version')
    .option('--config <file>', 'configuration file', configPath)
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(harmless(text)) })
    .showHelpAfterError('(walkaway --help shows what there is)')
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  walkaway init               which disks could become backup disks; with one of them: makes it one
  walkaway disks              find a disk's serial and the lines for the configuration
  walkaway config check       every mistake in ${configPath}, with its position
  walkaway status             how each disk stands; may it be taken?
  walkaway status --watch     the same, live
  walkaway plan offsite-1     what a visit would send and prune, and why
  walkaway run offsite-1      back up to a connected disk now
  walkaway eject offsite-1    end its visit early, and be told when to take it
  walkaway doctor             what is wrong with this machine, and what mends it
  journalctl -u walkaway -f   follow a visit
  walkaway restore offsite-1 tank/photos --to tank/photos-of-then --at 2026-11-22

Exit codes: 0 ok, 1 failed, 2 bad usage or configuration, 3 the daemon is not running, 4 refused for safety.`,
    )
  const front: Front = {
    file: () => program.opts<{ config: string }>().config,
    streams,
    reader,
    end: (code) => {
      exitCode = code
    },
  }
  addServiceCommands(program, front)
  addDiskCommands(program, front)
  addMachineCommands(program, front)
  await program.parseAsync(argv)
  return exitCode
}

/** Names and words of others may hold what a terminal would obey. */
const harmless = (text: string): string => text.split('\n').map(oneLine).join('\n')

function exitCodeOf(error: unknown): number {
  // commander has written its message already; asking for help or the version is no mistake.
  if (error instanceof CommanderError)
    return error.exitCode === 0 || error.exitCode === usageOfPlugin ? error.exitCode : 2
  streams.stderr.write(`walkaway: ${harmless(messageOf(error))}\n`)
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined
  if (typeof hint === 'string') streams.stderr.write(`${harmless(hint)}\n`)
  return error instanceof Error && 'exitsWith' in error && error.exitsWith === 2 ? 2 : 1
}

async function leave(exitCode: number): Promise<void> {
  await reader.caughtUp()
  process.exit(exitCode)
}

main(process.argv).then(leave, (error: unknown) => leave(exitCodeOf(error)))
