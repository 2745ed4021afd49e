// A machine on which block devices come and go all day: the daemon's memory stays level and it misses no disk.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, takeAway } from '../home.ts'
import type { Machine } from '../machine.ts'
import { scenario } from '../scenario.ts'
import { residentKb } from '../service.ts'

const events = 2000
const rounds = 4

scenario(
  `soak: ${events} add and remove events of block devices, and the backup disk in between`,
  async (s) => {
    const home = await setUpHome(s)
    const { nas, disk } = home
    await startService(nas)
    await nas.script('modprobe zram num_devices=1; modprobe scsi_debug dev_size_mb=8 add_host=0 no_uld=0')

    const counter = nas.start(['udevadm', 'monitor', '--udev', '--subsystem-match=block'])
    const resident: number[] = []
    for (let round = 0; round < rounds; round++) {
      await storm(nas, events / 2 / rounds)
      const before = nas.journal.mark()
      await nas.plug(disk.image, { serial: disk.serial, wait: false })
      await expectSafe(nas, disk, before)
      await takeAway(home, disk)
      resident.push(await residentKb(nas))
    }
    counter.kill()
    const { stdout } = await counter.wait({ deadlineMs: 30_000 })
    expect(stdout.split('\n').filter((line) => / (add|remove) /.test(line)).length).toBeGreaterThanOrEqual(
      events,
    )

    // The first round fills caches and compiles code; after it there is nothing left to grow.
    const [first = 0, ...later] = resident
    expect(Math.max(...later), `resident KB after each round: ${resident.join(', ')}`).toBeLessThan(
      first * 1.15,
    )
    expect(
      (await nas.run(['systemctl', 'show', 'walkaway', '--property', 'NRestarts', '--value'])).stdout,
    ).toBe('0\n')
  },
  { timeoutMs: 3_000_000 },
)

/** Half of it RAM disks, and every tenth a SCSI disk with all the events that one makes. */
const storm = (nas: Machine, pairs: number) =>
  nas.script(
    `
    for number in $(seq ${pairs}); do
      if [ $((number % 10)) = 0 ]; then
        echo 1 > /sys/bus/pseudo/drivers/scsi_debug/add_host
        # Its disk is looked for in the background.
        until grep -qs scsi_debug /sys/block/*/device/model; do sleep 0.05; done
        echo -1 > /sys/bus/pseudo/drivers/scsi_debug/add_host
      else
        device=$(cat /sys/class/zram-control/hot_add)
        # Busy for as long as udev looks at it.
        until echo "$device" 2> /dev/null > /sys/class/zram-control/hot_remove; do sleep 0.05; done
      fi
    done
    udevadm settle --timeout=300
    `,
    { deadlineMs: 900_000 },
  )
