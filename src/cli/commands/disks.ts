// The commands that concern disks and what is on them. What each does is the file of its name.

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { examples, type Front, onInterrupt } from './front.ts'

interface RestoreFlags {
  readonly to?: string
  readonly at?: string
  readonly list?: boolean
  readonly dryRun?: boolean
  readonly keyFile?: string
}

/** Adds disks, init, adopt, plan and restore. */
export function addDiskCommands(program: Command, { file, streams, reader, end }: Front): void {
  program
    .command('disks')
    .description('block devices that carry a pool or could, and the lines for the configuration')
    .option('--json', 'the same as JSON')
    .addHelpText('after', examples('walkaway disks', 'walkaway disks --json'))
    .action(async (options: { json?: boolean }) => {
      const { runDisks } = await import('../disks.ts')
      end(await runDisks({ json: options.json === true, configFile: file(), ...streams }))
    })

  program
    .command('init')
    .argument('[device...]', 'a whole disk, by its device or serial; two become a mirror')
    .option('--name <name>', 'what the disk is called from now on')
    .option('--encrypt', 'encrypt the whole pool, with a new key beside the configuration')
    .option(
      '--yes-erase <serial>',
      'erase this disk without asking, for scripts; once for each disk',
      (serial: string, before: readonly string[] = []) => [...before, serial],
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
        options: { name?: string; encrypt?: boolean; yesErase?: readonly string[] },
      ) => {
        reader.outlive()
        const { runInit } = await import('../init.ts')
        end(
          await runInit({
            devices,
            name: options.name ?? null,
            yesErase: options.yesErase ?? [],
            encrypt: options.encrypt === true,
            configFile: file(),
            stdin: process.stdin,
            interrupted: onInterrupt(),
            ...streams,
          }),
        )
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
        const { runAdopt } = await import('../adopt.ts')
        end(
          await runAdopt({
            device: device ?? null,
            name: options.name ?? null,
            keyFile: options.keyFile === undefined ? null : resolve(options.keyFile),
            dryRun: options.dryRun === true,
            configFile: file(),
            interrupted: onInterrupt(),
            ...streams,
          }),
        )
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
      const { runPlan } = await import('../plan.ts')
      end(
        await runPlan({
          disk: disk ?? null,
          json: options.json === true,
          configFile: file(),
          ...streams,
        }),
      )
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
      const { runRestore } = await import('../restore.ts')
      end(
        await runRestore({
          disk,
          dataset: dataset ?? null,
          to: options.to ?? null,
          at: options.at ?? null,
          list: options.list === true,
          dryRun: options.dryRun === true,
          keyFile: options.keyFile === undefined ? null : resolve(options.keyFile),
          configFile: file(),
          interrupted: onInterrupt(),
          ...streams,
        }),
      )
    })
}
