// A person who is not at the screen: one message for a visit, also when the server that takes it was down meanwhile, and a
// command that is started outside of the service's sandbox. No secret is anywhere but in its own file.
import { expect } from 'vitest'
import { configure, expectSafe, setUpHome, startService, takeAway, visitWith } from '../home.ts'
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

const secrets = {
  ntfy: 'tk_a1_secret',
  gotify: 'tk_b2_secret',
  webhook: 'tk_c3_secret',
  mail: 'pw_d4_secret',
  credential: 'tk_e5_secret',
} as const

/** Takes what is sent to /hook, /backup and /later, and never answers anything else, mail servers' greetings included. */
const silentReceiver = `
  import { appendFileSync } from 'node:fs'
  import { createServer } from 'node:http'
  import { createServer as listen } from 'node:net'
  createServer((incoming, answer) => {
    let body = ''
    incoming.on('data', (chunk) => { body += chunk })
    incoming.on('end', () => {
      const { title, authorization } = incoming.headers
      appendFileSync('/root/received', JSON.stringify({ path: incoming.url, title, authorization, body }) + '\\n')
      if (/^.(hook|backup|later)/.test(incoming.url)) answer.end()
    })
  }).listen(8080, '127.0.0.1')
  listen(() => undefined).listen(2525, '127.0.0.1')
`

/** Every argument and every environment of every process, as often as this machine can. */
const watcher = `#!/bin/sh
while :; do
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null | tr '\\0' '\\n' | grep -a _secret >> /root/seen
  echo round >> /root/rounds
done
`

scenario(
  'no secret is in the journal, a process list, a state file or the status; who never answers delays nothing; quiet hours hold back',
  async (s) => {
    const at = 'http://127.0.0.1:8080'
    const always = ['disk-arrived', 'plan-made', 'backup-finished', 'safe-to-remove']
    const settings = (quiet: object) => ({
      log: { level: 'debug' },
      remind: quiet,
      notify: [
        { type: 'ntfy', url: `${at}/backup`, tokenFile: '/etc/walkaway/ntfy', on: ['safe-to-remove'] },
        { type: 'gotify', url: `${at}/gotify`, tokenFile: '/etc/walkaway/gotify', on: [...always] },
        { type: 'webhook', url: `${at}/hook`, token: secrets.webhook, on: [...always] },
        { type: 'webhook', url: `${at}/silent`, on: [...always] },
        { type: 'ntfy', url: `${at}/later`, tokenFile: 'credential:later', on: ['plan-made'] },
        {
          type: 'email',
          from: 'w@example.org',
          to: 'me@example.org',
          smtp: { host: '127.0.0.1', port: 2525, user: 'w', passwordFile: '/etc/walkaway/mail' },
          on: [...always],
        },
      ],
    })
    const home = await setUpHome(s, { settings: settings({ quiet: '00:00-23:59' }) })
    const { nas, disk } = home
    // Whatever the clock says, it is within the quiet hours.
    await nas.run(['date', '--set', '12:00'])
    for (const [name, secret] of [
      ['/etc/walkaway/ntfy', secrets.ntfy],
      ['/etc/walkaway/gotify', secrets.gotify],
      ['/etc/walkaway/mail', secrets.mail],
      ['/root/later', secrets.credential],
    ] as const)
      await nas.writeFile(name, `${secret}\n`, { mode: '0600' })
    await nas.writeFile(
      '/etc/systemd/system/walkaway.service.d/later.conf',
      '[Service]\nLoadCredential=later:/root/later\n',
    )
    await nas.writeFile('/root/receiver.mjs', silentReceiver)
    await nas.writeFile('/root/watcher', watcher, { mode: '0755' })
    await nas.script(
      `systemctl daemon-reload
       systemd-run --quiet --unit=receiver node /root/receiver.mjs
       until (: > /dev/tcp/127.0.0.1/8080) 2> /dev/null; do sleep 0.2; done
       systemd-run --quiet --unit=watcher /root/watcher`,
      { deadlineMs: 60_000 },
    )
    const received = async (path: string) =>
      (await nas.script('cat /root/received 2> /dev/null || true'))
        .split('\n')
        .filter((line) => line.includes(`"path":"/${path}`))
        .map((line) => JSON.parse(line) as Readonly<Record<string, string>>)
    const untilReceived = (path: string, count: number) =>
      nas.until(['sh', '-c', `test "$(grep -c '"path":"/${path}' /root/received)" -ge ${count}`], {
        deadlineMs: 180_000,
      })

    await startService(nas)
    await visitWith(home, disk)
    // Programs hear of everything at once, though other channels do not answer; a person is not woken.
    await untilReceived('hook', 4)
    const events = (await received('hook')).map(({ body }) => JSON.parse(body ?? '').event)
    expect(events).toEqual(always)
    expect((await received('hook'))[0]?.['authorization']).toBe(`Bearer ${secrets.webhook}`)
    await untilReceived('silent', 1)
    expect([await received('backup'), await received('gotify')]).toEqual([[], []])

    const asked = nas.journal.mark()
    const answer = await nas.run(['walkaway', 'status', '--json'])
    expect(JSON.parse(answer.stdout)).toMatchObject({ disks: [{ state: 'removable' }] })
    await configure(nas, home.disks, settings({}))
    await nas.run(['systemctl', 'reload', 'walkaway'], { deadlineMs: 120_000 })
    await nas.journal.waitFor({ event: 'config-reloaded' }, { deadlineMs: 60_000, after: asked })
    await untilReceived('backup', 1)
    expect(await received('backup')).toMatchObject([
      { title: 'offsite-1: take it away, backup complete', authorization: `Bearer ${secrets.ntfy}` },
    ])
    expect(await received('later')).toEqual([])
    await untilReceived('gotify', 1)

    await nas.run(['systemctl', 'stop', 'walkaway', 'watcher'], { deadlineMs: 180_000 })
    const rounds = await nas.readFile('/root/rounds')
    expect(rounds.split('\n').length).toBeGreaterThan(20)
    await nas.settleJournal()
    const status = answer.stdout + answer.stderr
    const states = await nas.script(
      'cat /var/lib/walkaway/* /var/lib/walkaway/*/* /run/walkaway/* 2> /dev/null || true',
    )
    expect(states).toContain('offsite-1')
    const places = {
      journal: nas.journal.text(),
      status,
      states,
      processes: await nas.readFile('/root/seen'),
    }
    for (const [place, text] of Object.entries(places))
      for (const secret of Object.values(secrets))
        expect({ place, hasIt: text.includes(secret) }).toEqual({ place, hasIt: false })
  },
)
