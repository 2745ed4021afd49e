// The front door: the command line to commands. Also the reading map:
//
//   config.example.yaml       what a user says
//   core/lifecycle.ts         the life of a disk, as a pure state machine
//   visit.ts                  one visit: import, back up (backup.ts, plan.ts, move.ts, send.ts), export, release
//   core/replication.ts       what has to be sent, decided by GUID
//   cli/daemon.ts             how the real parts are put together; daemon.ts is the loop
//
// Look at the world, decide with pure functions, do one thing, look again; say what happened as data.
// The rest is adapters: zfs/ (the zfs and zpool commands), linux/ (udev, block devices, systemd, journal), control/.

import { resolve } from 'node:path'
import { Argument, Command, CommanderError, Option } from 'commander'
import { completionScripts, type Shell, shells } from './cli/completionScripts.ts'
import { watchReader } from './cli/lostReader.ts'
import { compileLate } from './cli/memory.ts'
import { BadInput, messageOf } from './errors.ts'
import { version } from './version.ts'

const configPath = process.env['WALKAWAY_CONFIG'] ?? '/etc/walkaway/config.yaml'
const streams = { stdout: process.stdout, stderr: process.stderr }

interface RestoreFlags {
  readonly to?: string
  readonly at?: string
  readonly list?: boolean
  readonly dryRun?: boolean
  readonly keyFile?: string
}

/** Ends what only follows; asked for a second time, the process ends as any other. */
function onInterrupt(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => controller.abort())
  return controller.signal
}

// A reader that went away (`walkaway status | head -1`) is not a failure of ours.
const reader = watchReader(streams, () => process.exit(0))

const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  ${line}\n`).join('')}`

/** Leaves through process.exit: node-udev must never be closed, and an abandoned child must not hold us. */
async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0
  const program = new Command('walkaway')
    .description('Plug in the offsite disk. Walk away. Be told when to take it.')
    .version(version, '-V, --version')
    .option('--config <file>', 'configuration file', configPath)
    .showSuggestionAfterError()
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
  const file = (): string => program.opts<{ config: string }>().config

  program
    .command('daemon')
    .description('the service: watch for backup disks and serve them')
    .addOption(
      new Option('--log-format <format>', 'how log lines are written (default: what fits)').choices([
        'journal',
        'json',
        'plain',
      ]),
    )
    .addHelpText('after', examples('walkaway daemon --log-format plain', 'systemctl start walkaway'))
    .action(async (options: { logFormat?: 'journal' | 'json' | 'plain' }) => {
      reader.outlive()
      compileLate()
      const { runDaemon } = await import('./cli/daemon.ts')
      exitCode = await runDaemon({ file: file(), logFormat: options.logFormat ?? null })
    })

  program
    .command('status')
    .description('every disk: may it be taken, how old is its backup, what is going on')
    .option('--json', 'the same as JSON; with --watch a line for each change')
    .option('--watch', 'follow it live, until Ctrl-C')
    .addHelpText('after', examples('walkaway status', 'walkaway status --watch', 'walkaway status --json'))
    .action(async (options: { json?: boolean; watch?: boolean }) => {
      const json = options.json === true
      if (options.watch === true) {
        const { runWatch } = await import('./cli/watch.ts')
        exitCode = await runWatch({ json, interrupted: onInterrupt(), stdout: process.stdout })
      } else {
        const { runStatus } = await import('./cli/status.ts')
        exitCode = await runStatus({ json, ...streams })
      }
    })

  program
    .command('check')
    .description('for monitoring: overdue and failed disks in one line, with performance data')
    .option('--json', 'the same as JSON')
    .addHelpText(
      'after',
      `${examples('walkaway check', 'walkaway check --json')}
Exit codes, as of any Nagios plugin: 0 ok; 1 warning: a disk is overdue, its last backup is not complete, it never had one,
it will soon be full, or messages are not delivered; 2 critical: overdue for twice the time, failed, refused, pulled out or
stuck; 3 unknown: the daemon is not running, and its history knows of nothing critical.`,
    )
    .action(async (options: { json?: boolean }) => {
      const { runCheck } = await import('./cli/check.ts')
      exitCode = await runCheck({
        json: options.json === true,
        configFile: file(),
        stdout: process.stdout,
      })
    })

  program
    .command('metrics')
    .description('figures for Prometheus, as metrics.textfile of the configuration writes them')
    .addHelpText('after', examples('walkaway metrics'))
    .action(async () => {
      const { runMetrics } = await import('./cli/metrics.ts')
      exitCode = await runMetrics({ configFile: file(), ...streams })
    })

  program
    .command('run')
    .argument('<disk>', 'a configured disk that is connected')
    .description(
      'start a visit of a connected disk now, and follow it; a visit that runs already is followed',
    )
    .addHelpText(
      'after',
      `${examples('walkaway run offsite-1')}
Ctrl-C ends the following; the visit goes on. Exit code 0: the backup is complete; 4: the disk is refused.`,
    )
    .action(async (disk: string) => {
      const { runWish } = await import('./cli/wish.ts')
      exitCode = await runWish({ wish: 'run', disk, interrupted: onInterrupt(), ...streams })
    })

  program
    .command('eject')
    .argument('<disk>', 'a configured disk that is connected')
    .description('end a visit early and let go of the disk; what was sent stays, the rest is sent next time')
    .addHelpText(
      'after',
      `${examples('walkaway eject offsite-1')}
A pool that somebody else imported is exported, too. Exit code 0: the disk is safe to remove. No visit begins by itself
until the disk is plugged in again; to begin one: walkaway run.`,
    )
    .action(async (disk: string) => {
      const { runWish } = await import('./cli/wish.ts')
      exitCode = await runWish({ wish: 'eject', disk, interrupted: onInterrupt(), ...streams })
    })

  program
    .command('history')
    .argument('[disk]', 'one disk (default: all)')
    .option('--json', 'the same as JSON')
    .description('past visits, the newest last')
    .addHelpText('after', examples('walkaway history', 'walkaway history offsite-1 --json'))
    .action(async (disk: string | undefined, options: { json?: boolean }) => {
      const { runHistory } = await import('./cli/history.ts')
      exitCode = await runHistory({ disk: disk ?? null, json: options.json === true, ...streams })
    })

  program
    .command('disks')
    .description('block devices that carry a pool or could, and the lines for the configuration')
    .option('--json', 'the same as JSON')
    .addHelpText('after', examples('walkaway disks', 'walkaway disks --json'))
    .action(async (options: { json?: boolean }) => {
      const { runDisks } = await import('./cli/disks.ts')
      exitCode = await runDisks({ json: options.json === true, configFile: file(), ...streams })
    })

  program
    .command('init')
    .argument('[device...]', 'a whole disk, by its device or serial; two become a mirror')
    .option('--name <name>', 'what the disk is called from now on')
    .option('--encrypt', 'encrypt the whole pool, with a new key beside the configuration')
    .option(
      '--yes-erase <serial>',
      'erase this disk without asking, for scripts; once for each disk',
      (serial: string, before: readonly string[]) => [...before, serial],
      [],
    )
    .description('make a backup disk of a new one, and add it to the configuration; ERASES THE DISK')
    .addHelpText(
      'after',
      `${examples(
        'walkaway init',
        'walkaway init /dev/sdb --name offsite-1',
        'walkaway init /dev/sdb --name offsite-1 --encrypt',
        'walkaway init /dev/sdb --name offsite-1 --yes-erase WD-WX52D91A0001',
      )}
Without a device: which disks there are, and which of them could be used. It shows what is on the disk, and wants its serial
number typed. A disk that is mounted, in use, of the system, of an imported pool, of a source, or configured is refused (exit
code 4).`,
    )
    .action(
      async (
        devices: string[],
        options: { name?: string; encrypt?: boolean; yesErase: readonly string[] },
      ) => {
        reader.outlive()
        const { runInit } = await import('./cli/init.ts')
        exitCode = await runInit({
          devices,
          name: options.name ?? null,
          yesErase: options.yesErase,
          encrypt: options.encrypt === true,
          configFile: file(),
          stdin: process.stdin,
          interrupted: onInterrupt(),
          ...streams,
        })
      },
    )

  program
    .command('adopt')
    .argument('[device]', 'a whole disk with a pool, by its device or serial')
    .option('--name <name>', 'what the disk is called from now on (default: as its pool)')
    .option('--key-file <file>', 'the key of a pool that is encrypted as a whole')
    .option('--dry-run', 'say what the first visit would do, and change nothing')
    .description('add a disk that has a pool already; says what it has of the sources')
    .addHelpText('after', examples('walkaway adopt', 'walkaway adopt /dev/sdb --name offsite-1 --dry-run'))
    .action(
      async (device: string | undefined, options: { name?: string; keyFile?: string; dryRun?: boolean }) => {
        reader.outlive()
        const { runAdopt } = await import('./cli/adopt.ts')
        exitCode = await runAdopt({
          device: device ?? null,
          name: options.name ?? null,
          keyFile: options.keyFile === undefined ? null : resolve(options.keyFile),
          dryRun: options.dryRun === true,
          configFile: file(),
          ...streams,
        })
      },
    )

  program
    .command('plan')
    .argument(
      '[disk]',
      'a configured disk, with every snapshot and why it stays or goes (default: all disks)',
    )
    .option('--json', 'the same as JSON, with every snapshot')
    .description('what a visit would send and prune now, and why; changes nothing')
    .addHelpText('after', examples('walkaway plan', 'walkaway plan offsite-1', 'walkaway plan --json'))
    .action(async (disk: string | undefined, options: { json?: boolean }) => {
      const { runPlan } = await import('./cli/plan.ts')
      exitCode = await runPlan({
        disk: disk ?? null,
        json: options.json === true,
        configFile: file(),
        ...streams,
      })
    })

  program
    .command('restore')
    .argument('<disk>', 'a configured disk; without a configuration the name or GUID of its pool')
    .argument('[dataset]', "the source's name, or a dataset of the disk (default: everything)")
    .option('--to <dataset>', 'where to; nothing that exists is ever overwritten')
    .option('--at <time>', 'the newest state at that time (2026-11-22, 2026-11-22T18:30), or a snapshot')
    .option('--list', 'show what there is: all datasets, or every point in time of one')
    .option('--dry-run', 'print the commands and change nothing')
    .option('--key-file <file>', 'the key of an encrypted disk (default: the keyFile of the configuration)')
    .description('send a backup back from a disk, properties as they were')
    .addHelpText(
      'after',
      examples(
        'walkaway restore offsite-1 --list',
        'walkaway restore offsite-1 tank/photos --to tank/photos-of-then --at 2026-11-22',
        'walkaway restore offsite-1 --to newpool --dry-run',
      ),
    )
    .action(async (disk: string, dataset: string | undefined, options: RestoreFlags) => {
      reader.outlive()
      const { runRestore } = await import('./cli/restore.ts')
      exitCode = await runRestore({
        disk,
        dataset: dataset ?? null,
        to: options.to ?? null,
        at: options.at ?? null,
        list: options.list === true,
        dryRun: options.dryRun === true,
        keyFile: options.keyFile === undefined ? null : resolve(options.keyFile),
        configFile: file(),
        ...streams,
      })
    })

  program
    .command('doctor')
    .option('--notify', 'send a test message by each notification channel')
    .option('--json', 'the same as JSON')
    .description('check this machine: ZFS, udev, the service, the configuration, disks, channels')
    .addHelpText(
      'after',
      `${examples('walkaway doctor', 'walkaway doctor --notify')}
Each line is ok, a warning or a problem, and says what mends it. Exit code 1: there is a problem.`,
    )
    .action(async (options: { notify?: boolean; json?: boolean }) => {
      const { runDoctor } = await import('./cli/doctor.ts')
      exitCode = await runDoctor({
        notify: options.notify === true,
        json: options.json === true,
        configFile: file(),
        ...streams,
      })
    })

  const config = program.command('config').description('the configuration file')
  config
    .command('check')
    .argument('[file]', 'the file to check (default: the one in force)')
    .description('every mistake at once, each with its line and column')
    .addHelpText('after', examples('walkaway config check', 'walkaway config check ./new.yaml'))
    .action(async (checked: string | undefined) => {
      const { runConfigCheck } = await import('./cli/config.ts')
      exitCode = await runConfigCheck({ file: checked ?? file(), ...streams })
    })

  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'json: every command with its help').choices([...shells, 'json']))
    .description('print the completion script for a shell; the package has installed it already')
    .addHelpText(
      'after',
      examples('walkaway completion bash > ~/.local/share/bash-completion/completions/walkaway'),
    )
    .action(async (asked: Shell | 'json') => {
      const { describeCommands } = await import('./cli/complete.ts')
      streams.stdout.write(
        asked === 'json'
          ? `${JSON.stringify({ version: 1, commands: describeCommands(program) }, null, 2)}\n`
          : completionScripts[asked],
      )
    })

  program
    .command('__complete', { hidden: true })
    .argument('[words...]', 'what is typed so far')
    .action(async (words: readonly string[]) => {
      const { runComplete } = await import('./cli/complete.ts')
      exitCode = await runComplete({ program, words, configFile: file(), stdout: streams.stdout })
    })

  await program.parseAsync(argv)
  return exitCode
}

function exitCodeOf(error: unknown): number {
  // commander has written its message already; asking for help or the version is no mistake.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  streams.stderr.write(`walkaway: ${messageOf(error)}\n`)
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined
  if (typeof hint === 'string') streams.stderr.write(`${hint}\n`)
  return error instanceof BadInput ? 2 : 1
}

process.exit(await main(process.argv).catch(exitCodeOf))
