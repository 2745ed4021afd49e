// Who may write to the control socket may write rubbish, and much of it: the visit goes on, honest clients among the others are
// answered, and the daemon's memory stays level.
// 100,000 of them on a computer that is not emulated: `npm run bench:flood`.
import { join } from 'node:path'
import { expect } from 'vitest'
import { expectSafe, setUpHome, startService } from '../home.ts'
import { scenario } from '../scenario.ts'
import { messages, residentKb, said, showService, soonMs, statusLatencyMs } from '../service.ts'
import { plugSlowly, untilPartlyReceived, writeBigFile } from '../slowVisit.ts'

const rounds = 4
const messagesARound = 2000
const clients = 200

scenario(
  `${rounds * messagesARound} messages of rubbish to the control socket, ${clients} clients at once`,
  async (s) => {
    const { nas, disk, ...home } = await setUpHome(s)
    await writeBigFile(nas, { sizeMb: 150 })
    await nas.copyIn(join(import.meta.dirname, '..', '..', 'bench', 'floodClient.mjs'), '/root/flood.mjs')
    await startService(nas)
    const { MainPID: pid } = await showService(nas, 'MainPID')
    const start = nas.journal.mark()
    await plugSlowly({ nas, disk, ...home }, disk)
    await untilPartlyReceived(nas, disk)

    const resident: number[] = []
    for (let round = 0; round < rounds; round++) {
      const command = [
        'node',
        '/root/flood.mjs',
        '/run/walkaway/control.sock',
        messagesARound,
        clients,
        round + 1,
      ].map(String)
      const told = JSON.parse((await nas.run(command, { deadlineMs: 900_000 })).stdout)
      expect(told).toMatchObject({ sent: messagesARound, honest: messagesARound / 100 })
      // All places may be taken in the moment in which one more comes.
      expect(told.answered, JSON.stringify(told)).toBeGreaterThan(told.honest * 0.8)
      expect(await statusLatencyMs(nas)).toBeLessThan(1000)
      resident.push(await residentKb(nas))
      if (round > 0) continue
      await nas.usb.throttle(disk.image, 0)
      await expectSafe(nas, disk, start)
    }
    expect(
      Math.max(...resident.slice(1)),
      `resident KB after each round: ${resident.join(', ')}`,
    ).toBeLessThan((resident[0] ?? 0) * 1.15)
    expect(await showService(nas, 'MainPID', 'NRestarts')).toEqual({ MainPID: pid, NRestarts: '0' })
    expect(messages(said(nas, start, { worse: true }))).toEqual([])
    expect((await nas.run(['zpool', 'list', '-H', '-o', 'name'], { deadlineMs: soonMs })).stdout).toBe(
      'tank\n',
    )
  },
  { timeoutMs: 3_000_000 },
)
