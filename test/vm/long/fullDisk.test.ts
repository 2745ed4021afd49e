// A disk without room: in the middle of a transfer, and at the start of a visit when old snapshots can make some.
import { expect } from 'vitest'
import {
  type BackupDisk,
  byHand,
  configure,
  type Home,
  lookElsewhere,
  setUpHome,
  snapshotsUnder,
  startService,
  statusOf,
  takeAway,
  visitWith,
} from '../home.ts'
import { scenario } from '../scenario.ts'

/** Named so that it is sent last. */
const big = 'tank/zbig'

/** Replaces all that is in the big dataset. */
const rewriteBig = (megabytes: number): string => `
  rm -f /${big}/data.bin
  head -c ${megabytes}M /dev/urandom > /${big}/data.bin
  zpool sync tank`

/** Somebody keeps something else on the disk: so much room is left. */
const leaveRoom = (home: Home, disk: BackupDisk, megabytes: number, more = ''): Promise<string> =>
  byHand(
    home,
    disk,
    `available=$(zfs get -Hp -o value available ${disk.pool})
     zfs create -o canmount=off -o refreservation=$((available - ${megabytes} * 1048576)) ${disk.pool}/mine
     ${more}`,
  )

scenario(
  'disk full in the middle: this dataset fails and says how much is missing, all others are there, the disk may be taken',
  async (s) => {
    const home = await setUpHome(s, { settings: { backup: { parallel: 1 } } })
    const { nas, disk } = home
    await nas.script(`zfs create ${big}${rewriteBig(60)}`)
    // By the source's figures everything fits; on this disk each block is written twice.
    await leaveRoom(home, disk, 100, `zfs set copies=2 ${disk.pool}`)
    const { before, safe } = await visitWith(home, disk, { outcome: 'partial' })

    expect(safe['MESSAGE']).toMatch(/1 of 8 datasets failed; the disk is full, about [\d.]+ MB are missing/)
    const failed = nas.journal.events({ event: 'dataset-failed', after: before })
    expect(failed.map((entry) => entry['WALKAWAY_DATASET'])).toEqual([big])
    expect(failed[0]?.['MESSAGE']).toMatch(/the disk is full: about [\d.]+ MB of it did not fit/)
    expect(nas.journal.events({ event: 'pool-exported', after: before })).toHaveLength(1)
    expect(nas.journal.events({ event: 'pruned', after: before })).toEqual([])
    const { state, lastVisit } = await statusOf(nas, disk)
    expect(state).toBe('removable')
    expect(lastVisit).toMatchObject({
      outcome: 'partial',
      datasets: { total: 8, sent: 7, unchanged: 0, failed: 1 },
    })
    const others = (await snapshotsUnder(nas, 'tank')).filter((line) => !line.startsWith('/zbig@'))
    expect(others).toHaveLength(7)
    await lookElsewhere(s, home, disk, async (elsewhere, root) => {
      expect(await snapshotsUnder(elsewhere, `${root}/tank`)).toEqual(others)
    })
  },
)

scenario(
  'disk full at start with something to thin: that goes first, then the backup is complete',
  async (s) => {
    const home = await setUpHome(s)
    const { nas, disk } = home
    await nas.script(`
    zfs create ${big}${rewriteBig(40)}
    zfs snapshot ${big}@old-1${rewriteBig(40)}
    zfs snapshot ${big}@old-2${rewriteBig(40)}`)
    await startService(nas)
    await visitWith(home, disk)
    await takeAway(home, disk)
    await nas.script(rewriteBig(40))
    await configure(nas, home.disks, { keep: { disk: { last: 1 } } })

    const snapshots = await snapshotsUnder(nas, 'tank')
    const away = await nas.run(['walkaway', 'plan', disk.name, '--json'], { deadlineMs: 60_000 })
    expect(sentBy(away.stdout)).toEqual({ knownFrom: 'bookmarks', sent: [big], thinned: [] })
    const planned = await leaveRoom(home, disk, 20, `walkaway plan ${disk.name} --json`)
    expect(sentBy(planned)).toEqual({ knownFrom: 'pool', sent: [big], thinned: ['old-1', 'old-2'] })
    expect(await snapshotsUnder(nas, 'tank')).toEqual(snapshots)

    const { before } = await visitWith(home, disk)
    const story = nas.journal.events({ event: ['pruned', 'dataset-sent', 'verified'], after: before })
    expect(story.map((entry) => entry['WALKAWAY_EVENT'])).toEqual([
      'pruned',
      'dataset-sent',
      'verified',
      'pruned',
    ])
    expect(story[0]?.['MESSAGE']).toContain('2 old snapshots destroyed on the disk, to make room')
    expect((await statusOf(nas, disk)).lastVisit).toMatchObject({
      datasets: { total: 8, sent: 1, failed: 0 },
    })
    const [newest] = (await snapshotsUnder(nas, big))
      .filter((line) => line.startsWith('@walkaway_'))
      .slice(-1)
    await lookElsewhere(s, home, disk, async (elsewhere, root) => {
      expect(await snapshotsUnder(elsewhere, `${root}/${big}`)).toEqual([newest])
    })
  },
)

type Planned = {
  readonly plans: readonly {
    readonly knownFrom: string
    readonly datasets: readonly {
      readonly dataset: string
      readonly action: string
      readonly onDisk: null | readonly { readonly name: string; readonly because: readonly string[] }[]
    }[]
  }[]
}

/** What the answer of `walkaway plan --json` for one disk says will be sent, and what goes before that. */
function sentBy(stdout: string) {
  const [plan] = (JSON.parse(stdout) as Planned).plans
  if (plan === undefined) throw new Error(`no plan in ${stdout}`)
  const { knownFrom, datasets } = plan
  return {
    knownFrom,
    sent: datasets.flatMap(({ dataset, action }) => (action === 'send' ? [dataset] : [])),
    thinned: datasets
      .flatMap(({ onDisk }) => onDisk ?? [])
      .flatMap(({ name, because }) => (because[0]?.startsWith('makes room') === true ? [name] : [])),
  }
}
