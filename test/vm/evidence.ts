// What is kept of a failed scenario: journal, console, and what ZFS and udev say at that moment. A machine that does not
// answer any more still leaves what it had said before.
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { renderEntry } from './journal.ts'
import type { Machine } from './machine.ts'

const questions: Readonly<Record<string, readonly string[]>> = {
  'zpool-status': ['zpool', 'status'],
  'zpool-list': ['zpool', 'list', '-v'],
  'zpool-events': ['zpool', 'events', '-v'],
  'zpool-history': ['zpool', 'history', '-il'],
  'zfs-debug': ['cat', '/proc/spl/kstat/zfs/dbgmsg'],
  'zfs-list': [
    'zfs',
    'list',
    '-t',
    'all',
    '-o',
    'name,used,refer,guid,createtxg,mounted,receive_resume_token',
  ],
  'zfs-holds': ['sh', '-c', 'zfs list -H -t snapshot -o name | xargs -r zfs holds'],
  blocks: ['lsblk', '-o', 'NAME,SIZE,TYPE,FSTYPE,LABEL,UUID,SERIAL,MOUNTPOINTS'],
  udev: ['udevadm', 'info', '--export-db'],
  service: ['systemctl', 'status', '--no-pager', '--full', 'walkaway.service'],
  processes: ['ps', 'axfo', 'pid,ppid,stat,wchan:30,etimes,args'],
  kernel: ['dmesg'],
  status: ['sh', '-c', 'command -v walkaway && walkaway status --json'],
}

const root = join(import.meta.dirname, '..', '..')
const fileNameOf = (scenario: string): string => scenario.replaceAll(/[^\w.-]+/g, '-').slice(0, 100)

/** The story of each scenario, to be read aloud: what walkaway told, without what is for debugging. */
export function keepJournals(scenario: string, machines: readonly Machine[]): void {
  const folder = join(root, 'build', 'vm-journals')
  mkdirSync(folder, { recursive: true })
  const lines = machines.flatMap(({ journal }) =>
    journal
      .entries({ unit: 'walkaway.service' })
      .filter((entry) => entry['PRIORITY'] !== '7')
      .map(renderEntry),
  )
  writeFileSync(join(folder, `${fileNameOf(scenario)}.txt`), `${lines.join('\n')}\n`)
}

/** Returns the folder, as a path from the project's root. */
export async function keepEvidence(scenario: string, machines: readonly Machine[]): Promise<string> {
  const folder = join(root, 'build', 'vm-failures', fileNameOf(scenario))
  rmSync(folder, { recursive: true, force: true })
  for (const machine of machines) {
    const own = machines.length === 1 ? folder : join(folder, machine.name)
    mkdirSync(own, { recursive: true })
    await Promise.all([
      ...(machine.isRunning() ? Object.entries(questions) : []).map(async ([name, argv]) => {
        writeFileSync(join(own, `${name}.txt`), await ask(machine, argv))
      }),
    ])
    writeFileSync(join(own, 'journal.txt'), `${machine.journal.text()}\n`)
    if (existsSync(machine.consolePath)) copyFileSync(machine.consolePath, join(own, 'console.txt'))
  }
  return relative(root, folder)
}

async function ask(machine: Machine, argv: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await machine.run(argv, { reject: false, deadlineMs: 20_000 })
    return `${stdout}${stderr}`
  } catch (error) {
    return `${String(error)}\n`
  }
}
