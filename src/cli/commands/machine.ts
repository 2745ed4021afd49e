// The commands that concern the machine, its configuration and its shells. What each does is the file of its name.

import { Argument, type Command } from 'commander'
import { completionScripts, type Shell, shells } from '../completionScripts.ts'
import { examples, type Front } from './front.ts'

/** Adds doctor, config, completion, install-service, and the hidden commands that completion and the service ask. */
export function addMachineCommands(program: Command, { file, streams, end }: Front): void {
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
      const { runDoctor } = await import('../doctor.ts')
      end(
        await runDoctor({
          notify: options.notify === true,
          json: options.json === true,
          configFile: file(),
          ...streams,
        }),
      )
    })

  const config = program.command('config').description('the configuration file')
  config
    .command('check')
    .argument('[file]', 'the file to check (default: the one in force)')
    .description('every mistake at once, each with its line and column')
    .addHelpText('after', examples('walkaway config check', 'walkaway config check ./new.yaml'))
    .action(async (checked: string | undefined) => {
      const { runConfigCheck } = await import('../config.ts')
      end(await runConfigCheck({ file: checked ?? file(), ...streams }))
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
      const { describeCommands } = await import('../complete.ts')
      streams.stdout.write(
        asked === 'json'
          ? `${JSON.stringify({ version: 1, commands: describeCommands(program) }, null, 2)}\n`
          : completionScripts[asked],
      )
    })

  program
    .command('install-service')
    .option('--dry-run', 'only say which files')
    .option('--uninstall', 'stop the service and remove them; configuration, records and pools stay')
    .option('--root <dir>', 'write below this folder, and tell nothing that runs')
    .description(
      'after npm install -g: the unit, udev rule, manual pages and the rest; packages have done that',
    )
    .addHelpText('after', examples('sudo walkaway install-service', 'walkaway install-service --dry-run'))
    .action(async (options: { dryRun?: boolean; uninstall?: boolean; root?: string }) => {
      const { runInstallService } = await import('../installService.ts')
      end(
        await runInstallService({
          root: options.root ?? null,
          dryRun: options.dryRun === true,
          uninstall: options.uninstall === true,
          program: [process.execPath, process.argv[1] ?? ''],
          ...streams,
        }),
      )
    })

  program.command('__messenger', { hidden: true }).action(async () => {
    const { runMessenger } = await import('../messenger.ts')
    await runMessenger(process.stdin, streams.stdout)
  })

  program
    .command('__holders', { hidden: true })
    .argument('<disk>')
    .argument('<pool>')
    .action(async (disk: string, pool: string) => {
      const { runHolders } = await import('../holders.ts')
      await runHolders(disk, pool, streams.stdout)
    })

  program
    .command('__complete', { hidden: true })
    .argument('[words...]', 'what is typed so far')
    .action(async (words: readonly string[]) => {
      const { runComplete } = await import('../complete.ts')
      end(await runComplete({ program, words, configFile: file(), stdout: streams.stdout }))
    })
}
