// A person who is not at the screen: one message for a visit, also when the server that takes it was down meanwhile, and a
// command that is started outside of the service's sandbox. No secret is anywhere but in its own file.
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService, takeAway, visitWith } from '../home.ts'
import { scenario } from '../scenario.ts'

const token = 'tk_0f3b8c_secret'
const receiver = `
  import { appendFileSync } from 'node:fs'
  import { createServer } from 'node:http'
  createServer((incoming, answer) => {
    let body = ''
    incoming.on('data', (chunk) => { body += chunk })
    incoming.on('end', () => {
      const { title, tags, authorization } = incoming.headers
      appendFileSync('/root/received', JSON.stringify({ path: incoming.url, title, tags, authorization, body }) + '\\n')
      answer.end()
    })
  }).listen(8080, '127.0.0.1')
`

scenario(
  'one visit, one message that the disk is safe: at once, and after the server and the service were down',
  async (s) => {
    const ntfy = { type: 'ntfy', url: 'http://127.0.0.1:8080/backup', tokenFile: '/etc/walkaway/token' }
    const home = await setUpHome(s, {
      settings: {
        notify: [
          { ...ntfy, on: ['safe-to-remove', 'disk-pulled'] },
          // /sys is read-only in the sandbox, and so is /root.
          {
            type: 'command',
            run: ['/root/notify', '{event}', '{disk} $HOME {outcome}'],
            on: ['safe-to-remove'],
          },
        ],
      },
    })
    const { nas, disk } = home
    await nas.script(`umask 077; echo ${token} > /etc/walkaway/token`)
    await nas.writeFile('/root/receiver.mjs', receiver)
    await nas.writeFile(
      '/root/notify',
      '#!/bin/sh\nprintf "%s|" "$@" >> /root/commands\ncat >> /root/stdin\n',
      { mode: '0755' },
    )
    const startReceiver = () =>
      nas.script(
        'systemd-run --unit=receiver --collect node /root/receiver.mjs; until (: > /dev/tcp/127.0.0.1/8080) 2> /dev/null; do sleep 0.2; done',
        { deadlineMs: 60_000 },
      )
    const received = async () =>
      (await nas.script('cat /root/received 2> /dev/null || true'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Readonly<Record<string, string>>)

    await startReceiver()
    await startService(nas)
    await visitWith(home, disk)
    await nas.until(['test', '-s', '/root/received', '-a', '-s', '/root/stdin'], { deadlineMs: 60_000 })
    await takeAway(home, disk)
    const message = {
      path: '/backup',
      title: 'offsite-1: take it away, backup complete',
      tags: 'white_check_mark',
      authorization: `Bearer ${token}`,
    }
    expect(await received()).toMatchObject([message])
    expect(await nas.readFile('/root/commands')).toBe('safe-to-remove|offsite-1 $HOME complete|')
    expect(JSON.parse(await nas.readFile('/root/stdin'))).toMatchObject({
      version: 1,
      event: 'safe-to-remove',
      disk: 'offsite-1',
      mayUnplug: true,
    })

    // Nobody takes the message: the visit ends all the same, and it is said that nobody was reached.
    await nas.script('systemctl stop receiver')
    const before = nas.journal.mark()
    await nas.plug(disk.image, { serial: disk.serial, wait: false })
    await expectSafe(nas, disk, before)
    await nas.journal.waitFor({ event: 'notify-failed' }, { deadlineMs: 60_000, after: before })
    const { stdout } = await nas.run(['walkaway', 'status'])
    expect(stdout).toContain('ntfy at 127.0.0.1:8080: 1 message not delivered yet')
    await takeAway(home, disk)

    await startReceiver()
    await nas.run(['systemctl', 'restart', 'walkaway'], { deadlineMs: 120_000 })
    await nas.until(['sh', '-c', 'test "$(wc -l < /root/received)" -ge 2'], { deadlineMs: 300_000 })
    // Longer than what waits is looked at.
    await nas.script('sleep 40', { deadlineMs: 120_000 })
    expect(await received()).toMatchObject([message, message])
    expect(nas.journal.events({ event: 'notify-failed', after: before })).toHaveLength(1)
    expect((await nas.run(['sh', '-c', 'ls /var/lib/walkaway/outbox'])).stdout).toBe('')

    const secret = await nas.run(['grep', '-rl', token, '/var/lib/walkaway', '/run/walkaway'], {
      reject: false,
    })
    expect(secret.stdout).toBe('')
    expect(nas.journal.text()).not.toContain(token)
  },
)
