// What the service may not do itself and others do for it: look into the processes of other users, speak to a desktop as its
// user, send over the network with a secret that only the service manager can read.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, statusOf, visitDeadlineMs } from '../home.ts'
import { scenario } from '../scenario.ts'
import { soonMs, unit } from '../service.ts'
import { plugSlowly, untilPartlyReceived, writeBigFile } from '../slowVisit.ts'

const token = 'tk_5d11e9_secret'
const receiver = `
  const { appendFileSync } = require('node:fs')
  require('node:http').createServer((incoming, answer) => {
    appendFileSync('/root/received', JSON.stringify(incoming.headers) + '\\n')
    incoming.resume().on('end', () => answer.end())
  }).listen(8080, '127.0.0.1')
`
/** Somebody is logged in at a desktop: what loginctl(1) would say of that. */
const loginctl = `#!/bin/sh
case "$1" in
  list-sessions) echo '1 1000 anna seat0' ;;
  show-session) printf 'User=1000\\nType=wayland\\nClass=user\\nState=active\\n' ;;
esac
`

scenario(
  'from within the sandbox: a user holding the pool is named, a desktop is reached as its user, a credential is the token',
  async (s) => {
    const home = await setUpHome(s, {
      settings: {
        notify: [
          {
            type: 'ntfy',
            url: 'http://127.0.0.1:8080/x',
            tokenFile: 'credential:ntfy',
            on: ['safe-to-remove'],
          },
          { type: 'desktop', on: ['not-safe-to-remove'] },
        ],
      },
    })
    const { nas, disk } = home
    await nas.script(`umask 077; echo ${token} > /root/token`)
    await nas.writeFile(
      `/etc/systemd/system/${unit}.d/token.conf`,
      '[Service]\nLoadCredential=ntfy:/root/token\n',
    )
    await nas.writeFile('/root/loginctl', loginctl, { mode: '0755' })
    await nas.writeFile('/root/receiver.cjs', receiver)
    await nas.script(
      `systemctl daemon-reload
       useradd --uid 1000 --no-create-home anna
       mount --bind /root/loginctl /usr/bin/loginctl
       install -d -m 0700 -o anna -g anna /run/user/1000
       systemd-run --quiet --uid=1000 --unit=bus dbus-daemon --session --nofork --address=unix:path=/run/user/1000/bus
       until test -S /run/user/1000/bus; do sleep 0.2; done
       systemd-run --quiet --unit=witness sh -c 'setpriv --reuid=1000 --regid=1000 --clear-groups dbus-monitor --address unix:path=/run/user/1000/bus > /var/tmp/spoken'
       systemd-run --quiet --unit=receiver node /root/receiver.cjs`,
      { deadlineMs: soonMs },
    )
    await writeBigFile(nas)
    await startService(nas)
    const before = nas.journal.mark()
    await plugSlowly(home, disk)
    await untilPartlyReceived(nas, disk)
    const copy = `${disk.pool}/nas/tank/docs`
    await nas.until(['sh', '-c', `zfs list -H -t snapshot -d 1 ${copy} | grep -q .`], {
      deadlineMs: visitDeadlineMs,
    })
    await nas.script(`
      mkdir /mnt/copy
      mount -t zfs -o ro,zfsutil ${copy} /mnt/copy
      systemd-run --quiet --uid=1000 --unit=holder --working-directory=/mnt/copy sleep 1000
    `)
    await nas.usb.throttle(disk.image, 0)
    const told = await nas.journal.waitFor(
      { event: 'not-safe-to-remove', disk: disk.name },
      { deadlineMs: visitDeadlineMs, after: before },
    )
    expect(told['MESSAGE']).toContain('mounted at /mnt/copy')
    expect(told['MESSAGE']).toMatch(/process sleep \(pid \d+\)/)
    expect(await statusOf(nas, disk)).toMatchObject({ state: 'not-removable' })
    await nas.until(['grep', '-q', 'member=Notify', '/var/tmp/spoken'], { deadlineMs: soonMs })
    expect(await nas.readFile('/var/tmp/spoken')).toContain('offsite-1: do NOT unplug it')

    const freed = nas.journal.mark()
    await nas.script('systemctl stop holder; umount /mnt/copy', { deadlineMs: soonMs })
    await expectSafe(nas, disk, freed)
    await nas.until(['test', '-s', '/root/received'], { deadlineMs: soonMs })
    expect(await nas.readFile('/root/received')).toContain(`Bearer ${token}`)
    expect(nas.journal.text()).not.toContain(token)
    const { stdout } = await nas.run(['systemctl', '--failed', '--no-legend', '--plain'])
    expect(stdout).toBe('')
  },
)
