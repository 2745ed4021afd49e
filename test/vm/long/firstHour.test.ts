// The first hour of a new user, as the README has it: the package, two disks out of their boxes, the first backups, a look at
// everything, one dataset back. What the person reads is kept in test/golden/first-hour.
import { basename } from 'node:path'
import { expect } from 'vitest'
import { expectGolden } from '../golden.ts'
import { type BackupDisk, expectSafe, startService, takeAway, visitDeadlineMs } from '../home.ts'
import { builtPackage, type Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'
import { expectFullCopy, messages, said, soonMs } from '../service.ts'

const configFile = '/etc/walkaway/config.yaml'
const names = ['offsite-1', 'offsite-2']

scenario(
  'first hour: install, init two disks at a terminal, first backups, every command, restore',
  async (s) => {
    const nas = await s.startMachine({ layer: 'ready' })
    const start = nas.journal.mark()
    const screen = async (name: string, command: string, exitCode = 0): Promise<string> => {
      const { all, exitCode: code } = await atTerminal(nas, command)
      expect(code, all).toBe(exitCode)
      await expectGolden(`first-hour/${name}.txt`, `# ${command}\n${all}`)
      return all
    }

    const deb = `/root/${basename(builtPackage())}`
    await nas.copyIn(builtPackage(), deb)
    await nas.run(['apt-get', 'install', '--yes', '--no-install-recommends', deb], { deadlineMs: 300_000 })
    // Installed and not configured yet: quiet, and no failure.
    expect(await nas.script('systemctl is-enabled walkaway; systemctl is-failed walkaway || true')).toBe(
      'enabled\ninactive\n',
    )
    expect(messages(said(nas, start, { worse: true }))).toEqual([])
    await screen('01-help', 'walkaway --help')
    await screen('02-doctor-before', 'walkaway doctor', 1)
    await nas.script(`mkdir -p /etc/walkaway; printf 'sources:\\n  - dataset: tank\\n' > ${configFile}`)

    const disks: BackupDisk[] = []
    for (const [at, name] of names.entries()) {
      const serial = `WDOFFSITE000${at + 1}`
      const image = await s.createDisk(name)
      await nas.plug(image, { serial })
      if (at === 0) await screen('03-init-which', 'walkaway init', 2)
      if (at === 0) {
        const { all, exitCode } = await atTerminal(nas, `walkaway init ${serial} --name ${name}`, [
          'WDOFFSITE9',
        ])
        expect(exitCode, all).toBe(4)
        await expectGolden('first-hour/04-init-wrong-serial.txt', all)
        expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'])).stdout).toBe('tank\n')
      }
      const { all, exitCode } = await atTerminal(nas, `walkaway init ${serial} --name ${name}`, [serial])
      expect(exitCode, all).toBe(0)
      if (at === 0) await expectGolden('first-hour/05-init.txt', all)
      const poolGuid = /its GUID is (\d+)/.exec(all)?.[1] ?? ''
      disks.push({ name, serial, image, pool: name, poolGuid })
    }
    await screen('06-config-check', 'walkaway config check')
    const before = nas.journal.mark()
    await startService(nas)
    for (const disk of disks) await expectSafe(nas, disk, before)

    await screen('07-doctor', 'walkaway doctor')
    await screen('08-status', 'walkaway status')
    await screen('09-disks', 'walkaway disks')
    await nas.script('echo "one more" > /tank/docs/more.txt; zpool sync tank')
    await screen('10-plan', 'walkaway plan offsite-1')
    const run = nas.journal.mark()
    const followed = await atTerminal(nas, 'walkaway run offsite-1')
    expect(followed, followed.all).toMatchObject({
      exitCode: 0,
      all: expect.stringContaining('SAFE TO REMOVE'),
    })
    const [disk, other] = disks
    if (disk === undefined || other === undefined) throw new Error('two disks were made')
    await expectSafe(nas, disk, run)
    await screen('11-eject', 'walkaway eject offsite-1')
    await screen('12-history', 'walkaway history offsite-1')
    await screen('13-check', 'walkaway check')
    await screen('14-restore-list', 'walkaway restore offsite-1 --list')
    await screen('15-restore', 'walkaway restore offsite-1 tank/docs --to tank/docs-of-then')
    expect(
      await nas.script(
        'zfs mount tank/docs-of-then 2> /dev/null || true; diff -r /tank/docs /tank/docs-of-then',
      ),
    ).toBe('')
    await nas.run(['zfs', 'destroy', '-r', 'tank/docs-of-then'])
    await takeAway({ nas, disks, disk }, disk)
    await screen('16-status-one-away', 'walkaway status')
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'], { deadlineMs: soonMs })).stdout).toBe(
      'tank\n',
    )
    await expectFullCopy(s, { nas, disks, disk }, disk)
  },
)

/** Runs a command in a terminal, and types a line for each question (a prompt: what is there when nothing more comes). */
async function atTerminal(
  nas: Machine,
  command: string,
  typed: readonly string[] = [],
): Promise<{ readonly all: string; readonly exitCode: number }> {
  const keyboard = '/run/keyboard'
  await nas.script(`rm -f ${keyboard}; mkfifo ${keyboard}`)
  const terminal = nas.start([
    'bash',
    '-c',
    `exec 3<> ${keyboard}; exec script --quiet --return --command "$1" /dev/null <&3`,
    'bash',
    command,
  ])
  for (const line of typed) {
    const deadline = performance.now() + soonMs
    while (!/[:?] $/.test(terminal.stdout()) && performance.now() < deadline)
      await nas.run(['test', '-p', keyboard])
    await nas.run(['sh', '-c', 'echo "$1" > "$2"', 'sh', line, keyboard])
  }
  const { stdout, exitCode } = await terminal.wait({ deadlineMs: visitDeadlineMs })
  return { all: stdout, exitCode }
}
