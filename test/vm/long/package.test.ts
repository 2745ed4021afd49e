// The life of the package on a machine that never had it: installed, upgraded in the middle of a transfer, removed, purged.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'vitest'
import { temporaryFolder } from '../disk.ts'
import { configure, expectSafe, type Home, snapshotsUnder } from '../home.ts'
import { builtPackage, diskLink, type Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'
import { messages, said, showService, soonMs, unit } from '../service.ts'
import { plugSlowly, untilPartlyReceived, writeBigFile } from '../slowVisit.ts'

scenario(
  'installed: quiet; upgraded in the middle of a transfer: goes on with it; removed and purged: the pools stay',
  async (s) => {
    const nas = await s.startMachine({ layer: 'ready' })
    const image = await s.createDisk('offsite-1')
    const names = { name: 'offsite-1', serial: 'WDOFFSITE0001', pool: 'offsite-1' }
    const disk = { ...names, image, ...(await nas.makePool(image, names)) }
    const home: Home = { nas, disks: [disk], disk }

    const begun = nas.journal.mark()
    await install(nas, builtPackage())
    expect(await showService(nas, 'ActiveState', 'UnitFileState', 'Result', 'ConditionResult')).toEqual({
      ActiveState: 'inactive',
      UnitFileState: 'enabled',
      Result: 'success',
      ConditionResult: 'no',
    })
    expect((await nas.run(['systemctl', '--failed', '--no-legend', '--plain'])).stdout).toBe('')
    expect(messages(said(nas, begun, { worse: true }))).toEqual([])
    expect((await nas.run(['ls', '-A', '/etc/walkaway'])).stdout).toBe('')
    await nas.run(['walkaway', '--version'])
    await nas.run(['test', '-s', '/usr/share/man/man5/walkaway.yaml.5.gz'])

    await configure(nas, home.disks)
    await nas.script('umask 077; echo secret > /etc/walkaway/offsite-2.key')
    const written = await configurationOf(nas)
    await nas.run(['systemctl', 'start', unit], { deadlineMs: soonMs })
    await writeBigFile(nas, { sizeMb: 90 })
    const plugged = nas.journal.mark()
    await plugSlowly(home, disk)
    await untilPartlyReceived(nas, disk)

    const upgrading = nas.journal.mark()
    await install(nas, nextVersion(builtPackage()))
    expect(await configurationOf(nas)).toEqual(written)
    const finished = await nas.journal.waitFor(
      { event: 'backup-finished' },
      { deadlineMs: soonMs, after: plugged },
    )
    expect(finished['WALKAWAY_OUTCOME']).toBe('interrupted')
    const told = nas.journal.events({ after: upgrading }).map((entry) => entry['WALKAWAY_EVENT'])
    expect(told.indexOf('daemon-stopping')).toBeGreaterThanOrEqual(0)
    expect(told.indexOf('pool-exported')).toBeLessThan(told.indexOf('daemon-started'))
    expect(await showService(nas, 'ActiveState', 'NRestarts')).toEqual({
      ActiveState: 'active',
      NRestarts: '0',
    })
    expect(nas.journal.entries({ unit, after: upgrading, message: /timed out|Killing process/ })).toEqual([])
    await nas.usb.throttle(disk.image, 0)
    await expectSafe(nas, disk, upgrading)
    // In full it came at most once: what was there before the upgrade was not sent again.
    const sent = nas.journal
      .events({ event: 'dataset-sent', after: plugged })
      .filter((entry) => entry['WALKAWAY_DATASET'] === 'tank/photos')
      .map(({ MESSAGE = '' }) => / sent (\(\w+\))/.exec(MESSAGE)?.[1])
    expect(sent[0]).toMatch(/^\((full|resumed)\)$/)
    expect(sent.slice(1)).toEqual(sent.slice(1).map(() => '(incremental)'))

    const source = await snapshotsUnder(nas, 'tank')
    await apt(nas, 'remove', 'walkaway')
    expect((await nas.run(['pgrep', '-f', 'walkaway/main'], { reject: false })).stdout).toBe('')
    expect(await configurationOf(nas)).toEqual(written)
    await nas.run(['test', '-s', '/var/lib/walkaway/history.jsonl'])

    const purged = await apt(nas, 'purge', 'walkaway')
    expect(purged).toContain('offsite-2.key')
    expect((await nas.run(['ls', '-A', '/etc/walkaway'])).stdout).toBe('offsite-2.key\n')
    await nas.run(['test', '!', '-e', '/var/lib/walkaway'])
    await nas.run(['test', '!', '-e', '/etc/systemd/system/multi-user.target.wants/walkaway.service'])
    expect((await nas.run(['systemctl', '--failed', '--no-legend', '--plain'])).stdout).toBe('')
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name,health'])).stdout).toBe('tank\tONLINE\n')
    expect(await snapshotsUnder(nas, 'tank')).toEqual(source)
    await nas.script(`zpool import -N -o readonly=on -d ${diskLink(disk.serial, 1)} ${disk.poolGuid}`)
    const copy = await snapshotsUnder(nas, `${disk.pool}/nas/tank`)
    expect(copy.length).toBeGreaterThan(5)
    expect(source).toEqual(expect.arrayContaining([...copy]))
  },
)

const configurationOf = async (nas: Machine) =>
  nas.script('stat --format="%a %u %g" /etc/walkaway/config.yaml; cat /etc/walkaway/config.yaml')

async function apt(nas: Machine, ...args: readonly string[]): Promise<string> {
  const { stdout } = await nas.run(['apt-get', '--yes', '--no-install-recommends', ...args], {
    deadlineMs: 300_000,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  })
  return stdout
}

/** Everything that it depends on is in the machine. */
async function install(nas: Machine, deb: string): Promise<void> {
  const target = `/var/tmp/${basename(deb)}`
  await nas.copyIn(deb, target)
  await apt(nas, 'install', target)
}

/** The same package as a later version of itself; returns its path. */
function nextVersion(deb: string): string {
  const folder = mkdtempSync(join(temporaryFolder(), 'next-'))
  const tree = join(folder, 'tree')
  execFileSync('dpkg-deb', ['--raw-extract', deb, tree])
  const control = join(tree, 'DEBIAN/control')
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 99.0'))
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zgzip', '--build', tree, folder])
  const name = readdirSync(folder).find((each) => each.endsWith('.deb'))
  if (name === undefined) throw new Error('dpkg-deb has built nothing')
  return join(folder, name)
}
