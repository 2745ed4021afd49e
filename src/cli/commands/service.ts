// The commands that concern the service: it itself, and what it is asked. What each does is the file of its name.

import { type Command, CommanderError, Option } from 'commander'
import { oneLine } from '../../linux/oneLine.ts'
import { examples, type Front, onInterrupt, usageOfPlugin } from './front.ts'

/** Adds daemon, status, check, metrics, run, eject and history. */
export function addServiceCommands(program: Command, { file, streams, reader, end }: Front): void {
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
      // Whoever stops the service waits for it; a journal that takes nothing any more is not waited for.
      reader.outlive({ lastWordsMs: 2000 })
      const { compileNothing } = await import('../memory.ts')
      compileNothing()
      const { runDaemon } = await import('../daemon.ts')
      end(await runDaemon({ file: file(), logFormat: options.logFormat ?? null }))
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
        const { runWatch } = await import('../watch.ts')
        end(await runWatch({ json, configFile: file(), interrupted: onInterrupt(), stdout: streams.stdout }))
      } else {
        const { runStatus } = await import('../status.ts')
        end(await runStatus({ json, configFile: file(), ...streams }))
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
stuck; 3 unknown: the daemon is not running, and its history knows of nothing critical, or the command line is wrong.`,
    )
    .configureOutput({ outputError: (text) => void streams.stdout.write(notUnderstood(text)) })
    .exitOverride((error) => {
      throw error.exitCode === 0 ? error : new CommanderError(usageOfPlugin, error.code, error.message)
    })
    .action(async (options: { json?: boolean }) => {
      const { runCheck } = await import('../check.ts')
      end(
        await runCheck({
          json: options.json === true,
          configFile: file(),
          stdout: streams.stdout,
        }),
      )
    })

  program
    .command('metrics')
    .description('figures for Prometheus, as metrics.textfile of the configuration writes them')
    .addHelpText('after', examples('walkaway metrics'))
    .action(async () => {
      const { runMetrics } = await import('../metrics.ts')
      end(await runMetrics({ configFile: file(), ...streams }))
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
      const { runWish } = await import('../wish.ts')
      end(await runWish({ wish: 'run', disk, interrupted: onInterrupt(), ...streams }))
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
      const { runWish } = await import('../wish.ts')
      end(await runWish({ wish: 'eject', disk, interrupted: onInterrupt(), ...streams }))
    })

  program
    .command('history')
    .argument('[disk]', 'one disk (default: all)')
    .option('--json', 'the same as JSON')
    .description('past visits, the newest last')
    .addHelpText('after', examples('walkaway history', 'walkaway history offsite-1 --json'))
    .action(async (disk: string | undefined, options: { json?: boolean }) => {
      const { runHistory } = await import('../history.ts')
      end(
        await runHistory({
          disk: disk ?? null,
          json: options.json === true,
          configFile: file(),
          ...streams,
        }),
      )
    })
}

/** A monitoring system reads stdout, and takes exit code 2 for a backup that is in danger. */
const notUnderstood = (text: string): string =>
  `WALKAWAY UNKNOWN - ${oneLine(text.trim().replace(/^error: /, '')).replaceAll('|', '/')}\n`
